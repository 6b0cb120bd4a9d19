"""Talk about the conversation is not judged; what merely begins like it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.claims.test_claims import factual, other, run

LANGUAGES = Path(__file__).parents[1] / "data" / "kinds_of_sentences.tsv"
CONVERSATION = """Yes, you can.
No, it isn't.
That's correct.
You can book a call with one of our staff using the button below this message.
You can use the form below to reach us.
I have noted your request as ticket 4471.
I've opened a ticket for you.
Your request has been forwarded to our team.
I will connect you with a colleague.
I have searched the web for information on your question.
I might be able to find more specific advice for you.
I can provide some information about quantum-resistant encryption.
This may help me provide more specific information.
This is Bing.
One of our agents will get back to you shortly.
You are now chatting with our virtual assistant.
The following table shows the prices.
Below you will find the steps for the setup.
To answer your question more precisely, I would need to know more details about your tank.
Could you tell me your order number.
I was wondering which model you have.
Ja, das können Sie.
Oui, vous pouvez.
Sí, puede.
はい、できます。
是的，可以。
Vielen Dank für Ihre Anfrage.
Gracias por su consulta.
Wenn Sie weitere Fragen haben, helfe ich Ihnen gerne.
N'hésitez pas à me contacter.
Ich habe Ihre Anfrage als Ticket 4471 notiert.
如果您有其他问题，请随时联系我。
ご不明な点がございましたら、お気軽にお問い合わせください。
Շա՞տ է դա։""".splitlines()

STATEMENTS = """Yes, the museum is open on Sundays.
Yes, you can return the item within 30 days.
I have checked your account and the fee is $5.
You can reset the device using the button below the display.
Your request was denied because the income was too low.
We have received your payment of $50.
I can offer you a full refund.
I searched the register and found that the company closed.
This helps the immune system.
You can book a room for 50 euros.
The following table was built in 1950.
The agent will contact the cell membrane.
This section of the law covers damages in cases of negligence.
Thanks to the new process, costs fell.
Gracias al nuevo proceso, los costes bajaron.
Wenn Sie den Vertrag kündigen, endet er am 31. Dezember.
Si la pression dépasse 5 bar, la vanne s'ouvre.
Right-hand traffic applies in Germany.""".splitlines()


@pytest.mark.parametrize("sentence", CONVERSATION)
def test_what_no_document_could_say_is_other(sentence: str) -> None:
    assert factual(sentence) == []
    assert other(sentence) == [sentence]


@pytest.mark.parametrize("sentence", STATEMENTS)
def test_what_states_something_is_judged(sentence: str) -> None:
    assert factual(sentence) == [sentence]


def test_kinds_of_sentences_are_told_apart_in_eight_other_languages() -> None:
    lines = LANGUAGES.read_text("utf-8").splitlines()
    cases = [line.split("\t") for line in lines if not line.startswith("#")]
    assert {name for _, name, _ in cases} == {"de", "fr", "es", "it", "pt", "nl", "pl", "ru"}
    found = {sentence: run(sentence).claims["kind"].to_list() for _, _, sentence in cases}
    assert found == {sentence: [kind] for kind, _, sentence in cases}
