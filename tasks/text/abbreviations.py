"""What ends in a full stop and ends no sentence, language by language: data, and the rule that reads it.

Belongs here: abbreviations, titles, ordinals. Not here: marks and English prose (`boundaries.py`),
and which language a text is in (`language.py`).
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tasks.text.language import function_words

REACH = 32
"""Characters before a full stop that are looked at: the longest abbreviation with its spaces."""

_OPENING = "([„“”«»\"'‘’*_"
_NUMBER = re.compile(r"(?:(?P<before>[^\W\d_]+)[\s(]+)?\d{1,2}\Z")
_NEXT_WORD = re.compile(r"[^\W\d_]+")
_KOREAN_DATE = re.compile(r"(?<!\d)(?:\d{4}\.\s?)?\d{1,2}\.\s?\d{1,2}\Z|\d{4}\.\s?\d{1,2}\Z")
_YEAR = re.compile(r"(?<!\d)\d{4}\Z")


@dataclass(frozen=True)
class Rules:
    """Words without their last full stop, in lower case and without spaces inside."""

    always: frozenset[str]
    """Never the last word of a sentence: `z.B`, `np`, `bijv`."""
    numbered: frozenset[str]
    """Abbreviations where a number follows: `Abs. 2`, `pág. 12`; else the word may end a sentence."""
    titles: frozenset[str]
    """Abbreviations where a name follows: `Sig. Rossi`; elsewhere they may end a sentence."""
    enders: re.Pattern[str] | None
    """What ends a sentence before a capital, though splitters take it for an abbreviation: `etc. El`."""
    ordinals: frozenset[str] | None
    """Words before an ordinal (`am 3. Juni`); None where a full stop makes no number an ordinal."""
    starters: frozenset[str]
    """Function words: with a capital they begin a sentence, and nothing is counted or called by them."""
    has_case: bool = True
    """Whether a sentence begins with a capital, so that a small letter goes on with the one before."""


_ALWAYS = {
    "de": "z.b zb d.h dh u.u i.d.r idr i.a i.allg i.d.f i.s.v bzw bspw beispielsw inkl einschl exkl zzgl "
    "abzgl ggf gegebenenf evtl bzgl bez betr ca rd vgl sog sogen insb insbes vs durchschn mind höchst "
    "jew jähr o.g s.o s.u m.e u.e ggü gegr geb gest gez verh lt zzt z.zt derz i.v.m i.h.v m.w.n vorauss "
    "urspr ehem einschließl spez allg eigtl entspr dt engl frz kath ev zw v.a s.a gem",
    "fr": "env cf p.ex par.ex c.-à-d c.à.d càd not resp ca dc approx vs boul bd",
    "es": "aprox p.ej pej vs cf incl vid tb esp ej gral depto dpto avda av",
    "it": "ca cfr cf p.es es vs incl escl ad.es p.zza pzza c.so v.le",
    "pt": "aprox p.ex pex ex cf vs incl tb esp depto dpto vd",
    "nl": "dhr mevr mw drs bijv bv bvb d.w.z dwz m.a.w maw o.a oa o.m i.p.v ipv i.v.m ivm m.b.t mbt t.a.v "
    "tav t.o.v tov t.b.v n.a.v nav m.b.v m.i.v m.u.v i.h.b i.h.a t.o ca incl excl resp evt m.n mn zgn "
    "zg vgl cf t.g.v o.l.v z.s.m a.d.h.v d.m.v i.t.t gem ong",
    "pl": "np ok tj tzn m.in tzw wg zob por pt ds jw ww n.p zwł szczeg ew rzek gł śp bp abp ks ur zm tłum "
    "red oprac szac łac ang niem franc ul",
    "ru": "т.е т.о т.н т.к т.наз напр ок см ср прибл max в.т.ч т.ч ред сост пер ул просп пр-т пл бул наб "
    "ш г-н г-жа р-н св до.н англ нем фр лат исп итал греч соотв",
    "uk": "т.з напр бл див пор приблиз макс мін у.т.ч в.т.ч т.ч т.зв ред вул просп пл бул пров р-н св "
    "до.н англ нім лат",
    "ar": "د أ م أ.د م.م ا.د ص ش ج ط ق ت",
    "hi": "डॉ श्री श्रीमती सुश्री प्रो पं कु सं रु ई ई.पू मो चौ ले जन इं एड ड नं क्र पृ डा",
    "tr": "bkz örn yakl çev haz yay mad müh ör krş karş dr prof doç av öğr cad sok mah blv apt bul tel no "
    "şek çiz s sf ss tab cilt c sayf yrd op uz alb yzb gen bşk ort",
    "sv": "ca bl.a t.ex f.n m.m dvs d.v.s o.d resp inkl exkl ev s.k fr.o.m t.o.m p.g.a pga m.a.o osv "
    "i.o.m jfr ung",
    "da": "ca bl.a f.eks fx dvs d.v.s inkl ekskl evt mv m.fl pga p.g.a ift iht jf vedr hhv såk s.k mht",
    "nb": "ca bl.a f.eks dvs d.v.s inkl ekskl evt pga p.g.a ift iht jf vedr hhv såk s.k mht",
    "fi": "n esim ym mm ns ks vrt tms eli mukaanluk sis ao em ko po",
    "cs": "cca ca např tj tzv resp popř příp vč mj aj zejm srov viz cit odd tzn kupř max min",
    "sk": "cca ca napr tj tzv resp popr príp vrát najmä porov t.j tzn max min",
    "ro": "aprox ex de.ex cca ca resp inclusiv cf vs aprox nr.crt",
    "hu": "kb pl ill ún vö ld stb max min kb ti azaz",
    "hr": "cca ca npr tj tzv odn uklj oko usp max min",
    "ca": "aprox p.ex ex cf vs incl resp",
    "el": "βλ π.χ πχ περ δηλ κ κα κος κκ δρ καθ σελ άρθ αρ εικ σχ τηλ τ παρ κεφ οδ λεωφ τόμ πρβλ αγ αρχ "
    "ιαν φεβ μαρ απρ ιουν ιουλ αυγ σεπ οκτ νοε δεκ",
}  # fmt: skip

_NUMBERED = {
    "de": "abs nr nrn art abb kap tab bd s str tel § ziff hs pos lfd.nr az aufl jg anm rn rdnr rz bl sp "
    "vers ver zif hauptstr v fig teilz jan feb apr jun jul aug sep sept okt nov dez mär abt gr kl zi "
    "whg plz fax mobil par tz st",
    "fr": "art p pp n no nos vol t chap fig tab al ch par § sect éd tél fax réf liv pl bibl app janv févr "
    "avr juil sept oct nov déc av bd r bât",
    "es": "art arts p pp pág págs n núm núms no vol t cap caps fig figs tab tel tfno fax c av avda § secc "
    "ed párr ap apdo ene feb mar abr may jun jul ago sept set oct nov dic pl cta exp ref s",
    "it": "art artt p pp pag pagg n nn nr vol voll t cap capp fig figg tab tel fax par § sez ed all c co "
    "lett sec rif prot d.Lgs d.lgs d.L d.P.R d.M l r.D gen feb mar apr mag giu lug ago set sett "
    "ott nov dic p.zza c.so v.le",
    "pt": "art arts p pp pág págs n nº núm vol t cap caps fig figs tab tel fax par § séc sec ed inc al r "
    "av cx lt qd apt apto jan fev mar abr mai jun jul ago set out nov dez ref proc",
    "nl": "art p pp blz pag nr nrs no vol dl hfst fig afb tab tel fax par § bijl red jg str postb jan feb "
    "febr mrt apr jun jul aug sep sept okt nov dec ref",
    "pl": "art ust pkt poz nr str s ss t rozdz rys tab tel zał § lit par wyd cz godz fig dz ul al pl os m "
    "lok w stycz lut mar kwiet czerw lip sierp wrzes paźdz listop grudz lp sygn roz ryc",
    "ru": "ст п пп ч стр с рис табл гл т тт д кв корп оф тел № разд прил абз янв февр мар апр июн июл авг "
    "сент окт нояб дек лит вып ауд каб эт под схем фиг кн изд",
    "uk": "ст п пп ч стор с рис табл гл т д кв корп оф тел № розд дод абз січ лют бер квіт трав черв лип "
    "серп верес жовт листоп груд літ вип каб пов кн",
    "tr": "no nr mad s sf ss cilt c şek tab böl bent fık tel kat daire d",
    "sv": "s nr kap tab fig tel art st mom milj mdr sid",
    "da": "s nr kap tab fig tlf art stk pkt mio mia kr",
    "nb": "s nr kap tab fig tlf art pkt mill mrd kr",
    "fi": "s nr nro luku kuva taul puh art kohta milj mrd",
    "cs": "čl odst písm č s str kap tab obr tel bod sb mil mld roč sv hl",
    "sk": "čl ods písm č s str kap tab obr tel bod zb mil mld roč",
    "ro": "art alin lit nr p pag cap tab fig tel pct str mil mld jud",
    "hu": "sz o old fej tábl ábra tel bek pont cikk mill mrd §",
    "hr": "čl st t br s str pogl tab sl tel mil mlrd ul",
    "ca": "art p pàg pàgs núm cap tab fig tel vol",
    "el": "άρθ αρ σελ σ εικ σχ πίν τηλ τ παρ κεφ τόμ αριθ §",
    "ar": "ص ج ط م ش ت",
    "hi": "सं पृ नं क्र अ अनु खं रु रू",
}  # fmt: skip

_TITLES = {
    "de": "dr drs prof hr hrn fr frl ing dipl dipl.-ing dipl.-kfm dipl.-volksw med jur phil rer.nat "
    "dr.med dr.-ing st skt hl gebr fam präs gen hptm oblt kfm mag ra dkfm pfr abg mr mrs c h.c",
    "fr": "m mm mme mmes mlle dr drs pr prof me st ste mgr gén cap col lt vve sr av bd boul pl",
    "es": "sr sra srta sres sras dr dra dres drs d dña dn prof profa ing lic arq abg gral cnel cap tte "
    "sto sta mons fr excmo excma ilmo ilma rvdo dir mtro mtra av avda pl c ctra urb",
    "it": "sig sigg sig.ra sig.na sig.re sigra dott dott.ssa dottssa dr dr.ssa prof prof.ssa proff ing "
    "arch avv geom rag on sen gen col cap mons ss s cav comm egr gent spett f.lli flli not p.zza c.so "
    "v.le l.go v",
    "pt": "sr sra srta srs sras dr dra drs prof profa profs eng engª arq adv d exmo exma ilmo sto sta gen "
    "cel cap ten pe fr dep sen min des av pç trav rod al",
    "nl": "dhr mevr mw dr drs ir ing mr prof prof.dr st ds gen kol kap lt jhr wed fam",
    "sv": "dr prof ing fr hr st",
    "da": "dr prof ing fr hr st",
    "nb": "dr prof ing fr hr st",
    "fi": "tri prof dipl.ins hra rva",
    "cs": "dr prof ing doc mudr judr phdr mgr bc p sv gen plk nám ul",
    "sk": "dr prof ing doc mudr judr phdr mgr bc p sv gen plk nám ul",
    "ro": "dr prof ing dl dna d-na dvs sf gen col str bd",
    "hu": "dr prof ifj id özv gr szt",
    "hr": "dr prof ing mr sv gen ul dipl",
    "ca": "sr sra dr dra prof st sta av pl c",
    "pl": "dr prof mgr inż hab doc dr.hab lek adw mec gen płk kpt mjr por ks o s św bł pp p red dyr prez "
    "ul al pl os",
    "ru": "проф акад доц д-р г гр гр-н тов ген кап лейт инж св о им мр пос дер с х к.т.н к.э.н д.т.н канд "
    "зам нач гос студ учен ул пр пл пер бул просп наб",
    "uk": "проф акад доц д-р гр тов ген кап інж св о м с смт к.т.н д.т.н канд зам нач вул пл пров просп "
    "бул ім",
}  # fmt: skip

_ENDERS = {
    "fr": "etc", "es": "etc|a. ?m|p. ?m|EE. ?UU|a. ?C|d. ?C", "it": "ecc|a. ?C|d. ?C", 
    "pt": "etc|a. ?C|d. ?C|a. ?m|p. ?m",
    "nl": "enz|e. ?d|etc|e. ?a", "pl": "itd|itp|r|in", "ru": "т. ?д|т. ?п|др|г|гг|руб|чел|н. ?э",
    "uk": "т. ?д|т. ?п|ін|р|рр|грн|н. ?е", "de": "Mio|Mrd|Tsd|usw|etc|usf|u. ?a|u. ?Ä|o. ?Ä|n. ?Chr|v. ?Chr",
    "el": "κ. ?λ. ?π|κ.λπ|κλπ|κ. ?ά|μ. ?μ|π. ?μ",
    "tr": "vb|vs|vd",
}  # fmt: skip

_ORDINALS = {
    "de": "der die das dem den des im am zum zur vom beim ab bis seit jeder jede jedes jedem jeden einem "
    "einer einen seine seiner seinem seinen ihre ihrer ihrem ihren unser unsere unserem unserer unseren "
    "und oder sowie dieser diese diesem diesen mein meine meinem deine deinem aus vor nach",
    "tr": "*",
}  # fmt: skip

_UNITS = frozenset(
    "mio mrd tsd max min mds md mill mln mld mi tys máx mín maks млн млрд тыс трлн тис мин макс хв".split()
)
"""Before what they measure, but they may end a sentence too: `5 Mio. Kunden`, `5 Mio. Das ist viel.`"""


def _words(table: dict[str, str], name: str) -> frozenset[str]:
    return frozenset(table.get(name, "").split())


@cache
def rules(language: str) -> Rules | None:
    """The rules of a language; None for English, whose rules hold everywhere, and where there is no table."""
    if language not in _ALWAYS:
        return _KOREAN if language == "ko" else None
    enders = _ENDERS.get(language)
    return Rules(
        _words(_ALWAYS, language),
        _words(_NUMBERED, language),
        _words(_TITLES, language),
        re.compile(rf"(?<![\w.])(?:{enders})\.(?=\s+[A-ZÀ-ÖØ-ÞĀ-ŽΑ-ΩА-ЯІЇЄҐ¿¡])".replace(". ?", r"\. ?"))
        if enders
        else None,
        _words(_ORDINALS, language) if language in _ORDINALS else None,
        function_words(language),
        has_case=language not in ("ar", "hi"),
    )


@cache
def _of_script(is_cyrillic: bool) -> Rules:
    """What holds where a text is too short to tell its language: the words of all that share its letters."""
    names = [
        name for name in _ALWAYS if (name in ("ru", "uk")) == is_cyrillic and name not in ("ar", "hi", "el")
    ]
    always, numbered = (
        frozenset().union(*(_words(table, name) for name in names)) for table in (_ALWAYS, _NUMBERED)
    )
    return Rules(always if is_cyrillic else frozenset(), numbered, frozenset(), None, None, frozenset())


def rules_by_script(text: str) -> Rules | None:
    """For a text of unknown language: None where all its letters are ASCII, or neither Latin nor Cyrillic."""
    if text.isascii():
        return None
    letters = _OWN_LETTER.search(text)
    return None if letters is None else _of_script(letters.group() >= "Ѐ")


_OWN_LETTER = re.compile(r"[À-ÖØ-öø-ɏЀ-ӿ]")

_KOREAN = Rules(frozenset(), frozenset(), frozenset(), None, frozenset(), frozenset(), has_case=False)


def goes_on(text: str, start: int, end: int, following: int, own: Rules) -> bool:  # noqa: PLR0911 - one return per rule
    """Whether the sentence text[start:end], which ends in a full stop, goes on at `following`."""
    next_character = text[following]
    if own.has_case and (next_character.islower() or (following == end and next_character in ",;:")):
        return True
    head = text[max(start, end - REACH) : end - 1]
    last = head[-1:]
    if last.isdigit():
        return _is_ordinal(text, head, following, own)
    words = head.split()
    if not words:
        return False
    word = _as_listed(words[-1])
    first = len(words) - 1
    while first and first > len(words) - 4 and words[first - 1].endswith(".") and len(words[first - 1]) <= 5:
        first -= 1
    whole = _as_listed("".join(words[first:]))
    if whole in own.always or word in own.always:
        return True
    if next_character.isdigit():
        return word in own.numbered or word in _UNITS or word.endswith("str")
    is_title = word in own.titles or whole in own.titles or word in _UNITS
    if not is_title or _begins_a_sentence(text, following, own):
        return False
    # `г. Москва`, but `в 2021 г. Москва`
    return next_character.isalpha() and (word in _UNITS or not head[: -len(word)].rstrip()[-1:].isdigit())


def _as_listed(word: str) -> str:
    """`Mio` as `mio`; `BV` stays, since a company's form or initials are no abbreviation of these tables."""
    word = word.strip(_OPENING)
    return word[:1].lower() + word[1:]


def _begins_a_sentence(text: str, following: int, own: Rules) -> bool:
    word = _NEXT_WORD.match(text, following)
    return word is not None and word.group().lower() in own.starters


def _is_ordinal(text: str, head: str, following: int, own: Rules) -> bool:
    """`am 3. Juni`, `3. 6. 2019`, `2. Dünya Savaşı`: a number and its full stop before what it counts."""
    if own is _KOREAN:
        return _KOREAN_DATE.search(head) is not None or (
            text[following].isdigit() and _YEAR.search(head) is not None
        )
    number = _NUMBER.search(head)
    if own.ordinals is None or number is None:
        return False
    if text[following].isdigit():
        return True
    word = _NEXT_WORD.match(text, following)
    if word is None or _begins_a_sentence(text, following, own):
        return False
    before = (number.group("before") or "").lower()
    return "*" in own.ordinals or before in own.ordinals or word.group().lower() in _COUNTED


_COUNTED = frozenset(
    "januar jänner februar märz april mai juni juli august september oktober november dezember jahrhundert "
    "quartal halbjahr auflage weltkrieg stock etage jahrhunderts".split()
)
"""German words that are counted by an ordinal wherever they follow a number and a full stop."""
