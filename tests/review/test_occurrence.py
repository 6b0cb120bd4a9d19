"""A text is found in whatever spelling a file has it."""

from __future__ import annotations

import csv
import html
import io
import json

import pytest

from tasks.review.occurrence import Texts, without

SAID = 'The reactor at Harwick has 94 rods & <b>two</b> "towers", it\'s said –\nsince 1972, près de la forêt.'


def spreadsheet(text: str) -> str:
    file = io.StringIO()
    csv.writer(file).writerow([text])
    return file.getvalue()


@pytest.mark.parametrize(
    "spelled",
    [
        SAID,
        f"<td>{html.escape(SAID)}</td>",
        f"<script>x = {json.dumps(SAID)}</script>",
        json.dumps({"sample": [SAID]}, ensure_ascii=False),
        json.dumps(SAID).replace("<", "\\u003c").replace("&", "\\u0026"),
        html.escape(json.dumps({"a": json.dumps(SAID)})),
        spreadsheet(SAID),
        f"first sixty: {SAID[:60]}…",
        SAID.upper(),
    ],
)
def test_markup_json_scripts_sheets_and_cut_texts_are_seen(spelled: str) -> None:
    assert Texts([SAID]).are_in(spelled)


def test_other_words_short_words_and_nothing_are_not_seen() -> None:
    assert not Texts([SAID]).are_in("The reactor at Harwick has 93 rods and no towers, as far as we know.")
    assert not Texts(["yes, it is", "", None]).are_in("yes, it is")
    assert not Texts([]).are_in(SAID)


def test_a_json_value_loses_the_strings_that_hold_it_and_keeps_the_rest() -> None:
    value = {"rows": 3, "sample": ["other words", f"row 3: {SAID}"], SAID: None}
    assert without(value, Texts([SAID]), "-") == {"rows": 3, "sample": ["other words", "-"], "-": None}
