"""What people call their columns, in their own languages."""

from __future__ import annotations

import pytest

from tasks.sources.column_names import is_called, numbered, plain, speaks_of

SHEETS = {
    "English": ("No.", "Created at", "Question", "Answer", "Source 1"),
    "German": ("Nr.", "Zeitpunkt", "Frage", "Antwort", "Textauszug"),
    "French": ("Numéro", "Horodatage", "Demande", "Réponse", "Extrait"),
    "Spanish": ("Número", "Fecha y hora", "Pregunta", "Respuesta", "Fuente"),
    "Portuguese": ("Número", "Data/Hora", "Pergunta", "Resposta", "Fonte_2"),
    "Italian": ("Numero", "Data e ora", "Domanda", "Risposta", "Fonte"),
    "Dutch": ("Nummer", "Tijdstip", "Vraag", "Antwoord", "Bron"),
    "Polish": ("Numer", "Data i godzina", "Pytanie", "ODPOWIEDŹ", "Źródło"),
    "Russian": ("Номер", "Дата и время", "Вопрос", "Ответ", "Источник"),
    "Chinese": ("编号", "时间", "问题", "回答", "来源"),
    "Japanese": ("番号", "日時", "質問", "回答", "出典"),
    "Korean": ("번호", "날짜", "질문", "답변", "출처"),
    "Arabic": ("الرقم", "التاريخ", "السؤال", "الإجابة", "المصدر"),
    "Hindi": ("क्रमांक", "समय", "प्रश्न", "उत्तर", "स्रोत"),
    "Turkish": ("Numara", "Tarih", "Soru", "Yanıt", "Kaynak"),
    "Ukrainian": ("Номер", "Дата", "Питання", "Відповідь", "Джерело"),
    "Swedish": ("Nummer", "Tidpunkt", "Fråga", "Svar", "Källa"),
    "Czech": ("Číslo", "Datum", "Otázka", "Odpověď", "Zdroj"),
}
FIELDS = ("id", "produced_at", "prompt", "response", "contexts")


@pytest.mark.parametrize("language", SHEETS)
def test_the_columns_of_a_sheet_are_known_for_what_they_are_and_for_nothing_else(language):
    for name, field in zip(SHEETS[language], FIELDS, strict=True):
        assert [other for other in FIELDS if is_called(name, other)] == [field]


def test_case_accents_marks_and_a_number_behind_the_name_do_not_matter():
    assert plain("  Réponse_du-BOT (v2) ") == "reponse du bot v2"
    assert is_called("REPONSE", "response")
    assert is_called("Quelle_12", "contexts")
    assert (numbered("Quelle 12"), numbered("来源2"), numbered("12")) == (
        ("Quelle", 12),
        ("来源", 2),
        ("12", None),
    )


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("Antwort des Bots", "response", True),
        ("用户的问题", "prompt", True),
        ("Antwortzeit", "response", False),
        ("Sourcing", "contexts", False),
        ("", "response", False),
        ("\0" * 100_000, "response", False),
    ],
)
def test_a_name_may_speak_of_a_field_among_other_words(name, field, expected):
    assert speaks_of(name, field) is expected
