"""Words around a number that say whether it is a phone's: announcing, doubtful, and those of other numbers.

Each list is a table of languages, so that a speaker of one can mend its line. All are matched without regard
to case, at the end of what is before a number or at the beginning of what follows it.
"""

from __future__ import annotations

import re


def _any(*lines: str) -> str:
    """The words as alternatives, those of one first letter together: Python's engine tries them in turn."""
    words: dict[str, list[str]] = {}
    for word in " ".join(lines).split(" "):
        is_plain = word[0].isalpha() and word[1:2] not in ("?", "*", "+", "{")
        words.setdefault(word[0] if is_plain else "", []).append(word[1:] if is_plain else word)
    return "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in words.items())


_PHONE = _any(
    r"(?:tele)?phones? tel telephone landline whatsapp hotline helpline viber voicemail switchboard",
    r"telefon\w* tel\w{0,2}nr handy\w* rufnummer\w* mobilnummer\w* festnetz\w* durchwahl "
    r"rückruf\w* ruf\w* rufen",
    r"t[ée]l[ée]phon\w+ tél portable fixe joindre joignable appel\w* rappel\w*",
    r"tel[ée]fon[oe]\w* tfno tlf tfn m[óo]vil celular fijo ll[áa]m\w+",
    r"cellulare recapito chiam\w+ telem[óo]vel ligue ligar ligue-me fone",
    r"telefoon\w* mobiel bel bellen belt kom[óo]r\w+ zadzwo\w+ dzwo\w+ volejte zavolejte volajte zavolajte",
    r"mobil(?!es?\b)\w* telefonnummer ringa puhelin\w* puh soita h[íi]vja suna[țt]i arayın cep gsm",
    r"τηλ\w* κινητό καλέστε телефон\w* тел моб\w* звон\w+ позвон\w+ дзвон\w+ подзвон\w+ обад\w+",
    r"điện\s?thoại sđt gọi telepon hubungi nomor hp",
)
_PHONE_UNSPACED = (
    "電話|携帯|电话|手机|手機|致电|致電|拨打|撥打|联系|連絡"
    "|전화|휴대폰|연락처|핸드폰|هاتف|جوال|موبايل|اتصل|טלפון|נייד|फ़ोन|फोन|मोबाइल|नंबर|โทร|เบอร์"
)
_CALLS = (
    "call|calls|called|calling|cell|cellphone|text|texts|ring|dial|mobile|fax|sms|message"
    "|reach|reached|reachable|contact|contacto|contato|contatto|kontakt"
)
_WHOM = (
    r"(?:[ -](?:us|me|him|her|them|it|mig|meg|oss|mich|mir|mij|moi|nous|mi|ci|nos"
    r"|(?-i:[A-ZÀ-Þ][\w'’.-]{1,20})"
    r"(?: (?-i:[A-ZÀ-Þ][\w'’-]{1,20}))?))?"
)
"""Who is called: a pronoun, or one or two words that begin like a name."""
_TIES = (
    r"(?:is|are|at|on|est|es|ist|è|é|är|er|to|je|jest|este|unter|på|op|pod|au|al|az|a)"
    r"(?: (?:le|el|il|the|o|numer|number|nummer))?"
)
_NUMBERS = r"number|numéro|número|numero|nummer|numer|číslo|номер|szám|număr|numara|番号|号码|號碼|번호|رقم"

ANNOUNCED = re.compile(
    rf"(?i)(?<![^\W_])(?:{_PHONE})(?:[_ ]?(?:numbers?|num|nr|no)\.?)?(?![^\W_])|{_PHONE_UNSPACED}"
)
"""Nouns and verbs that are about phones in nearly every sentence, also within the names of fields."""
DOUBTFUL = re.compile(rf"(?i)(?<![\w-])(?:{_CALLS}|{_NUMBERS})(?![\w-])|番号|号码|號碼|번호")
"""Words of calls, cells of a sheet, texts and any number."""
DIRECT = re.compile(
    rf"(?i)(?<![^\W_]|-)(?:{_CALLS}|{_NUMBERS}){_WHOM}(?:[ _](?:number|no\.?))?"
    rf"(?:[\"']?\s?[:=#]\s?[\"']?|\s{_TIES}[\s:]{{1,2}})\(?\Z"
)
"""A doubtful word that a colon or a preposition ties to the number: it is announced after all."""
NAMED = re.compile(
    rf"(?i)\s(?:is|was|est|ist|es|è|é|är|er)\s(?:[^\W\d_]{{1,12}}\s){{0,2}}"
    rf"(?:{_PHONE}|(?:{_CALLS})(?= num)|{_NUMBERS})\b"
)
"""What follows a number that is only then named: `is my mobile number`."""
CALLED = re.compile(rf"(?i)(?<![\w-])(?:{_CALLS})(?: (?:us|me|him|her|them))?\s\Z")
"""A doubtful word right before the number: what follows decides."""
WHERE = re.compile(
    r"(?i)(?<!\w)(?:at|on|au|al|unter|no|op|på|под|по|pod|numerem|numer|en el|el|le|il|der|die"
    r"|via|nummer)\s\(?\Z"
)
"""Prepositions and articles that lead to where somebody can be reached, directly before the number."""

_OTHER = _any(
    r"orders? invoices? tickets? cases? references? ref refs reference-no id ids uid uuid "
    r"ident\w* serials? sku skus",
    r"parts? models? items? products? articles? batch\w* lots? tracking parcel shipment\w* "
    r"consignment waybill awb",
    r"accounts? acct customers? clients? members?\w* membership polic\w+ claims? contracts? "
    r"transactions? txn",
    r"payments? receipts? bookings? reservations? confirmation flights? bills? purchase po "
    r"quotes? quotations?",
    r"isbn issn ean upc gtin asin doi pmid pmc arxiv patents? imei imsi iccid vin mac cas port "
    r"pid error codes?",
    r"versions? ver builds? releases? firmware revisions? rev commits? hash checksum sha1 sha256 "
    r"md5 crc epoch",
    r"timestamps? unix jobs? runs? requests? req sessions? threads? tasks? rows? columns? records? pages?",
    r"sort routing swift bic iban vat tax tin ein nhs ssn npi abn tfn acn arbn box rma gst pan "
    r"cpf cnpj rut dni nie nif cif",
    r"kvk bsn siren siret pesel nip regon passport licen[cs]e permit plate registration docket "
    r"bug issues? lotto",
    r"lottery pins? zip postcode postal lat latitude lon long longitude coordinates? barcodes? "
    r"device asset meter",
    r"deliver(?:y|ies) packages? incidents? changes? chats? traces? spans? loans? warrant(?:y|ies) vouchers?",
    r"coupons? subscriptions? returns? stocks? kernel patch(?:es)? gift\scards? errors? commits? revisions?",
    r"events? messages? tokens? processes process rooms? steps? offsets? bytes calls?\s(?:ids?|refs?|logs?)",
    r"bestell\w* auftrag\w* rechnung\w* kunden\w* vertrag\w* artikel\w* vorgang\w* aktenzeichen sendung\w*",
    r"konto\w* blz steuer\w* serien\w* buchung\w* beleg\w* seriennummer version\w* modell\w* ticketnummer",
    r"commandes? factures? colis dossiers? référence contrat client suivi série compte billet article",
    r"pedidos? facturas? referencia expediente cliente contrato serie cuenta envío código ticket",
    r"ordine ordini fattura pratica spedizione codice conto encomenda fatura código processo conta",
    r"bestelling bestelnummer factuur klantnummer zamówieni\w+ faktur\w+ objednávk\w+ order\w* ordre\w*",
    r"заказ\w* счет\w* счёт\w* договор\w* артикул замовлення поръчка rendelés számla sipariş fatura",
)
_OTHER_UNSPACED = (
    "注文|订单|訂單|請求書|发票|發票|単号|单号|單號|伝票|会員|编号|編號"
    "|工单|工單|주문|송장|الطلب|فاتورة|הזמנה|ऑर्डर|คำสั่งซื้อ"
)
_FILLERS = (
    r"(?:\s?(?:[:#=/.,(\"'`*：＃-]|№|n[°º]|\b(?:number|numbers|no|nr|num|nos|id|ids|code|key|is|was"
    r"|are|of|the|with|called|for"
    r"|nummer|numéro|numero|número|numer|номер|číslo|numara|lautet|ist|war|est|es|de|le|la|el|il"
    r"|del|die|der|o|è|é|и|ends"
    r"|ending|in|to|from|and|value|has|at)\b)){0,6}"
)
_EARLIER = (
    r"(?:(?:(?=[0-9A-Z ().-]*[0-9])(?-i:[0-9(][0-9 ().-]{5,26}))"
    r"(?:,|,? ?(?:and|or|to|und|oder|et|ou|y|e|&))\s?){0,3}"
    r"(?:(?-i:(?=[A-Z]*[0-9])[0-9A-Z]{1,5}) ){0,4}"
)
"""Numbers of the same kind before this one (`orders 1234567 and …`), and its own first groups."""
OTHER = re.compile(
    rf"(?i)(?:(?<![a-z])(?:{_OTHER})\b|(?:{_OTHER_UNSPACED})(?:番号|号码|號碼|번호|号|號|は|是|رقم|\s?नंबर)?"
    rf"|\w*(?:bestell|auftrags|rechnungs|kunden|serien|artikel|konto|order|faktur|kund"
    rf"|tilaus)\w{{0,4}}nu?m\w{{2,4}}){_FILLERS}\s{{0,2}}{_EARLIER}\Z"
)
"""Nouns of other numbers right before this one, with nothing but small words between."""
AMOUNT = re.compile(
    r"(?i)(?:[$€£¥₹]|(?<!\w)(?:eur|usd|gbp|chf|jpy|isbn|approx\.?|about|around|roughly|nearly"
    r"|almost|over|than|some"
    r"|total(?:s|ed|led)?|sum|population|revenues?|costs?|sales|budget|profit|amount|worth|value"
    r"|area|distance|around|circa"
    r"|ca\.?|etwa|rund|fast|über|environ|près de|unos|casi))\s?\(?\Z"
    r"|(?<!\w)(?:population|revenues?|sales|budget|profit|amount|turnover|visitors|subscribers"
    r"|users|downloads|votes|inhabitants|einwohner\w*|umsatz|bevölkerung"
    r"|población|ingresos|chiffre)(?!\w)[^.!?]*\Z"
)
"""What is before a quantity."""
GOES_ON = re.compile(
    r"(?i)\s?(?:\Z|[.,;!?)\]}\"'»”’*_`|<>–—،。、，]|\s-\s|\n|/\s|(?:or|and|to|for|from|between|after"
    r"|before|now|if|when|today|tomorrow"
    r"|during|anytime|at|any|with|ext|extension|x\d|ou|et|oder|und|an|ab|bis|von|für|o|y|e|para"
    r"|pour|per|of|en|lub|i|или|и"
    r"|instead|please|directly|his|her|their|as|is|mobil|works?)\b|[^\x00-\u024f\s]"
    r"|\s[^\x00-\u024f]|\s(?-i:[A-ZÀ-Þ]))"
)
"""What follows a number that somebody is to dial; `failed`, `people` and `was cut off` do not."""
