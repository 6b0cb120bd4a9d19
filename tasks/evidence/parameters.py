"""The team's own documents, the embedding model, and how many passages reach the verifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tasks.evidence.passages import PassageParameters
from tasks.evidence.retrieval import RetrieveParameters

EmbedderType = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """The team's own documents."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    name: str = "corpus"
    path: str | None = None
    """A folder, file or glob of text, Markdown, HTML, PDF, Parquet or JSON Lines; relative to this file."""
    text_field: str = "text"
    """Column or key that holds a document's text in Parquet and JSON Lines; likewise below."""
    uri_field: str = "uri"
    passages: PassageParameters = PassageParameters()


@dataclass(frozen=True, kw_only=True)
class RetrieveSettings:
    """Embedding model and how many passages reach the verifier."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    model: str = "all-MiniLM-L6-v2"
    """The embedded default, or a local path or hub id of a sentence-transformers model."""
    dtype: EmbedderType = "auto"
    """What the embedding model multiplies in; auto is the fastest that this machine computes."""
    parameters: RetrieveParameters = RetrieveParameters()
