"""Shapes of confidential data, a detector each: where it is in a text, how sure that is, and its outline.

A pattern proposes, a check disposes (Luhn, ISO 13616 mod 97, number plans, address ranges, entropy):
precision is what makes a finding worth a look. Every quantifier is bounded and every pattern begins at the
start of a token, so that time is linear in the text whatever it holds.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """text[start:end] is confidential; `masked` is its outline; `confidence` is a ratio."""

    start: int
    end: int
    masked: str
    confidence: float


@dataclass(frozen=True)
class Detector:
    """A kind of confidential data; what `screen` (a pattern in Rust syntax) does not match has none of it."""

    kind: str
    version: str
    screen: str
    find: Callable[[str], Iterator[Finding]]

    @property
    def label(self) -> str:
        """What tables call it: name@version."""
        return f"{self.kind}@{self.version}"


def _digits(piece: str) -> str:
    return "".join(character for character in piece if "0" <= character <= "9")


def _masked_digits(piece: str, shown: int) -> str:
    """The piece with every letter and digit but the last `shown` starred."""
    starred = sum(character.isalnum() for character in piece) - shown
    return re.sub(r"[^\W_]", "*", piece, count=starred) if starred > 0 else piece


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


_INTERNATIONAL = re.compile(
    r"(?<![\w+.])(?<![0-9][ -])(?:\+|00(?=[1-9]))\(?[1-9][0-9 ().\-/\u00a0]{6,22}[0-9](?![\w])"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.+/-])(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ -]?"
    r"|[2-9][0-9]{2}([.-]))[2-9][0-9]{2}[.-][0-9]{4}(?![\w-]|\.\w)"
)
_ANNOUNCED = re.compile(
    r"(?i)(?<![a-z])(?:tele)?(?:phone|tel|mobile|cell|fax|whatsapp|dial|call|ring|text)"
    r"(?: (?:us|me|him|her|them))?(?: (?:number|no\.?))?(?: (?:is|at"
    r"|on))?[ .:#]{1,4}([0-9(][0-9 ().\-/]{5,20}[0-9])(?!\w)"
)
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[-./ ][01]?[0-9][-./ ][0-3]?[0-9]|(?:19|20)[0-9]{2}\s?[-/]\s?(?:19|20)[0-9]{2}"
)


def _is_north_american(digits: str) -> bool:
    return len(digits) == 11 and digits[1] in "23456789" and digits[4] in "23456789"


def _phones(text: str) -> Iterator[Finding]:
    for match in _INTERNATIONAL.finditer(text):
        digits = _digits(match.group()).removeprefix("00")
        if not 9 <= len(digits) <= 15 or digits.endswith("000000"):  # E.164; and round sums are no numbers
            continue
        if digits[0] == "1" and not _is_north_american(digits):
            continue
        if match.group().startswith("00") and match.group().isdigit():
            continue  # zero-padded numbers of orders and accounts
        yield Finding(*match.span(), _masked_digits(match.group(), 2), 0.9)
    for match in _NORTH_AMERICAN.finditer(text):
        yield Finding(*match.span(), _masked_digits(match.group(), 2), 0.85)
    for match in _ANNOUNCED.finditer(text):
        piece = match.group(1)
        if 7 <= len(_digits(piece)) <= 15 and not _DATE.fullmatch(piece):
            yield Finding(*match.span(1), _masked_digits(piece, 2), 0.75)


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


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        digits = _digits(match.group())
        if _ISSUERS.fullmatch(digits) and _luhn(digits) and len(set(digits)) > 1:
            is_grouped = not match.group().isdigit()
            yield Finding(*match.span(), _masked_digits(match.group(), 4), 0.95 if is_grouped else 0.85)


_IBAN = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2})[0-9]{2}(?:[ \u00a0-]?[A-Z0-9]){11,30}")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL SD", 19: "MK SI", 20: "AT BA EE KZ XK LT LU MN",
        21: "CR HR LV LI CH", 22: "BH BG GE DE IE ME RS GB VA", 23: "GI IQ IL OM SO TL AE",
        24: "AD CZ MD PK RO SA SK ES SE TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MR MC SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country: SWIFT's IBAN registry (ISO 13616)."""


def _ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        needed = _IBAN_LENGTHS.get(match.group(1))
        positions = [i for i, character in enumerate(match.group()) if character.isalnum()]
        if needed is None or len(positions) < needed:
            continue
        end = match.start() + positions[needed - 1] + 1
        if end < len(text) and text[end].isalnum():
            continue
        compact = "".join(filter(str.isalnum, text[match.start() : end]))
        if int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1:
            piece = text[match.start() : end]
            yield Finding(match.start(), end, piece[:2] + _masked_digits(piece[2:], 2), 0.98)


_SSN = re.compile(
    r"(?<![\w.-])(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-]|\.[0-9])"
    r"|(?i:\b(?:ssn|social security (?:number|no\.?))(?: is)?[ :#]{1,3})"
    r"((?!000|666|9[0-9]{2})[0-9]{3} ?(?!00)[0-9]{2} ?(?!0000)[0-9]{4})(?!\w)"
)


def _social_security_numbers(text: str) -> Iterator[Finding]:
    for match in _SSN.finditer(text):
        announced = match.group(1) is not None
        start, end = match.span(1 if announced else 0)
        yield Finding(start, end, _masked_digits(text[start:end], 0), 0.95 if announced else 0.85)


_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION = re.compile(
    r"(?i)(?<![a-z])(?:version|ver\.?|v\.?|release|build|firmware|section|sec\.?|chapter|clause|article|art\.?|rule|part"
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


_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?P<aws>(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16})"
    r"|(?P<github>gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"
    r"|(?P<slack>xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[A-Za-z0-9-]{10,250})"
    r"|(?P<sk>sk-(?:[a-z0-9]{2,12}-){0,3}[A-Za-z0-9_]{20,200})"
    r"|(?P<stripe>(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/]{24,100})"
    r"|(?P<google>AIza[A-Za-z0-9_-]{35})"
    r"|(?P<gitlab>glpat-[A-Za-z0-9_-]{20,64})"
    r"|(?P<hub>(?:npm|hf)_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{50,300}|dop_v1_[a-f0-9]{64})"
    r"|(?P<sendgrid>SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64})"
    r"|(?P<jwt>eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{8,2000})"
    r")(?![A-Za-z0-9])"
)
_PREFIX = re.compile(
    r"AKIA|ASIA|AROA|AIDA|AGPA|ANPA|[A-Za-z]{2,6}_(?:live_|test_|pat_|v1_)?|[A-Za-z]{2,5}-|AIza|SG\.|eyJ"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.]{0,20000})"
    r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)
_ASSIGNED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?P<name>(?:api|access|secret|private|signing|encryption|account)[_ -]?key"
    r"|secret|token|credential"
    r"|passw(?:or)?d|passphrase|pwd|bearer)[\w-]{0,24}[\"'`]?(?:\s{0,3}(?:=>|:=|[:=])\s{0,3}|\sis:?\s"
    r"|\s(?=[A-Za-z0-9._~+/-]{24}))"
    r"[\"'`]?(?P<value>[^\s\"'`<>,;()\[\]{}]{8,200})"
)
_IN_URL = re.compile(
    r"(?<![A-Za-z0-9])[a-z][a-z0-9+]{1,15}://[^\s:/@]{1,64}:(?P<value>[^\s:/@]{3,100})@[\w.-]"
)
_PLACEHOLDER = re.compile(
    r"(?i)your|example|sample|dummy|placeholder|change_?me|redacted|x{4}|\*{3}|\.{3}|…|env[.(]|environ"
    r"|getenv|\$[{(]|^\$|%\w+%|todo|insert|https?:"
)
_ENTROPY = 3.2
"""Bits a character: random hex of 20 characters or more has 3.3 to 3.9, English words under 3.2."""


def _entropy(value: str) -> float:
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())


def _is_random(value: str, name: str) -> bool:
    kinds = sum(
        any(test(character) for character in value)
        for test in (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    )
    if name.lower().startswith(("pass", "pwd")):
        return kinds >= 3 or (kinds == 2 and any(map(str.isdigit, value)) and len(value) >= 10)
    has_digits = sum(map(str.isdigit, value)) >= 2
    return len(value) >= 16 and kinds >= 2 and has_digits and _entropy(value) >= _ENTROPY


def _secrets(text: str) -> Iterator[Finding]:
    for match in _PRIVATE_KEY.finditer(text):
        piece = match.group().rstrip()
        yield Finding(match.start(), match.start() + len(piece), "-----BEGIN PRIVATE KEY----- ***", 0.99)
    for match in _TOKENS.finditer(text):
        prefix = _PREFIX.match(match.group())
        if match.lastgroup == "sk" and not any(map(str.isdigit, match.group())):
            continue  # `sk-` opens words joined by hyphens too
        if not _PLACEHOLDER.search(match.group()) or match.lastgroup in ("jwt", "aws"):
            yield Finding(*match.span(), (prefix.group() if prefix else "") + "***", 0.95)
    for match in _ASSIGNED.finditer(text):
        value = match.group("value").rstrip(".!?:")
        if len(value) >= 8 and not _PLACEHOLDER.search(value) and _is_random(value, match.group("name")):
            yield Finding(match.start("value"), match.start("value") + len(value), "***", 0.75)
    for match in _IN_URL.finditer(text):
        value = match.group("value")
        if not _PLACEHOLDER.search(value) and value.lower() not in ("password", "pass"):
            yield Finding(*match.span("value"), "***", 0.85)


_KEY_SCREEN = (
    r"(?i)AKIA|ASIA|AROA|AIDA|AGPA|ANPA|gh[pousr]_|github_pat_|xox|xapp-|sk[-_]|rk_|whsec_|AIza|glpat-|npm_|hf_"
    r"|pypi-|dop_v1_|SG\.|eyJ|key|secret|token|credential|passw|passphrase|pwd|bearer|://[^\s/]{1,200}@"
)

DETECTORS = {
    detector.kind: detector
    for detector in (
        Detector("secret", "1", _KEY_SCREEN, _secrets),
        Detector("iban", "1", r"[A-Z]{2}[0-9]{2}", _ibans),
        Detector("credit_card", "1", r"[2-6][0-9]{3}[ -]?[0-9]{4}", _cards),
        Detector("ssn", "1", r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}", _social_security_numbers),
        Detector("ip_address", "1", r"[0-9]\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]:[0-9A-Fa-f:]", _ip_addresses),
        Detector("email", "1", r"\w@\w", _emails),
        Detector("phone", "1", r"[0-9][0-9 ().\-/\x{a0}]{5,22}[0-9]", _phones),
    )
}  # fmt: skip
"""In order of precedence: what an earlier one found, a later one does not find again (a card is no phone)."""
