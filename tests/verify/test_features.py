"""The embedded default: what it says of plain cases, and that its artefact cannot be changed unnoticed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

from tasks.errors import InputError, ModelError
from tasks.models.folder import MANIFEST, embedded_models
from tasks.verify.evaluate import evaluate_files
from tasks.verify.features import fit_features
from tasks.verify.load import load
from tasks.verify.parameters import ScoringParameters, VerifierSettings

PASSAGE = "The plant at Gravelines has six reactors. It opened in 1980 and is run by EDF."
CASES = ["The plant at Gravelines has six reactors.", "Penguins eat fish.", "It opened in 1975."]


@pytest.fixture(scope="module")
def verifier():
    return load(VerifierSettings(model="features"), threads=1)


def test_a_copied_sentence_is_supported_more_than_a_changed_or_foreign_one(verifier):
    scores = verifier.score(CASES, [PASSAGE] * 3)
    assert np.allclose(scores.probabilities.sum(axis=1), 1.0)
    supported = scores.probabilities[:, 0]
    assert supported[0] > 0.5
    assert supported[0] > supported[2]
    assert supported[1] < 0.2
    assert (scores.tokens_seen == scores.tokens_offered).all()


def test_scores_do_not_depend_on_what_else_is_scored(verifier):
    alone = [verifier.score([claim], [PASSAGE]).probabilities[0] for claim in CASES]
    crowd = verifier.score(["Noise.", *CASES, *CASES], ["Other text. " * 9, *[PASSAGE] * 6])
    assert np.abs(crowd.probabilities[1:4] - np.array(alone)).max() < 1e-5
    assert np.array_equal(crowd.probabilities[1:4], crowd.probabilities[4:])


def test_what_is_too_long_is_insufficient_and_what_is_empty_too(verifier):
    scores = verifier.score(["word " * 5000, "a claim", "a claim", ""], ["b", "word " * 100_000, "", "b"])
    assert scores.probabilities.tolist() == [[0.0, 0.0, 1.0]] * 4
    assert (scores.tokens_seen < scores.tokens_offered).tolist() == [True, True, False, False]
    assert scores.windows[:2].tolist() == [0, 0]
    assert verifier.score([], []).probabilities.shape == (0, 3)


def copy(tmp_path, change):
    folder = tmp_path / "model"
    shutil.copytree(embedded_models() / "features", folder)
    change(folder)
    return VerifierSettings(model=str(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "model.json").write_text("{}", "utf-8"), "SHA-256"),
        (lambda f: (f / "model.json").unlink(), "cannot be read"),
        (lambda f: (f / MANIFEST).write_text("[", "utf-8"), "not JSON"),
        (
            lambda f: (f / MANIFEST).write_text('{"kind": "features", "files": {"../x": "0"}}'),
            "plain file name",
        ),
    ],
)
def test_a_changed_artefact_is_named_and_not_loaded(tmp_path, change, said):
    with pytest.raises(ModelError, match=said):
        load(copy(tmp_path, change))


def labelled(count=40):
    rows = [
        {"claim": f"Item {i} is blue.", "evidence": [f"Item {i} is {'blue' if i % 2 else 'not blue'}."],
         "label": "supported" if i % 2 else "not_supported"}
        for i in range(count)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_a_model_fitted_from_ones_own_pairs_loads_and_is_evaluated(tmp_path):
    figures = fit_features(labelled(), tmp_path / "own")
    assert figures["rows"] == 40
    labelled().write_parquet(tmp_path / "pairs.parquet")
    settings = ScoringParameters(verifier=VerifierSettings(model=str(tmp_path / "own")))
    table = evaluate_files([tmp_path / "pairs.parquet"], settings)
    assert table["dataset"].to_list() == ["pairs"]
    assert table["balanced_accuracy"][0] == 1.0
    assert table["recall_contradicted"][0] is None
    again = fit_features(labelled().reverse(), tmp_path / "again")
    assert again["temperature"] == pytest.approx(figures["temperature"], rel=1e-3)


def test_labels_that_mean_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="maybe"):
        fit_features(labelled().with_columns(label=pl.lit("maybe")), tmp_path)
    labelled().drop("label").write_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match="no column 'label'"):
        evaluate_files([tmp_path / "pairs.parquet"], ScoringParameters())


def test_the_manifest_says_what_the_artefact_was_fitted_on():
    manifest = json.loads((embedded_models() / "features" / MANIFEST).read_text("utf-8"))
    assert manifest["fitted"]["rows"] == sum(manifest["fitted"]["datasets"].values())


def test_several_verifiers_stand_side_by_side(tmp_path):
    from tasks.verify.evaluate import load_named, side_by_side

    rows = {
        "claim": ["Paris is in France.", "Cats sleep."] * 4,
        "evidence": ["Paris is the capital of France.", "Dogs bark at night."] * 4,
        "label": ["supported", "insufficient"] * 4,
        "dataset": ["a"] * 4 + ["b"] * 4,
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "pairs.parquet")
    verifiers = load_named(["features", "minilm-l6-claims"], ScoringParameters())
    figures = evaluate_files([tmp_path / "pairs.parquet"], ScoringParameters(), verifiers=verifiers)
    assert figures.select("dataset", "verifier").rows() == [
        (dataset, name) for dataset in "ab" for name in ("features", "minilm-l6-claims")
    ]
    beside = side_by_side(figures)
    assert beside.columns == ["dataset", "features", "minilm-l6-claims", "cosine"]
    assert beside["dataset"].to_list() == ["a", "b", "mean"]
    best = figures.filter((pl.col("dataset") == "a") & (pl.col("verifier") == "features"))
    assert beside["features"][0].startswith(str(round(best["balanced_accuracy"].item(), 3)))
    with pytest.raises(InputError, match="twice"):
        load_named(["features", "features"], ScoringParameters())
