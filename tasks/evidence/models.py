"""Door to sentence-transformers: texts in, unit vectors out.

Weights are safetensors only, which cannot carry code; pickled weights and models that bring their own
Python are refused. torch is imported at the first text that has to be embedded, so a run that finds all
of its vectors in the cache starts in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from tasks.errors import ModelError
from tasks.evidence.pieces import batches, pieces, unit
from tasks.evidence.roles import ROUTER, Role, Roles, read_roles
from tasks.models import folder as model_folder
from tasks.models import processor
from tasks.models.folder import read_json

if TYPE_CHECKING:
    from tasks.evidence.parameters import EmbedderType, RetrieveSettings

Vectors = npt.NDArray[np.float32]
Device = Literal["auto", "cpu", "cuda"]

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_ARTEFACT = "all-minilm-l6-v2"
"""Folder of the embedded models that holds it: the published weights, packed."""

BATCH_TOKENS = 1024
"""Rows times longest row of a batch. On 400 sentences 1024 took 4.7 s, 4096 6.4 s, 16384 14.4 s: what is
between two layers then no longer fits the cache of a small CPU."""

RULES = 1
"""Version of windows and pooling; part of every fingerprint."""


class Embedder(Protocol):
    """Texts into vectors whose inner product is their cosine similarity."""

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over weights, settings and vocabulary: equal fingerprints give equal vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def roles_differ(self) -> bool:
        """Whether a text has one vector as a query and another as a document."""
        ...

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        """(n, dimension) float32 of unit length, in the order of the texts."""
        ...


def load_embedder(
    model: str = DEFAULT,
    *,
    threads: int = 0,
    batch_tokens: int = BATCH_TOKENS,
    dtype: EmbedderType = "float32",
    device: Device = "cpu",
    query_prompt: str | None = None,
    document_prompt: str | None = None,
) -> Embedder:
    """The embedded default by name, any other sentence-transformers model by folder or hub id.

    `threads` is for torch, 0 leaves its own choice. `dtype` "auto" is bfloat16 where the processor
    multiplies it and the model is a BERT, 1.6 times as fast; the fingerprint tells the two apart. `device`
    "auto" is a GPU where torch finds one. Prompts that are given take the place of the model's own. Only a
    hub id may use the network, and only where HF_HUB_OFFLINE does not forbid it.

    Raises:
        ModelError: no such model, not a sentence-transformers model, pickled weights, own code, weights
            that are not those on record, no such device, or a configuration that cannot be honoured.
    """
    folder = locate(model)
    _refuse_what_is_no_model(folder, model)
    roles = read_roles(folder, model, query_prompt, document_prompt)
    target = _device(device)
    narrow = target == "cpu" and (dtype == "bfloat16" or (dtype == "auto" and processor.has_bf16()))
    return SentenceEmbedder(
        folder,
        model,
        threads=threads,
        batch_tokens=batch_tokens,
        narrow=narrow and _is_bert(folder, model),
        roles=roles,
        device=target,
    )


def load_chosen(settings: RetrieveSettings, *, threads: int = 0) -> Embedder:
    """The embedder of the configuration; raises as `load_embedder`."""
    return load_embedder(
        settings.model,
        threads=threads,
        dtype=settings.dtype,
        device=settings.device,
        query_prompt=settings.query_prompt,
        document_prompt=settings.document_prompt,
    )


def _device(chosen: Device) -> str:
    """cpu or cuda. torch is asked only where its answer can matter: importing it takes seconds."""
    if chosen == "cpu" or (chosen == "auto" and not Path("/dev/nvidiactl").exists()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if chosen == "cuda":
        raise ModelError("retrieve.device is cuda, and torch finds no GPU here; use auto or cpu")
    return "cpu"


def embedded_folder() -> Path:
    """Folder of the embedded default encoder; raises ConfigError where the project lacks its data."""
    return model_folder.embedded_models() / DEFAULT_ARTEFACT


def locate(model: str) -> Path:
    """Folder of the default, or of any other sentence-transformers model by folder or hub id.

    Raises:
        ModelError: no such model.
    """
    if model == DEFAULT:
        model_folder.work_offline()
        return embedded_folder()
    kind = "a sentence-transformers model"
    return model_folder.locate(model, kind, leave_out=("onnx/*", "openvino/*"), owner="sentence-transformers")


def _is_packed(folder: Path) -> bool:
    return (folder / model_folder.MANIFEST).is_file()


def _is_bert(folder: Path, model: str) -> bool:
    """Whether the first module is an encoder that the lean forward pass knows."""
    config = folder / str(read_json(folder / "modules.json", model)[0].get("path", "")) / "config.json"
    values = read_json(config, model) if config.exists() else {}
    return bool(values.get("model_type") == "bert" and values.get("hidden_act") == "gelu")


def _refuse_what_is_no_model(folder: Path, model: str) -> None:
    if model == DEFAULT or _is_packed(folder):
        model_folder.read_manifest(folder)
    modules = read_json(folder / "modules.json", model)
    if not isinstance(modules, list) or not modules:
        raise ModelError(f"{model}: not a sentence-transformers model, modules.json lists no modules")
    for module in modules:
        kind = module.get("type") if isinstance(module, dict) else None
        _refuse_own_code(kind, "modules.json", model)
        place = (folder / str(module.get("path", ""))).absolute()
        if ".." in Path(str(module.get("path", ""))).parts or not place.is_relative_to(folder.absolute()):
            raise ModelError(f"{model}: modules.json names {module['path']!r}, outside the model's folder")
    for router in folder.rglob(ROUTER):
        types = read_json(router, model).get("types", {})
        for kind in types.values() if isinstance(types, dict) else [types]:
            _refuse_own_code(kind, ROUTER, model)
    model_folder.require_safetensors(folder.rglob("*"), model)
    if (folder / "config.json").exists():
        read_json(folder / "config.json", model)


def _refuse_own_code(kind: object, file: str, model: str) -> None:
    if not isinstance(kind, str) or not kind.startswith("sentence_transformers."):
        raise ModelError(
            f"{model}: {file} asks for {kind!r}, which is not part of sentence-transformers; "
            "models with their own code are refused"
        )


class SentenceEmbedder:
    """A sentence-transformers model in single precision, or `narrow`: products in bfloat16.

    Texts are encoded as the model's own configuration says for their role: prompt, route, pooling. A text
    longer than the model's window is not truncated: it is read in windows cut between tokens, and its vector
    is the mean of theirs, each weighted by its tokens, brought back to unit length.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        threads: int,
        batch_tokens: int,
        narrow: bool = False,
        roles: Roles | None = None,
        device: str = "cpu",
    ) -> None:
        self._folder = folder
        self._name = name
        self._threads = threads
        self._batch_tokens = batch_tokens
        self._narrow = narrow
        self._roles = roles or Roles()
        self._device = device

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the names and bytes of all files that decide what the model computes."""
        files = [path for path in self._folder.rglob("*") if path.suffix in model_folder.IDENTITY]
        computed = b" bfloat16" if self._narrow else b"" if self._device == "cpu" else b" cuda"
        prefix = b"embedder %d" % RULES + computed + self._roles.identity
        return model_folder.identity(self._folder, files, prefix)

    @property
    def roles_differ(self) -> bool:
        """Whether a text has one vector as a query and another as a document."""
        return self._roles.differ

    @cached_property
    def dimension(self) -> int:
        """Length of a vector; from the configuration of the last module that states one."""
        for module in reversed(read_json(self._folder / "modules.json", self._name)):
            config = self._folder / str(module.get("path", "")) / "config.json"
            values = read_json(config, self._name) if config.exists() else {}
            for key in ("out_features", "embedding_dimension", "word_embedding_dimension", "hidden_size"):
                if isinstance(values.get(key), int):
                    return int(values[key])
        return int(self._model.get_embedding_dimension())

    @cached_property
    def _model(self) -> Any:
        if _is_packed(self._folder):
            from tasks.models.sentence_encoder import load_sentence_encoder

            return load_sentence_encoder(self._folder, narrow=self._narrow, threads=self._threads)
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        if self._threads:
            torch.set_num_threads(self._threads)

        def load() -> Any:
            model = SentenceTransformer(
                str(self._folder),
                device=self._device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
            if self._narrow:
                _narrow(model)
            return model.eval()

        return model_folder.loaded(load, self._name)

    def encode(self, texts: Sequence[str], role: Role = "document") -> Vectors:
        """(n, dimension) float32 of unit length, in the order of the texts; equal texts are read once.

        The result does not depend on what else is in the call, but for rounding below 1e-5.
        """
        if len(texts) == 0:
            return np.empty((0, self.dimension), dtype=np.float32)
        distinct = list(dict.fromkeys(texts))
        windows, owners, lengths = self._windows(distinct, role)
        pooled = np.empty((len(windows), self.dimension), dtype=np.float32)
        for rows in batches(lengths, self._batch_tokens):
            pooled[rows] = self._forward([windows[row] for row in rows], role)
        pooled = unit(pooled)
        sums = np.zeros((len(distinct), self.dimension), dtype=np.float64)
        np.add.at(sums, owners, pooled * lengths[:, None])
        vectors = unit(sums)
        place = {text: row for row, text in enumerate(distinct)}
        return vectors[[place[text] for text in texts]]

    def _forward(self, texts: list[str], role: Role) -> Vectors:
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        vectors: Vectors = encode(
            texts, prompt=self._roles.prompt(role), batch_size=len(texts), show_progress_bar=False
        )
        return vectors.astype(np.float32, copy=False)

    def _reader(self, role: Role) -> Any:
        """The module that reads texts of that role first."""
        routes = getattr(self._model[0], "sub_modules", None)
        if routes is None:
            return self._model[0]
        return routes[role if role in routes else self._model[0].default_route][0]

    def _room(self, role: Role) -> int:
        """Tokens of a text that fit one window beside the prompt; 0 where the model has no window.

        Raises:
            ModelError: the prompt fills half of the window.
        """
        reader = self._reader(role)
        tokenizer, limit = getattr(reader, "tokenizer", None), getattr(reader, "max_seq_length", None)
        if tokenizer is None or not getattr(tokenizer, "is_fast", False) or not limit:
            return 0
        prompt = self._roles.prompt(role)
        taken = len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) if prompt else 0
        room = int(limit) - int(tokenizer.num_special_tokens_to_add()) - taken
        if taken > limit // 2:
            raise ModelError(
                f"{self._name}: the {role} prompt takes {taken} of {limit} tokens of a window; "
                f"state a shorter one in retrieve.{role}_prompt"
            )
        return room

    def _windows(self, texts: list[str], role: Role = "document") -> tuple[list[str], np.ndarray, np.ndarray]:
        """Texts cut to the model's window: pieces, the text each belongs to, tokens of each."""
        room = self._room(role)
        if not room:
            # Bag-of-words models have no window; order by length still helps.
            lengths = np.array([max(1, len(text)) for text in texts])
            return texts, np.arange(len(texts)), lengths
        encoded = self._reader(role).tokenizer(
            texts, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        windows: list[str] = []
        owners: list[int] = []
        lengths_: list[int] = []
        for owner, offsets in enumerate(encoded["offset_mapping"]):
            if len(offsets) <= room:
                windows.append(texts[owner])
                owners.append(owner)
                lengths_.append(max(1, len(offsets)))
                continue
            for piece, length in pieces(texts[owner], offsets, room):
                windows.append(piece)
                owners.append(owner)
                lengths_.append(length)
        return windows, np.array(owners), np.array(lengths_)


def _narrow(model: Any) -> None:
    """Puts the lean encoder, which the verifier computes with too, in the place of the model's own.

    Hidden states are rounded to bfloat16 between layers; pooling stays in float32. On 68 web passages every
    vector kept a cosine of 0.9999 with its own in float32, and similarities moved by at most 0.0033.
    """
    from tasks.models import kernels

    first = model[0]
    lean = kernels.Encoder(first.auto_model, "bfloat16")

    def forward(features: dict[str, Any], **_: Any) -> dict[str, Any]:
        types = features.get("token_type_ids")
        ids, mask = features["input_ids"], features["attention_mask"]
        hidden = lean(ids, mask, ids.new_zeros(ids.shape) if types is None else types)
        return {**features, "token_embeddings": hidden.last_hidden_state}

    first.forward = forward
