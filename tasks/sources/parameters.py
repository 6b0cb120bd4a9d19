"""What a source is, where its records keep each thing, and what a record may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

from annotated_types import MaxLen, MinLen


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """Where a record keeps each thing: dotted paths into nested records; only `response` is required."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    id: str | None = None
    """Without it, a record's id is the digest of its content."""
    produced_at: str | None = None
    prompt: str | None = None
    response: str = "response"
    agent: str | None = None
    model: str | None = None
    use_case: str | None = None
    session_id: str | None = None
    contexts: str | None = None
    """A list of strings, or of records described by the two keys below."""
    context_text: str = "text"
    context_uri: str = "uri"
    tools: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One place that agent outputs come from."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    name: Annotated[str, MinLen(1), MaxLen(200)]
    kind: Literal["files"] = "files"
    path: str
    """A file, a folder or a glob; relative to the configuration file."""
    format: Literal["auto", "jsonl", "json", "csv", "parquet"] = "auto"
    agent: str | None = None
    """Constant used where the record itself names none; likewise below."""
    model: str | None = None
    use_case: str | None = None
    produced_at: str | None = None
    time_zone: Literal["UTC"] | None = None
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
