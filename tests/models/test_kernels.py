"""One packed network, three kernels: the same answers, whatever stands beside a pair in its batch."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

from tasks.errors import ModelError
from tasks.models import int8, kernels
from tasks.verify.network import PairNetwork, load_network
from training.artefact import TRAINED, WEIGHTS, pack_weights

KERNELS = ("float32", "bfloat16", "int8")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(195))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder as training leaves it, with random weights."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=128,
        initializer_range=0.1,
    )
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    tokenizer = BertTokenizerFast(vocab=vocabulary, model_max_length=128)
    encoder = BertModel(config, add_pooling_layer=False)
    model = PairNetwork(encoder, tokenizer.cls_token_id, tokenizer.sep_token_id)
    save_file(model.state_dict(), folder / TRAINED)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def packed(trained):
    pack_weights(trained, trained)
    return trained


def batch(rows, length, seed=0):
    """Ids, mask and types of pairs of different lengths, padded to `length`."""
    random = np.random.default_rng(seed)
    own = random.integers(12, min(60, length) + 1, rows)
    at = np.arange(length)[None, :]
    mask = (at < own[:, None]).astype(np.int64)
    ids = np.where(mask == 1, random.integers(5, len(WORDS), (rows, length)), 0)
    ids[:, 0] = 2
    ids[np.arange(rows), own - 1] = 3
    ids[:, 6] = 3
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(((at > 6) & (mask == 1)) * 1)


def answers(model, given):
    with torch.inference_mode():
        return torch.softmax(model(*given), dim=1).numpy()


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_answers_as_the_trained_network_does(packed, kernel):
    given = batch(40, 64)
    expected = answers(load_network(packed, TRAINED), given)
    got = answers(load_network(packed, WEIGHTS, kernel), given)
    assert expected.std(axis=0).min() > 0.005  # the network tells these pairs apart
    np.testing.assert_allclose(got, expected, atol=0.02)


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_answer_depends_on_the_pair_alone(packed, kernel):
    model = load_network(packed, WEIGHTS, kernel)
    given = batch(30, 64, seed=1)
    together = answers(model, given)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    np.testing.assert_allclose(answers(model, [g[order] for g in given]), together[order], atol=1e-6)
    for row in range(0, 30, 7):
        alone = answers(model, [g[row : row + 1] for g in given])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


@pytest.mark.parametrize("least", [None, kernels.LEAST_GELU])
def test_the_integer_kernel_and_its_stand_in_agree(monkeypatch, least):
    torch.manual_seed(1)
    linear = torch.nn.Linear(384, 96)
    rows = torch.randn(33, 384) * torch.logspace(-3, 3, 33)[:, None]
    rows = rows if least is None else torch.nn.functional.gelu(rows)
    fast = int8.Int8Linear(linear, least=least)(rows)
    monkeypatch.setattr(int8, "has_integer_kernel", lambda: False)
    slow = int8.Int8Linear(linear, least=least)(rows)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-5)
    exact = linear(rows)
    error = (slow - exact).abs().amax(dim=1) / exact.abs().amax(dim=1)
    assert error.max() < 0.03


ANSWERS = """
import hashlib, sys, torch
from tasks.models import int8
assert int8.has_integer_kernel() and torch.backends.cpu.get_cpu_capability() == sys.argv[1]
linear = torch.nn.Linear(64, 32)
linear.weight.data = torch.where(torch.arange(64 * 32).view(32, 64) % 3 > 0, 1.0, -1.0)
linear.bias.data.zero_()
rows = torch.cat([torch.ones(4, 64), torch.arange(512).remainder(17).view(8, 64) / 8.0])
for least in (None, -0.17):
    print(hashlib.sha256(int8.Int8Linear(linear, least=least)(rows).numpy().tobytes()).hexdigest())
"""


@pytest.mark.skipif(not int8.has_integer_kernel(), reason="the processor multiplies no bytes")
def test_a_processor_with_avx2_and_nothing_newer_gets_the_same_sums_to_the_last_bit():
    """The largest values meet in one sum of 16 bits: with weights of 8 bits it would saturate."""
    old = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = [
        subprocess.run(
            [sys.executable, "-c", ANSWERS, name],
            env={**os.environ, **limit},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name, limit in ((torch.backends.cpu.get_cpu_capability(), {}), ("AVX2", old))
    ]
    assert said[0] == said[1] != ""


def test_values_after_gelu_are_stored_twice_as_finely():
    torch.manual_seed(2)
    linear = torch.nn.Linear(1536, 64)
    rows = torch.nn.functional.gelu(torch.randn(50, 1536) * 2)
    errors = [
        (int8.Int8Linear(linear, least=least)(rows) - linear(rows)).pow(2).mean().sqrt()
        for least in (None, kernels.LEAST_GELU)
    ]
    assert errors[1] < errors[0]
    assert torch.nn.functional.gelu(torch.linspace(-6, 0, 6001)).min() > kernels.LEAST_GELU


def test_rows_are_only_used_up_where_that_is_allowed():
    linear = int8.Int8Linear(torch.nn.Linear(16, 4))
    rows = torch.randn(3, 16)
    before = rows.clone()
    kept = linear(rows)
    assert torch.equal(rows, before)
    assert torch.equal(linear(rows, keep=False), kept)


def test_rows_of_zeros_stay_zeros():
    linear = torch.nn.Linear(16, 4, bias=False)
    assert int8.Int8Linear(linear)(torch.zeros(2, 16)).abs().max() == 0


def test_a_packed_file_is_a_quarter_and_comes_back_within_half_a_step(trained):
    pack_weights(trained, trained)
    state = load_file(trained / WEIGHTS)
    original = load_file(trained / TRAINED)
    restored = kernels.unpack(state)
    assert set(restored) == set(original)
    matrices = [n for n, v in state.items() if v.dtype == torch.int8]
    assert len(matrices) == 15  # three embeddings, six matrices in each of two layers
    for name in matrices:
        step = original[name].abs().amax(dim=1, keepdim=True) / 127
        assert ((restored[name] - original[name]).abs() <= step * 0.5001).all()


def test_a_packed_file_without_its_scales_is_refused(packed, tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((packed / name).read_bytes())
    state = load_file(packed / WEIGHTS)
    save_file({n: v for n, v in state.items() if not n.endswith(kernels.SCALE)}, tmp_path / "bad.safetensors")
    with pytest.raises(ModelError, match="int8 without a scale"):
        load_network(tmp_path, "bad.safetensors", "float32")
