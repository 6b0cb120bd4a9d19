"""The embedding model: the real one, read in batches of any size, and everything that is not a model."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import ConfigError, ModelError
from tasks.evidence import models
from tasks.evidence.models import SentenceEmbedder, load_embedder
from tasks.files import bundled
from tasks.models.folder import read_manifest
from tasks.models.sentence_encoder import WEIGHTS, unpack_matrix
from tasks.starter import write_demo
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from tests.support.published_encoder import linked_encoder, published_encoder
from training.pack_encoder import pack_matrix

TEXTS = [
    "The Eiffel Tower is 330 metres tall.",
    "Paris",
    "",
    "Metformin is the first-line treatment of type 2 diabetes in adults.",
    "埃菲尔铁塔高三百三十米。",
    "Paris",
    " ".join(f"Clause {i} of the contract obliges the tenant to pay." for i in range(60)),
]


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def embedder(request: pytest.FixtureRequest) -> SentenceEmbedder:
    loaded = load_embedder(threads=1, dtype=request.param)
    assert isinstance(loaded, SentenceEmbedder)
    return loaded


@pytest.fixture(scope="module")
def folder() -> Path:
    return published_encoder()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return linked_encoder(tmp_path / "model")


def rewrite(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text, "utf-8")


def test_vectors_have_unit_length_and_come_in_the_order_of_the_texts(embedder: SentenceEmbedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension) == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    alone = np.concatenate([embedder.encode([text]) for text in TEXTS])
    assert vectors == pytest.approx(alone, abs=1e-5)


def test_no_texts_give_no_vectors(embedder: SentenceEmbedder) -> None:
    assert embedder.encode([]).shape == (0, 384)


@pytest.mark.parametrize("budget", [1, 64, 1_000_000])
def test_results_do_not_depend_on_batch_size(embedder: SentenceEmbedder, folder: Path, budget: int) -> None:
    other = SentenceEmbedder(folder, "test", threads=1, batch_tokens=budget, narrow=embedder._narrow)
    other.__dict__["_model"] = embedder._model
    assert other.encode(TEXTS) == pytest.approx(embedder.encode(TEXTS), abs=1e-5)


def test_vectors_of_a_published_model_are_those_of_the_library_itself(folder: Path) -> None:
    short = TEXTS[:6]
    ours = SentenceEmbedder(folder, "published", threads=1, batch_tokens=64)
    theirs = ours._model.encode(short, normalize_embeddings=True, show_progress_bar=False)
    assert ours.encode(short) == pytest.approx(theirs, abs=1e-5)


def test_the_packed_default_gives_the_vectors_of_the_original(folder: Path) -> None:
    manifest = read_manifest(models.locate(models.DEFAULT))
    assert manifest["original"]["sha256"] == sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    theirs = SentenceEmbedder(folder, "original", threads=1, batch_tokens=1024).encode(TEXTS)
    ours = load_embedder(threads=1).encode(TEXTS)
    assert (ours * theirs).sum(axis=1).min() >= 0.9999
    assert np.abs(ours @ ours.T - theirs @ theirs.T).max() <= 0.005


def test_packing_keeps_every_weight_within_half_a_step() -> None:
    weight = torch.randn(6, 128, generator=torch.Generator().manual_seed(3))
    weight[2] = 0
    for bits, group in ((8, 128), (10, 64)):
        parts = pack_matrix(weight, bits, group)
        unpacked = unpack_matrix(parts)
        steps = parts.scale.float().repeat_interleave(group, dim=1)
        assert ((unpacked - weight).abs() <= steps * 0.501).all()
    assert parts.low is not None
    assert parts.low.shape == (6, 32)


def test_the_end_of_a_text_longer_than_the_window_still_counts(embedder: SentenceEmbedder) -> None:
    filler = "The weather report for the coast mentions wind and some rain. " * 60
    tail = "Metformin treats diabetes. " * 40
    with_tail, without, topic = embedder.encode([filler + tail, filler, "Metformin treats diabetes."])
    assert with_tail @ topic > without @ topic + 0.1


def test_every_token_of_a_long_text_is_read_in_a_window_that_fits(embedder: SentenceEmbedder) -> None:
    text = " ".join(f"x{i}qzj-{i * 7919} 中文{'ab' * (i % 60)}" for i in range(400))
    windows, owners, _ = embedder._windows([text])
    read = embedder._model.tokenizer(windows, verbose=False)["input_ids"]
    assert set(owners) == {0}
    assert max(len(ids) for ids in read) <= 256
    assert "".join("".join(w.split()) for w in windows) == "".join(text.split())


def test_passages_of_any_script_fit_the_window(embedder: SentenceEmbedder) -> None:
    from tasks.evidence.passages import PassageParameters, cut

    samples = {
        "english": "The committee reviewed the quarterly results and approved the budget. " * 40,
        "chinese": "委员会审查了季度业绩并批准了预算。" * 100,
        "russian": "Комитет рассмотрел квартальные результаты и утвердил бюджет. " * 40,
        "arabic": "راجعت اللجنة النتائج الفصلية ووافقت على الميزانية. " * 40,
        "thai": "คณะกรรมการได้ทบทวนผลประกอบการรายไตรมาสและอนุมัติงบประมาณ" * 30,
        "numbers": "3.14159, 2.71828; 1,000,000 (2024-11-01) 12:30 " * 40,
        "code": "if (a[i] != b[j]) { return x->y(z) && !w; } " * 40,
        "emoji": "🙂🚀🇩🇪 " * 200,
    }
    for name, text in samples.items():
        spans = cut(text, lambda t: [(0, len(t))], PassageParameters())
        ids = embedder._model.tokenizer([text[a:b] for a, b in spans], verbose=False)["input_ids"]
        assert max(map(len, ids)) <= 256, name


def test_the_fingerprint_names_the_weights_and_their_settings(folder: Path, copy: Path) -> None:
    original = load_embedder(str(folder)).fingerprint
    assert load_embedder(str(copy)).fingerprint == original
    assert load_embedder().fingerprint != original
    rewrite(copy / "sentence_bert_config.json", '{"max_seq_length": 128, "do_lower_case": false}')
    assert load_embedder(str(copy)).fingerprint != original


def test_swapped_weights_are_refused_by_both_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "packed"
    shutil.copytree(models.embedded_folder(), packed)
    recorded = read_manifest(packed)["files"][WEIGHTS]
    data = bytearray((packed / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (packed / WEIGHTS).write_bytes(data)
    monkeypatch.setattr(models, "locate", lambda model: packed)
    for name in (models.DEFAULT, str(packed)):
        with pytest.raises(ModelError) as caught:
            load_embedder(name)
        assert recorded[:12] in str(caught.value)
        assert sha256(data).hexdigest()[:12] in str(caught.value)


def test_an_installation_without_its_data_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    for look in (
        load_embedder,
        lambda: load(VerifierSettings()),
        lambda: write_demo(tmp_path / "demo", full=False),
    ):
        with pytest.raises(ConfigError, match="was installed without its data; reinstall it") as caught:
            look()
        assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_a_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("not a model")
    with pytest.raises(ModelError, match="not a model: the folder has no modules") as caught:
        load_embedder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_path_that_leads_nowhere_or_to_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="no such folder"):
        load_embedder(str(tmp_path / "missing"))
    with pytest.raises(ModelError, match="is a file"):
        load_embedder(str(tmp_path / "file"))


def test_a_hub_id_that_is_not_in_the_cache_is_refused_when_offline(tmp_path: Path) -> None:
    script = (
        "from tasks.evidence.models import load_embedder\nfrom tasks.errors import ModelError\n"
        "try:\n    load_embedder('nobody/no-such-model')\nexcept ModelError as e:\n    print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nobody/no-such-model: neither a folder here nor a model" in done.stdout
    assert done.stdout.count("\n") == 1


def test_pickled_weights_are_refused_and_never_opened(copy: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {copy}/exploded",)

    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match="no weights in safetensors format"):
        load_embedder(str(copy)).encode(["a"])
    # A safetensors file elsewhere in the folder does not open the way to the pickle.
    (copy / "1_Pooling" / "decoy.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_embedder(str(copy)).encode(["a"])
    assert not (copy / "exploded").exists()


def test_models_that_bring_their_own_code_are_refused(copy: Path) -> None:
    original = json.loads((copy / "config.json").read_text())
    rewrite(copy / "config.json", json.dumps({**original, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(ModelError, match="remote code"):
        load_embedder(str(copy))
    rewrite(copy / "config.json", json.dumps(original))
    rewrite(copy / "modules.json", '[{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]')
    with pytest.raises(ModelError, match="own code"):
        load_embedder(str(copy))
    inside = "sentence_transformers.models.Transformer"
    rewrite(copy / "modules.json", json.dumps([{"idx": 0, "name": "0", "path": "../x", "type": inside}]))
    with pytest.raises(ModelError, match="outside the model's folder"):
        load_embedder(str(copy))


def test_a_damaged_model_is_refused_in_one_sentence(copy: Path) -> None:
    rewrite(copy / "config.json", "{}")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_embedder(str(copy)).encode(["a"])
    assert "\n" not in str(caught.value)


def test_naming_a_model_imports_neither_torch_nor_the_package_that_carries_it() -> None:
    script = (
        "import sys; from tasks.evidence.models import load_embedder; "
        "print(len(load_embedder().fingerprint));"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["64", "[]"]


def test_bfloat16_vectors_are_those_of_float32_but_for_rounding_and_never_under_their_name() -> None:
    wide, narrow = load_embedder(threads=1), load_embedder(threads=1, dtype="bfloat16")
    assert wide.fingerprint != narrow.fingerprint
    assert (wide.encode(TEXTS) * narrow.encode(TEXTS)).sum(axis=1) == pytest.approx(1.0, abs=1e-3)
