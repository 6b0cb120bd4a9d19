"""National identity numbers of persons by country: how they are written, and which words announce them.

A row a number. `stdnum` names the module of `python-stdnum` that checks it (check digits, dates, regions).
A number whose shape ordinary numbers have too is only proposed where one of its `words` is near; one with
punctuation, letters or a date of its own is proposed anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

_YEAR_MONTH_DAY = r"[0-9]{2}(?:0[1-9]|1[0-2]|[2-9][0-9])(?:0[1-9]|[12][0-9]|3[01]|[4-7][0-9])"


@dataclass(frozen=True)
class Shape:
    """One way to write a national number; `words` are alternatives of a pattern, without regard to case.

    Abbreviations that are words of some language too (`dni` is Polish for days) are in capitals.
    """

    stdnum: str
    pattern: str
    words: str = ""
    is_weak: bool = False
    """Nothing but the shape or a date is checked, so that only its own words announce it."""


SHAPES = (
    Shape("ar.cuit", r"[0-9]{2}-[0-9]{8}-[0-9]"),
    Shape("ar.cuit", r"[0-9]{11}", r"cui[tl]"),
    Shape("ar.dni", r"[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}", r"(?-i:DNI)|documento", is_weak=True),
    Shape("at.vnr", r"[1-9][0-9]{3} ?[0-9]{6}", r"svnr|sv-nr|(?:sozial)?versicherungsnummer"),
    Shape("au.tfn", r"[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", r"tfn|tax file"),
    Shape("be.nn", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}"),
    Shape("be.nn", r"[0-9]{6} ?-?[0-9]{3}[ .]?[0-9]{2}",
          r"rijksregister\w*|registre national|insz|niss|numéro national"),
    Shape("bg.egn", r"[0-9]{10}", r"егн|egn"),
    Shape("br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"),
    Shape("br.cpf", r"[0-9]{9}-?[0-9]{2}", r"cpf"),
    Shape("ca.sin", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}",
          r"(?-i:SIN|NAS)|social insurance|assurance sociale"),
    Shape("ch.ssn", r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}"),
    Shape("ch.ssn", r"756 ?[0-9]{4} ?[0-9]{4} ?[0-9]{2}", r"ahv\w*|avs|sozialversicherungsnummer"),
    Shape("cl.rut", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9kK]"),
    Shape("cl.rut", r"[0-9]{7,8}-?[0-9kK]", r"(?-i:RUT|RUN|Rut)|r\.u\.t\.?"),
    Shape("cn.ric", rf"[1-9][0-9]{{5}}(?:19|20){_YEAR_MONTH_DAY}[0-9]{{3}}[0-9xX]"),
    Shape("co.nit", r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]", r"(?-i:NIT)"),
    Shape("cz.rc", r"[0-9]{6}/?[0-9]{3,4}", r"rodn[éeá]\w* čísl\w+|rodn\w+ cisl\w+|r\.\s?č|rč|birth number"),
    Shape("de.idnr", r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
          r"steuer-?id\w*|steuer-?identifikations\w*|idnr|identifikationsnummer"),
    Shape("dk.cpr", r"[0-3][0-9][01][0-9]{3}-?[0-9]{4}", r"cpr\w*|personnumm\w+", is_weak=True),
    Shape("do.cedula", r"[0-9]{3}-?[0-9]{7}-?[0-9]", r"c[ée]dula"),
    Shape("ec.ci", r"[0-2][0-9]{8}-?[0-9]", r"c[ée]dula|(?-i:CI)"),
    Shape("ee.ik", r"[1-8][0-9]{10}", r"isikukood\w*|personal (?:identification )?code"),
    Shape("es.dni", r"[0-9]{8}[ -]?[A-Za-z]", r"(?-i:DNI)|(?:mi|su|tu|el) dni|nif|identidad|identity"),
    Shape("es.nie", r"[XYZxyz][ -]?[0-9]{7}[ -]?[A-Za-z]",
          r"(?-i:NIE)|(?:mi|su|tu|el) nie|nif|extranjer\w+|identidad|identity"),
    Shape("fi.hetu", r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"),
    Shape("fr.nir",
          r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[ABab])(?: ?[0-9]{3}){2} ?[0-9]{2}"),
    Shape("fr.nif", r"[0-3][0-9] ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
          r"num[ée]ro fiscal\w*|(?-i:SPI)|imp[ôo]ts?"),
    Shape("gb.nhs", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", r"nhs"),
    Shape("gb.nino",
          r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:[0-9]{2} ?){3}[A-D]",
          r"national insurance|nino|ni n(?:umber|o)", is_weak=True),
    Shape("gb.utr", r"[0-9]{5} ?[0-9]{5}", r"utr|unique taxpayer"),
    Shape("gr.amka", r"[0-9]{11}", r"amka|α\.?μ\.?κ\.?α"),
    Shape("hr.oib", r"[0-9]{11}", r"oib\w*"),
    Shape("id.nik", r"[0-9]{16}", r"(?-i:NIK|KTP)"),
    Shape("ie.pps", r"[0-9]{7}[A-Wa-w][A-IWa-iw]?", r"ppsn?"),
    Shape("il.idnr", r"[0-9]{7,8}-?[0-9]", r"teudat\s\w+|ת\W{0,2}ז|תעודת זהות|israeli id"),
    Shape("in_.aadhaar", r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", r"aadh?aar|(?-i:UID)|uidai|आधार"),
    Shape("in_.pan", r"[A-Za-z]{5}[0-9]{4}[A-Za-z]", r"(?-i:PAN)|permanent account", is_weak=True),
    Shape("it.codicefiscale",
          r"[A-Za-z]{6}[0-9LMNP-Vlmnp-v]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNP-Vlmnp-v]{2}[A-Za-z][0-9LMNP-Vlmnp-v]{3}[A-Za-z]"),
    Shape("jp.in_", r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", r"my ?number|マイナンバー|個人番号"),
    Shape("kr.rrn", rf"{_YEAR_MONTH_DAY}-[0-9]{{7}}"),
    Shape("kr.rrn", rf"{_YEAR_MONTH_DAY}[0-9]{{7}}", r"rrn|주민(?:등록)?\s?번호|resident registration"),
    Shape("lt.asmens", r"[1-6][0-9]{10}", r"asmens kod\w+|personal code"),
    Shape("lv.pvn", r"[0-9]{6}-?[0-9]{5}", r"personas kod\w+|personal code"),
    Shape("mx.curp", r"[A-Za-z]{4}[0-9]{6}[HMXhmx][A-Za-z]{5}[A-Za-z0-9][0-9]"),
    Shape("mx.rfc", r"[A-Za-zÑñ&]{4}-?[0-9]{6}-?[A-Za-z0-9]{3}", r"rfc"),
    Shape("my.nric", r"[0-9]{6}-?[0-9]{2}-?[0-9]{4}", r"nric|mykad|kad pengenalan|no\. kp|(?-i:IC)"),
    Shape("nl.bsn", r"[0-9]{4}[. ]?[0-9]{2}[. ]?[0-9]{3}", r"bsn\w*|burgerservicen\w+|sofi-?n\w+"),
    Shape("no.fodselsnummer", r"[0-7][0-9]{5} ?[0-9]{5}", r"f[øo]dsels-?n\w+|personn\w+|d-nummer|fnr"),
    Shape("nz.ird", r"[0-9]{2,3}-?[0-9]{3}-?[0-9]{3}", r"(?-i:IRD)"),
    Shape("pe.cui", r"[0-9]{8}-?[0-9]", r"(?-i:DNI|CUI)"),
    Shape("pl.pesel", r"[0-9]{11}", r"pesel\w*"),
    Shape("pt.cc", r"[0-9]{8} ?[0-9] ?[A-Za-z0-9]{2}[0-9]", r"cart[ãa]o de cidad[ãa]o|cidad[ãa]o|(?-i:CC)"),
    Shape("pt.nif", r"[1-9][0-9]{2} ?[0-9]{3} ?[0-9]{3}", r"nif|contribuinte"),
    Shape("ro.cnp", r"[1-9][0-9]{12}", r"cnp\w*|cod\w* numeric personal"),
    Shape("rs.pib", r"[0-9]{9}", r"(?-i:PIB)"),
    Shape("ru.inn", r"[0-9]{12}", r"инн|(?-i:INN)"),
    Shape("se.personnummer", r"(?:(?:19|20)[0-9]{6}|[0-9]{6})[-+]?[0-9]{4}",
          r"person-?n(?:ummer|r)\w*|pnr|samordnings\w+"),
    Shape("si.emso", r"[0-9]{13}", r"em[šs]o|jmbg|јмбг|матични"),
    Shape("sk.rc", r"[0-9]{6}/?[0-9]{3,4}", r"rodn[éeá]\w* čísl\w+"),
    Shape("th.pin", r"[1-8]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]"),
    Shape("th.pin", r"[1-8][0-9]{12}", r"ประจำตัวประชาชน|บัตรประชาชน|thai id"),
    Shape("tr.tckimlik", r"[1-9][0-9]{10}", r"t\.c\.|(?-i:TC)|tckn|kimlik\w*"),
    Shape("ua.rntrc", r"[0-9]{10}", r"рнокпп|іпн|ідентифікаційн\w+|rntrc"),
    Shape("us.itin", r"9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])-[0-9]{4}"),
    Shape("us.itin", r"9[0-9]{8}", r"itin"),
    Shape("za.idnr", r"[0-9]{6} ?[0-9]{4} ?[0-9]{3}", r"south african id|rsa id|sa id|id n(?:umber|o)"),
)  # fmt: skip
"""By country; the first that fits a piece of text has it."""

ANYONES = (
    r"national (?:id|identity|identification|number)\w*|identity (?:card|number|document|no)|id card"
    r"|id number|personal (?:id|identity|identification) (?:number|code|no)"
    r"|tax(?:payer)? (?:id\w*|number|reference)|(?-i:TIN)"
    r"|citizen\w* (?:id|number)|social security|(?:my|his|her|their|your) id|documento|ausweis\w*|identité"
)
"""Words that announce a national number of any country; it is still checked by the country's own rules."""
