"""Classifiers with random weights prove the loading paths; the scores themselves mean nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.errors import ModelError
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz",
    "the",
    "sky",
    "is",
    "blue",
]
LONG = " ".join(WORDS[5 + i % 26] for i in range(150))
PAIRS = (["the sky is blue", "a b c", "the sky", "a b c"] * 3, ["the sky is a", LONG, "b", "is blue"] * 3)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    """A BERT of 40,000 random parameters with the given labels, saved as any published model is."""

    def make(labels, name="model", kind="bert"):
        import torch
        from transformers import (
            BertConfig,
            BertForSequenceClassification,
            BertTokenizerFast,
        )

        folder = tmp_path_factory.mktemp(name)
        vocabulary = {word: place for place, word in enumerate(WORDS)}
        (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
        tokenizer = BertTokenizerFast(vocab=vocabulary, model_max_length=64)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            initializer_range=0.5,
            id2label=dict(enumerate(labels)),
            label2id={label: place for place, label in enumerate(labels)},
            num_labels=len(labels),
        )
        BertForSequenceClassification(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def three_way(make_model):
    return make_model(["entailment", "neutral", "contradiction"])


def verifier(folder, **values):
    return load(VerifierSettings(model=str(folder), **{"dtype": "float32", **values}), threads=1)


@pytest.mark.parametrize(
    "labels",
    [
        ["entailment", "neutral", "contradiction"],
        ["contradiction", "entailment", "neutral"],
        ["not_supported", "supported"],
        ["LABEL_0"],
    ],
)
def test_any_label_order_gives_probabilities_in_one_order(make_model, labels):
    scores = verifier(make_model(labels)).score(*PAIRS)
    assert scores.probabilities.shape == (12, 3)
    assert np.allclose(scores.probabilities.sum(axis=1), 1.0)
    if len(labels) < 3:
        assert (scores.probabilities[:, 1] == 0).all()


def test_the_score_of_a_short_pair_is_the_models_own(three_way):
    """The window code writes exactly what the tokeniser itself writes for a pair."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(three_way)
    model = AutoModelForSequenceClassification.from_pretrained(three_way).eval()
    encoded = tokenizer("the sky is a", "the sky is blue", return_tensors="pt")
    with torch.inference_mode():
        entailment, neutral, contradiction = model(**encoded).logits.softmax(-1)[0].tolist()
    scores = verifier(three_way).score(["the sky is blue"], ["the sky is a"])
    assert scores.probabilities[0] == pytest.approx([entailment, contradiction, neutral], abs=1e-6)
    assert (scores.tokens_offered[0], scores.tokens_seen[0], scores.windows[0]) == (8, 8, 1)


def test_the_premise_is_a_setting(three_way):
    evidence = verifier(three_way).score(["the sky is blue"], ["a b"]).probabilities
    claim = verifier(three_way, premise="claim").score(["a b"], ["the sky is blue"]).probabilities
    assert np.allclose(evidence, claim, atol=1e-6)


@pytest.mark.parametrize("batch_tokens", [64, 100, 8192])
def test_scores_do_not_depend_on_the_batch_size(three_way, batch_tokens):
    alone = [verifier(three_way).score([c], [p]).probabilities[0] for c, p in zip(*PAIRS, strict=True)]
    together = verifier(three_way, batch_tokens=batch_tokens).score(*PAIRS).probabilities
    assert np.abs(together - np.array(alone)).max() < 1e-5


def test_scores_come_back_in_the_order_given_and_progress_counts_every_pair(three_way):
    told = []
    scores = verifier(three_way).score(*PAIRS, progress=told.append)
    backwards = verifier(three_way).score(PAIRS[0][::-1], PAIRS[1][::-1])
    assert np.allclose(scores.probabilities, backwards.probabilities[::-1], atol=1e-6)
    assert sum(told) == 12


def test_a_long_passage_is_read_in_windows_that_see_every_token(three_way):
    scores = verifier(three_way, overlap_tokens=10).score(["a b c"], [LONG])
    assert scores.windows[0] > 1
    assert scores.tokens_seen[0] == scores.tokens_offered[0] == 153


@pytest.mark.parametrize(("claim", "passage", "values"), [(LONG, "a", {}), ("a", LONG, {"max_windows": 2})])
def test_what_does_not_fit_is_certainly_insufficient(three_way, claim, passage, values):
    scores = verifier(three_way, **values).score([claim], [passage])
    assert scores.probabilities[0].tolist() == [0.0, 0.0, 1.0]
    assert scores.tokens_seen[0] < scores.tokens_offered[0]
    assert scores.windows[0] == 0


def test_nothing_and_empty_texts_have_scores(three_way):
    assert verifier(three_way).score([], []).probabilities.shape == (0, 3)
    scores = verifier(three_way).score(["", "a"], ["a", ""])
    assert scores.probabilities.tolist() == [[0.0, 0.0, 1.0]] * 2


def test_the_fingerprint_names_weights_and_what_changes_a_score(three_way, make_model):
    same = verifier(three_way).fingerprint
    assert same == verifier(three_way, batch_tokens=64).fingerprint
    others = [{"max_tokens": 32}, {"max_windows": 3}, {"premise": "claim"}, {"dtype": "bfloat16"}]
    assert len({same, *(verifier(three_way, **o).fingerprint for o in others)}) == 5
    assert same != verifier(make_model(["neutral", "entailment", "contradiction"])).fingerprint


def changed(make_model, change):
    folder = make_model(["entailment", "neutral", "contradiction"])
    file = folder / "config.json"
    config = json.loads(file.read_text("utf-8"))
    change(folder, config)
    file.write_text(json.dumps(config), "utf-8")
    return folder


def pickled(folder, _):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_a_head(folder, _):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _, c: c.update(auto_map={"AutoModel": "evil.Model"}), "remote code"),
        (lambda _, c: c.update(architectures=["BertModel"]), "ForSequenceClassification"),
        (lambda _, c: c.update(id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}), "LABEL_1"),
        (pickled, "safetensors"),
        (without_a_head, "lack 2 tensors"),
        (lambda f, _: (f / "model.safetensors").write_bytes(b"garbage"), "cannot be loaded"),
    ],
)
def test_a_model_that_is_unsafe_or_not_a_classifier_is_refused_in_a_sentence(make_model, change, said):
    with pytest.raises(ModelError, match=said) as refusal:
        verifier(changed(make_model, change)).score(["a"], ["b"])
    assert "\n" not in str(refusal.value)


def test_a_folder_that_is_no_model_and_a_name_that_is_nothing_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        verifier(tmp_path)
    with pytest.raises(ModelError, match="no such folder"):
        verifier(tmp_path / "missing here")


@pytest.fixture(scope="module")
def exported(three_way_folder):
    """The classifier with random weights as sentence-transformers lays out its ONNX backend."""
    import shutil
    import warnings

    import torch
    from transformers import AutoModelForSequenceClassification

    folder = three_way_folder.parent / "exported"
    shutil.copytree(three_way_folder, folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    (folder / "model.safetensors").unlink()
    (folder / "onnx").mkdir()
    one = torch.ones(2, 6, dtype=torch.int64)
    mask = one.clone()
    mask[1, 4:] = 0  # a mask of ones alone would be traced away
    size = {0: torch.export.Dim("rows", min=1, max=4096), 1: torch.export.Dim("length", min=3, max=64)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (one, mask, one * 0),
            str(folder / "onnx/model.onnx"),
            input_names=["input_ids", "attention_mask", "token_type_ids"],
            output_names=["logits"],
            dynamic_shapes=(size, size, size),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return folder


@pytest.fixture(scope="module")
def three_way_folder(make_model):
    return make_model(["contradiction", "entailment", "neutral"], name="three-way")


@pytest.mark.slow  # tracing for ONNX takes some 10 s
def test_an_onnx_model_scores_as_its_torch_original(three_way_folder, exported):
    original = verifier(three_way_folder)
    onnx = verifier(exported)  # auto: there are no safetensors
    expected, got = original.score(*PAIRS), onnx.score(*PAIRS)
    np.testing.assert_allclose(got.probabilities, expected.probabilities, atol=1e-5)
    assert (got.windows == expected.windows).all()
    assert verifier(exported, weights_file="onnx/model.onnx").fingerprint == onnx.fingerprint
    assert onnx.fingerprint != original.fingerprint


def test_of_several_onnx_files_one_must_be_named_and_lie_inside(make_model):
    folder = make_model(["entailment", "neutral", "contradiction"], name="many")
    (folder / "onnx").mkdir()
    for name in ("model_O2.onnx", "model_O3.onnx"):
        (folder / "onnx" / name).write_bytes(b"not onnx")
    with pytest.raises(ModelError, match=r"several onnx files \(onnx/model_O2\.onnx, onnx/model_O3"):
        verifier(folder, backend="onnx")
    with pytest.raises(ModelError, match="ONNX Runtime cannot load it"):
        verifier(folder, backend="onnx", weights_file="onnx/model_O3.onnx")
    with pytest.raises(ModelError, match="has no file"):
        verifier(folder, backend="onnx", weights_file="../many/onnx/model_O3.onnx".replace("many", "x"))
    with pytest.raises(ModelError, match="has no openvino file"):
        verifier(folder, backend="openvino")


def test_openvino_is_used_where_it_is_installed_and_else_named(make_model, monkeypatch):
    import sys

    folder = make_model(["entailment", "neutral", "contradiction"], name="vino")
    (folder / "openvino").mkdir()
    (folder / "openvino/openvino_model.xml").write_text("<net/>")
    monkeypatch.setitem(sys.modules, "openvino", None)  # as where it is not installed
    with pytest.raises(ModelError, match="needs OpenVINO, which is not installed; pip install openvino"):
        verifier(folder, backend="openvino")


def test_a_missing_onnx_runtime_is_one_sentence_with_the_command_that_brings_it(make_model, monkeypatch):
    import sys

    folder = make_model(["entailment", "neutral", "contradiction"], name="exported")
    (folder / "model.onnx").write_bytes(b"not read")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    with pytest.raises(ModelError, match=r"pip install 'claimledger\[onnx\]'"):
        verifier(folder, backend="onnx")


def test_a_gpu_that_is_not_there_is_named(three_way_folder):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ModelError, match="finds no GPU"):
        verifier(three_way_folder, device="cuda")
