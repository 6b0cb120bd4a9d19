"""What a source is, where its records keep each thing, and what a record may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from annotated_types import MaxLen, MinLen

from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class FieldMapping(Section):
    """Where a record keeps each thing: dotted paths into nested records; only `response` is required."""

    id: Annotated[str | None, Example("trace.id")] = None
    """Without it, a record's id is the digest of its content."""
    produced_at: Annotated[str | None, Example("timestamp")] = None
    """When the answer was given."""
    prompt: Annotated[str | None, Example("input.question")] = None
    """What was asked."""
    response: str = "response"
    """The answer."""
    agent: Annotated[str | None, Example("agent")] = None
    """Which agent answered."""
    model: Annotated[str | None, Example("model")] = None
    """With which model."""
    use_case: Annotated[str | None, Example("use_case")] = None
    """What for; policies go by it."""
    session_id: Annotated[str | None, Example("session.id")] = None
    """The conversation that the answer belongs to."""
    contexts: Annotated[str | None, Example("retrieval.documents")] = None
    """What the agent read: a list of strings, or of records described by the next two keys."""
    context_text: str = "text"
    """Key of the text in such a record."""
    context_uri: str = "uri"
    """Key of its address."""
    tools: Annotated[str | None, Example("tools")] = None
    """Tool calls, kept as they are."""
    metadata: Annotated[str | None, Example("metadata")] = None
    """Anything else to keep."""


@dataclass(frozen=True, kw_only=True)
class SourceSettings(Section):
    """One place that agent outputs come from."""

    name: Annotated[str, MinLen(1), MaxLen(200)]
    """What tables call it; each source has its own."""
    kind: Literal["files"] = "files"
    """JSON Lines (also .gz, .zst), JSON, CSV or Parquet."""
    path: str
    """A file, a folder or a glob; relative to the configuration file."""
    format: Literal["auto", "jsonl", "json", "csv", "parquet"] = "auto"
    """auto goes by the name of each file."""
    agent: Annotated[str | None, Example("support-bot")] = None
    """Agent of records that name none."""
    model: Annotated[str | None, Example("some-model")] = None
    """Model of records that name none."""
    use_case: Annotated[str | None, Example("support")] = None
    """Use case of records that name none."""
    produced_at: Annotated[str | None, Example("2026-11-01T00:00:00Z")] = None
    """Time of records that have none."""
    time_zone: Annotated[Literal["UTC"] | None, Example("UTC")] = None
    """Times without a zone are refused unless this says that they are UTC."""
    fields: FieldMapping = FieldMapping()


@dataclass(frozen=True)
class RecordParameters:
    """Bounds on what a record may say."""

    earliest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    """No agent answered before: 1969, 1970 and year 1 are what unset clocks and zeros turn into."""
    tolerance: timedelta = timedelta(days=1)
    """How far ahead of the pull a record may lie: a wrong zone is at most 14 hours, a wrong clock more."""
    maximum_name: int = 1_000
    """Characters of an id or a name; longer ones are content in the wrong field."""
    default_use_case: str = "unspecified"
    """Where neither record nor source names one; the agent is then called like its source."""
