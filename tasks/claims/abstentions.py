"""Abstentions: the agent says that it does not know, or that what it was given does not say.

The rule is who speaks of what. An abstention has one of two subjects. Either the agent itself, that could not find,
determine or answer (`I could not find anything on bonuses`); or the material it was given to answer from, that
does not say: called so (`the provided report`, `the retrieved articles`), or by a name that only an agent's
material has (`the context`, `the search results`, `the documents`). A thing of the world that does not mention
something is a claim: `The police report does not mention injuries` can be read in the evidence and be wrong. So
is a sentence that goes on to state something, or to conclude something (`..., so pets are allowed`). A refusal
(`I cannot help with that`) is not an abstention: it is about what the agent may do, not about what it knows.

Belongs here: the rule and its words, in thirteen languages. In doubt a sentence is a claim.
"""

# ruff: noqa: E501 - one pattern a line reads better than pieces

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from tasks.text.language import languages

SEEN = 600
"""Characters: an abstention has fewer, and longer sentences say more than that they do not know."""

_CITATION = r"\[\^?[\d,;\s–-]{1,40}\]|【[^】]{0,80}】|\((?:source|quelle|fuente|fonte|bron|źródło|источник)[^)]{0,80}\)|[¹²³⁰⁴-⁹]+"
_MARKS = r"[*_~`\"“”„«»#>]+"

# -- English, where word order says who is the subject --------------------------------------------------------------

_ADVERB = r"(?:(?:[a-z]+ly|also|even|yet|currently|any|seem to|appear to|really|ever|at all) )*"
_GIVEN_AS = (
    r"(?:provided|given|supplied|retrieved|available|above|indexed|cited|attached|uploaded|accompanying|referenced|"
    r"returned|search|source|reference|rag|input)"
)
_KIND = (
    r"(?:documents?|documentation|docs?|contexts?|sources?|passages?|texts?|excerpts?|extracts?|snippets?|materials?|articles?|"
    r"reports?|files?|records?|information|content|pages?|results?|references?|papers?|handbooks?|manuals?|"
    r"transcripts?|knowledge base|database|chunks?|sections?|links?|citations?|index|pdfs?|spreadsheets?|attachments?|slides?|web ?pages?|notes?)"
)
_OWN = (
    r"(?:(?:context|passages?|excerpts?|extracts?|snippets?|search results?|knowledge base|chunks|(?:provided|given|supplied|retrieved) (?:data|knowledge))"
    r"(?: (?:provided|given|supplied|above|retrieved|available)| you(?:['’]ve| have)? (?:provided|shared|sent|uploaded|gave)| i (?:have|was given))?)"
)
_DETERMINER = r"(?:the|these|those|this|your|our|my|any|all|all of the|all the|any of the)"
_AFTER = (
    r"(?:that )?(?:(?:was |were )?(?:provided|given|supplied|retrieved|available|above|attached|uploaded|at hand|at my disposal)|"
    r"i (?:have|was given|had|can see|have access to|received|searched)|"
    r"you(?:['’]ve| have)? (?:provided|shared|sent|uploaded|gave))(?: to me)?"
)
_STRONG = (
    rf"(?:{_DETERMINER} (?:[a-z]+ )?{_GIVEN_AS} (?:[a-z-]+ ){{0,3}}?{_KIND}|{_GIVEN_AS} (?:[a-z-]+ )?{_KIND}"
    rf"|(?:{_DETERMINER} )?{_OWN}|(?:{_DETERMINER} )?(?:[a-z-]+ )?{_KIND} {_AFTER})"
)
_WEAK = r"(?:the |these |your |our |any of the |all the )(?:documents?|documentation|docs|sources?|texts?|materials?|information|results|help (?:cent(?:re|er)|pages?|articles?)|faqs?)"
_S, _W = "\ue000", "\ue001"
_GIVEN = f"[{_S}{_W}]"
"""The material, once its names are replaced by one character each: the patterns below stay small."""
_NOT = r"(?:(?:do|does|did|could|can|would|will|has|have)(?: not|n['’]?t)|cannot|never|fails? to|failed to|no longer)"
_SAY = (
    r"(?:mention|mentioned|say|state|stated|specify|specified|address|discuss|cover|describe|indicate|explain|answer|reveal|disclose|tell|"
    r"clarify|detail|elaborate|go into|turn up|bring up|deal with|settle|identify|quantify|make (?:it |this |that )?clear|refer|reference|talk|touch|speak|name|make (?:any |a )?(?:mention|reference)|help(?: me)? (?:to )?(?:answer|determine))"
)
_HOLD = r"(?:contain|include|provide|give|offer|have|hold|list|show|supply|present|define|feature|support an answer)"
_INFORMATION = (
    r"(?:information|info|details?|mention|answers?|specifics?|text|anything|explanation|references?|guidance|"
    r"description|statements?|discussion|indication|context|particulars|clue|(?:articles?|entry|entries|sections?|pages?) (?:on|about|for)|data on|data about|figures? (?:for|on))"
)
_NO_INFORMATION = rf"no (?:[a-z-]+ ){{0,3}}?{_INFORMATION}"
_FIND = (
    r"(?:find|found|locate|identify|see|determine|answer|confirm|verify|tell|say|establish|retrieve|discover|ascertain|"
    r"come across|know|conclude|deduce|infer|speak to|pinpoint)"
)
_NOT_ABLE = (
    r"(?:can ?not|can['’]?t|could not|couldn['’]?t|(?:am|was|are|were|['’]m|['’]re) (?:not able|unable)(?: currently)? to|did not|didn['’]?t|"
    r"have not|haven['’]?t|failed to|was not able to|wasn['’]?t able to|won['’]?t be able to)"
)
_DEICTIC = r"(?:this|that|it|the answer|the question|your question|this question|that question|your query|this query|this information|an answer|a definitive answer)"
_KNOWN = r"(?:answer|determine|determined|say|tell|know|verify|confirm|establish|identify|answered|verified|confirmed|established|inferred|concluded|derived|ascertained|found|given|deduced|provided)"
_ATTRIBUTION = rf"(?:(?:based|going|relying) (?:only |solely |purely )?(?:on|upon)|according to|from|given|in|within|using|with|after (?:reviewing|searching|checking|reading|looking (?:at|through))|i (?:searched|reviewed|checked)|having (?:reviewed|searched|checked)|judging (?:by|from)) (?:only |just )?{_GIVEN}"
_OPENER = (
    r"(?:(?:unfortunately|regrettably|sadly|sorry|apologies|however|but|and|also|additionally|furthermore|no|well|currently|still|"
    r"overall|in short|hmm|therefore|thus|so|i['’]?m (?:so |very |really )?(?:sorry|afraid)|i am (?:sorry|afraid)|i (?:sincerely )?apologi[sz]e|my apologies|"
    r"to answer your question|at (?:this|the) (?:time|moment)|as of now|(?:please )?note that|it (?:seems|appears|looks like)|"
    r"(?:as for|regarding|concerning|about|with (?:regard|respect) to|as to|when it comes to|on) [^;:,]+"
    rf"|{_ATTRIBUTION}[^;:,]*)(?:,? (?:but|that|as|though))?[,.:—–-]* )*"
)

_ENGLISH = (
    # the material does not say
    rf"{_S} (?:itself |themselves |articles? |entry |entries |pages? )?{_ADVERB}{_NOT} {_ADVERB}(?:{_SAY}|{_HOLD})\b",
    rf"{_W} {_ADVERB}{_NOT} {_ADVERB}(?:{_SAY}\b|{_HOLD} (?:[a-z-]+ ){{0,4}}?{_INFORMATION}\b)",
    rf"{_GIVEN} {_ADVERB}(?:(?:contains?|includes?|provides?|gives?|offers?|has|have|makes?|holds?) (?:{_NO_INFORMATION}|no (?:[a-z]+ )?(?:mention|reference|entry|entries|record|data|section)|nothing (?:about|on|regarding|concerning|to|that|relevant|useful))|says? nothing|(?:is|are) silent (?:on|about|as to)|"
    rf"lacks? (?:any |the )?(?:[a-z-]+ )?{_INFORMATION})",
    rf"(?:the |your |this )?(?:provided|given|supplied|retrieved|attached|uploaded) (?:[a-z-]+ ){{0,3}}?(?:polic(?:y|ies)|contracts?|agreements?|leases?|terms|guides?) {_ADVERB}{_NOT} {_ADVERB}(?:mention|specify|state|say|address|discuss|indicate|explain)\b",
    rf"{_S} (?:is|are) (?:not |in)(?:sufficient|enough|relevant)",
    rf"(?:none|neither|not one|no one) of (?:(?:the )?(?:two|three|four|five|\d+) )?{_GIVEN}",
    rf"(?:i|we) (?:was|were|have|['’]ve)(?:n['’]t| not)(?: been)? {_GIVEN}",
    rf"{_DEICTIC} (?:is|was)(?: not|n['’]t) (?:something|a (?:topic|point|matter|question)|one of the (?:topics|points))(?: that| which)? {_GIVEN} {_ADVERB}(?:{_SAY}|{_HOLD})s?\b",
    r"(?:i|we) (?:have|had) (?:insufficient|not enough|too little) (?:[a-z-]+ ){0,2}?(?:information|data|details?|context|evidence)\b",
    r"(?:the )?(?:specific |exact |detailed |further )?(?:information|details?) (?:about|on|regarding|for|of) [^;:,]* (?:is|are|was|were)(?: not|n['’]t) (?:currently )?(?:available|provided|given|included|specified|mentioned|found)[.!\s]*$",
    r"it (?:does not|doesn['’]t) (?:say|specify)[.!\s]*$",
    rf"neither {_GIVEN}",
    rf"{_GIVEN} (?:(?:is|are) (?:only )?about|only covers?|covers? only|deals? (?:only )?with|discuss(?:es)?) [^;]*,? (?:so|and|therefore|hence) i {_NOT_ABLE} ",
    r"i(?: have|['’]ve)? (?:searched|looked|checked|reviewed|went|gone|read|scanned|examined)\b[^.;]* (?:but|and)(?: i)? (?:(?:found|see|saw) (?:nothing|no)|none|nothing|(?:could|can|did|do)(?: not|n['’]t) (?:find|see|locate)|cannot (?:find|see)|there (?:is|was) (?:nothing|no)|(?:it|this|that) (?:is|was)(?: not|n['’]t) (?:there|in|mentioned|among))\b",
    rf"neither (?:[a-z]+ )?(?:document|source|passage|excerpt|text|article|page|result)s? {_ADVERB}(?:{_SAY}s?|{_SAY}es|{_HOLD}s?)\b",
    rf"{_DEICTIC} (?:is|was|are)(?: not|n['’]t) {_ADVERB}(?:to be found )?(?:in|within|among|part of|covered by) {_GIVEN}",
    rf"there(?:['’]s| is| was) (?:nothing|no (?:[a-z]+ )?(?:entry|entries|record|section|passage))\b[^;:]* (?:in|within|among|across) (?:the [a-z]+ )?{_GIVEN}",
    rf"there(?:['’]s| is| was) (?:nothing|no (?:[a-z]+ )?(?:entry|entries|record|section|passage)) (?:in|within|among|across) (?:the [a-z]+ )?{_GIVEN}",
    rf"(?:nothing|nowhere) in {_GIVEN}",
    rf"no (?:relevant |retrieved |provided |matching |single )?(?:documents?|sources?|passages?|results?|context|entries|articles|matches|hits)(?: (?:in|among|of) {_GIVEN})? (?:{_SAY}s?|{_HOLD}s?|(?:is|are|was|were|could be|has been|have been) (?:found|available|provided|given|located|returned|retrieved))\b",
    rf"(?:no|not enough|insufficient|little) (?:[a-z-]+ ){{0,2}}?{_INFORMATION}(?: (?:about|on|regarding|concerning|for|of|to) [^;:]*)? (?:is|was|are|were|could be|has been|can be) (?:[a-z]+ly )?(?:available|found|provided|given|located|retrieved|mentioned|contained|included)(?:[.!\s]*$| (?:in|within|from|by) {_GIVEN}| (?:about|on|regarding|concerning|to (?:answer|me)|here)\b)",
    rf"there (?:is|are|was|were|seems to be|appears to be)(?: currently| simply)? (?:{_NO_INFORMATION}|(?:not (?:enough|sufficient|any)|n['’]t (?:enough|any)|insufficient|nothing) (?:[a-z-]+ )?(?:{_INFORMATION})?) ?[^;]*(?:in|within|from|across) {_GIVEN}",
    rf"there (?:is|are|was|were)(?:n['’]t| not)? (?:currently |simply )?(?:no|any|enough|insufficient|sufficient|not enough) (?:[a-z-]+ ){{0,2}}?(?:information|details?|mention|{_GIVEN})(?: (?:available|provided|given|here|that|to (?:answer|say|tell|know|determine|judge|decide))| (?:about|of|on|regarding|concerning) [^.;:]*|[.!]*$)",
    rf"[^;:,]* (?:is|are|was|were|has been|have been)(?: not|n['’]t| never| nowhere) {_ADVERB}(?:mentioned|specified|stated|provided|covered|described|addressed|listed|included|discussed|given|found|available|contained|defined|explained|disclosed|present|detailed|indicated|clear|part of|to be found)(?: anywhere)? ?(?:in|by|within|from|among) {_GIVEN}",
    rf"[^;:,]* (?:is|are) (?:absent|missing|unclear|unavailable|unspecified) (?:in|from) {_GIVEN}",
    # nobody could know
    rf"(?:it['’]?s|it is|it was|it would be|it remains) (?:not possible|impossible|unclear|hard|difficult|unknown)(?: for me)? (?:to {_KNOWN}|whether|what|how|who|when|if)\b[^;:]*(?:(?:from|based on|with|using|in|given|without) {_GIVEN}|without (?:more|further|additional) (?:information|context|details))",
    rf"(?:{_ATTRIBUTION},? )(?:it['’]?s|it is|it was) (?:not (?:possible|clear|evident|stated|known)|impossible|unclear|unknown)\b",
    r"(?:it['’]?s|it is) (?:not possible|impossible)(?: for me)? to (?:answer|say|tell)\b",
    rf"{_DEICTIC} (?:can ?not|can['’]?t|could not|couldn['’]?t) be {_KNOWN}\b",
    rf"[^;:,]* (?:can ?not|can['’]?t|could not|couldn['’]?t) be {_KNOWN} (?:[a-z]+ )?(?:from|based on|with|using|in|on the basis of|by) {_GIVEN}",
    rf"(?:{_DEICTIC}|the (?:requested |required )?information)(?: (?:you (?:need|want|asked for|requested)))? (?:is|was|are)(?: not|n['’]t) (?:[a-z]+ly )?(?:available|known|given|found|provided|stated|mentioned|specified|contained|included|covered|answerable)(?:[.!\s]*$| (?:in|by|within|to|from|here)\b)",
    rf"{_DEICTIC} (?:is|are) (?:unknown|unanswerable|unclear)(?: to me)?(?:[.!\s]*$| (?:from|based on|given|in)\b)",
    # the agent does not know
    rf"i(?: [a-z]+ly)? ?{_NOT_ABLE} {_ADVERB}{_FIND}\b",
    rf"we(?: [a-z]+ly)? ?{_NOT_ABLE} {_ADVERB}{_FIND}\b[^;]*(?:{_GIVEN}|\b(?:information|details|mention|answers?|anything|{_DEICTIC}))",
    rf"(?:i|we)(?: [a-z]+ly)? ?{_NOT_ABLE} (?:provide|give|offer|share|help|assist)[^;]*(?:(?:from|based on|in|on the basis of|with|using|given|since|because|as) {_GIVEN}|(?:definitive|exact|precise|reliable|accurate|complete|specific) (?:answer|figure|number|date|amount)|without (?:more|further|additional) (?:information|context|details))",
    r"(?:i|we)(?: [a-z]+ly)? (?:do not|don['’]?t|did not|didn['’]?t) (?:[a-z]+ly )?(?:know|recall|see (?:any|that|this)|have (?:[a-z-]+ ){0,4}?(?:information|details?|data|knowledge|answer|context|documents?|sources?|evidence|documentation|facts|records?|idea)|have enough|find)\b",
    r"(?:i|we)(?: [a-z]+ly)? (?:have|had|found|see|saw|got|can find|could find|can see|know) (?:no (?:[a-z-]+ ){0,3}?(?:information|details?|data|knowledge|answer|mention|references?|records?|idea|results?|documents?|sources?|matches)|nothing)\b",
    r"i (?:have|had|found|see|saw|can find|could find|can see|know of) no (?:[a-z-]+ ){0,3}?evidence\b",
    r"(?:i['’]?m|i am|we['’]?re|we are) (?:not (?:entirely |completely |quite )?(?:sure|certain|aware|familiar)|unsure|unaware|uncertain)\b",
    r"(?:i|we) (?:was|were|have|['’]ve)(?:n['’]t| not)?(?: been)? (?:not )?given (?:any |no |enough )[a-z -]*(?:information|documents?|context|sources?)",
    r"my (?:knowledge|training|search|sources|information|data|documents)(?: [a-z]+){0,2} (?:do(?:es)?(?: not|n['’]?t)|did(?: not|n['’]?t)|ha(?:s|ve) no|returned no|found no|yielded no|turned up no|turned up nothing)\b",
    r"(?:my |the |a )(?:search|query|lookup)(?: of [^;:,]+| for [^;:,]+)? (?:returned|found|yielded|produced|gave|turned up) (?:no|nothing)\b",
    # in a word
    r"(?:not (?:mentioned|specified|stated|found|available|provided|given|answerable|enough (?:information|context|evidence))|unknown|n/a|unanswerable|no idea|no (?:relevant |further |specific )?(?:answer|information|data|results?|mention|matches)|insufficient (?:information|context|evidence|data)|can['’]?t say|unclear)(?:[ ,:—–-]* (?:not )?(?:found|available|provided|given|mentioned|specified))?(?: (?:in|from|by|to|for|about|on) [^;:,]*)?[.!\s]*$",
)  # fmt: skip

# -- Other languages: a negation, the material and a word of information, wherever they stand -----------------------


@dataclass(frozen=True)
class Lexicon:
    """Patterns of one language, in lower case."""

    strong: str
    """The material, called the given one, or by a name that nothing else has."""
    weak: str
    """The material by a plain name: documents, sources."""
    say: str
    """Words of information: to mention, to state; details, an answer."""
    hold: str
    """To contain, to include: of information only if the material is the given one."""
    agent: str
    """The agent does not know, or nobody could: whole phrases."""
    attribution: str
    """What opens a statement that the material does make: `laut den Dokumenten`."""
    turn: str
    """But, so, only: what follows states something."""


_LEXICONS = {
    "de": Lexicon(
        strong=r"(?:bereitgestellt|vorliegend|gegeben|verfügbar|angegeben|zur verfügung (?:gestellt|stehend)|obig|abgerufen|gefunden|mitgeliefert|hochgeladen|übermittelt|beigefügt|genannt|indexiert|mir vorliegend)e[nmrs]? (?:\w+ )?(?:\w*dokument\w*|\w*unterlagen|\w*quellen?|kontext\w*|\w*texte?n?|\w*auszüge?n?|\w*artikeln?|\w*informationen|\w*materiali?\w*|\w*berichte?n?|\w*daten|\w*passagen?|\w*abschnitte?n?)|\b(?:kontext|suchergebniss\w+|wissensdatenbank|textauszüg\w+|wissensbasis)\b",
        weak=r"\b(?:die|den|der|diesen|diese|dieser|meinen|ihren|das|dem|im) (?:dokument\w*|unterlagen|quellen?|texte?n?|materialien|passagen|auszügen?)\b",
        say=r"\b(?:erwähn\w*|nenn\w+|genannt|sag(?:en|t)|angegeben|angab\w*|informationen?|hinweise?|auskunft|antwort\w*|beantwort\w*|beschrieben|beschreib\w+|spezifizier\w*|behandel\w*|aufgeführt|erläuter\w*|entnehmen|ersichtlich|hervor|bestimmen|details?|einzelheiten|zu finden|finden sich|findet sich|gefunden|äußer\w+|steht|feststellen|ableiten|thematisier\w*)\b",
        hold=r"\b(?:enthalten|enthält|liefer\w+|biete\w+|umfass\w+|geben|gibt|vorhanden|stehen)\b",
        agent=r"\bich (?:konnte|kann|habe|weiß|finde|fand|bin)(?: [^,;]*)? (?:nicht|kein\w*|nichts)\b(?:[^;]*\b(?:finden|gefunden|beantworten|sagen|bestimmen|feststellen|ermitteln|bestätigen|informationen|angaben|antwort|sicher|verifizieren|auskunft)\b|[.!]*$)|\b(?:konnte|kann) ich [^;]*(?:nicht|kein\w*|nichts) [^;]*(?:finden|beantworten|sagen|bestimmen|feststellen|entnehmen|bestätigen)|\b(?:ich weiß|weiß ich) (?:es |das )?(?:leider )?nicht|\bmir (?:liegen|sind|ist|stehen) [^;]*(?:kein\w*|nicht|nichts)[^;]*(?:vor|bekannt|informationen|angaben|verfügung)|(?:frage|dies|das|es) (?:kann|lässt sich|läßt sich) [^;]*nicht [^;]*(?:beantworte\w+|bestimm\w+|feststell\w+|sagen|ermittel\w+)|(?:nicht möglich|unmöglich),? [^;]*(?:frage|zu beantworten)|(?:^(?:leider )?keine|(?:es gibt|gibt es|es liegen|liegen|es wurden|wurden)(?: (?:dazu|darüber|hierzu|mir|leider)){0,2} keine) (?:\w+ )?(?:informationen|angaben|antwort|hinweise|ergebnisse)[^;]*(?:gefunden|verfügbar|vorhanden|vor|zu \w+)",
        attribution=r"^(?:laut|gemäß|nach|zufolge|entsprechend)\b",
        turn=r"[,;] ?(?:aber|jedoch|doch|allerdings|sondern|nur|daher|deshalb|also|sodass|so dass|während|obwohl)\b",
    ),
    "fr": Lexicon(
        strong=r"(?:documents?|sources?|contextes?|textes?|passages?|extraits?|articles?|informations?|données|éléments|fichiers?|rapports?|documentation)(?: \w+)? (?:fourni|donné|disponible|récupéré|ci-dessus|cité|transmi|mi[st]e?s? à (?:ma|votre) disposition|consulté|indexé|joint|communiqué|retrouvé|présenté|dont je dispose|à ma disposition|que vous)\w*|\b(?:le|ce|du|au) contexte\b|résultats de (?:la )?recherche|base de connaissances",
        weak=r"\b(?:les|ces|des|aux|mes|vos) (?:documents?|sources?|textes?|passages?|extraits?|articles fournis)\b|\b(?:le|ce|du) (?:document|texte|passage)\b",
        say=r"\b(?:mentionn\w+|indiqu\w+|précis\w+|di[ts]\w*|évoqu\w+|parl\w+|abord\w+|informations?|réponse|répond\w*|détails?|traite\w*|décri\w+|spécifi\w+|mention|renseignements?|permet\w* (?:pas )?de|figure\w*|trouve\w*|expliqu\w+|déterminer|précisions)\b",
        hold=r"\b(?:conti\w+|fourni\w+|donn\w+|comport\w+|inclu\w+|offr\w+|couvr\w+)\b",
        agent=r"\bje (?:n['’](?:ai|y|en)|ne) [^;]*(?:pas|aucune?|rien|plus)\b[^;]*(?:trouv\w+|répondre|sais|savoir|informations?|réponse|déterminer|dire|confirmer|connais|dispose|vérifier|sûre?|certaine?|localis\w+|données)|\bje ne (?:sais|connais|dispose|trouve|peux|vois|suis) (?:pas|d['’]aucune?)(?:[.!]*$|[^;]*(?:répondre|dire|déterminer|réponse|confirmer|informations?|sûre?|certaine?))|\bje n['’]ai (?:pas |rien |aucune? )(?:pu )?(?:trouv|d['’]information|information|réponse|élément|donnée|localis)\w*|(?:il est|il m['’]est|c['’]est) impossible de (?:répondre|dire|déterminer)|il n['’]est pas possible de (?:répondre|dire|déterminer)|(?:cela|ceci|la réponse|cette question|la question) (?:ne peut|n['’]est|ne peuvent) [^;]*(?:détermin\w+|répond\w+|trouv\w+|disponible|être établi\w*)|(?:il n['’]y a|je ne vois|il n['’]existe) (?:pas|aucune?) [^;]*(?:information|mention|réponse|détail)|aucune (?:information|réponse|mention|donnée)[^;]*(?:trouvée?|disponible|fournie?|sur|concernant)",
        attribution=r"^(?:selon|d['’]après|conformément)\b",
        turn=r"[,;] ?(?:mais|cependant|toutefois|donc|seulement|seul|alors que|tandis que|bien que)\b",
    ),
    "es": Lexicon(
        strong=r"(?:documentos?|fuentes?|contextos?|textos?|pasajes?|fragmentos?|artículos?|información|materiales?|datos|archivos?|informes?|documentación)(?: \w+)? (?:proporcionad|dad|disponible|recuperad|facilitad|suministrad|citad|adjunt|indexad|consultad|anterior|entregad|compartid|encontrad|que (?:me|se me|tengo))\w*|\b(?:el|este|del|al) contexto\b|resultados de (?:la )?búsqueda|base de conocimientos?",
        weak=r"\b(?:los|las|estos|estas|mis|sus) (?:documentos|fuentes|textos|pasajes|fragmentos)\b|\b(?:el|este|del) (?:documento|texto|pasaje)\b",
        say=r"\b(?:mencion\w+|indic\w+|especific\w+|dice[n]?|decir|habla\w*|abord\w+|información|respuesta|respond\w+|detalles?|trata\w*|describ\w+|mención|señal\w+|aparec\w+|figura\w*|encuentra\w*|explic\w+|determinar|precis\w+|aclar\w+|menciona|datos sobre|referencias?)\b",
        hold=r"\b(?:contien\w+|conten\w+|inclu\w+|proporcion\w+|ofrec\w+|da[n]?|brind\w+|cubr\w+|recog\w+|hay)\b",
        agent=r"\bno (?:he podido|pude|puedo|logré|he logrado|encontré|he encontrado|encuentro|sé|tengo|dispongo|conozco|hemos podido|pudimos|cuento con|estoy segur\w|me consta)(?:[.!]*$| [^;]*(?:encontr\w+|respond\w+|determin\w+|información|respuesta|decir\w*|confirm\w+|datos|saber|localiz\w+|verific\w+|detalles|conocimiento|nada|ning\w+)|[^;]*$)|\bno lo sé\b|(?:es imposible|no es posible|resulta imposible|no se puede|no puede) [^;]*(?:respond\w+|determin\w+|saber\w*|deci\w+|contest\w+)|no (?:hay|existe|se encontr\w+|se ha encontrado|se dispone de) [^;]*(?:información|mención|respuesta|detalles|datos)[^;]*(?:sobre|acerca|disponible|respecto|en (?:los|las|el|la)|[.!]*$)|(?:esto|la respuesta|esta pregunta|la pregunta) no (?:se puede|puede|está|aparece|figura)",
        attribution=r"^(?:según|de acuerdo con|conforme a)\b",
        turn=r"[,;] ?(?:pero|sin embargo|aunque|sino|solo|sólo|solamente|por lo que|así que|por tanto|mientras)\b",
    ),
    "it": Lexicon(
        strong=r"(?:document[oi]|font[ei]|contest[oi]|test[oi]|passagg[io]+|estratt[oi]|brani?|articol[oi]|informazioni|material[ei]|dati|file|documentazione)(?: \w+)? (?:fornit|dat[oiae]\b|disponibil|recuperat|citat|allegat|indicizzat|consultat|sopra|condivis|trovat|messi a disposizione|a mia disposizione|che ho)\w*|\b(?:il|questo|nel|del|dal) contesto\b|risultati (?:di|della) ricerca|base di conoscenza",
        weak=r"\b(?:i|questi|nei|dei|dai|le|nelle|dalle|delle) (?:documenti|fonti|testi|passaggi|brani)\b|\b(?:il|nel|questo) (?:documento|testo|passaggio)\b",
        say=r"\b(?:menzion\w+|indic\w+|specific\w+|dic(?:e|ono)|dire|parla\w*|affronta\w*|informazion\w+|risposta|rispond\w+|dettagli\w*|tratta\w*|descri\w+|menzione|riporta\w*|compar\w+|trova\w*|spiega\w*|determinare|precis\w+|cita\w*|accenn\w+|riferimenti?)\b",
        hold=r"\b(?:conten\w+|contien\w+|inclu\w+|fornisc\w+|offr\w+|dà|danno|copr\w+|c['’]è|ci sono)\b",
        agent=r"\bnon (?:ho trovato|sono riuscit\w|ho potuto|posso|riesco|so|trovo|ho|dispongo|conosco|sono (?:in grado|sicur\w|cert\w|a conoscenza))(?:[.!]*$| [^;]*(?:trov\w+|rispond\w+|determin\w+|informazion\w+|risposta|dire|conferm\w+|dati|sapere|individu\w+|verific\w+|dettagli|nulla|nessun\w*|certezza)|[^;]{0,40}$)|\bnon lo so\b|(?:è impossibile|non è possibile|risulta impossibile) (?:rispond\w+|determin\w+|dire|sapere|stabilire)|non (?:ci sono|c['’]è|esistono|sono state trovate|sono disponibili|risultano) [^;]*(?:informazion\w+|menzion\w+|rispost\w+|dettagli|dati)[^;]*(?:su|sul\w*|riguardo|disponibil\w+|in merito|nei|nel\w*|[.!]*$)|nessuna (?:informazione|risposta|menzione)|(?:questo|la risposta|questa domanda|la domanda) non (?:può|è|si può|trova)",
        attribution=r"^(?:secondo|in base a|stando a|come da)\b",
        turn=r"[,;] ?(?:ma|però|tuttavia|solo|soltanto|quindi|perciò|mentre|sebbene|anche se)\b",
    ),
    "pt": Lexicon(
        strong=r"(?:documentos?|fontes?|contextos?|textos?|trechos?|passagens?|excertos?|artigos?|informaç\w+|materia\w+|dados|arquivos?|documentação)(?: \w+)? (?:fornecid|dad[oa]s?\b|disponíve|recuperad|citad|anexad|indexad|consultad|acima|compartilhad|encontrad|disponibilizad|apresentad|que (?:me|tenho))\w*|\b(?:o|este|no|do|ao) contexto\b|resultados d[ae] (?:busca|pesquisa)|base de conhecimento",
        weak=r"\b(?:os|estes|esses|nos|dos|as|nas|das|meus) (?:documentos|fontes|textos|trechos|passagens)\b|\b(?:o|no|este) (?:documento|texto|trecho)\b",
        say=r"\b(?:mencion\w+|indica\w*|especific\w+|diz\w*|dizer|fala\w*|abord\w+|informaç\w+|resposta|respond\w+|detalhe\w*|trata\w*|descrev\w+|menção|aponta\w*|aparec\w+|consta\w*|encontra\w*|explica\w*|determinar|precis\w+|cita\w*|esclarec\w+|referências?)\b",
        hold=r"\b(?:cont[êeé]\w*|inclu\w+|fornec\w+|oferec\w+|traz\w*|dá|dão|cobr\w+|há|apresenta\w*)\b",
        agent=r"\bnão (?:encontrei|consegui|consigo|pude|posso|sei|tenho|encontro|disponho|conheço|foi possível|fui capaz|localizei|estou cert\w|possuo)(?:[.!]*$| [^;]*(?:encontr\w+|respond\w+|determin\w+|informaç\w+|resposta|dizer|confirm\w+|dados|saber|localiz\w+|verific\w+|detalhes|nada|nenhum\w*|certeza|conhecimento)|[^;]{0,40}$)|(?:é impossível|não é possível|impossível) (?:respond\w+|determin\w+|dizer|saber|afirmar)|não (?:há|existem?|foram encontradas|constam?) [^;]*(?:informaç\w+|menç\w+|resposta|detalhes|dados)[^;]*(?:sobre|acerca|disponíve\w+|a respeito|nos|no|[.!]*$)|nenhuma (?:informação|resposta|menção)|(?:isso|a resposta|esta pergunta|essa pergunta|a pergunta) não (?:pode|está|consta|é)",
        attribution=r"^(?:segundo|de acordo com|conforme)\b",
        turn=r"[,;] ?(?:mas|porém|contudo|no entanto|apenas|só|somente|portanto|então|enquanto|embora)\b",
    ),
    "nl": Lexicon(
        strong=r"(?:verstrekte|gegeven|beschikbare|opgehaalde|aangeleverde|geleverde|bijgevoegde|bovenstaande|meegeleverde|aangehaalde|gevonden|geïndexeerde|geüploade|gedeelde) (?:\w+ )?(?:\w*documente?n?|\w*document|bronnen|bron|context|\w*teksten?|\w*tekst|passages?|fragmenten|\w*artikelen|informatie|\w*materiaal|\w*gegevens|\w*bestanden)|\b(?:de|deze) context\b|zoekresultaten|kennisbank",
        weak=r"\b(?:de|deze|mijn|uw) (?:documenten|bronnen|teksten|passages|fragmenten)\b|\b(?:het|dit) document\b|\bde tekst\b",
        say=r"\b(?:vermeld\w*|noem\w*|genoemd|zeg\w*|aangegeven|informatie|antwoord\w*|beantwoord\w*|details|beschr\w+|gespecificeerd|specific\w+|behandel\w*|vermelding|bespr\w+|terug te vinden|te vinden|gevonden|blijkt|opgenomen|bepalen|uitleg\w*|verwijz\w+|staat|ingaan|gaan in)\b",
        hold=r"\b(?:bevat\w*|bieden|biedt|geven|geeft|leveren|levert|omvat\w*)\b",
        agent=r"\bik (?:kon|kan|heb|weet|vind|vond|ben|beschik)(?: [^,;]*)? (?:niet|geen|niets)\b(?:[^;]*\b(?:vinden|gevonden|beantwoorden|zeggen|bepalen|vaststellen|bevestigen|informatie|antwoord|zeker|gegevens|achterhalen)\b|[.!]*$)|\b(?:kon|kan|heb) ik [^;]*(?:niet|geen|niets) [^;]*(?:vinden|gevonden|beantwoorden|zeggen|bepalen)|\bik weet (?:het|dat|dit) (?:helaas )?niet|(?:het is |is )?(?:niet mogelijk|onmogelijk) [^;]*(?:vraag|beantwoorden|te bepalen|te zeggen)|(?:vraag|dit|dat) kan [^;]*niet [^;]*(?:beantwoord|bepaald|vastgesteld)|(?:er is|er zijn|er werd|er werden|is er) (?:\w+ )?geen (?:\w+ )?(?:informatie|antwoord|vermelding|gegevens|resultaten)|geen (?:\w+ )?informatie (?:gevonden|beschikbaar|over)",
        attribution=r"^(?:volgens|op grond van|conform)\b",
        turn=r"[,;] ?(?:maar|echter|alleen|slechts|dus|daarom|terwijl|hoewel)\b",
    ),
    "pl": Lexicon(
        strong=r"(?:dostarczon|podan|dostępn|przekazan|udostępnion|załączon|powyższ|znalezion|przedstawion|zaindeksowan|wyszukan|pobran)\w+ (?:\w+ )?(?:dokument\w*|źród\w+|kontekst\w*|tekst\w*|fragment\w*|artykuł\w*|informacj\w+|materiał\w*|danych|dane|plik\w*)|\b(?:kontekst\w*|wynik\w+ wyszukiwania|baz\w+ wiedzy)\b",
        weak=r"\b(?:dokumenty|dokumentach|dokumentów|dokumencie|dokument|źródła|źródłach|tekście|tekst|fragmentach|materiałach|materiały)\b",
        say=r"\b(?:wspomin\w+|wspomni\w+|wymieni\w+|podaj\w+|podano|mówi\w*|informacj\w+|odpowied\w+|określ\w+|szczegół\w+|opis\w+|wzmiank\w*|wynika|porusz\w+|omawi\w+|wskazuj\w+|precyz\w+|wyjaśni\w+|ustalić|znaleź\w+|znajduj\w+|odnosz\w+)\b",
        hold=r"\b(?:zawier\w+|obejmuj\w+|dostarcz\w+|ma|mają|zawart\w+|są|jest)\b",
        agent=r"\bnie (?:mogę|mogłem|mogłam|udało mi się|znalazłem|znalazłam|znalazłem|wiem|mam|znajduję|potrafię|jestem (?:w stanie|pew\w+)|posiadam|dysponuję|byłem w stanie|byłam w stanie)(?:[.!]*$|[^;]*(?:znaleź\w*|odpowied\w+|określ\w+|informacj\w+|ustalić|powiedzieć|potwierdzić|danych|stwierdzić|nic|żadn\w+|szczegół\w+|pew\w+)|[^;]{0,40}$)|(?:niemożliwe|nie jest możliwe|nie można|nie da się) [^;]*(?:odpowied\w+|określ\w+|ustalić|stwierdzić)|(?:brak|nie ma|brakuje|nie znaleziono) (?:\w+ )?(?:informacji|danych|wzmianki|odpowiedzi|szczegółów)",
        attribution=r"^(?:według|zgodnie z|wedle)\b",
        turn=r"[,;] ?(?:ale|jednak|lecz|tylko|jedynie|więc|dlatego|podczas gdy|choć)\b",
    ),
    "ru": Lexicon(
        strong=r"(?:предоставленн|данн|имеющ|доступн|приведённ|приведенн|переданн|найденн|представленн|загруженн|прилагаем|указанн|вышеприведённ|полученн)\w+ (?:\w+ )?(?:документ\w*|источник\w*|контекст\w*|текст\w*|фрагмент\w*|отрыв\w+|стат(?:ья|ьи|ей|ью|ьях)|информаци\w+|материал\w*|данн\w+|файл\w*)|\bконтекст\w*\b|результат\w+ поиска|баз\w+ знаний",
        weak=r"\b(?:документы|документах|документов|документе|документ|источники|источниках|тексте|текст|фрагментах|материалах|материалы)\b",
        say=r"\b(?:упомина\w+|упомянут\w*|упоминани\w+|указан\w*|указыва\w+|говор\w+|сказано|информаци\w+|сведени\w+|ответ\w*|описан\w*|описыва\w+|подробност\w+|уточня\w+|сообща\w+|определ\w+|рассматрива\w+|содержится|найти|найден\w*|объясн\w+|освеща\w+|данных о)",
        hold=r"\b(?:содерж\w+|включа\w+|предоставля\w+|да[её]т|дают|приведен\w*|есть)",
        agent=r"(?:^|[\s,])(?:я|мне|мы)?\s?(?:к сожалению, )?(?:я )?не (?:могу|смог\w*|нашёл|нашел|нашла|знаю|удалось|располагаю|имею|уверен\w?|нахожу|вижу|в состоянии|обладаю)(?:[.!]*$|[^;]*(?:найти|ответ\w*|определить|информаци\w+|сказать|подтвердить|данных|сведени\w+|установить|ничего|упоминани\w+|уверен\w*|знаю)|[^;]{0,40}$)|у меня нет (?:\w+ )?(?:информаци\w+|данных|сведений|ответа)|(?:невозможно|нельзя|не представляется возможным) (?:\w+ )?(?:ответить|определить|сказать|установить|дать ответ)|(?:нет|отсутствует|отсутствуют|не найдено|не обнаружено) (?:\w+ )?(?:информаци\w+|данны\w+|сведени\w+|упоминани\w+|ответ\w*)(?:[.!]*$| (?:о|об|по|в|для|относительно|касательно))",
        attribution=r"^(?:согласно|по данным|в соответствии)\b",
        turn=r"[,;] ?(?:но|однако|а|только|лишь|поэтому|значит|тогда как|хотя)\s",
    ),
    "tr": Lexicon(
        strong=r"(?:verilen|sağlanan|sunulan|mevcut|alınan|yukarıdaki|eldeki|elimdeki|paylaşılan|bulunan|ekteki) (?:\w+ )?(?:belge\w*|kaynak\w*|bağlam\w*|metin\w*|metn\w*|pasaj\w*|makale\w*|bilgi\w*|doküman\w*|dosya\w*)|\bbağlam\w*\b|arama sonuçlar\w*|bilgi taban\w+",
        weak=r"\b(?:belgeler\w*|kaynaklar\w*|belgede|metinde|dokümanlar\w*)\b",
        say=r"\b(?:bahset\w+|bahsedil\w+|belirt\w+|söz \w+|bilgi\w*|cevap\w*|yanıt\w*|ayrıntı\w*|değin\w+|geç\w+|açıkla\w+|yer alm\w+|anıl\w+|bulunm\w+)\b",
        hold=r"\b(?:içer\w+|sağla\w+|sun\w+|ver\w+)\b",
        agent=r"\b(?:bulamadım|bulamıyorum|bilmiyorum|cevaplayamıyorum|cevaplayamam|yanıtlayamıyorum|yanıtlayamam|belirleyemiyorum|emin değilim|bilgim yok|bilgiye sahip değilim|rastlamadım)\b|(?:bu soru|soru|bu soruyu|soruyu)\w* [^;]*(?:yanıtla\w+|cevapla\w+) (?:mümkün değil|imkansız|imkânsız)|(?:belirlenemiyor|yanıtlanamaz|cevaplanamaz|bilgi bulunamadı|bilgi yok|bilgi bulunmamaktadır)",
        attribution=r"^\S+ göre\b",
        turn=r"[,;] ?(?:ama|ancak|fakat|sadece|yalnızca|bu nedenle|dolayısıyla)\b",
    ),
    "zh": Lexicon(
        strong=r"(?:提供|给定|检索到|现有|上述|已有|所给|给出|搜索到|参考|上传|可用)的?(?:相关)?(?:文档|文件|资料|上下文|来源|文本|段落|内容|信息|材料|文章)|上下文|搜索结果|检索结果|知识库",
        weak=r"(?:文档|文件|资料|文中|材料)(?:中|里|并|均|都|没|未)",
        say=r"(?:提到|提及|说明|指出|信息|涉及|描述|回答|答案|记载|说|介绍|讨论|明确|解释|确定|找到|内容)",
        hold=r"(?:包含|包括|提供|给出|有)",
        agent=r"(?:我|我们)?(?:没有|没|未能|无法|不能)(?:在[^，。；]*)?(?:找到|查到|检索到|确定|回答|得知|确认|查询到|判断)|我不知道|不(?:太)?清楚|我不确定|(?:没有|暂无|未找到|未查到)(?:任何)?(?:相关|有关|关于[^，。；]*的?)?(?:信息|资料|内容|答案|结果)",
        attribution=r"^(?:根据|依据|按照)[^，]*(?:规定|说明)",
        turn=r"[，；、,;]\s?(?:但|但是|不过|然而|因此|所以|只|仅)",
    ),
    "ja": Lexicon(
        strong=r"(?:提供された|与えられた|取得した|検索された|参照|上記の|ご提示の|いただいた|添付の|入手可能な|提示された)(?:関連)?(?:文書|資料|コンテキスト|文脈|情報源|テキスト|ドキュメント|情報|記事|ソース)|コンテキスト|文脈|検索結果|ナレッジベース",
        weak=r"(?:文書|資料|ドキュメント|情報源|ソース)(?:に|から|で|の中|内)",
        say=r"(?:記載|言及|情報|記述|触れ|説明|答え|回答|見つか|示され|明記|書かれ|述べ|判断|特定)",
        hold=r"(?:含ま|あり|提供)",
        agent=r"(?:わかりません|分かりません|わからない|分からない|見つかりません|見つけられません|見つけることができません|存じません|お答えできません|回答できません|判断できません|特定できません|確認できません|答えられません|答えることができません|不明です)",
        attribution=r"^.{0,20}(?:によると|によれば)",
        turn=r"(?:ですが|ますが|せんが|ないが|しかし|ただし)[、,]?",
    ),
    "ar": Lexicon(
        strong=r"(?:المستندات|الوثائق|المصادر|النصوص|السياق|المقالات|المعلومات|الملفات|البيانات|المقاطع|النص|المستند|الوثيقة) (?:المقدم|المتاح|المتوفر|المعطا|المعطى|المسترجع|المرفق|المذكور|المزود|المستخرج|أعلاه|التي (?:لدي|قدمت))\w*|السياق|نتائج البحث|قاعدة المعرفة",
        weak=r"(?:المستندات|الوثائق|المصادر|النصوص|المستند|الوثيقة)",
        say=r"(?:ذكر|تذكر|يذكر|تشير|يشير|معلومات|إجابة|جواب|تفاصيل|تحدد|يحدد|توضح|يوضح|تتناول|يتناول|إشارة|تتطرق|يتطرق|مذكور|تجيب|يجيب|تتحدث|يتحدث|ترد|يرد|العثور)",
        hold=r"(?:تحتوي|يحتوي|تتضمن|يتضمن|توفر|يوفر|تقدم|يقدم|تشمل|يشمل|توجد|يوجد)",
        agent=r"(?:لم أجد|لم أتمكن من|لا أعرف|لا أعلم|لا أستطيع (?:الإجابة|تحديد|العثور|التأكد|تأكيد)|لا يمكنني (?:الإجابة|تحديد|العثور|التأكد|تأكيد)|لا تتوفر لدي|ليس لدي (?:\w+ )?(?:معلومات|إجابة)|ليست لدي|لست متأكد\w*|لم أعثر|لا يمكن (?:الإجابة|تحديد)|من المستحيل (?:الإجابة|تحديد)|لا (?:توجد|تتوفر) (?:أي )?معلومات|لا يوجد (?:أي )?ذكر)",
        attribution=r"^(?:وفقا|وفقًا|بحسب|حسب|طبقا)",
        turn=r"[،؛,;] ?(?:و?لكن|إلا|غير أن|لذلك|فقط|بل|بينما)",
    ),
    "hi": Lexicon(
        strong=r"(?:दिए गए|प्रदान किए गए|उपलब्ध|प्राप्त|उपरोक्त|दिये गये|दी गई|संलग्न|प्रदत्त|उपलब्ध कराए गए|दिए हुए) (?:\S+ )?(?:दस्तावेज\S*|दस्तावेज़\S*|स्रोत\S*|संदर्भ\S*|पाठ\S*|अंश\S*|लेख\S*|जानकारी|सामग्री|सूचना)|संदर्भ में|खोज परिणाम\S*|ज्ञानकोष",
        weak=r"(?:दस्तावेज\S*|दस्तावेज़\S*|स्रोतों)",
        say=r"(?:उल्लेख|जानकारी|बताया|बताते|बताता|उत्तर|जवाब|विवरण|वर्णन|चर्चा|सूचना|स्पष्ट|कहा|कहते|निर्दिष्ट|मिली|मिला)",
        hold=r"(?:शामिल|मौजूद|देते|प्रदान|है|हैं)",
        agent=r"(?:मुझे|मैं|हमें) [^।]*(?:नहीं (?:मिल|पता|मालूम|जानत|दे सकत|बता सकत|ढूंढ|ढूँढ|खोज|कर सक)|पता नहीं|असमर्थ हूँ|असमर्थ हूं)|मुझे नहीं पता|(?:कहना|बताना|उत्तर देना|निर्धारित करना) (?:संभव नहीं|असंभव)|कोई (?:जानकारी|उल्लेख|उत्तर) (?:उपलब्ध |मौजूद )?नहीं",
        attribution=r"^\S+ (?:\S+ )?के अनुसार",
        turn=r"[,;] ?(?:लेकिन|परंतु|परन्तु|किंतु|इसलिए|केवल|सिर्फ)",
    ),
}  # fmt: skip

_TURN = re.compile(
    r"(?:[,;]|(?<=know)|(?<=sure)|(?<=certain)) ?\b(?:but|however|although|though|yet|while|whereas|except|only|they only|it only|they do|it does|so|therefore|"
    r"hence|thus|which means|meaning|instead|rather|which|who|whose|where)\b,? (?P<a>.*)$"
    r"|;(?P<b>.*)$|\band (?:only |they |it )?(?P<c>(?:state|say|mention|show|describe|specif|list|indicate|note)\w*.*)$"
)
_NO_FACT = re.compile(
    r"^(?:(?:i|we)\b(?! (?:do |did |have |also |only )*(?:know|knew|heard?|read|learn|learned|believe|think|guess|found that|can (?:tell|confirm))\b)"
    r"|you\b|your\b|please|feel|if|let|here|my\b|could you|can you|(?:found|see|saw|there (?:is|was)) (?:nothing|no)\b|it (?:is|was)(?: not|n['’]t) (?:there|in|mentioned|among)\b|none\b|nothing\b)"
    r"|\b(?:can ?not|can['’]t|could not|couldn['’]t|unable|impossible|not possible|unclear|unknown|not available|not (?:been )?provided|do(?:es)? not (?:mention|say|specify|contain|include|provide|know)|would need|i can)\b"
)
"""What may follow a turn: the agent's own words, or more not-knowing."""

_WORLD = re.compile(
    r"\b(?:in|on|by) (?:the|this|that|an?|his|her|its|their|our) (?:[a-z-]+ ){0,3}(?:report|letter|contract|agreement|policy|law|act|"
    r"bill|statute|book|study|e-?mail|minutes|label|will|statement|interview|speech|treaty|constitution|code|paper|novel|film|"
    r"register)s?\b"
)
"""Where something of the world was looked into: what it does not say is a claim."""

_CUES = {
    "en": " not|cannot|n't|n’t| no |none|nothing|nowhere|neither|unable|impossible|unclear|unknown|unanswer|insufficient|fail|lack|silent|unsure|"
    "unaware|uncertain|never|missing|absent|unavailable|n/a",
    "de": "nicht|kein|nichts|nirgends|weder|unmöglich",
    "fr": " ne | n'| n’| aucun| rien|impossible",
    "es": " no | ning| nada|imposible",
    "it": " non | nessun| nulla|niente|impossibile",
    "pt": "não|nenhum|nada|impossível",
    "nl": "niet|geen|niets|nergens|onmogelijk",
    "pl": " nie |żadn|brak|niemożliwe",
    "ru": " не |нет|ничего|отсутств|невозможно|нельзя",
    "tr": " yok|değil|hiçbir|ıyor|iyor|uyor|üyor|madım|medim|madı.|medi.|mamaktadır|memektedir|amam|emem|amaz|emez",
    "zh": "没|未|无|不",
    "ja": "ません|ない|なかった|不明|無い",
    "ar": " لا | لم |ليس|لست| لن |المستحيل",
    "hi": "नहीं|असमर्थ|असंभव",
}  # fmt: skip
"""Negations, as plain text: where none stands, no pattern is tried."""


def is_abstention(text: pl.Series) -> pl.Series:
    """Whether each text says only that the agent, or the material that it was given, does not know.

    Time is linear in the texts: most have no negation of a language and are not looked at again.
    """
    frame = pl.DataFrame({"row": pl.int_range(text.len(), eager=True), "text": text})
    frame = frame.filter(pl.col("text").str.len_chars() <= SEEN).with_columns(
        pl.col("text").str.to_lowercase()
    )
    padded = pl.concat_str(pl.lit(" "), "text")
    english = frame.filter(padded.str.contains_any(_CUES["en"].split("|")))
    cues = "|".join(own for name, own in _CUES.items() if name != "en").split("|")
    another = frame.filter(padded.str.contains_any(cues))
    # Most of these are English too: ` no ` is a negation in Spanish.
    named = zip(another["text"], languages(another["text"].to_list()), strict=True)
    is_other = [not (one.isascii() and name == "en") for one, name in named]
    another = another.filter(pl.Series(is_other, dtype=pl.Boolean))
    rows = pl.concat([_in_english(english), _in_another(another)])
    return pl.int_range(text.len(), eager=True).is_in(rows.implode())


def _bare(text: pl.Expr) -> pl.Expr:
    """Without citations, marks and surplus space."""
    # `The search returned no results` names an act: read word for word it holds `returned results`, a material.
    act = r"\b(?:search|searches) (?:returned|found|yielded|produced|gave|turned up)\b"
    for pattern, by in ((_CITATION, " "), (f"{_MARKS}|[{_S}{_W}]", ""), (act, "lookup gave"), (r"\s+", " ")):
        text = text.str.replace_all(pattern, by)
    return text.str.strip_chars()


def _in_english(rows: pl.DataFrame) -> pl.Series:
    text = pl.col("text")
    bare = _bare(text).str.replace_all(rf"\b{_STRONG}\b", _S).str.replace_all(rf"\b{_WEAK}\b", _W)
    pattern = rf"^(?:yes, |no, )?{_OPENER}(?:{'|'.join(_ENGLISH)})"
    rows = rows.with_columns(bare).filter(text.str.contains(pattern))
    return rows.filter(pl.Series([not _states_more(one) for one in rows["text"]], dtype=pl.Boolean))["row"]


def _in_another(rows: pl.DataFrame) -> pl.Series:
    text = pl.col("text")
    strong, weak, say, hold, agent, attribution, turn = (
        text.str.contains("|".join(f"(?:{getattr(own, field)})" for own in _LEXICONS.values()))
        for field in ("strong", "weak", "say", "hold", "agent", "attribution", "turn")
    )
    rows = rows.with_columns(_bare(text))
    says = rows.filter(((strong & (say | hold)) | (weak & say)) & ~attribution)
    return pl.concat([says, rows.filter(agent)]).filter(~turn)["row"]


def _states_more(text: str) -> bool:
    """Whether an English sentence turns to a statement (`..., but leave is 28 days`) or speaks of the world's."""
    turn = _TURN.search(text)
    if turn and not _NO_FACT.search(turn.group(turn.lastgroup or 0)):
        return True
    return _S not in text and _WORLD.search(text) is not None
