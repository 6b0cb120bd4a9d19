"""Abstentions: not-knowing is told from a statement about the world, by who speaks of what."""

from __future__ import annotations

import time

import polars as pl
import pytest

from tasks.claims.abstentions import is_abstention
from tests.claims.test_claims import of_other_kinds, run

ABSTENTIONS = """The provided documents do not contain any text on bonuses.
Based on the provided sources, it is impossible to answer this question.
There is no information about bonuses in the context.
I couldn't locate any information about bonuses.
None of the retrieved articles mention bonuses.
This cannot be determined because the necessary document is not available.
The documents do not mention bonuses [1].
The attached lease does not specify a notice period.
Unfortunately, the retrieved passages don't specify the exact date [2][3].
No information about the warranty is available in the provided documents.
The exact price is not mentioned in the provided context.
Sorry, but I wasn't able to find an answer to your question in the knowledge base.
Based on the available documents, I cannot determine the amount.
The context does not name a supplier, so I cannot answer.
I don't know.
Not mentioned in the documents.
Die bereitgestellten Dokumente enthalten keine Angaben zu Boni.
In den Dokumenten steht nichts über Boni [1].
Diese Frage kann anhand der vorliegenden Quellen nicht beantwortet werden.
Das weiß ich leider nicht.
Les documents fournis ne mentionnent pas les primes.
Je n'ai trouvé aucune information sur les primes [2].
Los documentos proporcionados no mencionan las bonificaciones.
No he encontrado información sobre bonificaciones.
I documenti forniti non menzionano i bonus.
Il contesto non specifica la data [1].
Os documentos fornecidos não mencionam bônus.
Não encontrei informações sobre bônus [1].
De verstrekte documenten vermelden geen bonussen.
Ik kon geen informatie over bonussen vinden.
Dostarczone dokumenty nie zawierają informacji o premiach.
Nie znalazłem informacji o premiach [1].
В предоставленных документах нет информации о премиях.
Контекст не содержит сведений о дате.
Verilen belgelerde ikramiyelerden bahsedilmiyor.
İkramiyeler hakkında bilgi bulamadım.
所提供的文档中没有提到奖金。
我没有找到关于奖金的信息[1]。
提供された文書には賞与に関する記載がありません。
賞与に関する情報は見つかりませんでした[1]。
لا تحتوي المستندات المقدمة على معلومات عن المكافآت.
لم أجد أي معلومات عن المكافآت [1].
दिए गए दस्तावेज़ों में बोनस का कोई उल्लेख नहीं है।
मुझे बोनस के बारे में कोई जानकारी नहीं मिली [1]।
I was unable to find details on that topic in the material you shared.
The knowledge base has no entry for parental bonuses.
Your documents are silent on this point.
I have no information on this subject.
The answer isn't in the files I was given.
It's not possible to say from the given excerpts which bonus is paid.
The context provided does not include details about bonus payments.
There's nothing in the handbook excerpt about bonuses.
Neither of the two passages addresses bonuses.
No relevant documents were found for your question.
The search returned no results for bonuses.
My sources don't cover this.
This information is not available in the provided context.
The text doesn't say which bonus is paid.
I'm sorry, I don't have enough information to answer that.
The provided excerpts do not discuss bonus policy, so I can't give you a figure.
Unfortunately I can't answer that based on what I have.
Bonuses are not covered by the retrieved sections.
I do not have access to that information.
The amount cannot be determined from the context.
We could not find an answer in the indexed pages.
None of the sources I have mention a bonus.
Insufficient information to answer.
The documents do not provide enough detail to determine the bonus.
N/A - not found in context.
Aus dem Kontext geht das nicht hervor.
Dazu liegen mir keine Informationen vor.
Je ne dispose pas de cette information.
No dispongo de esa información.
Non ho informazioni al riguardo.
I searched the knowledge base but found nothing on bonuses.
The excerpts you shared make no reference to bonus payments.
I have looked through all the passages and none of them mention a bonus.
Nothing in the retrieved context answers this.
The question cannot be answered with the information at hand.
The manual I was given does not cover this model.
That isn't covered in the documentation provided.
Bonus amounts are not given anywhere in the source material.
I can't tell from these excerpts.
There isn't enough context to say.
The retrieved text is about leave, not bonuses, so I cannot answer.
Sorry, I couldn't find that in our help centre.
Our help centre doesn't have an article about this.
No matching entries were found.
I'm afraid the sources don't say.
This detail is missing from the documents provided.
The provided data does not specify the year.
It is unclear from the context whether bonuses are paid.
Based on the context, the answer is unknown.
The available information is insufficient to answer the question.
We don't have any information about that in our records.
Neither passage mentions bonuses.
The passage doesn't provide that.
I cannot confirm this from the sources.
Das steht nicht in den Unterlagen.
La réponse ne figure pas dans le contexte.
Los textos no dicen nada sobre esto.
Nessuna informazione disponibile nel contesto.
I looked for it in the documents, but it is not there.
The knowledge base article does not say when.
The provided snippets give no indication of price.
The context lacks the details needed.
The uploaded PDF doesn't specify the capacity.
No source in the context names the inventor.
I wasn't given any document about travel.
From the given text it's not clear who signed.
Not stated.
No answer found.
I cannot say for certain from the passages.
There was no mention of refunds in what you sent.
The materials do not go into pricing.
This isn't something the documents cover.
Whether it applies to interns is not stated in the documents.
The specific percentage is not given in the excerpt.
I have insufficient data to answer.
The search results did not turn up anything on this.
I don't see that in the sources.
It doesn't say.
The retrieved context has nothing on that.
Information on parking is not available.
I do not have details about that in my knowledge base.""".splitlines()

STATEMENTS = """The report does not mention any injuries.
There is no mention of injuries in the police report.
The contract does not specify a notice period.
These policies do not cover flood damage.
The cause of death could not be determined.
There is no evidence that vaccines cause autism.
According to the provided documents, the warranty does not cover water damage.
The available data do not show a link between the two.
The documents do not mention bonuses, but leave is 28 days.
The provided documents do not mention pets, so pets are allowed.
The context does not mention bonuses; it states that leave is 28 days.
I couldn't find information about the plant, which opened in 1987.
I don't know, but I know that the plant opened in 1987.
I'm not sure but the plant opened in 1987.
We found no evidence of serovar specific immunity in our population.
We were unable to find a difference between the two groups.
It is impossible to travel faster than light.
He could not find his keys.
Patients did not know which drug they received.
Der Bericht erwähnt keine Verletzten.
Laut den Dokumenten gilt die Garantie nicht für Wasserschäden.
Die bereitgestellten Dokumente nennen keinen Bonus, aber der Urlaub beträgt 28 Tage.
Le contrat ne précise pas de préavis.
Selon les documents fournis, la garantie ne couvre pas l'eau.
El informe no menciona heridos.
Según los documentos proporcionados, la garantía no cubre el agua.
Il rapporto non menziona feriti.
O relatório não menciona feridos.
De garantie dekt geen waterschade.
Raport nie wspomina o rannych.
В отчёте не упоминаются пострадавшие.
Rapor yaralılardan bahsetmiyor.
该报告没有提到伤者。
報告書に負傷者の記載はない。
لا يذكر التقرير أي إصابات.
रिपोर्ट में घायलों का उल्लेख नहीं है।""".splitlines()


def test_not_knowing_is_an_abstention_and_is_not_judged() -> None:
    assert of_other_kinds(ABSTENTIONS, "abstention") == []


def test_what_the_world_does_not_say_or_what_goes_on_to_state_something_is_judged() -> None:
    assert of_other_kinds(STATEMENTS, "factual") == []


def test_a_refusal_and_a_question_are_no_abstentions() -> None:
    answer = "I can't help with that. Did you not find the report?"
    assert run(answer).claims["kind"].to_list() == ["other", "other"]


def test_an_abstention_among_facts_leaves_the_facts_to_be_judged() -> None:
    answer = (
        "Leave is 28 days [1]. The documents do not say what the bonus is. It is requested in the portal."
    )
    assert run(answer).claims["kind"].to_list() == ["factual", "abstention", "factual"]


@pytest.mark.parametrize(
    "unit", ["no ", "not the context ", "i cannot ", "\ue000", "не ", "\u200fلا ", "\u200b", "based on "]
)
def test_hostile_repetition_is_read_in_linear_time(unit: str) -> None:
    began = time.perf_counter()
    texts = pl.Series([unit * (590 // len(unit)) for _ in range(500)] + [unit * 200_000])
    assert is_abstention(texts).len() == 501
    assert time.perf_counter() - began < 60
