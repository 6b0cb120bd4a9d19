"""Which language an answer is written in: by its script, then by function words and letters of its own.

Belongs here: the tables and the vote. Does not belong here: what follows from a language (`abbreviations.py`,
`boundaries.py`). Why no library: `docs/decisions/0025-language.md`.
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

import numpy as np

from tasks.text.votes import Ballot, Votes

UNKNOWN = "und"
"""Undetermined, as ISO 639-2 writes it; a guess would apply the rules of a language to another."""

SEEN = 1200
"""Characters that are looked at, from the first: two hundred words settle what can be settled."""

LEAST_SCORE = 0.6
"""Below a word that two languages share, the language stays unknown."""

LEAST_LEAD = 1.15
"""The best language's score over the next: names and loan words of a neighbour do not decide."""

_WORDS = {
    "en": "the of and to in is that it was for on are as with be by at this which or from an has have had "
    "not but they their were been its you your can will would more than when there these those also "
    "into only most many other about between after before how what where who why does did should could "
    "may we our if any all each yes no he she his her please it's don't i'm my me i us them then "
    "because while during both such under costs takes following available contains use used using based "
    "see track",
    "de": "der die das und ist nicht ein eine einen einem einer den dem des von mit zu im auf für sich "
    "auch es an als sind wird werden wurde wurden hat haben bei nach aus um am durch über sie ich wir "
    "ihr oder aber nur noch wie kann können bis zum zur dass daß wenn vom war beträgt danach heute dort "
    "damit kein keine diese dieser dieses beim ihre ihren seit sowie gilt gibt weitere bitte mehr man "
    "unter vor zwei ja nein dies finden ihnen",
    "fr": "le la les des du de et est un une dans que qui pour par sur pas ne au aux il elle ce cette ces "
    "sont avec plus ou mais se son sa ses leur nous vous je été être ont avait était depuis comme très "
    "aussi peut doit sous entre après même tout tous deux selon lors dont c'est n'est d'un d'une qu'il "
    "s'il l'on y en leurs votre vos nos oui non sauf voir fait cela cependant a fut",
    "es": "el la los las de del y en que es un una por con para no se su sus al lo como más o pero fue "
    "son está han ha hay muy también según entre desde hasta sobre cuando este esta estos estas ser "
    "puede pueden sin ya dos año años donde le les nos qué cómo cuánto sí usted ustedes todo todos otro "
    "otra tiene tienen era porque durante fueron antes después día días",
    "it": "il la lo gli le di del della dei delle degli dell e è che un una uno per con non in si da dal "
    "dalla nel nella sono come più anche ma o al alla ai alle sul sulla ha hanno essere stato stata fu "
    "era questo questa questi queste entro fino ogni dopo prima due anno anni può possono suo sua loro "
    "cui se perché quando dove sì tutti tutto l'anno dell'anno c'è i l all nell sull",
    "pt": "o a os as de do da dos das e em no na nos nas que é um uma por para com não se ao à às aos "
    "pelo pela mais ou mas foi são está como também entre até sobre seu sua seus suas este esta isso "
    "ser pode podem sem já dois ano anos quando onde tem têm era há muito depois antes você vocês sim "
    "exceto todo todos outro foram pelos dia dias ela ele",
    "nl": "de het een en van in is op dat te voor met zijn niet aan er die om door bij naar uit ook als "
    "of maar worden wordt werd werden heeft hebben kan kunnen over tot meer dan nog wel geen u uw wij "
    "zij hij deze dit onder na tussen sinds per jaar volgens zie waar wat wie hoe moet alle hun haar "
    "ons ja nee veel dag dagen daarna bedraagt staat nu",
    "pl": "i w na z do się nie jest to że jak o od po za przez dla przy oraz ale lub są był była było "
    "były co ten ta te tego tej tym która który które ze już tylko czy może można przed między więcej "
    "niż także roku lat tak gdy jego jej ich być został została wynosi dnia pod bez dwóch u aby kiedy "
    "gdzie pan pani mieści",
    "tr": "ve bir bu da de için ile olarak olan daha çok gibi en kadar sonra önce her ne ya veya ama "
    "değil var yok mı mi mu mü ise iki tarafından göre şu o olduğu oldu edildi edilir yıl yılında gün "
    "hangi nasıl neden evet hayır üzere içinde tarihinde bunun yaklaşık içerir",
    "sv": "och att det som en på är av för med till den har inte om ett i de var från kan men vid så "
    "eller när ska också efter under mellan finns genom blev sin detta denna här alla mycket ja nej "
    "sedan jag vi du enligt år",
    "da": "og at det som en på er af for med til den har ikke om et i de var fra kan men ved så eller når "
    "skal også efter under mellem findes gennem blev sin dette denne her alle meget ja nej siden jeg vi "
    "du ifølge år hvad",
    "nb": "og at det som en på er av for med til den har ikke om et i de var fra kan men ved så eller når "
    "skal også etter under mellom finnes gjennom ble sin dette denne her alle mye ja nei siden jeg vi "
    "du ifølge år hva",
    "fi": "ja on ei se että oli hän mutta joka tai kun niin myös ovat ole mukaan sekä jos vain kuin voi "
    "tämä tämän sen siitä vuonna vuoden jälkeen ennen mitä missä kaikki enemmän noin joita jotka",
    "cs": "a je se na v že to s z do pro by od po jako za ale ve ze jsou byl byla bylo které který která "
    "nebo při už však také roku si jeho jen co tak podle mezi není může ne ano před kde když této "
    "tohoto",
    "sk": "a je sa na v že to s z do pre by od po ako za ale vo zo sú bol bola bolo ktoré ktorý ktorá "
    "alebo pri už však tiež roku si jeho len čo tak podľa medzi nie môže áno pred kde keď tejto tohto",
    "ro": "și de în la cu pe că nu este un o a al ale din pentru sau care mai se să au fost sunt după "
    "prin ca dar până între anul ani lui ei lor acest această când unde da fiind",
    "hu": "a az és hogy nem is egy van volt de ez azt meg csak már mint vagy ha el még után szerint "
    "között lehet ami aki mert kell itt ott ezt igen évben több minden",
    "vi": "và của là có không được trong cho một các với những này đã người khi đến từ theo về năm ngày "
    "tại nhưng hoặc nếu cũng vào như hơn sau bạn tôi sẽ thể",
    "id": "dan yang di dari ini itu dengan untuk tidak pada adalah dalam akan ke oleh juga atau sebagai "
    "karena telah dapat ada bahwa anda kami lebih setelah tahun hari saya bisa antara tersebut",
    "ca": "el la els les de del i en que és un una per amb no es al com més o però va són està han ha hi "
    "també segons entre des fins sobre quan aquest aquesta ser pot sense ja dos any anys on dels als",
    "hr": "i je u na se da za od su s ne ili kao ali iz do po koji koja koje bio bila bilo nije što prema "
    "godine između više također može ako već samo te kako sa",
    "ru": "и в не на что с по как это из у за от для к о но же то был была было были или при до также его "
    "она он они мы вы если только уже чем составляет составила года лет можно нет да есть может под "
    "через после между этого их бы так который которая которое которые где когда ему много",
    "uk": "і в не на що з по як це із у за від для до та але ж був була було були або при також його вона "
    "він вони ми ви якщо тільки вже ніж становить року років можна ні так є може під через після між "
    "цього їх би який яка яке які де коли й чи",
    "bg": "и в не на че с по как това от за до но е са беше или при също го тя той те ние вие ако само "
    "вече година може между този тази които който която се ще със",
    "sr": "и у не на да се је за од су са или као али из до по који која које био била било није што "
    "према године између више такође може ако већ само",
    "fa": "و در به از که این است را با آن برای شد می شود بود یک تا بر هم نیست یا اما پس هر شده سال روز "
    "نیز",
    "ur": "اور کے میں کی ہے کو سے کا یہ نے پر کہ ہیں تھا نہیں ایک وہ جو بھی یا لیکن ہو گیا سال",
    "ar": "في من على إلى أن هذا هذه التي الذي عن مع ما لا لم كان كانت هو هي أو ثم بعد قبل بين كل عام سنة "
    "قد نعم هل ليس حتى منذ عند",
    "hi": "है हैं के में की को से का और यह ने पर कि था थी थे नहीं एक वह जो भी या लेकिन हो गया वर्ष तक लिए",
    "mr": "आहे आहेत आणि च्या मध्ये ला ने हे या नाही एक तो ती ते किंवा पण होते झाला साठी वर",
    "ne": "छ छन् र को मा ले यो त्यो हो होइन एक पनि वा तर थियो भएको गर्न लागि",
}  # fmt: skip

_LETTERS = {
    "de": "ßäöü", "fr": "çœèêàâùîôûëï", "es": "ñ¿¡áéíóú", "it": "àèìòù",
    "pt": "ãõçâêôáéíóúà", "pl": "łąęśżźćńó",
   
    "tr": "ğışçöü", "sv": "åäö", "da": "æøå", "nb": "æøå", "fi": "äö", "cs": "řůěščžýáíé",
    "sk": "ľĺŕôäščžťýáíé",
    "ro": "șțăâîşţ", "hu": "őűáéíóúöü", "vi": "ạảấầẩậắằặẹẻếềểệịọỏốồổộớờợụủứừựỳđơư", "ca": "·çàèéíòóú",
    "hr": "đčćšž",
    "ru": "ыэёъ", "uk": "іїєґ", "bg": "ъ", "sr": "ђјљњћџ", "fa": "پچژگیک", "ur": "ٹڈڑےںہھ", "ar": "ةىيكأإ",
    "mr": "ळ",
}  # fmt: skip
"""Letters that its neighbours lack, or have less often."""

_SCRIPTS = {
    0x0370: "el", 0x0400: "Cyrl", 0x0530: "hy", 0x0590: "he", 0x0600: "Arab", 0x0700: "", 0x0900: "Deva",
    0x0980: "bn", 0x0A00: "pa", 0x0A80: "gu", 0x0B00: "or", 0x0B80: "ta", 0x0C00: "te", 0x0C80: "kn",
    0x0D00: "ml", 0x0D80: "si", 0x0E00: "th", 0x0E80: "lo", 0x0F00: "bo", 0x1000: "my", 0x10A0: "ka",
    0x1100: "ko", 0x1200: "am", 0x13A0: "", 0x1780: "km", 0x1800: "mn", 0x18B0: "", 0x1E00: "Latn",
    0x1F00: "el",
    0x2000: "", 0x2C80: "", 0x2D80: "am", 0x2DE0: "", 0x3040: "ja", 0x3100: "", 0x3130: "ko", 0x3190: "",
    0x31F0: "ja", 0x3200: "", 0x3400: "zh", 0x4DC0: "", 0x4E00: "zh", 0xA000: "", 0xAC00: "ko", 0xD7B0: "",
    0xF900: "zh", 0xFB00: "", 0xFB50: "Arab", 0xFE00: "", 0xFE70: "Arab", 0xFEFF: "", 0xFF21: "Latn",
    0xFF5B: "", 0xFF66: "ja", 0xFFA0: "", 0x20000: "zh", 0x323B0: "",
}  # fmt: skip
"""First code point of a run of blocks → its language, or its script where several languages share it."""

_SHARED = {
    "Latn": "en de fr es it pt nl pl tr sv da nb fi cs sk ro hu vi id ca hr".split(),
    "Cyrl": "ru uk bg sr".split(),
    "Arab": "ar fa ur".split(),
    "Deva": "hi mr ne".split(),
}

_STARTS = np.array([0, 0x41, 0x5B, 0x61, 0x7B, 0xC0, 0x250, *_SCRIPTS], dtype=np.uint32)
_NAMES = ["", "Latn", "", "Latn", "", "Latn", "", *_SCRIPTS.values()]
_KINDS = sorted(set(_NAMES))
_KIND_OF = np.array([_KINDS.index(name) for name in _NAMES])
_KANA_SHARE = 0.05
"""Japanese mixes kana into Chinese characters; a Chinese text that quotes a Japanese name has fewer."""

_DENSITY = {"zh": 3, "ja": 2, "ko": 2}
"""Letters of other scripts that one of these says as much as."""

_NOT_LATIN = re.compile(
    "[\u0370-\u1dff\u2c80-\ua6ff\ua800-\ufaff\ufb50-\ufdff\ufe70-\ufefc\uff66-\uffdc\U00020000-\U000323af]"
)
_NOISE = {"://": r"https?://\S+", "www.": r"www\.\S+", "@": r"\S+@\S+", "`": r"`[^`\n]*`"}
"""What each sign may be a part of: addresses and code, which are in no language."""
_APART = [
    *map(ord, "‘“”„‚…‹›।॥،؛؟–—"),
    *(c for c in range(0xC0) if not chr(c).isalpha() and c != 0x27),
    *(c for c in range(0xC0, 0x3001) if chr(c).isspace()),
]
"""What ends a word: punctuation, digits and spaces; the apostrophe stays in its word."""


_PART = dict.fromkeys("ca hr sk ro nb bg sr mr ne fa ur".split(), 0.5)
"""What a language with fewer readers gets of a shared word; the others get one."""


def _votes(signs: dict[str, Iterable[str]], languages: list[str], weight: float) -> Votes:
    """Word or letter → (language, weight): the more languages share it, the less it says."""
    owners: dict[str, list[str]] = {}
    for language in languages:
        for sign in set(signs.get(language, ())):
            owners.setdefault(sign, []).append(language)
    parts = {sign: sum(_PART.get(name, 1.0) for name in those) for sign, those in owners.items()}
    return {
        sign: tuple((name, weight * _PART.get(name, 1.0) / parts[sign]) for name in those)
        for sign, those in owners.items()
    }


@cache
def _ballot(script: str) -> Ballot:
    names = _SHARED[script]
    words = _votes({name: _WORDS[name].split() for name in names}, names, 1.0)
    return Ballot(words, _votes(dict(_LETTERS), names, 0.8), names, _APART)


def language(text: str) -> str:
    """ISO 639 code of the language that most of a text's beginning is written in; `und` where it is unclear.

    Deterministic and of bounded time: it sees the first SEEN characters.
    """
    return _language(text[:SEEN])


def languages(texts: Sequence[str]) -> list[str]:
    """The language of each of many texts: what one takes by itself is mostly for the arrays."""
    heads = [text[:SEEN] for text in texts]
    named = [_script(head) for head in heads]
    for script in _SHARED.keys() & set(named):
        own = [at for at, name in enumerate(named) if name == script]
        for at, name in zip(own, _elected([heads[at] for at in own], script), strict=True):
            named[at] = name
    return [name or UNKNOWN for name in named]


def function_words(name: str) -> frozenset[str]:
    """The function words that a language is known by, in lower case; none where its script says it."""
    return frozenset(_WORDS.get(name, "").split())


@lru_cache(maxsize=4096)
def _language(head: str) -> str:
    return languages([head])[0]


def _script(head: str) -> str:
    """The script, or the language where only one is written in it, of most letters; empty for no letter."""
    if head.isascii() or not _NOT_LATIN.search(head):
        return "Latn"
    points = np.frombuffer(_without_noise(head).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    counts = np.bincount(_KIND_OF[np.searchsorted(_STARTS, points, "right") - 1], minlength=len(_KINDS))
    shares = {
        kind: int(n) * _DENSITY.get(kind, 1) for kind, n in zip(_KINDS, counts, strict=True) if kind and n
    }
    if shares.get("ja", 0) > _KANA_SHARE * shares.get("zh", 0):
        shares["ja"] = shares.get("ja", 0) + shares.pop("zh", 0)
    return max(shares, key=lambda kind: (shares[kind], kind), default="")


def _elected(heads: Sequence[str], script: str) -> list[str]:
    """The language of that script whose words and letters lead clearly, for each head."""
    ballot = _ballot(script)
    scores = ballot.scores([_without_noise(head.lower().replace("’", "'")) for head in heads])
    ordered = np.sort(scores, axis=1)
    best, next_best = ordered[:, -1], ordered[:, -2]
    is_clear = (best >= LEAST_SCORE) & (best >= LEAST_LEAD * next_best)
    names = [*ballot.candidates, UNKNOWN]
    return [names[at] for at in np.where(is_clear, scores.argmax(axis=1), len(names) - 1)]


def _without_noise(text: str) -> str:
    signs = tuple(sign for sign in _NOISE if sign in text)
    return _noise(signs).sub(" ", text) if signs else text


@cache
def _noise(signs: tuple[str, ...]) -> re.Pattern[str]:
    """Looking for an address at each letter takes longer than everything else, so only where there is one."""
    return re.compile("|".join(_NOISE[sign] for sign in signs))
