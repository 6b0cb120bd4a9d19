"""Figures of verifiers by data set, side by side."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.errors import InputError
from tasks.verify.evaluate import evaluate_files, load_named, side_by_side
from tasks.verify.parameters import ScoringParameters
from tests.support.small_verifier import small_folder

ROWS = {
    "claim": ["Paris is in France.", "Cats sleep."] * 4,
    "evidence": ["Paris is the capital of France.", "Dogs bark at night."] * 4,
    "label": ["supported", "insufficient"] * 4,
    "dataset": ["a"] * 4 + ["b"] * 4,
}


def test_several_verifiers_are_compared_side_by_side(tmp_path):
    pl.DataFrame(ROWS).write_parquet(tmp_path / "pairs.parquet")
    small = str(small_folder())
    verifiers = load_named([small, "minilm-l6-claims"], ScoringParameters())
    figures = evaluate_files([tmp_path / "pairs.parquet"], ScoringParameters(), verifiers=verifiers)
    assert figures.select("dataset", "verifier").rows() == [
        (dataset, name) for dataset in "ab" for name in ("small", "minilm-l6-claims")
    ]
    assert figures["recall_contradicted"].null_count() == figures.height
    beside = side_by_side(figures)
    assert beside.columns == ["dataset", "small", "minilm-l6-claims", "cosine"]
    assert beside["dataset"].to_list() == ["a", "b", "mean"]
    best = figures.filter((pl.col("dataset") == "a") & (pl.col("verifier") == "small"))
    assert beside["small"][0].startswith(str(round(best["balanced_accuracy"].item(), 3)))
    with pytest.raises(InputError, match="twice"):
        load_named([small, small], ScoringParameters())


def test_pairs_without_a_label_or_with_a_strange_one_are_refused(tmp_path):
    pl.DataFrame(ROWS).drop("label").write_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match="no column 'label'"):
        evaluate_files([tmp_path / "pairs.parquet"], ScoringParameters())
    pl.DataFrame(ROWS).with_columns(label=pl.lit("maybe")).write_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match="label 'maybe' is unknown"):
        evaluate_files([tmp_path / "pairs.parquet"], ScoringParameters())
