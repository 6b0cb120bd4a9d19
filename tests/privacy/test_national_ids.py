"""National identity numbers: shapes, words near them, and the library's checks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.privacy import confidential, national_ids
from tasks.privacy.national_id_shapes import SHAPES
from tasks.settings import Settings
from tests.privacy.test_privacy import scan

NUMBERS = """Mi DNI es ~54362315K~ y vivo en Vigo.
El NIE de Ana: ~X-2482300W~
Son numéro de sécurité sociale est le ~2 95 10 99 126 111 93~.
~295109912611193~
Steuer-ID: ~36 574 261 809~
Meine Steueridentifikationsnummer lautet ~36574261809~
~RCCMNL83S18D969H~ è il suo codice fiscale
NIF ~501 964 843~
Mijn BSN is ~1112.22.333~
~85.07.30-033.28~
Rijksregisternummer 85073003328 of ~85073003328~
SVNR ~1237 010180~
~756.9217.0769.85~
AHV-Nummer ~7569217076985~
PESEL ~44051401359~
rodné číslo ~710319/2745~
personnummer ~880320-0016~
Fødselsnummer ~151086 95088~
CPR-nr. ~211062-5629~
~131052-308T~
isikukood ~36805280109~
asmens kodas ~33309240064~
personas kods ~161175-19997~
ЕГН ~7523169263~
CNP ~1630615123457~
OIB: ~33392005961~
PPS ~6433435F~
NHS number ~943 476 5870~
National Insurance number ~AB 12 34 56 C~
my SIN is ~123-456-782~
CURP ~BOXW310820HNERXN09~
~390.533.447-05~
CPF: ~39053344705~
CUIT ~20-05536168-2~
RUT ~12.531.909-2~
TFN ~123 456 782~
Aadhaar ~2341 2341 2346~
PAN ~ACUPA7085R~
身份证号~360426199101010071~
주민등록번호 ~971013-9019902~
マイナンバーは~123456789018~です
תעודת זהות ~39337423~
T.C. Kimlik No: ~17291716060~
ИНН ~123456789047~
~1-2345-45678-78-1~
NRIC ~770305-02-1234~
cédula ~1714307103~
ITIN ~912-90-3456~
Their tax id is ~36574261809~.""".splitlines()


def spans(text: str) -> list[str]:
    return [text[a:b] for a, b in scan(text).filter(kind="national_id").select("start", "end").iter_rows()]


@pytest.mark.parametrize("marked", NUMBERS)
def test_a_number_is_found_where_words_or_its_shape_speak_for_it(marked: str) -> None:
    text = marked.replace("~", "")
    assert marked.split("~")[1] in spans(text)


@pytest.mark.parametrize(
    "text",
    """Order 36574261809 shipped
The number 111222333 is prime
build 20240115103045
tracking 123456782
phone 943 476 5870
The total is 39053344705
IMEI 490154203237518
Version 12.531.908
row id 44051401359
PESEL 44051401358
Your ID card is ready. Order 44051401359 too
The tin roof of 36574261809 tiles
The run 12345678-5 was late.
Do zobaczenia za 3 dni, 54362315
CC: team, ref 12345678
RCCMNL83S18D969A""".splitlines(),
)
def test_an_ordinary_number_or_a_wrong_check_digit_is_none(text: str) -> None:
    assert spans(text) == []


def test_the_outline_names_the_number_and_shows_its_end_only() -> None:
    (masked,) = scan("PESEL 44051401359").filter(kind="national_id")["masked"]
    assert masked == "pl.pesel *********59"


def test_persons_of_more_than_forty_countries_have_a_row() -> None:
    assert len({shape.stdnum.split(".")[0] for shape in SHAPES}) > 40


def test_without_the_extra_the_configuration_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "stdnum", None)
    with pytest.raises(
        ConfigError, match=r"national_id needs the extra privacy: pip install 'claimledger\[privacy"
    ):
        Settings(lake=str(tmp_path), privacy={"detectors": ["national_id"]})
    confidential.detectors_of(("email",))  # others need nothing


def test_hostile_repetition_ends() -> None:
    for unit in ("1 ", "12-", "A1", "PESEL 1", "756.", "1.1.1-"):
        list(national_ids.national_ids(unit * 20_000))
