"""Made texts with and without confidential data, each with the exact strings that are to be found in it.

Numbers come from outside the detectors: phones are libphonenumber's examples of every country with other last
digits, written by that library; cards, accounts and addresses are computed from their standards.
"""

from __future__ import annotations

import hashlib
import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType


@dataclass(frozen=True)
class Labelled:
    """A text; what it is an example of; kind and string of everything confidential in it."""

    text: str
    group: str
    labels: tuple[tuple[str, str], ...]


_PROSE = """Thanks for getting in touch about this.
The warranty covers parts and labour for two years.
Refunds are made within five working days of the return.
Our offices are closed on public holidays and at weekends.
In 2024 the plant produced 1,250,000 units, 12.5% more than the year before.
Please keep the key to the cabinet in a safe place, and never write the password down.
The second edition adds a chapter on soil and a longer index.
A token of appreciation was handed to all 37 members of the team.
Water boils at 100 °C at sea level and at about 93 °C at 2,000 m.
The study followed 4,812 adults from 1998 to 2016; 61 % were women.
You can change the delivery address until the parcel leaves the warehouse.
Turn the valve a quarter to the left, wait ten seconds and try again.""".splitlines()
_ANNOUNCING = """You can reach her on {}.
Please call {} after nine.
Her phone number is {}.
Tel.: {}
My mobile is {}, call any time.
Contact: {} (office)
Rufen Sie Frau Beier unter {} an.
Meine Handynummer lautet {}.
Telefon: {}
Mon numéro est le {}.
Appelez Mme Beier au {}.
Mi móvil es {}.
Puedes llamarla al {}.
Il mio cellulare è {}.
O telefone dele é {}.
Mijn telefoonnummer is {}.
Mój telefon: {}
Mit telefonnummer er {}.
Puhelin {}
Позвоните по номеру {}.
電話は{}です。
请致电 {}。
전화 {}""".splitlines()
_SILENT = (
    "She wrote {} on the back of the card.",
    "{}",
    "Anna Beier, {}",
    "Beier ({}) agreed.",
    "Best regards\nA. Beier\n{}",
)
_NUMBERED = """Order {} has shipped.
Order number {} was cancelled.
Your invoice no. {} is due.
Ticket #{} is still open.
The serial number is {}.
Tracking number: {}
Bestellnummer {} wurde versandt.
Rechnung Nr. {} ist offen.
Votre commande n° {} est partie.
El pedido {} ha salido.
Reference {} was not found.
Case {} was closed.
Account {} was closed last week.
Part no. {} fits as well.
注文番号 {} を発送しました。""".splitlines()
_EVENTS = """Call {} failed after 3 retries.
Cell {} in the sheet is empty.
Text {} was cut off.
Ring {} has three stones.
Mobile {} growth is shown below.
Call {} returned an error.
Message {} was dropped.""".splitlines()

_KINDS = ["phone announced", "phone announced", "phone with a plus", "phone alone", "email", "credit_card"]
_KINDS += ["iban", "ssn", "ip_address", "secret", "secret", "national_id"]


class Maker:
    """Makes labelled texts, the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.examples = [
            number
            for region in sorted(phonenumbers.SUPPORTED_REGIONS)
            for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
            if (number := phonenumbers.example_number_for_type(region, kind)) is not None
            and len(str(number.national_number)) >= 7
        ]

    def texts(self, count: int) -> Iterator[Labelled]:
        makers: list[Callable[[], Labelled]] = [self.confidential, self.harmless, self.ordinary]
        for _ in range(count):
            one = self.random.choices(makers, (2, 2, 1))[0]()
            before = self.random.sample(_PROSE, self.random.randrange(5))
            after = self.random.sample(_PROSE, self.random.randrange(5))
            is_block = one.text.count("\n") > 0 or self.random.random() < 0.3
            join = "\n\n" if is_block else " "
            parts = [" ".join(before), one.text, " ".join(after)]
            yield Labelled(join.join(filter(None, parts)), one.group, one.labels)

    def ordinary(self) -> Labelled:
        return Labelled(" ".join(self.random.sample(_PROSE, 5)), "prose", ())

    def confidential(self) -> Labelled:
        kind = self.random.choice(_KINDS)
        name, _, way = kind.partition(" ")
        value, frame = getattr(self, f"_{name}")(way)
        return Labelled(frame.format(value), kind, ((name, value),))

    def harmless(self) -> Labelled:
        ways = [name for name in dir(self) if name.startswith("_no_")]
        way = self.random.choice(ways)
        return Labelled(getattr(self, way)(), way.removeprefix("_no_").replace("_", " "), ())

    def number(self) -> phonenumbers.PhoneNumber:
        while True:
            example = self.random.choice(self.examples)
            digits = str(example.national_number)
            made = phonenumbers.PhoneNumber()
            made.merge_from(example)
            made.national_number = int(digits[:-4] + self.digits(4))
            if phonenumbers.is_valid_number(made):
                return made

    def digits(self, count: int) -> str:
        return "".join(self.random.choices(string.digits, k=count))

    def some(self, alphabet: str, count: int) -> str:
        return "".join(self.random.choices(alphabet, k=count))

    def _phone(self, way: str) -> tuple[str, str]:
        number = self.number()
        if "plus" in way:
            written = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
            return written, self.random.choice([*_SILENT, *_ANNOUNCING])
        written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        if "announced" in way:
            return written, self.random.choice(_ANNOUNCING)
        while not (written.startswith("0") and " " in written and len(written) > 10):
            written = phonenumbers.format_number(self.number(), PhoneNumberFormat.NATIONAL)
        return written, self.random.choice(_SILENT)

    def _email(self, way: str) -> tuple[str, str]:
        name = self.some(string.ascii_lowercase, 6)
        return f"{name}.{self.digits(2)}@{self.some(string.ascii_lowercase, 7)}.com", "Write to {} today."

    def _credit_card(self, way: str) -> tuple[str, str]:
        digits = luhn_completed("4" + self.digits(14))
        groups = [digits[i : i + 4] for i in range(0, 16, 4)]
        return self.random.choice(["", " ", "-"]).join(groups), "The card {} was declined."

    def _iban(self, way: str) -> tuple[str, str]:
        country, length = self.random.choice(
            [("DE", 18), ("ES", 20), ("BE", 12), ("PL", 24), ("CR", 18), ("GB", 18)]
        )
        account = (
            self.digits(length) if country != "GB" else self.some(string.ascii_uppercase, 4) + self.digits(14)
        )
        iban = checked_iban(country, account)
        if self.random.random() < 0.5:
            iban = " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))
        return self.random.choice([str.upper, str.lower, str.title])(iban), "My account is {}."

    def _ssn(self, way: str) -> tuple[str, str]:
        middle = f"{self.random.randrange(1, 100):02}"
        return (
            f"{self.random.randrange(1, 666):03}-{middle}-{self.random.randrange(1, 10000):04}",
            "It is {}, he says.",
        )

    def _national_id(self, way: str) -> tuple[str, str]:
        made = self.random.choice([_pesel, _cpf, _nhs, _bsn, _nir, _dni])
        return made(self.random)

    def _ip_address(self, way: str) -> tuple[str, str]:
        return ".".join(str(self.random.randrange(1, 127)) for _ in range(4)), "The host {} is down."

    def _secret(self, way: str) -> tuple[str, str]:
        hexadecimal, base = "0123456789abcdef", string.ascii_letters + string.digits
        web = base + "-_"
        made = [
            f"sk-lf-{uuid.UUID(int=self.random.getrandbits(128))}",
            "sk-" + f"proj-{self.some(web, 79)}A",
            "sk-" + f"ant-api03-{self.some(web, 92)}A",
            "sk-" + f"or-v1-{self.some(hexadecimal, 64)}",
            "gsk_" + self.some(base, 52),
            "xai-" + self.some(base, 80),
            "pcsk_" + f"{self.some(base, 6)}_{self.some(base, 63)}",
            "lsv2_" + f"pt_{self.some(hexadecimal, 32)}_{self.some(hexadecimal, 10)}",
            "nvapi-" + f"{self.some(web, 63)}z",
            "ghp_" + self.some(base, 36),
            "AKIA" + self.some(string.ascii_uppercase + string.digits, 16),
        ]
        return self.random.choice(made), self.random.choice(
            ["Set it to {} and restart.", "KEY={}", "The value {} works."]
        )

    def _no_order(self) -> str:
        written = phonenumbers.format_number(self.number(), PhoneNumberFormat.NATIONAL)
        shapes = [
            written,
            f"415-{self.random.randrange(200, 999)}-{self.digits(4)}",
            self.digits(10),
            "0" + self.digits(9),
        ]
        return self.random.choice(_NUMBERED).format(self.random.choice(shapes))

    def _no_event(self) -> str:
        shapes = [
            str(1_700_000_000 + self.random.randrange(90_000_000)),
            "2" + self.digits(7),
            "1234567",
            "2024 2025 2026",
        ]
        return self.random.choice(_EVENTS).format(self.random.choice(shapes))

    def _no_version(self) -> str:
        parts = [str(self.random.randrange(1, 255)) for _ in range(4)]
        frame = self.random.choice(["version {}", "Release {}", "Update to v{} today", "Section {} says"])
        return frame.format(".".join(parts))

    def _no_coordinates(self) -> str:
        north, east = self.random.uniform(-90, 90), self.random.uniform(-180, 180)
        return self.random.choice(
            [
                f"It lies at {north:.6f}, {east:.6f}.",
                f"lat={north:.5f} lon={east:.5f}",
                f"{north:.4f} {east:.4f}",
            ]
        )

    def _no_hash(self) -> str:
        name = self.random.choice(["md5", "sha1", "sha256"])
        made = hashlib.new(name, self.random.randbytes(8), usedforsecurity=False)
        return f"The {name} sum is {made.hexdigest()}."

    def _no_uuid(self) -> str:
        return f"The request id was {uuid.UUID(int=self.random.getrandbits(128))}."

    def _no_isbn(self) -> str:
        group, title = self.digits(5), self.digits(3)
        return self.random.choice(
            [
                f"ISBN 978-3-{group}-{title}-{self.digits(1)} is out of print.",
                f"See 978-0-{group}-{title}-{self.digits(1)}.",
                f"ISBN 0-{self.digits(3)}-{group}-{self.digits(1)}",
            ]
        )

    def _no_timestamp(self) -> str:
        year, month = self.random.randrange(2010, 2030), self.random.randrange(1, 13)
        day = f"{year}-{month:02}-{self.random.randrange(1, 29):02}"
        clock = (
            f"{self.random.randrange(24):02}:{self.random.randrange(60):02}:{self.random.randrange(60):02}"
        )
        return self.random.choice(
            [
                f"It began at {day}T{clock}Z.",
                f"{day} {clock} started",
                f"at {day.replace('-', '')} {clock.replace(':', '')} UTC",
                f"Epoch {1_700_000_000 + self.random.randrange(90_000_000)}.",
                f"from {day} to 2031-01-01",
            ]
        )

    def _no_amount(self) -> str:
        large = self.random.randrange(100_000_000, 999_999_999)
        frame = self.random.choice(
            [
                "{} people live there.",
                "The population was {} in May.",
                "It cost $ {} in all.",
                "Revenue rose to {} euros.",
            ]
        )
        return frame.format(f"{large:,}".replace(",", self.random.choice([" ", ",", "."])))

    def _no_checksum(self) -> str:
        digits = luhn_completed("4" + self.digits(14))
        iban = checked_iban("DE", self.digits(18))
        wrong = str((int(digits[-1]) + 1) % 10)
        return self.random.choice(
            [f"Number {digits[:-1]}{wrong} fails.", f"Number {iban[:-1]}{(int(iban[-1]) + 1) % 10} fails."]
        )

    def _no_words(self) -> str:
        words = self.random.sample(
            ["based", "model", "long", "index", "v2", "4k", "of", "many", "3b", "parts"], 8
        )
        return f"The package sk-{'-'.join(words)} and xai-{'-'.join(words[::-1])} are public."


def luhn_completed(digits: str) -> str:
    """The digits and their check digit (ISO/IEC 7812-1 annex B)."""
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def checked_iban(country: str, account: str) -> str:
    """The account with its country and check digits (ISO 13616)."""
    as_digits = "".join(str(int(character, 36)) for character in f"{account}{country}00")
    return f"{country}{98 - int(as_digits) % 97:02}{account}"


def _weighed(digits: str, weights: str) -> int:
    return sum(int(d) * int(w, 36) for d, w in zip(digits, weights, strict=True))


def _pesel(source: random.Random) -> tuple[str, str]:
    digits = f"{source.randrange(50, 100):02}{source.randrange(1, 13):02}{source.randrange(1, 29):02}"
    digits += f"{source.randrange(10000):04}"
    return f"{digits}{-_weighed(digits, '1379137913') % 10}", "PESEL: {}"


def _cpf(source: random.Random) -> tuple[str, str]:
    digits = f"{source.randrange(10**9):09}"
    for weights in ("a98765432", "ba98765432"):
        digits += str((-_weighed(digits, weights) % 11) % 10)
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}", "{} is on the form."


def _nhs(source: random.Random) -> tuple[str, str]:
    while True:
        digits = f"{source.randrange(4 * 10**8, 5 * 10**8)}"
        check = -_weighed(digits, "a98765432") % 11
        if check < 10:
            return f"{digits[:3]} {digits[3:6]} {digits[6:]}{check}", "Her NHS number is {}."


def _bsn(source: random.Random) -> tuple[str, str]:
    while True:
        digits = f"{source.randrange(10**7, 9 * 10**7)}"
        check = _weighed(digits, "98765432") % 11
        if check < 10:
            return f"{digits}{check}", "Mijn BSN is {}."


def _nir(source: random.Random) -> tuple[str, str]:
    digits = f"{source.choice('12')}{source.randrange(40, 100)}{source.randrange(1, 13):02}"
    digits += f"{source.randrange(1, 20):02}{source.randrange(1, 900):03}{source.randrange(1, 1000):03}"
    parts = (digits[0], digits[1:3], digits[3:5], digits[5:7], digits[7:10], digits[10:])
    return f"{' '.join(parts)} {97 - int(digits) % 97:02}", "Numéro de sécurité sociale : {}"


def _dni(source: random.Random) -> tuple[str, str]:
    number = source.randrange(10**7, 10**8)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}", "Mi DNI es {}."
