"""What columns are called in the languages of the world: the words that people give to each field.

Belongs here: words, and how a name is compared with them. Does not belong here: names that platforms give
(`mapping.py`), and whether a column's values fit.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORDS = {
    "response": """
        answer; response; reply; output; completion; bot answer; answer text; antwort; antworttext;
        ausgabe; réponse; respuesta; resposta; risposta; antwoord; odpowiedź; ответ; відповідь; отговор;
        odpověď; odpoveď; odgovor; răspuns; válasz; vastaus; svar; yanıt; cevap; jawaban; câu trả lời;
        trả lời; απάντηση; תשובה; الإجابة; إجابة; الرد; الجواب; جواب; پاسخ; उत्तर; जवाब; उत्तर पाठ;
        回答; 回答内容; 答案; 答复; 回复; 応答; 返答; 回答文; 답변; 응답; 대답; คำตอบ""",
    "prompt": """
        question; prompt; query; request; user question; input; frage; nutzerfrage; kundenfrage;
        anfrage; eingabe; demande; requête; pregunta; consulta; pergunta; solicitação; domanda;
        richiesta; vraag; verzoek; pytanie; zapytanie; вопрос; запрос; питання; запит; въпрос; otázka;
        dotaz; pitanje; întrebare; kérdés; kysymys; fråga; spørgsmål; spørsmål; soru; pertanyaan;
        câu hỏi; ερώτηση; שאלה; السؤال; سؤال; استفسار; پرسش; سوال; प्रश्न; सवाल; 问题; 提问; 用户问题;
        質問; 質問内容; 問い合わせ; 질문; 문의; คำถาม""",
    "contexts": """
        context; source; document; passage; evidence; excerpt; reference; snippet; quelle; quellen;
        quelltext; beleg; belege; textauszug; auszug; kontext; dokument; dokumente; fundstelle; extrait;
        contexte; fuente; contexto; extracto; documento; fonte; trecho; contesto; estratto; documenti;
        bron; bronnen; fragment; źródło; kontekst; dokumenty; источник; контекст; фрагмент; документ;
        джерело; zdroj; izvor; sursă; forrás; lähde; källa; kilde; kaynak; bağlam; sumber; konteks;
        nguồn; ngữ cảnh; πηγή; מקור; المصدر; المصادر; مصدر; السياق; سياق; منبع; स्रोत; संदर्भ;
        दस्तावेज़; 来源; 资料; 上下文; 参考资料; 证据; 根拠; 出典; 文脈; 資料; 参考文書; 출처; 근거;
        문맥; 자료; แหล่งที่มา""",
    "produced_at": """
        timestamp; time; date; date time; created at; answered at; asked at; zeitpunkt; zeitstempel;
        zeit; datum; datum uhrzeit; erstellt am; beantwortet am; uhrzeit; horodatage; date heure;
        date et heure; heure; créé le; fecha; fecha hora; fecha y hora; hora; marca de tiempo;
        creado el; data; data hora; data e hora; criado em; data ora; data e ora; ora; creato il;
        tijdstip; datum tijd; tijd; aangemaakt op; data i godzina; czas; znacznik czasu; utworzono;
        дата; время; дата и время; создано; час; дата и час; čas; datum a čas; vrijeme; dată; időpont;
        dátum; aika; aikaleima; tidpunkt; tidsstempel; dato; tarih; zaman; waktu; tanggal; thời gian;
        ngày; ημερομηνία; ώρα; תאריך; التاريخ; الوقت; تاريخ; تاريخ الإنشاء; زمان; समय; दिनांक; तारीख;
        दिनांक और समय; 时间; 日期; 时间戳; 创建时间; 日時; 作成日時; 回答日時; 時刻; 日付; 시간; 날짜;
        일시; 작성일시; เวลา; วันที่""",
    "id": """
        no; number; ticket; case; case number; nr; nummer; kennung; vorgang; vorgangsnummer;
        ticketnummer; lfd nr; laufende nummer; numéro; n; identifiant; número; identificador; numero;
        identificativo; volgnummer; numer; identyfikator; lp; номер; идентификатор; ідентифікатор;
        číslo; broj; număr; sorszám; numara; nomor; số; αριθμός; מספר; الرقم; رقم; المعرف; شماره;
        क्रमांक; क्रम संख्या; आईडी; 编号; 序号; 番号; 번호; ลำดับ""",
    "agent": """
        agent; bot; assistant; chatbot; assistent; asistente; assistente; asystent; агент; бот;
        ассистент; чат бот; الوكيل; المساعد; البوت; एजेंट; सहायक; 智能体; 助手; 机器人; エージェント;
        アシスタント; ボット; 에이전트; 챗봇""",
    "model": """
        model; modell; modèle; modelo; modello; модель; النموذج; نموذج; मॉडल; 模型; モデル; 모델""",
    "use_case": """
        use case; topic; subject; area; anwendungsfall; thema; bereich; abteilung; cas d usage; sujet;
        domaine; caso de uso; tema; área; caso d uso; argomento; ambito; onderwerp; toepassing; temat;
        obszar; тема; область; الموضوع; موضوع; المجال; विषय; क्षेत्र; 场景; 主题; 用途; テーマ; 分野;
        분야; 주제""",
    "session_id": """
        session; conversation; chat; sitzung; gespräch; unterhaltung; konversation; sitzungs id;
        gesprächs id; conversación; sesión; sessão; conversa; sessione; conversazione; sessie; gesprek;
        sesja; rozmowa; сессия; диалог; беседа; розмова; الجلسة; جلسة; المحادثة; محادثة; सत्र;
        वार्तालाप; 会话; 会话id; 对话; セッション; 会話; 세션; 대화""",
}  # fmt: skip
_NUMBER = re.compile(r"(.*?)[\s_#.-]*([0-9]{1,3})", re.DOTALL)
_SHORTEST = 2
"""Characters of a word that is looked for within names of scripts that do not divide words."""


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A name as it is compared: small letters without accents, words divided by one blank."""
    letters = unicodedata.normalize("NFKD", name[:200].casefold())
    latin = "".join(c for c in letters if not ("\u0300" <= c <= "\u036f"))
    composed = unicodedata.normalize("NFC", latin)
    # Vowel signs of Indian scripts are marks and part of their word.
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in composed)
    return " ".join("".join(kept).split())


_VOCABULARY = {field: frozenset(map(plain, words.split(";"))) for field, words in _WORDS.items()}


def numbered(name: str) -> tuple[str, int | None]:
    """A name without the number that it ends in, and that number: `Quelle 2`, `source_2`."""
    match = _NUMBER.fullmatch(name)
    return (match[1], int(match[2])) if match and match[1] else (name, None)


def is_called(name: str, field: str) -> bool:
    """Whether a column's name is a word for the field, a number behind it aside."""
    words = _VOCABULARY.get(field, frozenset())
    return plain(name) in words or plain(numbered(name)[0]) in words


def speaks_of(name: str, field: str) -> bool:
    """Whether a column's name has a word for the field among others: `Antwort des Bots`, `用户的问题`."""
    whole, words = plain(name), _VOCABULARY.get(field, frozenset())
    if not words.isdisjoint(whole.split()):
        return True
    return any(len(word) >= _SHORTEST and ord(word[0]) > 0x2E7F and word in whole for word in words)
