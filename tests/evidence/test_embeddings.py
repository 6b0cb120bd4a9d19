"""The embedding cache: what was embedded once is read, and what is damaged is computed again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tasks.evidence import embeddings
from tasks.evidence.embeddings import CachedEmbedder
from tasks.evidence.models import Vectors, load_embedder
from tasks.evidence.pieces import unit
from tasks.evidence.roles import Role


class Counting:
    """A deterministic embedder that remembers what it was asked."""

    fingerprint = "f" * 64
    dimension = 8
    roles_differ = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        self.asked += texts if role == "document" or not self.roles_differ else [f"? {t}" for t in texts]
        digests = b"".join(hashlib.sha256(t.encode()).digest() for t in texts)
        return unit(np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)[:, :8].astype(np.float32) - 128)


def fresh(root: Path) -> tuple[Counting, CachedEmbedder]:
    model = Counting()
    return model, CachedEmbedder(model, root)


TEXTS = ["a", "b", "", "a", "c"]


def test_each_text_reaches_the_model_once_also_within_a_call(tmp_path: Path) -> None:
    model, cache = fresh(tmp_path)
    vectors = cache.encode(TEXTS)
    assert model.asked == ["a", "b", "", "c"]
    assert np.array_equal(vectors, Counting().encode(TEXTS))
    cache.encode(["c", "d"])
    assert model.asked == ["a", "b", "", "c", "d"]


def test_another_process_finds_what_was_embedded_and_needs_no_model(tmp_path: Path) -> None:
    first = fresh(tmp_path)[1].encode(TEXTS)
    model, cache = fresh(tmp_path)
    assert np.array_equal(cache.encode(TEXTS), first)
    assert model.asked == []
    assert (cache.cached, cache.computed) == (4, 0)


def test_another_model_shares_nothing(tmp_path: Path) -> None:
    fresh(tmp_path)[1].encode(TEXTS)
    model = Counting()
    model.fingerprint = "e" * 64
    CachedEmbedder(model, tmp_path).encode(["a"])
    assert model.asked == ["a"]


@pytest.mark.parametrize("file", ["keys.npy", "vectors.npy", "digest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "zeros", "gone"])
def test_a_damaged_segment_is_named_discarded_and_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, damage: str
) -> None:
    expected = fresh(tmp_path)[1].encode(TEXTS)
    (segment,) = (tmp_path / "cache" / "embeddings" / ("f" * 64)).iterdir()
    path = segment / file
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 4
        path.write_bytes({"flip": data, "cut": data[:-3], "zeros": bytes(len(data))}[damage])
    model, cache = fresh(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cache.encode(TEXTS), expected)
    assert model.asked == ["a", "b", "", "c"]
    assert str(segment) in caplog.text
    model, cache = fresh(tmp_path)
    cache.encode(TEXTS)
    assert model.asked == []


def test_what_an_interrupted_run_embedded_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "CHUNK_TEXTS", 10)
    texts = [f"text {i}" for i in range(35)]

    class Interrupted(Counting):
        def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
            if len(self.asked) >= 20:
                raise KeyboardInterrupt
            return super().encode(texts, role)

    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(Interrupted(), tmp_path).encode(texts)
    model, cache = fresh(tmp_path)
    assert np.array_equal(cache.encode(texts), Counting().encode(texts))
    assert model.asked == texts[20:]


def test_many_small_segments_become_one_and_nothing_is_lost(tmp_path: Path) -> None:
    _, cache = fresh(tmp_path)
    texts = [f"text {i}" for i in range(embeddings.SMALL_SEGMENTS + 3)]
    for text in texts:
        cache.encode([text])
    folders = list((tmp_path / "cache" / "embeddings" / ("f" * 64)).iterdir())
    assert len(folders) == 4
    for reader in (cache, fresh(tmp_path)[1]):
        before = reader.computed
        assert np.array_equal(reader.encode(texts), Counting().encode(texts))
        assert reader.computed == before


def test_half_a_segment_of_a_killed_process_is_not_read(tmp_path: Path) -> None:
    left = tmp_path / "cache" / "embeddings" / ("f" * 64) / "_writing-1"
    left.mkdir(parents=True)
    (left / "keys.npy").write_bytes(b"half")
    model, cache = fresh(tmp_path)
    assert np.array_equal(cache.encode(TEXTS), model.encode(TEXTS))


def test_the_real_model_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Paris is in France.", "Berlin is in Germany."]
    vectors = CachedEmbedder(load_embedder(threads=1), tmp_path).encode(texts)
    again = load_embedder(threads=1)
    monkeypatch.setattr(type(again), "_windows", lambda *_: pytest.fail("the model was asked again"))
    assert np.array_equal(CachedEmbedder(again, tmp_path).encode(texts), vectors)


def test_a_text_is_kept_once_for_both_roles_where_the_model_tells_none_apart(tmp_path: Path) -> None:
    model, cache = fresh(tmp_path)
    cache.encode(["a", "b"], "query")
    cache.encode(["b", "c"])
    assert model.asked == ["a", "b", "c"]
    assert not np.isnan(cache.known(["a", "c"], ["b"])).any()


def test_a_query_and_a_document_of_the_same_words_are_kept_apart(tmp_path: Path) -> None:
    model, cache = fresh(tmp_path)
    model.roles_differ = True
    cache.encode(["a"], "query")
    cache.encode(["a"])
    assert model.asked == ["? a", "a"]
    known = cache.known(["a", "b"], ["a", "b"])
    assert np.isnan(known).any(axis=1).tolist() == [False, True, False, True]
