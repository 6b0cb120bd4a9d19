"""Talk about the conversation is not judged; what merely begins like it is."""

from __future__ import annotations

from pathlib import Path

from tests.claims.test_claims import of_other_kinds, run

LANGUAGES = Path(__file__).parents[1] / "data" / "kinds_of_sentences.tsv"
CONVERSATION = """Yes, it does.
No, you cannot.
Sure!
Of course, here is the summary you asked for.
I've created ticket 5521 for you.
I have forwarded your message to the billing team.
You can reach a human agent by clicking the link below.
Use the form underneath this chat to upload your file.
I've updated your address as requested.
Your request has been logged under reference 8841.
Let me transfer you to a colleague.
Please hold on while I look this up.
I am an AI assistant, so I can't call you.
As an AI language model, I don't have personal opinions.
Would you like me to go on?
Is there anything else I can help with?
Thanks for waiting!
I have attached the file to this message.
I'll send you a confirmation by e-mail shortly.
Feel free to ask if anything is unclear.
Hope this helps!
Great question!
Here's what I found:
To summarise:
You asked whether bonuses are paid.
Type "agent" to speak to a person.
Just reply to this message if you want to go ahead.
Ja, das geht.
Ich habe Ihre Anfrage als Ticket 4471 aufgenommen.
No, it doesn't.
Yes, they are.
Yes, that's right.
No, that's not possible.
Got it.
I've gone ahead and cancelled that for you.
I have added a note to your case.
I've escalated this to our support team.
A colleague will get back to you soon.
Please tap the icon below to start.
Press the green button under this chat to continue.
I'm transferring you now.
One moment, please.
I'm looking into this for you.
Could you share your order number?
Please share your order number so that I can look it up.
I understand your frustration.
I'm sorry for the inconvenience.
Thank you for reaching out.
I'm just a bot.
I don't have feelings.
Let me know how it goes.
I have sent you the link by e-mail.
I've reset the conversation.
Goodbye and have a nice day!
My name is Ada and I am your assistant.
Welcome to Orsa support.
Sounds good!
I can help with that.
Yes, it can.
No, they aren't.
Yes, absolutely.
That's correct!
I've opened a support ticket.
I've passed this on to finance.
We have received your request.
You'll find the form under this message.
Select an option from the menu below.
I'm here to help.
Happy to help!
Please give me a second.
Apologies for the confusion.
Thanks for letting me know.
I am not able to open attachments.
Could you rephrase that?
What else would you like to know?
You're welcome!
I've shortened the text as you asked.
Below is a short overview.
I'll pass this on.
I am going to escalate this.
Let's get started.
You can type your question here.
Yes, you can.
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

STATEMENTS = """The documents must be signed by both parties.
The knowledge base was launched in 2019.
No results are shown after 30 days.
The search button is at the top right.
You can book a call by phone on weekdays from 9 to 5.
Yes, employees get 28 days of leave.
I have noted that the warranty covers water damage.
The handbook does not allow bonuses.
The report says that sales fell by 3%.
According to the documents, the bonus is 500 euros.
The plan does not include dental care.
You can cancel within 14 days.
The policy does not cover flood damage.
No, the battery is not included.
Tickets are logged for 90 days.
You asked for the price: it is 12 euros.
Here is the summary: the plant has 94 reactors.
There is no information desk in the hall.
I found that the plant has 94 reactors.
The context menu does not contain an export entry.
You asked for the price, which is 12 euros.
No, it doesn't include a charger.
Yes, they are made of steel.
No entries are accepted after May.
Neither model has a camera.
The report does not specify the cause of the fire.
There is nothing in the box besides the manual.
The sources of the river are in Tibet.
The passage was closed in 1999.
There's no section of the road without a guard rail.
This is not in the warranty.
The search for the ship ended in 1985.
The search found a wreck in 1985.
You are looking for form 12-B.
Your contract is not covered by the new law.
I transferred 400 euros to your account on 3 May.
Let me put it plainly: the fee is 30 euros.
The file was deleted by an administrator.
The text of the law does not mention minors.
Reply to the letter within 14 days.
You can reply to this decision within 30 days.
The records do not go back further than 1950.
We have received 400 complaints since May.
The form under the sink lists the valves.
The menu below deck is vegan.
I found a bug: the loop runs twice.
The context switch takes 3 ms.
Parking is not available on Sundays.
The company gave no indication of a merger.
He doesn't say much in the film.
The documents do not need to be notarised.
Interns are not covered by the plan.
The search engine did not index the page.
You need to enter your PIN twice.
I am 30 years old and live in Oslo.
The colleague will be paid from 1 May.
Information on prices is published in May.
My name for it is the Orsa rule.
No entry without a ticket.
There is no source of water on the island.
The file contains nothing but zeros.
A moment later the reactor failed.
Yes, the museum is open on Sundays.
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


def test_what_no_document_could_say_is_other() -> None:
    assert of_other_kinds(CONVERSATION, "other") == []


def test_what_states_something_is_judged() -> None:
    assert of_other_kinds(STATEMENTS, "factual") == []


def test_kinds_of_sentences_are_told_apart_in_eight_other_languages() -> None:
    lines = LANGUAGES.read_text("utf-8").splitlines()
    cases = [line.split("\t") for line in lines if not line.startswith("#")]
    assert {name for _, name, _ in cases} == {"de", "fr", "es", "it", "pt", "nl", "pl", "ru"}
    found = {sentence: run(sentence).claims["kind"].to_list() for _, _, sentence in cases}
    assert found == {sentence: [kind] for kind, _, sentence in cases}
