"""A model's own prompts, routes and similarity are honoured, or the model is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router

from tasks.errors import ModelError
from tasks.evidence.models import SentenceEmbedder, load_embedder
from tasks.evidence.roles import CONFIGURATION, ROUTER, Role, Roles, read_roles
from tests.support.published_encoder import linked_encoder

TEXTS = ["How long is the warranty?", "The warranty covers two years.", "Water damage is not covered."]
PROMPTS = {"query": "Represent this sentence for searching: ", "document": "passage: "}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return linked_encoder(tmp_path / "model")


def configure(folder: Path, file: str = CONFIGURATION, **values: object) -> Path:
    path = folder / file
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(before | values), "utf-8")
    return folder


def load(folder: Path, **prompts: str) -> SentenceEmbedder:
    loaded = load_embedder(str(folder), threads=1, **prompts)
    assert isinstance(loaded, SentenceEmbedder)
    return loaded


def test_queries_and_documents_are_encoded_with_the_models_own_prompts(folder: Path) -> None:
    ours = load(configure(folder, prompts=PROMPTS))
    library = SentenceTransformer(str(folder), device="cpu")
    assert ours.encode(TEXTS, "query") == pytest.approx(library.encode_query(TEXTS), abs=1e-5)
    assert ours.encode(TEXTS) == pytest.approx(library.encode_document(TEXTS), abs=1e-5)
    assert ours.roles_differ
    bare = load_embedder(threads=1).encode(TEXTS)
    assert (np.einsum("ij,ij->i", bare, ours.encode(TEXTS, "query")) < 0.99).all()


def test_pooling_leaves_the_prompt_out_where_the_model_says_so(folder: Path) -> None:
    configure(folder, prompts=PROMPTS)
    with_prompt = load(folder).encode(TEXTS, "query")
    ours = load(configure(folder, "1_Pooling/config.json", include_prompt=False)).encode(TEXTS, "query")
    library = SentenceTransformer(str(folder), device="cpu")
    assert ours == pytest.approx(library.encode_query(TEXTS), abs=1e-5)
    assert np.abs(ours - with_prompt).max() > 0.01


@pytest.mark.parametrize(
    ("configuration", "query", "document"),
    [
        ({}, "", ""),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"query": "q: ", "corpus": "c: "}}, "q: ", "c: "),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"sts": "s: "}, "default_prompt_name": "sts"}, "s: ", "s: "),
        ({"prompts": {"sts": "s: ", "query": "", "document": ""}, "default_prompt_name": "sts"}, "", ""),
        ({"prompts": {"query": None}}, "", ""),
    ],
)
def test_each_role_takes_its_prompt_by_the_names_that_models_use(
    folder: Path, configuration: dict[str, object], query: str, document: str
) -> None:
    roles = read_roles(configure(folder, **configuration), "m")
    assert (roles.query, roles.document) == (query, document)


def test_a_prompt_of_the_settings_takes_the_place_of_the_models_own(folder: Path) -> None:
    roles = read_roles(configure(folder, prompts=PROMPTS), "m", "query: ", "")
    assert (roles.query, roles.document) == ("query: ", "")


def test_every_window_of_a_long_text_carries_the_prompt_and_fits(folder: Path) -> None:
    ours = load(configure(folder, prompts=PROMPTS))
    text = "The tenant pays for small repairs and the owner pays for the roof. " * 60
    windows, _, _ = ours._windows([text], "query")
    tokenizer = ours._model.tokenizer
    assert len(windows) > 1
    assert max(len(tokenizer(PROMPTS["query"] + window)["input_ids"]) for window in windows) <= 256


def test_queries_and_documents_go_their_own_routes(folder: Path, tmp_path: Path) -> None:
    plain, other = (SentenceTransformer(str(folder), device="cpu") for _ in range(2))
    other[0].auto_model.embeddings.word_embeddings.weight.data.mul_(0.5)
    routed = SentenceTransformer(
        modules=[Router.for_query_document(query_modules=[other[0]], document_modules=[plain[0]]), plain[1]]
    )
    routed.save_pretrained(str(tmp_path / "routed"))
    ours = load(tmp_path / "routed")
    assert ours.encode(TEXTS, "query") == pytest.approx(
        routed.encode_query(TEXTS, normalize_embeddings=True), abs=1e-5
    )
    assert ours.encode(TEXTS) == pytest.approx(
        routed.encode_document(TEXTS, normalize_embeddings=True), abs=1e-5
    )
    assert ours.roles_differ


def test_the_fingerprint_tells_prompts_and_is_the_old_one_without(folder: Path) -> None:
    def identity(roles: Roles) -> str:
        return SentenceEmbedder(folder, "m", threads=1, batch_tokens=64, roles=roles).fingerprint

    prints = [identity(r) for r in (Roles(), Roles("q"), Roles("", "q"), Roles("q", "q"), Roles(routed=True))]
    assert len(set(prints)) == 5
    assert prints[0] == SentenceEmbedder(folder, "m", threads=1, batch_tokens=64).fingerprint


@pytest.mark.parametrize(
    ("configuration", "sentence"),
    [
        ({"similarity_fn_name": "euclidean"}, "compared by 'euclidean'"),
        ({"prompts": {"query": "{{ cycler.__init__.__globals__ }}"}}, "its query prompt is a template"),
        ({"prompts": {"passage": "{% for x in y %}"}}, "its document prompt is a template"),
        ({"prompts": {"query": "x" * 3000}}, "3,000 characters"),
        ({"prompts": {"query": 7}}, "not strings by name"),
        ({"prompts": ["query: "]}, "not strings by name"),
        ({"default_prompt_name": "clustering"}, "'clustering' as its default prompt"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    folder: Path, configuration: dict[str, object], sentence: str
) -> None:
    if "similarity_fn_name" in configuration:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        (folder / "modules.json").unlink()
        (folder / "modules.json").write_text(json.dumps(modules[:2]), "utf-8")
    with pytest.raises(ModelError, match=sentence):
        load(configure(folder, **configuration))


def test_a_prompt_that_fills_the_window_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"takes \d+ of 256 tokens"):
        load(folder, query_prompt="word " * 200).encode(TEXTS, "query")


def test_a_route_with_code_of_its_own_is_refused(folder: Path) -> None:
    configure(folder, ROUTER, types={"query_0_Transformer": "custom.Evil"})
    with pytest.raises(ModelError, match="own code are refused"):
        load(folder)


@pytest.mark.parametrize("role", ["query", "document"])
def test_a_model_without_prompts_encodes_both_roles_alike(role: Role) -> None:
    ours = load_embedder(threads=1)
    assert not ours.roles_differ
    assert ours.encode(TEXTS, role) == pytest.approx(ours.encode(TEXTS), abs=1e-6)
