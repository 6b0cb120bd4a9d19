"""Which verifier a setting means, on a small one: plain cases, limits, and artefacts that are refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tasks.errors import ModelError
from tasks.models.folder import MANIFEST, embedded_models
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from tests.support.small_verifier import small_folder, small_verifier

PASSAGE = "The plant at Gravelines has six reactors. It opened in 1980 and is run by EDF."
CASES = ["The plant at Gravelines has six reactors.", "Penguins eat fish.", "The plant has nine reactors."]


@pytest.fixture(scope="module")
def verifier():
    return load(small_verifier(), threads=1)


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


def of_kind(kind):
    def write(folder):
        manifest = json.loads((folder / MANIFEST).read_bytes()) | {"kind": kind}
        (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")

    return write


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "fusion.json").write_text("{}", "utf-8"), "SHA-256"),
        (lambda f: (f / "fusion.json").unlink(), "cannot be read"),
        (lambda f: (f / MANIFEST).write_text("[", "utf-8"), "not JSON"),
        (
            lambda f: (f / MANIFEST).write_text('{"kind": "cross-encoder", "files": {"../x": "0"}}'),
            "plain file name",
        ),
        (of_kind("forest"), "kind 'forest' is unknown, expected cross-encoder or fused-cross-encoder"),
        (of_kind("features"), 'no longer has the features verifier, .* write model = "default"'),
    ],
)
def test_a_changed_artefact_is_named_and_not_loaded(tmp_path, change, message):
    folder = tmp_path / "model"
    shutil.copytree(small_folder(), folder)
    change(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load(VerifierSettings(model=str(folder)))
    assert str(caught.value).startswith(str(folder))


def test_a_configuration_that_names_the_withdrawn_verifier_is_told_the_line_to_write(elsewhere):
    with pytest.raises(ModelError) as caught:
        load(VerifierSettings(model="features"))
    assert str(caught.value) == (
        'verifier.model = "features": this release no longer has the features verifier, the default judges '
        'better; write model = "default" under [verifier]'
    )


def test_the_manifest_of_the_default_says_what_its_fusion_was_fitted_on():
    fitted = json.loads((embedded_models() / "minilm-l6-claims" / MANIFEST).read_text("utf-8"))["fitted"]
    assert fitted["rows"] == sum(figures["rows"] for figures in fitted["held_out_figures"].values())
