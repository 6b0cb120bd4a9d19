"""Shapes of confidential data, a detector each: where it is in a text, how sure that is, and its outline.

A pattern proposes, a check disposes (Luhn, ISO 13616 mod 97, number plans, address ranges, entropy):
precision is what makes a finding worth a look. Every quantifier is bounded and every pattern begins at the
start of a token, so that time is linear in the text whatever it holds.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tasks.privacy import keys, national_ids
from tasks.privacy.outline import Detector, Finding, digits_of, masked_digits
from tasks.privacy.phones import SCREEN as PHONE_SCREEN
from tasks.privacy.phones import phones

_EMAIL = re.compile(
    r"(?<![\w.%+'-])([\w%+'-][\w.%+'-]{0,63})@((?:[\w-]{1,63}\.){1,8})([A-Za-z]{2,24})(?![\w-]|\.\w)"
)
_FILES = frozenset("png jpg jpeg gif svg webp js ts css py json md html".split())  # noqa: SIM905
_RESERVED_DOMAINS = re.compile(r"(?i)(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid|localhost)$")
"""RFC 2606: addresses that nobody can own; found, and less sure to be confidential."""


def _emails(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text):
        local, domain, top = match.groups()
        if top.lower() in _FILES or local.lower() == "git" or ".." in local:
            continue
        confidence = 0.7 if _RESERVED_DOMAINS.search(domain + top) else 0.95
        yield Finding(*match.span(), f"{local[0]}***@{domain[0]}***.{top}", confidence)


_CARD = re.compile(
    r"(?<![\w.-])[2-6][0-9]{3}(?:[0-9]{9,15}|(?:[ -][0-9]{4}){3}(?:[ -][0-9]{3})?"
    r"|[ -][0-9]{6}[ -][0-9]{4,5})(?![\w-]|\.[0-9])"
)
_ISSUERS = re.compile(
    r"(?:4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}"
    r"|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}|6(?:011|5[0-9]{2}"
    r"|4[4-9][0-9])[0-9]{12,15}"
    r"|62[0-9]{14,17})"
)
"""Lengths and first digits in use (ISO/IEC 7812): Visa, Mastercard, Amex, Diners, JCB, Discover, UnionPay."""


_LONGEST = 16
"""Digits of nearly all cards; longer runs without gaps are ids, one in ten of which passes Luhn."""
_CARD_WORD = re.compile(
    r"(?i)card|carte|karte|tarjeta|carta|cartão|kaart|visa|unionpay|maestro|карт|カード|卡"
)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        digits = digits_of(match.group())
        if _ISSUERS.fullmatch(digits) and _luhn(digits) and len(set(digits)) > 1:
            before = text[max(0, match.start() - 40) : match.start()]
            if match.group().isdigit() and len(digits) > _LONGEST and not _CARD_WORD.search(before):
                continue
            is_grouped = not match.group().isdigit()
            yield Finding(*match.span(), masked_digits(match.group(), 4), 0.95 if is_grouped else 0.85)


_IBAN = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=IBAN))"
    r"(?=(([A-Za-z]{2})[ \u00a0\u202f-]?[0-9]{2}(?:[ \u00a0\u202f-]?[A-Za-z0-9]){11,30}))"
)
"""Looked ahead: what only begins like an IBAN must not swallow the one behind it."""
_IBAN_WORD = re.compile(r"(?i)\biban\b")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FO FI FK GL NL SD", 19: "MK SI", 20: "AT BA EE KZ XK LT LU MN",
        21: "HR LV LI CH", 22: "BH BG CR GE DE IE ME RS GB VA", 23: "GI IQ IL OM SO TL AE",
        24: "AD CZ MD PK RO SA SK ES SE TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MR MC SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country: SWIFT's IBAN registry (ISO 13616)."""
_IBAN_SCREEN = (
    rf"(?:^|[^A-Za-z0-9])(?i-u:{'|'.join(sorted(_IBAN_LENGTHS))})[ \x{{a0}}\x{{202f}}-]?[0-9]{{2}}"
    r"[A-Za-z0-9 \x{a0}\x{202f}-]{11}|IBAN[A-Z]{2}[0-9]{2}"
)
_ALL_DIGITS = frozenset(
    [
        "AE",
        "AT",
        "BA",
        "BE",
        "BI",
        "CR",
        "CZ",
        "DE",
        "DJ",
        "DK",
        "EE",
        "ES",
        "FI",
        "FO",
        "GL",
        "HR",
        "HU",
        "IL",
        "IS",
        "LT",
        "LY",
        "ME",
        "MN",
        "MR",
        "NO",
        "PL",
        "PT",
        "RS",
        "SD",
        "SE",
        "SI",
        "SK",
        "SO",
        "ST",
        "TL",
        "TN",
        "VA",
        "XK",
    ]
)
"""Countries whose account numbers have no letters: hashes that begin like an IBAN do."""


def _ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        country = match.group(2).upper()
        needed = _IBAN_LENGTHS.get(country)
        positions = [i for i, character in enumerate(match.group(1)) if character.isalnum()]
        if needed is None or len(positions) < needed:
            continue
        is_parted = not text[match.start() + 2].isdigit()
        if is_parted and not (match.group(2).isupper() or _IBAN_WORD.search(text[: match.start()][-24:])):
            continue  # `no 12 3456 …`: codes of countries are words too
        end = match.start() + positions[needed - 1] + 1
        if end < len(text) and text[end].isalnum():
            continue
        compact = "".join(filter(str.isalnum, text[match.start() : end]))
        if country in _ALL_DIGITS and not compact[4:].isdigit():
            continue
        if int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1:
            piece = text[match.start() : end]
            yield Finding(match.start(), end, piece[:2] + masked_digits(piece[2:], 2), 0.98)


_SSN = re.compile(
    r"(?<![\w.-])(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-]|\.[0-9])"
    r"|(?i:\b(?:ssn|social security (?:number|no\.?))(?: is)?[ :#]{1,3})"
    r"((?!000|666|9[0-9]{2})[0-9]{3} ?(?!00)[0-9]{2} ?(?!0000)[0-9]{4})(?!\w)"
)


def _social_security_numbers(text: str) -> Iterator[Finding]:
    for match in _SSN.finditer(text):
        announced = match.group(1) is not None
        start, end = match.span(1 if announced else 0)
        yield Finding(start, end, masked_digits(text[start:end], 0), 0.95 if announced else 0.85)


_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION = re.compile(
    r"(?i)(?<![a-z])(?:version|ver\.?|v\.?|release|build|firmware|section|sec\.?|chapter|clause"
    r"|article|art\.?|rule|part"
    r"|step|fig\.?|figure|table|eq\.?|ec|no\.?|§)\s?$"
)
"""Words after which four numbers with dots are a version, a section or an enzyme."""
_NETMASK = re.compile(r"255\.255\.[0-9]{1,3}\.[0-9]{1,3}")


def _ip_addresses(text: str) -> Iterator[Finding]:
    for match in _IPV4.finditer(text):
        try:
            four = ipaddress.IPv4Address(match.group())
        except ValueError:
            continue
        before = text[max(0, match.start() - 10) : match.start()]
        is_local = four.is_loopback or four.is_unspecified
        if is_local or _NETMASK.fullmatch(match.group()) or _VERSION.search(before):
            continue
        outline = match.group().split(".", 1)[0] + ".*.*.*"
        yield Finding(*match.span(), outline, 0.9 if four.is_global else 0.7)
    for match in _IPV6.finditer(text):
        piece = match.group()
        try:
            six = ipaddress.IPv6Address(piece)
        except ValueError:
            continue
        groups = [group for group in piece.split(":") if group]
        if len(groups) >= 3 and any(map(str.isdigit, piece)) and not six.is_loopback:
            yield Finding(*match.span(), groups[0] + ":***", 0.9 if six.is_global else 0.7)


DETECTORS = {
    detector.kind: detector
    for detector in (
        Detector("secret", "3", keys.SCREEN, keys.secrets, keys.LITERALS, (keys.SHAPES,)),
        Detector("iban", "3", _IBAN_SCREEN, _ibans),
        Detector("credit_card", "2", r"[2-6][0-9]{3}[ -]?[0-9]{4}", _cards),
        Detector("ssn", "1", r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}", _social_security_numbers),
        Detector("national_id", "1", national_ids.SCREEN, national_ids.national_ids,
                 shapes=(national_ids.DIGITS, national_ids.WORDS)),
        Detector("ip_address", "1", r"[0-9]\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]:[0-9A-Fa-f:]", _ip_addresses),
        Detector("email", "1", r"\w@\w", _emails),
        Detector("phone", "4", PHONE_SCREEN, phones),
    )
}  # fmt: skip
"""In order of precedence: what one found, a later one does not find again (a card is not a phone)."""
