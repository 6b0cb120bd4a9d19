"""Findings: what is confidential is found and shown masked; what only looks like it is left alone.

`«…»` marks what is to be found. `~` stands for nothing: it keeps made-up keys from looking real to scanners
of this repository.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import ids, tables
from tasks.errors import ConfigError
from tasks.privacy import confidential
from tasks.privacy.detectors import DETECTORS
from tests.support.lake_frames import outputs_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ALL = tuple(DETECTORS)


def scan(*responses: str, detectors: tuple[str, ...] = ALL) -> pl.DataFrame:
    return confidential.scan(outputs_of(responses), detectors, run_id="r", now=NOW)


POSITIVE = {
    "email": """Write to «jane.doe@acme.com».
Mail «j@x.io» now
«first.last+tag@sub.domain.co.uk» is mine
(«o'neil@company.ie»)
contact:«anna_b@mail-server.net»,
E-mail: <«support99@my-bank.de»>
مرحبا «ali@site.org» شكرا
请联系 «wang@corp.cn» 。
👍 «bob%x@host.museum»!
"«carol@example.com»" said
mailto:«dave@uni.edu»
«A.B.C@D-E.COM»; and «x1@y2.fr»
[mail](mailto:«eve@shop.nl»)
józef: «józef@poczta.pl»
«user@xn--bcher-kva.de» works
Ask «me@a.b.c.d.com».
**«hello@team.dev»**
«no-reply@service.info»""",
    "phone": """Call «+1 212-555-0147».
Tel «(212) 555-0147» today
«212-555-0147» is it
«415.555.2671» or
Ring «+44 20 7946 0958».
«+49 (30) 901820-11» Berlin
«+33 1 42 68 53 00»
«+4915123456789» mobil
電話 «+81 3-1234-5678»
phone: «555 0147 22»
Fax: «020 7946 0958»
Call us at «0800 123 456».
mobile number is «07700 900123»
1-800? «1-800-356-9377» works
«+91 98765 43210» (India)
whatsapp «+55 11 91234-5678»
tel.: «030/9018200»
«+1 (650) 253-0000»
You can reach «650-253-0000».
«0049 30 901820» from abroad""",
    "credit_card": """Card «4111 1111 1111 1111» expired
«4111111111111111»
«5500-0000-0000-0004»
«5555555555554444».
Amex «3782 822463 10005»
«378282246310005»
«371449635398431»,
«6011111111111117»
«6011 0009 9013 9424»
«30569309025904»
«38520000023237»
«3530111333300000»
«4012888888881881»
«4222222222222»
«2223003122003222»
number:«5105 1051 0510 5100»;
カード «4242 4242 4242 4242» です
«4242-4242-4242-4242»!
«2720992593319364»
«6221260000000000»?""",
    "iban": """Pay to «DE89 3704 0044 0532 0130 00».
«DE89370400440532013000»
«GB82 WEST 1234 5698 7654 32»
«GB29NWBK60161331926819»
«FR1420041010050500013M02606»
«NL91ABNA0417164300», please
IBAN:«ES9121000418450200051332»
«IT60X0542811101000000123456»
«CH93 0076 2011 6238 5295 7»
«AT611904300234573201»
«BE68539007547034»
«NO9386011117947»
«PL61109010140000071219812874»
«SE4550000000058398257466»
«DK5000400440116243»
«FI2112345600000785» Helsinki
«PT50000201231234567890154»
«IE29AIBK93115212345678»
«LU280019400644750000» ok
«SA0380000000608010167519»""",
    "ssn": """SSN «078-05-1121».
«123-45-6789»
His number is «212-09-8765», hers «456-78-9012»
SSN: «212 09 8765»
ssn «212098765»
Social security number: «212098765»
社会 «345-67-8901»
(«567-89-0123»)
"«001-01-0001»"
**«899-99-9999»**
social security no. «301 22 3344»
is «665-12-3456»?""",
    "ip_address": """Server «203.0.113.7» is down
«8.8.8.8»
«192.168.1.15»:8080
at «10.0.0.1».
«172.16.254.3»/24
from «1.1.1.1», to «9.9.9.9»
«2001:db8:85a3::8a2e:370:7334»
«2001:0db8:85a3:0000:0000:8a2e:0370:7334»
[«2606:4700:4700::1111»]:443
«fe80::1ff:fe23:4567:890a» link
IP=«51.15.200.3»;
http://«93.184.216.34»/a
(«185.199.108.153»)
主机 «44.55.66.77» 。""",
    "secret": """key «AKIA~IOSFODNN7EXAMPLE» leaked
«ASIA~Q3EGSTU4VWXYZ123»
«ghp_~aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789»
«gho_~16C7e42F292c6912E7710c838347Ae178B4a»
«github_pat_~11ABCDEFG0abcdefghijkl_mnopqrstuv»
«xox~b-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx»
«xox~p-2345678901-234567890»
«sk-~proj-abcdEFGH1234ijklMNOP5678qrst»
«sk-~ant-api03-Ab12Cd34Ef56Gh78Ij90Kl12Mn34»
«sk_~live_4eC39HqLyjWDarjtT1zdp7dc»
«AIza~SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY»
«glpat-~abcDEF123456ghiJKL78»
«npm_~aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789»
«hf_~AbCdEfGhIjKlMnOpQrStUvWxYz01234567»
«SG.~aBcDeFgHiJkLmNoPqRsTuV.aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdefg»
«eyJ~hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U»
api_key = "«9f86d081884c7d659a2feaa0c55ad015»"
API-KEY: «Zm9vYmFyMTIzNDU2Nzg5»
AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI~K7MDENGbPxRfiCYzz1»
password: «Tr0ub4dor&3»
The password is «Hunter2!x».
"token": "«a1B2c3D4e5F6g7H8i9J0»"
Authorization: Bearer «mF_9.B5f-4.1JqMabcdefg7890»
postgres://admin:«s3cr3tpw»@db.internal/x
PASSWD='«x9$kLm2#Qz»'
client_secret=«GOCSPX~4f8Gh2kLmN9pQrStUvWx»
«-----BEGIN RSA ~PRIVATE KEY-----
MIIEowIBAAKCAQEA1234
-----END RSA ~PRIVATE KEY-----»
«-----BEGIN ~PRIVATE KEY-----
MIIEvQIBADANBg»""",
}
NEGATIVE = """The handle is @anna on that site.
npm install left-pad@1.3.0
See logo@2x.png here.
git clone git@github.com:org/repo.git
a@b
He paid 3@4 apples.
user@localhost
x @ y.com
The year 2021-03-04 was fine.
From 2019-2023 sales rose.
ISBN 978-3-16-148410-0 is a book.
doi:10.1000/182 and 10.1038/s41586-020-2649-2
Order 1234567890123 shipped.
The population is 1 402 112 000.
+500 000 000 people live there.
It grew by +12.5% in 2020.
Room 212-555 is free.
123-456-7890 is not a valid number.
212-155-0147 is none either.
phone models of 2023-2024
Call 911 in an emergency.
telephone 1876 Bell
Fig. 3.2.1.4 shows it
version 1.2.3.4 is out
v10.0.19041.1 of the software
Release 4.18.0.305
Section 5.1.2.3 says
127.0.0.1 is loopback
0.0.0.0 listens everywhere
netmask 255.255.255.0
999.1.2.3 is none
256.256.256.256
1.2.3.4.5 is a section
at 12:30:45 sharp
std::vector<int> and a::b::c
00:1B:44:11:3A:B7 is a MAC address
::1 is loopback
ratio 3:1:2
Genesis 1:1-2:3
4111 1111 1111 1112 fails the check
4111111111111112
1234567890123456
0000 0000 0000 0000
4444444444444444444444
1111111111111111
9999 9999 9999 9999
3.14159265358979323846
4.111111111111111e16
The hash is 4111111111111111abc
DE89 3704 0044 0532 0130 01
GB82WEST12345698765433
XX89370400440532013000
DE89 is a prefix
AB12CD34EF56GH78IJ90
US64SVBKUS6S3300958879
000-12-3456
666-12-3456
912-34-5678
123-00-4567
123-45-0000
1234-56-7890
123-45-67890
Part no. 12-345-6789-0
123 45 6789 apples
call 12 34
AKIA is a prefix
AKIAIOSFODNN7 is short
ghp_short
xoxo-hugs from me
sk-learn is a library
sk-based-on-a-very-long-hyphenated-word-of-many-parts
eyJ is how they begin
AIzaTooShort
Set api_key = "YOUR_API_KEY_GOES_HERE_123"
api_key = os.environ["OPENAI_API_KEY"]
password: ********
password = <your password>
The password is required.
password: changeme
The secret is patience and practice.
token: string
Use a token-based approach.
The key is understanding photosynthesis.
secret: ${VAULT_SECRET_12345678}
Bearer of good news
token = getenv("TOKEN_12345678")
-----BEGIN PUBLIC KEY-----
-----BEGIN CERTIFICATE-----
https://example.com/path?token=abc
https://example.com:8080/a@b
ssh://host:22/x
The key: internationalization
keyboard: mechanical
Tokenization is a step.
Monkey: chimpanzee123
Turkey: Istanbul
The average was 212.555 units.
$1,234,567.89 was paid
UTC+01:00 is the zone
2024-11-23T10:20:30Z
6.02214076e23 per mole
3 x 4 x 5
C++ and C# and F#
The ratio 16/9 and 4/3
He ran 42.195 km.
Latitude 48.8566, longitude 2.3522
chr17:43044295-43125483
NM_007294.4:c.5266dupC
CAS 64-17-5 is ethanol
EC 1.1.1.1 is alcohol dehydrogenase""".splitlines()


def positives() -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for kind, block in POSITIVE.items():
        parts: list[str] = []
        for line in block.replace("~", "").splitlines():
            parts.append(line)
            joined = "\n".join(parts)
            if joined.count("«") == joined.count("»"):
                rows.append((kind, joined))
                parts = []
    return rows


def unmark(marked: str) -> tuple[str, list[str]]:
    expected = [part.split("»")[0] for part in marked.split("«")[1:]]
    return marked.replace("«", "").replace("»", ""), expected


def test_there_are_more_than_two_hundred_examples() -> None:
    assert len(positives()) + len(NEGATIVE) >= 200


@pytest.mark.parametrize(("kind", "marked"), positives())
def test_what_is_confidential_is_found_with_its_exact_span(kind: str, marked: str) -> None:
    text, expected = unmark(marked)
    found = scan(text)
    assert [text[a:b] for a, b in zip(found["start"], found["end"], strict=True)] == expected
    assert set(found["kind"]) == {kind}
    for secret, masked in zip(expected, found["masked"], strict=True):
        assert secret not in masked
        assert "*" in masked


@pytest.mark.parametrize("text", NEGATIVE)
def test_what_only_looks_confidential_is_left_alone(text: str) -> None:
    assert scan(text).rows() == []


@pytest.mark.parametrize(
    ("text", "outline"),
    [
        ("jane@enterprise.com", "j***@e***.com"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("DE89 3704 0044 0532 0130 00", "DE** **** **** **** **** 00"),
        ("123-45-6789", "***-**-****"),
        ("203.0.113.7", "203.*.*.*"),
        ("+1 212-555-0147", "+* ***-***-**47"),
        ("AKIA" + "IOSFODNN7EXAMPLE", "AKIA***"),
        ("password: Tr0ub4dor&3", "***"),
    ],
)
def test_only_the_outline_is_shown(text: str, outline: str) -> None:
    assert scan(text)["masked"].to_list() == [outline]


def test_a_finding_names_its_detector_with_version_and_its_output() -> None:
    found = scan("nothing", "é👍 jane@acme.com")
    assert found["detector"].to_list() == ["email@1"]
    assert found["output_id"].to_list() == [ids.digest("output", "é👍 jane@acme.com")]
    assert found["start"].to_list() == [3]
    assert found.schema == tables.FINDINGS.schema


def test_only_the_chosen_detectors_run() -> None:
    assert scan("jane@acme.com 8.8.8.8", detectors=("ip_address",))["kind"].to_list() == ["ip_address"]
    assert scan("jane@acme.com", detectors=()).height == 0
    assert scan().schema == tables.FINDINGS.schema


def test_an_unknown_detector_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match=r"no detector is named 'emial', did you mean email\?"):
        scan("x", detectors=("emial",))


samples = st.sampled_from([unmark(marked)[0] for _, marked in positives()])
noise = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)


@given(st.lists(samples | noise, max_size=8).map(" ".join))
@settings(deadline=None, max_examples=100)
def test_spans_lie_in_the_text_apart_and_in_order(text: str) -> None:
    found = scan(text)
    spans = list(zip(found["start"], found["end"], strict=True))
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert found["finding_id"].is_unique().all()
    assert found["confidence"].is_between(0, 1).all()


@given(samples, noise, noise)
@settings(deadline=None, max_examples=100)
def test_what_stands_around_on_other_lines_hides_nothing(sample: str, before: str, after: str) -> None:
    around = scan(before + "\n\n" + sample + "\n\n" + after)
    first, last = len(before) + 2, len(before) + 2 + len(sample)
    # By where they begin: a key whose end is missing takes in what looks like more of it.
    inside = around.filter(pl.col("start") >= first, pl.col("start") < last)
    assert inside["masked"].to_list() == scan(sample)["masked"].to_list()


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "a@", "a@b.", "1", "1 ", "1-", "1.", "1:", "a:", ":", "+1 ", "(1", "DE89", "DE89 ", "4111 ",
     "eyJ", "eyJa.", "sk-", "key=", "key ", "password ", "-----BEGIN PRIVATE KEY-----", "a://b:c", "Bearer ",
     "call ", "-", "xoxb-1"],
)  # fmt: skip
def test_hostile_repetition_ends(unit: str) -> None:
    assert scan(unit * (200_000 // len(unit))).schema == tables.FINDINGS.schema
