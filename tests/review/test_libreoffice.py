"""A review sheet that LibreOffice opened and saved again says what it said, as CSV and as a workbook."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.files import workbooks
from tasks.review import review_sheets

OFFICE = shutil.which("soffice")
UTF8 = "44,34,76,1"
"""Comma, quote, UTF-8, from the first line: what LibreOffice's dialog proposes for a file with our mark."""
pytestmark = [
    pytest.mark.slow,  # starts LibreOffice four times, a second or two each
    pytest.mark.skipif(OFFICE is None, reason="soffice is not on PATH (libreoffice-calc)"),
]
WORDS = [
    "=1+1", '=HYPERLINK("http://x")', "+1 415 555", "-5", "@SUM(A1)", "0123", "00", "1/2", "3-4", "TRUE",
    "false", "1,5", "1.50", "1.5", "12e3", "2026-11-02", "02.11.2026", "10:30", "$5", "50%", "1 000",
    "1234567890123456789", "#N/A", "a;b", "line\nbreak", "quote \" and ' here", "'apostrophe", "ünï 電話",
    "null", "x" * 5_000,
]  # fmt: skip
IDS = ["0" * 10 + "1" * 54, "12345678e9" + "0" * 54, "9" * 64, "ab" * 32, "0f" * 32]
"""Ids are hexadecimal, so that one in 10^13 has digits alone; these are such."""
HEADER = ("verdict_id", "claim_id", "claim", "p_supported", *review_sheets.FILLED)


def rows() -> list[list[str]]:
    return [
        [IDS[number % 5], "cd" * 32, word, "0.97", "007", "overturned", "contradicted", word,
         "2026-11-20T10:00:00Z" if number % 2 else ""]
        for number, word in enumerate(WORDS)
    ]  # fmt: skip


def converted(file: Path, to: str, *more: str) -> Path:
    """What LibreOffice makes of a file when it is saved as another kind."""
    folder = file.parent / f"saved {to.partition(':')[0]}"
    asked = [str(OFFICE), f"-env:UserInstallation=file://{file.parent}/profile", "--headless", *more]
    subprocess.run(
        [*asked, "--convert-to", to, "--outdir", str(folder), str(file)],
        check=True, capture_output=True, timeout=300, env={**os.environ, "LANG": "C.UTF-8"},
    )  # fmt: skip
    return folder / f"{file.stem}.{to.partition(':')[0]}"


@pytest.mark.parametrize("saved", ["xlsx", f"csv:Text - txt - csv (StarCalc):{UTF8}"], ids=["xlsx", "csv"])
@pytest.mark.parametrize("written", ["csv", "xlsx"])
def test_a_sheet_comes_back_from_libreoffice_as_it_was(written: str, saved: str, tmp_path: Path) -> None:
    is_workbook = written == "xlsx"
    write = (
        workbooks.write(HEADER, rows(), review_sheets.CHOICES)
        if is_workbook
        else review_sheets.write(HEADER, rows())
    )
    file = tmp_path / f"sheet.{written}"
    file.write_bytes(write)
    back = converted(file, saved, *([] if is_workbook else [f"--infilter=CSV:{UTF8}"]))
    before, after = review_sheets.read(write), review_sheets.read(back.read_bytes())
    assert after.refused == before.refused == []
    assert after.rows.drop("line").rows() == before.rows.drop("line").rows()
    assert after.rows["comment"].to_list() == WORDS
    assert after.rows["verdict_id"].to_list() == [row[0] for row in rows()]
