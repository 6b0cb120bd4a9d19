"""Training on a tiny random encoder: learning, resuming, refusing, and the way to a working verifier."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import polars as pl
import pytest

from flows.commands import model_commands
from tasks.errors import ConfigError, InputError, ModelError
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from training import artefact
from training import pairs as labelled_pairs
from training.loop import TrainParameters
from training.train import train

WORDS = list(
    map(
        str,
        [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
            "the",
            "cat",
            "dog",
            "sat",
            "ran",
            "on",
            "in",
            "mat",
            "park",
            "not",
            "a",
            "is",
        ],
    )
)
PARAMETERS = TrainParameters(learning_rate=3e-3, batch_tokens=128, max_tokens=32)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A BERT encoder of two small layers with random weights, saved as any published one is."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder)
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Evidence, and a claim that repeats it, negates it or speaks of another animal."""
    rows = []
    for i in range(60):
        animal, verb, place = ("cat", "dog")[i % 2], ("sat", "ran")[i // 2 % 2], ("mat", "park")[i // 4 % 2]
        evidence = [f"the {animal} {verb} on the {place}" + " a" * (i % 7)]
        other = "dog" if animal == "cat" else "cat"
        rows += [
            (f"the {animal} {verb} on the {place}", evidence, "supported"),
            (f"the {animal} not {verb} on the {place}", evidence, "contradicted"),
            (f"the {other} is in the {place}", evidence, "insufficient"),
            (f"the {other} {verb} on the {place}", evidence, "not_supported"),
        ]
    file = tmp_path_factory.mktemp("pairs") / "animals.parquet"
    pl.DataFrame(rows, schema=["claim", "evidence", "label"], orient="row").write_parquet(file)
    return file


def run(pairs, base, out, **options):
    return train([pairs], out, base=base, pack=False, threads=1, parameters=PARAMETERS, **options)


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def test_training_learns_what_the_pairs_say(pairs, base, tmp_path):
    # Long enough that processors which round otherwise agree: after 12 epochs one had 0.698 and another 0.7.
    report = run(pairs, base, tmp_path, epochs=24).report
    assert report["held_out"]["animals"]["balanced_accuracy"] > 0.9
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["seed"] == 7
    assert "| animals |" in (tmp_path / "report.md").read_text("utf-8")


def test_a_pair_counts_in_the_loss_by_its_weight_and_equal_weights_change_nothing(pairs, base, tmp_path):
    frame = pl.read_parquet(pairs)
    files = {"none": frame, "equal": frame.with_columns(weight=3.0)}
    light = pl.when(pl.col("label") == "supported").then(1e-6).otherwise(1.0)
    files["light"] = frame.with_columns(weight=light)
    reports = {}
    for name, each in files.items():
        (tmp_path / name).mkdir()
        each.write_parquet(tmp_path / name / "animals.parquet")
        reports[name] = run(
            tmp_path / name / "animals.parquet", base, tmp_path / f"{name}-out", epochs=4
        ).report
    without, equal = weights(tmp_path / "none-out"), weights(tmp_path / "equal-out")
    assert all((without[name] == equal[name]).all() for name in without)
    assert reports["none"]["held_out"] == reports["equal"]["held_out"]
    assert reports["equal"]["learned_from_effective"] == reports["equal"]["learned_from"]
    # What weighs next to nothing is not learned: no claim is called supported.
    held_out = reports["light"]["held_out"]["animals"]
    assert held_out["recall_supported"] == 0.0
    assert held_out["recall_rest"] == 1.0
    assert held_out["recall_rest_low"] < 1.0
    assert reports["light"]["learned_from_effective"] < reports["light"]["learned_from"]


def test_an_interrupted_training_ends_where_an_undisturbed_one_ends(pairs, base, tmp_path):
    class StopError(Exception):
        pass

    def interrupt(share, text):
        if text.startswith("step 9/"):
            raise StopError

    undisturbed, interrupted = tmp_path / "a", tmp_path / "b"
    run(pairs, base, undisturbed, epochs=2)
    parameters = TrainParameters(**{**PARAMETERS.__dict__, "checkpoint_minutes": 0.0})
    settings = {"base": base, "epochs": 2, "pack": False, "threads": 1, "parameters": parameters}
    with pytest.raises(StopError):
        train([pairs], interrupted, progress=interrupt, **settings)
    steps = []
    train([pairs], interrupted, progress=lambda _, text: steps.append(text), **settings)
    assert steps[0].startswith(("step 9/", "step 10/"))
    for name, value in weights(undisturbed).items():
        np.testing.assert_allclose(weights(interrupted)[name], value, atol=1e-6)


@pytest.mark.parametrize(("packed", "rounding"), [(False, 0.0), (True, 0.02)], ids=["trained", "packed"])
def test_training_goes_on_from_a_trained_verifier_head_included(pairs, base, tmp_path, packed, rounding):
    first, again = tmp_path / "first", tmp_path / "again"
    run(pairs, base, first, epochs=1)
    learned = weights(first)
    if packed:
        artefact.pack_weights(first, first)
        (first / "model.safetensors").unlink()
    still = TrainParameters(**{**PARAMETERS.__dict__, "learning_rate": 0.0})
    train([pairs], again, base=first, epochs=0.2, pack=False, threads=1, parameters=still)
    for name, value in weights(again).items():
        np.testing.assert_allclose(value, learned[name], atol=rounding, err_msg=name)


def test_a_checkpoint_of_another_training_is_refused(pairs, base, tmp_path):
    run(pairs, base, tmp_path, epochs=1)
    with pytest.raises(ModelError, match="another training"):
        run(pairs, base, tmp_path, epochs=1, seed=8)


def test_a_damaged_checkpoint_is_named(pairs, base, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match=r"checkpoint\.safetensors: damaged"):
        run(pairs, base, tmp_path)


def test_held_out_pairs_share_no_evidence_with_learned_ones(pairs):
    learned, kept_back = labelled_pairs.split(labelled_pairs.read_pairs([pairs]), 0.3, 7)
    assert kept_back.height > 0
    assert not set(learned["evidence"]) & set(kept_back["evidence"])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"claim": ["a"], "label": ["supported"]}, "no column evidence"),
        ({"claim": ["a"], "evidence": ["b"], "label": ["true"]}, "'true'"),
        ({"claim": ["a"], "evidence": ["b"], "label": ["supported"]}, "too few"),
    ],
)
def test_unusable_pairs_are_refused_in_one_sentence(rows, said, base, tmp_path):
    file = tmp_path / "pairs.parquet"
    pl.DataFrame(rows).write_parquet(file)
    with pytest.raises(InputError, match=said):
        run(file, base, tmp_path / "out")


def test_a_missing_file_and_a_base_without_a_model_are_named(pairs, base, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.parquet"):
        run(tmp_path / "nowhere.parquet", base, tmp_path / "out")
    with pytest.raises(ModelError, match="no BERT encoder"):
        run(pairs, tmp_path, tmp_path / "out")


@pytest.mark.slow  # trains for eight epochs
def test_a_trained_folder_is_a_verifier_and_a_changed_one_is_refused(pairs, base, tmp_path):
    train([pairs], tmp_path, base=base, epochs=8, threads=1, parameters=PARAMETERS)
    verifier = load(VerifierSettings(model=str(tmp_path)), threads=1)
    claims = ["the cat sat on the mat", "the cat not sat on the mat", ""]
    scores = verifier.score(claims, ["the cat sat on the mat"] * 3)
    assert scores.probabilities[0, 0] > scores.probabilities[1, 0]
    assert scores.probabilities[2].tolist() == [0.0, 0.0, 1.0]
    np.testing.assert_allclose(scores.probabilities.sum(axis=1), 1.0)
    broken = tmp_path / "broken"
    shutil.copytree(tmp_path, broken, ignore=shutil.ignore_patterns("broken", "model.safetensors", "check*"))
    with (broken / "model.int8.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match=r"model\.int8\.safetensors: SHA-256"):
        load(VerifierSettings(model=str(broken)))


def test_without_the_training_extra_the_command_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "training.train", None)
    with pytest.raises(ConfigError) as caught:
        model_commands.train(tmp_path / "pairs.parquet", output=tmp_path / "out")
    assert str(caught.value) == (
        "claimledger train needs the training extra (training.train is missing): "
        "pip install 'claimledger[train]'"
    )
