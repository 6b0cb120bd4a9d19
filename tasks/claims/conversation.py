"""Talk about the conversation: a bare yes, what the assistant did or offers here, the buttons of the chat, thanks.

Belongs here: what an evidence document could never say, since it is about this chat. Does not belong here: kinds of
sentence (`speech.py`) and not-knowing (`abstentions.py`). A sentence that also states something is checked, so
every pattern must cover the whole sentence, or the sentence has neither a number nor a turn.
"""

# ruff: noqa: E501 - one pattern a line reads better than pieces

from __future__ import annotations

import polars as pl

SEEN = 240
"""Characters: a sentence about the conversation has fewer."""

_END = r"[\s.!…。]*(?:\[[\d, ]+\])?$"

_YES = r"(?:ja|nein|oui|non|si|sí|sì|no|sim|não|nee|tak|nie|да|нет|так|ні|claro|genau|richtig|exacto|esatto|exato|jawohl|natürlich|natuurlijk|bien sûr|oczywiście|certo|конечно)"
_SO_IT_IS = (
    r"(?:das |dies |es )?(?:geht|gilt|stimmt|können|kann|dürfen|darf|müssen|muss|ist)(?: (?:sie|du|man|das|es|wir))?(?: leider)?(?: nicht)?(?: (?:möglich|richtig|so|korrekt|falsch|erlaubt|machen|tun))?",
    r"(?:vous |tu |on )?(?:ne )?(?:pouvez|peux|peut)(?: pas)?(?: le faire)?|(?:malheureusement,? )?(?:ce n['’]est|c['’]est|est)(?: pas)? (?:possible|exact|vrai|correct|impossible|le cas)",
    r"(?:lamentablemente,? |no )?(?:se )?puede[ns]?(?: hacerlo)?|(?:no )?es (?:posible|correcto|cierto|imposible|así)",
    r"(?:purtroppo )?(?:non )?(?:lo |si )?(?:può|puoi)(?: farlo)?|(?:non )?è (?:possibile|corretto|vero|impossibile|così)",
    r"(?:infelizmente,? )?(?:não )?(?:pode|podes|é (?:possível|verdade|correto|impossível))(?: fazê-lo)?",
    r"(?:dat|het|dit|u) (?:kan|mag|klopt|is)(?: u)?(?: helaas)?(?: niet)?(?: (?:mogelijk|juist|waar|onmogelijk))?",
    r"(?:niestety )?(?:to |jest to )?(?:nie)?możliwe|(?:niestety )?nie(?:stety)? (?:można|może (?:pan|pani))|to (?:nie)?prawda",
    r"(?:к сожалению,? )?(?:это |так )?(?:не)?возможно|(?:вы )?(?:не )?можете|(?:не )?можно|нельзя|это (?:не )?так",
)
"""What may follow a bare yes or no in other languages and adds nothing to it."""

_BARE = (
    r"(?:(?:yes|no|yeah|yep|nope|sure|right|correct|exactly|indeed|maybe|perhaps|absolutely|certainly|definitely|probably|of course|true|false|not really|not exactly)"
    r"(?:[,.!]* (?:absolutely|definitely|certainly|of course|indeed|exactly|sure|please))?(?:[,.!]* (?:(?:that|this|it|they|you|we|i|he|she|there)(?: (?:is|are|can|could|do|does|did|may|will|would|should|must|was|were|have|has|am)(?: not|not|n['’]t)?|['’](?:s|re|m|ll))?"
    r"(?: (?:not )?(?:right|correct|true|so|possible|allowed|indeed|the case)| not)?)?)?"
    r"|(?:that|it|this)(?:['’]s| is) (?:right|correct|true|wrong|not correct|not true|fine|possible)|it depends|you can(?: not|not|['’]t)?|i (?:think|believe|guess) so|i agree|(?:that )?sounds good|no worries|will do|noted|done|ok(?:ay)?|perfect|great"
    rf"|{_YES}(?:[,.!]* (?:{'|'.join(_SO_IT_IS)}))?"
    r"|(?:ja|nein|oui|non|si|sí|sì|no|sim|não|nee|tak|nie|да|нет|так|ні|evet|hayır|claro|genau|richtig|exact|exacto|esatto|exato|klopt|dokładnie|верно|ναι|όχι|jawohl|bien sûr|natürlich|natuurlijk|oczywiście|certo|конечно)"
    r"(?:[,.!]* (?:(?:das|dies|dat|cela|ça|c['’]est|eso|è|é|это) )?(?:(?:können|kann|dürfen|darf|geht|ist|sind|stimmt)(?: (?:sie|du|das|es))?(?: (?:möglich|richtig|so|nicht))?|(?:vous |tu )?(?:pouvez|peux)|est (?:possible|correct|exact)|c['’]est (?:possible|exact|vrai|correct)|possible|puede[ns]?|es (?:posible|correcto|cierto)|así es|può|puoi|è (?:possibile|corretto|vero)|pode|é (?:possível|verdade|correto)|(?:dat )?kan(?: u)?|dat klopt|można|to prawda|zgadza się|можно|можете|верно|это так|это верно|edebilirsiniz|yapabilirsiniz|mümkün))?"
    r"|是的?|对|没错|不是|可以|不可以|是的，(?:可以|您可以|没错)|はい|いいえ|はい、(?:できます|そうです|可能です)|いいえ、(?:できません|違います)|نعم|لا|نعم،? (?:يمكنك|هذا صحيح)|हाँ|जी हाँ|नहीं|हाँ, (?:आप )?(?:कर सकते हैं|सकते हैं|यह सही है))"
)

_TOUCHED = (
    r"(?:noted|opened|created|logged|recorded|forwarded|escalated|submitted|filed|passed|sent|updated|added|saved|scheduled|booked|cancell?ed|flagged|raised|"
    r"registered|reported|notified|informed|transferred|connected|attached|included|prepared|drafted|summari[sz]ed|marked|started|placed|assigned|reset|restarted|cleared|refunded|shared|received|processed|closed|reopened|rephrased|translated|shortened|rewritten|corrected|adjusted)"
)
_HERE = r"(?:your|you|request|ticket|case|chat|conversation|message|colleagues?|team|inquiry|enquiry|question|feedback|complaint|this|it)"
_MATTER = (
    r"(?:request|ticket|case|message|question|feedback|report|inquiry|enquiry|complaint|issue|concern|query)"
)
_YOURS = r"(?:ihre[n]? (?:anfrage|frage|nachricht)|ihr anliegen|votre (?:demande|question|message)|su (?:solicitud|consulta|mensaje)|la sua (?:richiesta|domanda)|(?:a )?sua (?:solicitação|pergunta|mensagem)|(?:o )?seu pedido|uw (?:verzoek|vraag|bericht)|(?:twoje|pana|pani) (?:zgłoszenie|pytanie)|ваш (?:запрос|вопрос)|ваш[еу] (?:обращение|заявк[ау]))"
_NOTED = r"(?:aufgenommen|notiert|erfasst|registriert|weitergeleitet|angelegt|erstellt|gespeichert|übermittelt|vermerkt|enregistrée?|transmise?|notée?|créée?|envoyée?|transférée?|registrad[oa]|enviad[oa]|anotad[oa]|cread[oa]|reenviad[oa]|transmitid[oa]|inoltrat[oa]|annotat[oa]|registrat[oa]|inviat[oa]|trasmess[oa]|encaminhad[oa]|criad[oa]|registrei|encaminhei|enviei|anotei|geregistreerd|doorgestuurd|genoteerd|aangemaakt|verzonden|doorgegeven|zarejestrowan[oeay]+|zarejestrował[ea]m|zapisał[ea]m|zapisane|przekazał[ea]m|przekazan[eoay]+|odnotował[ea]m|зарегистрировала?|зарегистрирован[оа]?|записала?|записан[оа]?|передала?|передан[оа]?|отправила?|отправлен[оа]?|создала?)"
_DONE = (
    rf"(?:(?:ok|okay|done|all right|alright|great|sure|thanks|thank you|perfect)[,.!] )?i(?:['’]ve| have)?(?: (?:also|now|just|already|gone ahead and))* {_TOUCHED}\b.*\b{_HERE}\b.*",
    rf"(?:we(?:['’]ve| have) {_TOUCHED}\b.*\b{_MATTER}|(?:your {_MATTER}|(?:a|the|this) ticket)(?: \w+)? (?:has been|have been|is being) {_TOUCHED})\b.*",
    r"i(?:['’]ll| will|['’]m going to| am going to| can| could)(?: (?:now|also|gladly|happily|then))* (?:connect|transfer|forward|escalate|look|check|get back|pass|send|ask|follow up|create|open|hand|put|note|log|report|book|schedule|notify|inform|update you|keep you|draft|rewrite|translate|shorten|search|find out|walk|guide)\b.*",
    r"(?:ok(?:ay)?|thanks|sure|great)?[,.! ]*(?:i['’]m|i am|let me|we['’]re|we are) (?:now |currently |just )?(?:transferring|connecting|looking into|looking up|checking|forwarding|escalating|searching|creating|opening|working on|preparing|processing|reviewing|sending)\b.*",
    rf"(?:ich habe|j['’]ai|he|ho|eu|ik heb|я|)\b ?(?:\S+ ){{0,3}}?{_NOTED} (?:\S+ ){{0,2}}?{_YOURS}\b.*",
    rf"(?:ich habe|ik heb|я)\b (?:\S+ ){{0,2}}?{_YOURS}\b.* {_NOTED}\b.*",
    rf"{_YOURS} (?:wurde|ist|a (?:bien )?été|ha sido|è stat[ao]|foi|is|werd|был[ао]?|zostało|został[ao]?)? ?(?:\S+ ){{0,6}}?{_NOTED}\b.*",
)  # fmt: skip
_BUTTON = (
    r"(?:schaltfläche|button|knopf|link|formular|menü|symbol|feld)(?: (?:unten|unterhalb))?(?: (?:unter|in) (?:dieser|diesem|der) (?:nachricht|chat|fenster|unterhaltung))?",
    r"(?:bouton|lien|formulaire|menu|icône)(?: (?:ci-dessous|ci-dessus|sous ce message|dans cette conversation))",
    r"(?:botón|enlace|formulario|menú|icono)(?: (?:de (?:más )?abajo|de aquí abajo|más abajo|abajo|de arriba|debajo de este mensaje|en este chat))",
    r"(?:pulsante|link|modulo|menu|icona)(?: (?:qui sotto|qui sopra|in basso|sotto questo messaggio|in questa chat))",
    r"(?:botão|link|formulário|menu|ícone)(?: (?:abaixo|acima)(?: desta mensagem)?)",
    r"(?:knop|link|formulier|menu|pictogram)(?: (?:hieronder|hierboven|onder dit bericht|in deze chat))",
    r"(?:przycisk\w*|link\w*|formularz\w*|menu|ikon\w*)(?: (?:poniżej|powyżej|pod tą wiadomością|w tym czacie))",
    r"(?:кнопк\w+|ссылк\w+|форм\w+|меню|значок)(?: (?:ниже|выше|под этим сообщением|в этом чате))",
)
"""A button of the chat, by language, and where it is seen from the message."""
_PURPOSE = r"(?:um|pour|para|per|om|aby|żeby|чтобы|können|kann|boek\w*)"
_FOUND = r"(?:information|details|advice|tips|guidance|suggestions|examples|resources|insights?|sources|articles|results|websites|perspectives|ideas)"
_SEARCHED = (
    rf"(?:however, |but |maybe |perhaps |also, |additionally, )*i(?:['’]ll| can| could| may| might| will)? (?:be able to |try to |also )*(?:provide|give|share|find)(?: you)?(?: with)? (?:[\w-]+ ){{0,4}}?{_FOUND}\b.*",
    rf"i(?:['’]ve| have)? (?:also )?found (?:some|several|a few|many|various) (?:[\w-]+ ){{0,3}}?{_FOUND}\b.*",
    r"i(?:['’]ve| have)? (?:also |just )?(?:searched|looked|browsed)(?: (?:the|my|our) (?:\w+ )?\w+| online)?(?: for| on| through)?\b.*",
    r"(?:this|that|it|these) (?:may |might |will |would |can |could )?(?:also )?helps? me\b.*",
    r"(?:this is|i am|i['’]m) (?:bing|copilot|microsoft copilot|chatgpt|claude|gemini|perplexity|siri|alexa)(?: chat)?",
    r"i(?:['’]m| am) not sure (?:what|if|whether) (?:you|i|we)\b.*",
)
"""What the assistant did to answer, and what it could find."""
_PROMISED = r"(?:an?|one of our|our|my) (?:\w+ )?(?:colleagues?|agents?|representatives?|team|specialists?|advisors?|staff|human agent|expert) (?:will|is going to|can) (?:\w+ )?(?:(?:contact|call|e-?mail|assist|help|update|join|answer) you|get back|be in touch|reach out|reply|respond|follow up|take over)\b.*"
_WIDGET = r"(?:button|link|form|menu|icon|field|box|option|attachment|widget|panel|calendar|buttons|links|options|dropdown|upload field)"
_INTERFACE = (
    rf"(?:you (?:can|may|could|should|will|need to)|you['’]ll|please|to \w+|use|using|simply|just|click|tap|press|select|feel free|if you)\b.*\b(?:{_WIDGET} (?:below|above|underneath)(?:[.!\s]*$| (?:this|to|and|or)\b.*)|(?:below|above|under|beneath|in) this (?:message|chat|conversation|window|reply|thread|dialog)\b.*)",
    r"(?:this|our) (?:chat|conversation|session|thread|dialog)\b.*(?:recorded|end|ended|closed|saved|continue|expire|language|reset)\w*\b.*",
    rf"(?:[^.;:]* )?(?:{'|'.join(_BUTTON)})(?:[.!\s]*$|[ ,]+{_PURPOSE} [^.;:]*[.!\s]*$)",
    r"you(?:['’]re| are) (?:now |currently )?(?:chatting|talking|speaking|connected) (?:with|to)\b.*",
    r"you (?:can|may) (?:also )?(?:ask|tell|write|type|reply|talk|speak|chat|send|message|upload|paste|share|respond)\b(?: (?:to|with))? (?:me|here|in (?:this chat|english|any language|your own words)|a (?:screenshot|file|photo)|the file)\b.*",
    r"you (?:can|may) (?:also )?(?:ask|write|type|enter|paste|upload) (?:your |the |any |a )(?:[a-z]+ ){1,3}(?:here|in (?:this chat|the chat|the box))[.!]*",
    r"(?:just |simply |please |you can )?(?:reply|respond|answer|write back) (?:here|below|to me|to (?:this|my) (?:message|chat|mail|e-?mail))\b.*",
    r"(?:just |simply |please )?(?:reply|respond|type|write|say|answer) (?:with )?[\"'“‘`]?(?:yes|no|ok|stop|start|continue|more|help|agent|human|menu)\b.*",
)  # fmt: skip

_THING = r"(?:summary|overview|list|breakdown|answer|outline|explanation|results?|steps?|table|comparison|details|examples?|points?|reasons?|options?|information|guide|version|draft|code|section|tips|ways|factors|differences|look|text|translation|response|instructions)"
_ANNOUNCEMENT = (
    rf"(?:so,? |okay,? |now,? )?(?:here|below|above|following)(?: (?:is|are|you(?:['’]ll| will| can) (?:find|see)|comes?|follows?)|['’]s) (?:an? |the |some |your |my |our |what |how )?(?:[\w-]+ ){{0,4}}?{_THING}(?: (?:of|for|to|about|on|from|that|you|in|with|based|below|as)\b.*)?",
    rf"(?:the |in the )?(?:(?:following|next) {_THING}s?|(?:table|list|section|steps) below|this (?:table|list|section|answer|response|summary|overview|guide))(?:,? (?:i|we)(?:['’]ll| will)?)? (?:shows?|lists?|summari[sz]es?|describes?|explains?|outlines?|gives?|compares?|covers?|presents?|provides?|walks?|discuss|look at)\b (?:an? |the |how |what |you |some |all |each )?.*",
    r"(?:in (?:summary|conclusion|short)|to (?:sum up|summari[sz]e|conclude)|overall|summary|conclusion|answer|key (?:points|takeaways|facts)|next steps|sources?|references?|note|details|background|overview|zusammenfassung|fazit|quellen|antwort|résumé|conclusion|sources|resumen|conclusión|fuentes|riepilogo|fonti|resumo|fontes|samenvatting|bronnen|podsumowanie|źródła|итог|вывод|источники|总结|来源|まとめ|出典)[:：,]?",
    r"(?:hier (?:ist|sind|finden sie|folgt)|nachfolgend|im folgenden|voici|ci-dessous|aquí (?:está|están|tiene)|a continuación|ecco|di seguito|aqui (?:está|estão)|a seguir|hier(?:onder)? (?:is|zijn|vindt u|volgt)|oto|poniżej|вот|ниже) (?:[^\d]*)(?:zusammenfassung|überblick|übersicht|liste|antwort|schritte|résumé|liste|aperçu|réponse|étapes|resumen|lista|respuesta|pasos|riepilogo|elenco|risposta|passaggi|resumo|resposta|passos|samenvatting|overzicht|lijst|antwoord|stappen|podsumowanie|przegląd|odpowiedź|kroki|краткое|обзор|список|ответ|шаги)\b[^\d]*",
)  # fmt: skip

_ASKED = (
    r"(?:please |kindly |could you |if you )?(?:share|provide|send|give|enter|confirm|upload|attach|tell|type|paste|specify|describe)\b.*[, ](?:so (?:that )?|and )(?:i|we)(?:['’]ll| can| will| could| may)\b.*",
    r"(?:(?:i|as i) (?:see|understand|gather|note)(?: that)?,? |so,? |it (?:sounds|seems|looks) like )?you(?:['’]re| are|['’]d| would| have|['’]ve)? (?:asking|asked|inquiring|enquiring|inquired|wondering|wanted to know|want to know|like to know|looking for|referring to|interested in)\b[^:;\d]*",
    r"(?:i(?:['’]d| would)? (?:wonder|like to know|need to know|want to know)|i(?:['’]m| am| was) (?:curious|wondering)|could you|can you|would you|will you|may i|might i|do you have|what about|how about)\b.*",
    r"(?:so,? |now,? |and )?(?:please )?(?:tell me|share with me|specify|clarify|let me know|give me|send me|provide me)\b.*",
    r"(?:(?:in order )?to (?:help|answer|assist|give|provide|be able|make)\b[^;]*,? )?(?:i|we)(?:['’]d| would|['’]ll| will| may| might)? (?:need|require)(?: to know| to see| you to)? ?(?:some|a few|a bit|more|further|additional|your|the|which|what|whether)? ?(?:\w+ )?(?:information|details|context|clarification|specifics|about|order number|account number|email|you)\b.*",
    r"(?:könnten|können|würden) sie\b.*|ich (?:würde|möchte) gerne? wissen.*|(?:pourriez|pouvez)-vous\b.*|je (?:voudrais|aimerais) savoir.*|(?:¿)?(?:podría|puede)s? (?:decirme|indicarme|confirmar|darme)\b.*|me gustaría saber.*|(?:potrebbe|può|puoi) (?:dirmi|indicarmi|confermare)\b.*|vorrei sapere.*|(?:poderia|pode) (?:me )?(?:dizer|informar|confirmar)\b.*|gostaria de saber.*|(?:kunt|kan) u\b.*(?:aangeven|vertellen|bevestigen|laten weten).*|ik zou graag willen weten.*|(?:czy )?(?:może|mógłby|mogłaby) (?:pan|pani)\b.*|chciał(?:bym|abym) wiedzieć.*|не могли бы вы\b.*|подскажите.*|уточните.*",
)  # fmt: skip

_COURTESY = (
    r"(?:just |please )?(?:one|a|give me a) (?:moment|second|minute|sec)(?:,? please)?(?:,? while\b[^\d]*)?|(?:please )?(?:bear with me|hold on|hang on|stand by)\b[^\d]*",
    r"i (?:completely |fully |totally |really |truly )?(?:understand|appreciate|hear|realize|realise|know) (?:your (?:frustration|concern|situation|patience|question|request|interest|disappointment|worry|feedback)|how (?:frustrating|difficult|important|annoying|upsetting|you)|(?:that )?(?:this|it) (?:is|can be|must be) (?:frustrating|difficult|hard|annoying|upsetting|stressful|important|confusing))[^\d]*",
    r"(?:good ?bye|bye|take care)(?:,| and|[.!])[^\d]*\b(?:day|evening|weekend|soon|time|care|week)|welcome to [\w .'’&-]{1,40}(?:support|chat|help|service|desk|assistant)",
    r"(?:(?:hi|hello|hey)[,!.]* )?(?:my name is|i['’]m|i am|this is) [\w'’-]{1,20}(?:,| and)(?: i(?:['’]m| am))? (?:your|an?|the) (?:[\w-]+ ){0,3}(?:assistant|bot|helper|agent|chatbot)\b[^\d]*",
    r"i(?: can|['’]ll| will| could| would be (?:happy|glad) to|['’]m (?:happy|glad) to) (?:certainly |definitely |gladly )?(?:help|assist)(?: you)?(?: (?:with|on) (?:that|this|it|your [\w ]{1,30}))?(?: today| now| right away)?",
    r"(?:vielen (?:herzlichen )?dank|danke(?: schön| sehr| ihnen)?|merci(?: beaucoup| bien)?|(?:muchas |mil )?gracias|grazie(?: mille)?|(?:muito )?obrigad[oa]|(?:hartelijk )?(?:bedankt|dank)|dank u(?: wel)?|dziękuję(?: bardzo)?|(?:большое )?спасибо|дякую|teşekkür(?:ler| ederim| ederiz)?)(?:,? (?:für|pour|por|per|voor|za|за|dass|que|che|de)\b[^\d]*)?",
    r"(?:hallo|guten (?:tag|morgen|abend)|bonjour|bonsoir|salut|hola|buenos días|buenas (?:tardes|noches)|ciao|buongiorno|buonasera|salve|olá|oi|bom dia|boa tarde|goedemorgen|goedemiddag|goedendag|cześć|dzień dobry|witam|здравствуйте|привет|добрый день|merhaba|iyi günler|你好|您好|こんにちは|مرحبا|नमस्ते|γεια σας)(?:[ ,]+[\w.'’-]{1,20}){0,3}",
    r"(?:mit freundlichen grüßen|viele grüße|freundliche grüße|cordialement|bien à vous|saludos(?: cordiales)?|un saludo|cordiali saluti|atenciosamente|met vriendelijke groet(?:en)?|z poważaniem|pozdrawiam|с уважением|gern geschehen|gerne|avec plaisir|je vous en prie|de nada|con gusto|un placer|prego|con piacere|com prazer|graag gedaan|nie ma za co|не за что|пожалуйста)",
    r"(?:ich hoffe|hoffentlich|j['’]espère|espero que|spero che|ik hoop|mam nadzieję|надеюсь|umarım|希望这|希望对|آمل أن|आशा है)\b?[^\d]*(?:hilf|geholfen|weiter|aid|util|ajud|helpt|geholpen|pomo|помо|yardım|帮助|يساعد|मदद|antwort|réponse|respuesta|risposta|resposta|antwoord|odpowied|ответ)[^\d]*",
    r"(?:falls|wenn|bei|sollten|si|se|als|mocht|jeśli|если|eğer)\b[^\d]*(?:fragen?|hilfe|question|aide|pregunta|duda|ayuda|domand|aiuto|dúvida|pergunta|ajuda|vragen|hulp|pytan|pomoc|вопрос|помощь|sorunuz|soru)[^\d]*",
    r"(?:lassen sie (?:es )?mich|lass (?:es )?mich|zögern sie nicht|melden sie sich|sagen sie mir|geben sie mir bescheid|ich helfe (?:ihnen|dir)|ich stehe (?:ihnen|dir)|gerne helfe ich|n['’]hésitez pas|faites-moi savoir|dites-moi|je reste à|je suis (?:là|à votre disposition)|souhaitez-vous|voulez-vous|puis-je|no dude[s]?|estoy aquí|quedo a|avíseme|avísame|hágame saber|dígame|puedo ayudar|non esit\w+|sono qui|fammi sapere|mi faccia sapere|resto a|posso aiut\w+|não hesite|estou aqui|fico à|avise-me|me avise|posso ajud\w+|aarzel niet|laat (?:het )?me weten|laat het (?:mij|me)|ik help u|ik sta|daj (?:mi )?znać|proszę dać|chętnie pomogę|służę|дайте знать|обращайтесь|буду рад\w*|готов помочь|lütfen bana|yardımcı ol\w+)[^\d]*",
    r"(?:ich bin|als|je suis|en tant qu['’]|soy|como|sono|in quanto|sou|ik ben|jestem|jako|я)\b ?(?:ein[e]?|un[e]?|uma?|een)? ?(?:\w+ )?(?:ki|ki-\w+|sprachmodell|assistent\w*|ia|intelligence artificielle|modèle de langage|inteligencia artificial|modelo de lenguaje|intelligenza artificiale|modello linguistico|modelo de linguagem|ai|ai-\w+|taalmodel|asystent\w*|model\w* językow\w+|виртуальный помощник|языковая модель|помощник)\b[^\d]*",
    r"(?:如有|如果您|如果你|请随时|谢谢|感谢|很高兴)[^\d]*(?:问题|疑问|帮助|联系|咨询|提问|您)?[^\d]*|(?:ありがとう|お気軽に|ご不明な点|ご質問|何かあり|よろしくお願い|お役に立)[^\d]*|(?:شكرا|لا تتردد|إذا كان لديك|إذا كانت لديك|يسعدني)[^\d]*|(?:धन्यवाद|यदि आपके|अगर आपके|कृपया बेझिझक|मुझे खुशी)[^\d]*",
)  # fmt: skip

_TURN = r"\b(?:weil|parce que|porque|perché|omdat|ponieważ|потому что|так как|abgelehnt|refusée?|denegad[oa]|rechazad[oa]|respint[oa]|negad[oa]|afgewezen|odrzucon[eoay]+|отклонен[оа]?|отклонён)\b|[,;:] ?(?:but|however|although|though|yet|because|since|which|who|aber|jedoch|weil|mais|car|pero|porque|ma|perché|mas|maar|omdat|ale|bo|но|потому)\b|\bthat (?:the|it|your|you|this|our)\b|\ben (?:de|het|er|ze|dat|dit)\b|\b(?:and|und|et|y|e|i|и) (?:the|it|they|there|our|der|die|das|le|la|les|el|los|il|o|de|het)\b"

_MONEY = r"[€$£¥] ?\d|\d ?(?:€|£|¥|euros?\b|eur\b|dollars?\b|usd\b|pounds?\b|gbp\b|francs?\b|chf\b)"
"""`I transferred 400 euros to your account` can be read in what a tool returned, and be wrong."""


def is_about_the_conversation(text: pl.Series) -> pl.Series:
    """Whether each text is only about this conversation: nothing in it could stand in a document."""
    frame = pl.DataFrame({"row": pl.int_range(text.len(), eager=True), "text": text})
    bare = pl.col("text").str.to_lowercase().str.replace_all(r"[*_~`>#\"“”„«»]+", "").str.strip_chars()
    frame = frame.filter(pl.col("text").str.len_chars() <= SEEN).with_columns(bare)
    whole, own, plain = (
        pl.col("text").str.contains(pattern)
        for pattern in (
            rf"^(?:{'|'.join((_BARE, *_COURTESY))}){_END}",
            rf"^(?:{'|'.join((*_DONE, *_INTERFACE, *_ASKED))})$",
            rf"^(?:{'|'.join((_PROMISED, *_SEARCHED, *_ANNOUNCEMENT))}){_END}",
        )
    )
    states = pl.col("text").str.contains(f"{_TURN}|{_MONEY}")
    has_number = pl.col("text").str.contains(r"\d")
    frame = frame.filter(whole | own | plain).filter(whole | ~states & (own | ~has_number))
    return pl.int_range(text.len(), eager=True).is_in(frame["row"].implode())
