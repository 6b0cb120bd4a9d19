"""The team's own documents, the embedding model, and how many passages reach the verifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from tasks.evidence.passages import PassageParameters
from tasks.evidence.retrieval import RetrieveParameters
from tasks.evidence.shards import IndexParameters
from tasks.knobs import Example, Section

EmbedderType = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(Section):
    """The team's own documents."""

    name: str = "corpus"
    """What tables call it."""
    path: Annotated[str | None, Example("docs")] = None
    """A folder, file or glob of text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, Parquet or JSON Lines."""
    main_text_only: bool = True
    """HTML without navigation, footers, banners and buttons; hidden text is always left out."""
    text_field: str = "text"
    """Column or key that holds a document's text in Parquet and JSON Lines."""
    uri_field: str = "uri"
    """And of its address."""
    passages: PassageParameters = PassageParameters()
    index: IndexParameters = IndexParameters()


@dataclass(frozen=True, kw_only=True)
class RetrieveSettings(Section):
    """Embedding model and how many passages reach the verifier."""

    model: str = "all-MiniLM-L6-v2"
    """The embedded default, or a local path or hub id of a sentence-transformers model."""
    dtype: EmbedderType = "auto"
    """Precision of the embedding model; auto is the fastest that this machine supports."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it computes; auto uses a GPU if there is one."""
    query_prompt: Annotated[str | None, Example("query: ")] = None
    """Text before every claim, where the model was trained with one and does not say so itself."""
    document_prompt: Annotated[str | None, Example("passage: ")] = None
    """And before every passage."""
    parameters: RetrieveParameters = RetrieveParameters()
    overlooked_similarity: Annotated[float, Interval(ge=0, le=1)] = 0.65
    """Cosine of question and sentence from which on the evidence of an answer that abstained seems to have
    the answer: a hint. Measured for the embedded default; another model needs another."""
