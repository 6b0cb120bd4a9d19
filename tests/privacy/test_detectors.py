"""Numbers, keys and accounts as people and services write them: found, and not seen in other numbers.

`~` stands for nothing: it keeps made-up keys from looking real to scanners of this repository.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tasks import ids
from tasks.privacy import phone_plans
from tests.privacy.test_privacy import scan
from tests.support.labelled_texts import Maker


def findings(text: str) -> list[tuple[str, str]]:
    found = scan(text)
    return [(kind, text[a:b]) for kind, a, b in found.select("kind", "start", "end").iter_rows()]


@pytest.mark.parametrize(
    "text",
    """Job 7: call 1764201600 timed out twice.
Cell 30456789 holds a formula.
Text 7654321 was truncated by the parser.
Mobile 2022 2023 2024 revenue is in the table.
The fax 12345678 job is stuck.
Dial 1234567 units to the left.
Order 415-555-2671
Your order 415-555-2671 ships today.
Order ID: 090-1234-5678
Ticket 555-867-5309
RMA 415-555-2671 was approved.
Rechnung 0171 2345678 ist offen.
Bestellnummer: 030 901820
numéro de commande 06 12 34 56 78
Número de pedido: 612 345 678
Номер заказа 8 912 345-67-89
订单号 138 0013 8000
주문번호 010-1234-5678
NHS number 943 476 5910
ACN 002 755 599 is registered.
There are 612 345 678 people.
612 345 678 users signed up
The total was 612 345 678.
Number of employees is 4500 (2019)
It was laid down on 1899-01-01 and launched later.
There were 71 of them (1600-1773).
It lies at 40.1537 -93.0423.
ISBN-13: 978 0 306 40615 7
3.141 592 653
Score 21-19 18-21 21-17
1764201600.123456
+999 123 456 789 is nowhere
Orders 415-555-2671 and 415-555-2672 were merged.
Tracking number 1Z 999 AA1 01 2345 6784
注文番号：090-1234-5678
1 234 567 890
Delivery 415-555-2671 is late
Incident number 07700 900123
Change 415-555-2671 was rolled back
Chat 415-555-2671 has ended
Voucher 415-555-2671 has expired
Coupon 090-1234-5678
Gift card 415-555-2671 is empty
Subscription 415-555-2671 ends
Return 415-555-2671 has arrived
Kernel 415.555.2671
Error 415-555-2671
The error 1752480000 was raised by call 20123456.
Message id 1752480000
Call ID 415-555-2671
Phone 16 2024 2025 models are sold.
Contact ID 415-555-2671""".splitlines(),
)
def test_a_number_of_something_else_is_no_phone(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("612 345 678", "612 345 678"),
        ("090-1234-5678", "090-1234-5678"),
        ("Llámame al 612 345 678 mañana.", "612 345 678"),
        ("Su móvil: 612345678", "612345678"),
        ("El teléfono de Ana es 91 123 45 67.", "91 123 45 67"),
        ("Vous pouvez la joindre au 06.98.76.54.32 demain", "06.98.76.54.32"),
        ("Frau Beier, 030/9018200", "030/9018200"),
        ("Ring her on 07700 900456 until five.", "07700 900456"),
        ("Call Priya on 98765 43210.", "98765 43210"),
        ("Ligue para (11) 91234-5678", "(11) 91234-5678"),
        ("Bel mij op 06 1234 5678.", "06 1234 5678"),
        ("Zadzwoń: 601 234 567", "601 234 567"),
        ("Mitt nummer är 070-123 45 67", "070-123 45 67"),
        ("Mit nummer er 20 12 34 56.", "20 12 34 56"),
        ("Мой номер 8 912 345-67-89", "8 912 345-67-89"),
        ("彼の番号は090-1234-5678です", "090-1234-5678"),
        ("電話：０９０－１２３４－５６７８", "０９０－１２３４－５６７８"),
        ("手机号:13800138000", "13800138000"),
        ("전화번호는 010-1234-5678 입니다", "010-1234-5678"),
        ("הטלפון 050-123-4567", "050-123-4567"),
        ("هاتف 0501234567", "0501234567"),
        ("Call me on 0412 345 678", "0412 345 678"),
        ("For order 12 call 0171 2345678.", "0171 2345678"),
        ("Call our order line on 0800 123 4567.", "0800 123 4567"),
        ("Call 4155552671 now.", "4155552671"),
        ("Or call 404 639 1075 during the day", "404 639 1075"),
        ("0612345678 is my mobile number.", "0612345678"),
        ("Ring mig på 0701234567", "0701234567"),
        ("Mój numer to 601 234 567.", "601 234 567"),
        ("Moje číslo je 601 123 456", "601 123 456"),
        ("मेरा नंबर 98765 43210 है", "98765 43210"),
        ("Contact Anna on 07700900123.", "07700900123"),
        ("phone_number: 4155552671", "4155552671"),
        ('{"phone": "612345678"}', "612345678"),
        ("Contacto: 612 345 678", "612 345 678"),
        ("Sunați la 0721234567", "0721234567"),
        ("Numaram 0532 123 45 67", "0532 123 45 67"),
        ("Καλέστε 6912345678", "6912345678"),
        ("Hívjon: 06-30-123-4567", "06-30-123-4567"),
        ("To ask about order 4455, phone 020 7946 0958.", "020 7946 0958"),
    ],
)
def test_a_number_is_found_as_its_country_writes_it(text: str, number: str) -> None:
    assert findings(text) == [("phone", number)]


def test_two_numbers_beside_each_other_are_two() -> None:
    assert [number for _, number in findings("0171 2345678 / 030 901820 or (0171) 2345678 (030) 901821")] == [
        "0171 2345678", "030 901820", "(0171) 2345678", "(030) 901821",
    ]  # fmt: skip


def test_the_same_digits_are_a_number_or_none_by_the_word_before_them() -> None:
    assert findings("Order 415-555-2671 or call 415-555-2671.") == [("phone", "415-555-2671")]


KEYS = """sk-~lf-1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f
sk-~proj-Zx9-Yw8_Vu7tSr6qPo5nMl4kJi3hGf2eDc1bA0zY9xW8vU7tS6rQ5
sk-~ant-api03-Qw1-Er2tYu3iOp4aSd5fGh6jKl7zXc8vBn9mQw0eRt1yUi2oPAA
sk-~or-v1-0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9
gsk_~Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9Jj0Kk1Ll2Mm3Nn4Oo5Pp6Qq7Rr8
xai-~Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9Jj0Kk1Ll2Mm3Nn4Oo5Pp6Qq7Rr8Ss9
pcsk_~3aBcD_9ZyXwVuTsRqPoNmLkJiHgFeDcBa1234567890AbCdEfGhIjKl
lsv2_~pt_0123456789abcdef0123456789abcdef_0a1b2c3d4e
nvapi-~Zx9-Yw8_Vu7tSr6qPo5nMl4kJi3hGf2eDc1bA0zY9xW8vU7t
pplx-~0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071
api_~org_QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi
AB~SKQmVkcm9ja0FQSUtleS1xWXo1YU5KREc4NHg3MGpqZU1xVElucXl6eGky
AQ~.Viy6VdwxhrcTawEQwmM8-57nmJdmm7eDVAbs6_KOwhFrR3GBHva
wandb_~v1_ZhHfPc0d3DuAIGrBGLBDqRHBCd2EmfTmnGwHLHR8jP8BIZZ4UThJ77aWhouE
rpa_~LJYL4SAYDSY9CYYLAAEXIEGEALEO1A4PAL0EB0APFD7YV8
pa-~QjebN789Sm0s6jUF4XJV2pfFVG8FnDEokFMkFQ33S3a
sk_~d56be683cf3d726802494f2b749df1bbaf586ae85cedf990
xkeysib~-b577e95ab5b352e652a437a20aac73660b4fb523fe5134a0711fb0138ee9be07-VV7l2yMq8Wc1Za0b
gld~t-9PSflEtMhiq7cP8_RlHa
NRAK~-M4HSEGCMOP0K5LQQ5S4GALWH505
LTA~I6x6fo4EAMi34gpHEwylT
AK~ID0mR7tvKcEAKIEqjn7c8M7OmF8fMBDE6G
83195~44375:AATcfF9A5apbh7DC47uox6r125TBSmFBu8a
a1~3f9a7c1e5b2d8046c9e1a7b3f5d2c8-us12""".replace("~", "").splitlines()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_an_ai_service_is_found_whole_with_its_hyphens(key: str) -> None:
    for text in (f"Set it to {key} and restart.", f'{{"k":"{key}"}}', f"X={key}"):
        assert findings(text) == [("secret", key)]
    assert scan(key)["masked"].item().endswith("***")
    assert key[12:] not in scan(key)["masked"].item()


def test_keys_of_azure_and_addresses_that_are_keys_are_found() -> None:
    client = "Ox78Q~HShZu1Nc3Roz7RMOlOJAShfarz4cLITTxl"
    assert findings(f"Use {client} there.") == [("secret", client)]
    path = "T0WVJTEDL/B2U7EQMU6BO/mn3tn09j2fxmgAo34wXN1js3"
    assert findings(f"Post to https://hooks.slack.com/services/{path} now") == [("secret", path)]
    signature = "o1eYqZOaTjQdHdtj6G5qOiYHM5EvAb3dE5fG7hI9jK%3D"
    link = f"https://acme.blob.core.windows.net/c/f.csv?sv=2022-11-02&sig={signature}"
    assert findings(link) == [("secret", signature)]


@pytest.mark.parametrize(
    "text",
    """xai-based-text-generation-for-many-teams
gsk_learn_model_selection_cross_validation
pcsk_is_a_prefix_of_pinecone_keys
sk-lf-your-key-goes-here-please-123
sk-8k-context-v2-model-3b-and-4k-index-of-many""".splitlines(),
)
def test_words_joined_by_hyphens_are_no_key(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize(
    "account",
    ["de89 3704 0044 0532 0130 00", "fr1420041010050500013m02606", "Gb29 Nwbk 6016 1331 9268 19",
     "CR05015202001026284066", "HN88CABF00000000000250005469",
     "fk88 sc12 3456 7890 12", "DE 89 37040044 0532013000", "CR05-0152-0200-1026-2840-66"],
)  # fmt: skip
def test_an_account_is_found_in_any_case(account: str) -> None:
    assert findings(f"Pay ab12 to {account}.") == [("iban", account)]


def test_an_account_may_touch_its_name_or_stand_apart_from_its_country_behind_it() -> None:
    assert findings("IBANDE89370400440532013000") == [("iban", "DE89370400440532013000")]
    assert findings("iban de 89 3704 0044 0532 0130 00") == [("iban", "de 89 3704 0044 0532 0130 00")]
    assert findings("Ende 89 37 0400 4405 3201 3000 und mehr") == []


def test_a_hash_that_begins_like_an_account_is_none() -> None:
    made = [f"be68{number:012x}" for number in range(1 << 40, (1 << 40) + 2000)]
    assert scan(*[one for one in made if not one[4:].isdigit()]).filter(kind="iban").is_empty()


def test_a_long_id_is_a_card_only_after_a_word_of_cards() -> None:
    assert findings("Post 4015175761191110741 was liked.") == []
    assert findings("Card 4015175761191110741 expired.") == [("credit_card", "4015175761191110741")]


def test_plans_know_codes_of_countries() -> None:
    assert phone_plans.is_international("4915123456789")
    assert not phone_plans.is_international("999123456789")


def test_made_texts_are_found_and_hard_negatives_left_alone() -> None:
    made = {ids.digest("output", one.text): one for one in Maker(7).texts(3000)}
    found = scan(*[one.text for one in made.values()])
    hits: Counter[str] = Counter()
    alarms = []
    for output_id, kind, start, end in found.select("output_id", "kind", "start", "end").iter_rows():
        one = made[output_id]
        label = (kind, one.text[start:end])
        if label in one.labels:
            hits[one.group] += 1
        else:
            alarms.append((one.group, label))
    totals = Counter(one.group for one in made.values() if one.labels)
    assert len(alarms) <= 0.005 * sum(totals.values()), alarms
    low = {group: hits[group] / totals[group] for group in totals if hits[group] < 0.97 * totals[group]}
    # Numbers of eight digits in pairs look like dates: without a word before them they stay unreported.
    assert low.pop("phone alone", 1) > 0.95
    assert low == {}


WRITTEN_AT_HOME = {
    "AE": ["050 123 4567"], "AR": ["11 2345-6789"], "AT": ["0664 1234567", "01 5123456"],
    "AU": ["0412 345 678", "(02) 9374 4000"], "BE": ["0470 12 34 56", "02 123 45 67"],
    "BR": ["(11) 91234-5678", "(21) 2345-6789"], "CH": ["079 123 45 67", "044 668 18 00"],
    "CN": ["138 0013 8000", "010-12345678"], "CZ": ["601 123 456"], "DE": ["0151/23456789", "030 901820"],
    "DK": ["20 12 34 56"], "EG": ["0100 123 4567"], "ES": ["612 345 678", "91 123 45 67"],
    "FI": ["040 123 4567", "09 1234 5678"], "FR": ["06 12 34 56 78", "01.42.68.53.00"],
    "GB": ["07700 900123", "(0161) 496 0123"], "GR": ["691 234 5678", "21 0123 4567"],
    "ID": ["0812-3456-7890"], "IL": ["054-123-4567"], "IN": ["98765 43210", "022 2345 6789"],
    "IT": ["347 123 4567", "06 6982 1234"], "JP": ["090-1234-5678", "03-1234-5678"],
    "KR": ["010-1234-5678", "02-312-3456"], "MX": ["55 1234 5678"], "NG": ["0803 123 4567"],
    "NL": ["06-12345678", "020-1234567"], "NO": ["412 34 567", "22 12 34 56"],
    "PL": ["512 345 678", "22 123 45 67"], "PT": ["912 345 678", "21 123 4567"],
    "RU": ["8 912 345-67-89", "8 (495) 123-45-67"], "SE": ["070-123 45 67", "08-123 456 78"],
    "TR": ["0532 123 45 67"], "US": ["(212) 555-0187", "415.555.2671"], "ZA": ["082 123 4567"],
}  # fmt: skip


@pytest.mark.parametrize("country", WRITTEN_AT_HOME)
def test_phones_of_a_country_as_they_are_written_there(country: str) -> None:
    for number in WRITTEN_AT_HOME[country]:
        for frame in ("Call {} after nine.", "Her phone number is {}.", "My mobile is {}, call any time."):
            assert findings(frame.format(number)) == [("phone", number)]
