"""How far to trust the verdicts: what came with the verifier, what people said, and silence by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.report import trust
from tasks.verify import load
from tasks.verify.parameters import VerifierSettings

SHIPPED: Any = load.measured(VerifierSettings())
KNOWN = {
    "verifier": "ab" * 32,
    "name": "minilm-l6-claims",
    "claims": 40,
    **{
        name: SHIPPED[name]
        for name in ("balanced_accuracy", "lowest", "highest", "rows", "calibration_error")
    },
    "sources": len(SHIPPED["sources"]),
}


def reviewed(*rows: tuple[str, int, int, float, float]) -> pl.DataFrame:
    columns = ["verdict", "reviewed", "confirmed", "ci_low", "ci_high"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(share=pl.col("confirmed") / pl.col("reviewed"))


NONE = pl.DataFrame({"verdict": []}, schema={"verdict": pl.String})


def test_the_embedded_verifier_says_what_was_measured_of_it_on_data_it_never_saw() -> None:
    folder = load.resolve("default")
    assert folder is not None
    manifest = json.loads((folder / "claimledger.json").read_bytes())
    figures = [manifest["fitted"]["held_out_figures"][name] for name in SHIPPED["sources"]]
    assert len(figures) == 8
    mean = sum(each["balanced_accuracy"] for each in figures) / 8
    assert SHIPPED["balanced_accuracy"] == round(mean, 3) == 0.716
    assert SHIPPED["area"] == 0.788
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert "| mean of the eight that no release before had seen either | | 0.716 |" in card
    assert trust.foreign(pl.DataFrame([KNOWN])).text == (
        "Verifier minilm-l6-claims was right on 72 of 100 claims (supported and others in equal parts) of 8 "
        "data sets that it never learned from: 57 to 89 by data set, where guessing gives 50."
    )


def test_a_verifier_of_which_nothing_was_measured_says_so(tmp_path: Path) -> None:
    unknown = pl.DataFrame([KNOWN | {"name": "theirs", "balanced_accuracy": None}])
    said = trust.foreign(unknown)
    assert said.text.startswith("Verifier theirs: how often it is right was not measured")
    assert said.tone == "worse"
    assert load.measured(VerifierSettings(model=str(tmp_path))) is None


def test_without_reviews_the_way_to_them_is_given() -> None:
    said = trust.own(NONE)
    assert said.text == (
        "Not measured on your data. Review a sample of 60, `claimledger sample --size 60 --seed 1 -o "
        "to-review`, then `claimledger review import to-review/results.csv`."
    )
    assert said.tone == "worse"


def test_reviews_give_a_share_with_its_interval_and_few_of_them_are_called_few() -> None:
    some = reviewed(("any", 80, 60, 0.64, 0.83), ("supported", 50, 45, 0.79, 0.96))
    assert trust.own(some).text == (
        "On your own answers people confirmed 60 of 80 reviewed verdicts (75%, 95% interval 64% to 83%); of "
        "50 called supported they confirmed 45."
    )
    assert "Fewer than 60 reviews are only a hint" in trust.own(reviewed(("any", 5, 5, 0.57, 1.0))).text


@pytest.mark.parametrize("error", [0.179, None])
def test_a_probability_has_a_meaning_in_words(error: float | None) -> None:
    said = trust.meaning(pl.DataFrame([KNOWN | {"calibration_error": error}]))
    assert "not of what is true" in said
    assert ("off by 18 points" in said) == (error is not None)
