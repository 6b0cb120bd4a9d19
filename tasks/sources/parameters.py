"""What a source is, where its records keep each thing, and what a record may say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from annotated_types import MaxLen, MinLen

from tasks.files.encodings import Encoding
from tasks.knobs import Example, Section
from tasks.sources import clocks, where
from tasks.sources.minimise import MinimiseSettings
from tasks.sources.sample import SampleSettings


@dataclass(frozen=True, kw_only=True)
class FieldMapping(Section):
    """Where a record holds each item: dotted paths into nested records; only `response` is required."""

    id: Annotated[str | None, Example("trace.id")] = None
    """The record's id; without it, the digest of its content."""
    produced_at: Annotated[str | None, Example("timestamp")] = None
    """When the answer was given."""
    time_zone: Annotated[str | None, Example("timezone")] = None
    """IANA name of that time's zone, where the time itself names none."""
    delivered_at: Annotated[str | None, Example("delivered_at")] = None
    """When the answer reached its user; empty where it was not delivered when the record was written."""
    delivered: Annotated[str | None, Example("is_delivered")] = None
    """Whether it was delivered when the record was written, true or false, where there is no time."""
    action_taken: Annotated[str | None, Example("action")] = None
    """What the agent's own system did with it: delivered, rephrased or escalated."""
    prompt: Annotated[str | None, Example("input.question")] = None
    """What was asked."""
    response: str = "response"
    """The answer."""
    agent: Annotated[str | None, Example("agent")] = None
    """Which agent answered."""
    model: Annotated[str | None, Example("model")] = None
    """The model that it used."""
    use_case: Annotated[str | None, Example("use_case")] = None
    """Its use case, which selects the policy."""
    session_id: Annotated[str | None, Example("session.id")] = None
    """The conversation that the answer belongs to."""
    contexts: Annotated[str | tuple[str, ...] | None, Example("retrieval.documents")] = None
    """What the agent read: a text, a list of strings, or of records described by the next two keys; several
    paths, such as ["source 1", "source 2"], are each a document of that name."""
    context_text: str = "text"
    """Key of the text in such a record."""
    context_uri: str = "uri"
    """Key of its address."""
    context_ids: Annotated[str | None, Example("retrieval.ids")] = None
    """Ids of documents that the agent read, where their text is not recorded: one, or a list; `look_up` says
    how the corpus addresses them."""
    tools: Annotated[str | None, Example("tools")] = None
    """Tool calls, kept as they are."""
    metadata: Annotated[str | None, Example("metadata")] = None
    """Anything else to keep."""


@dataclass(frozen=True, kw_only=True)
class DeliveryFields(Section):
    """Attributes of spans that say whether an answer was delivered; a dotted name may lead into an attribute
    that is JSON, such as `metadata.delivered_at`."""

    delivered_at: Annotated[str | None, Example("metadata.delivered_at")] = None
    """When the answer reached its user; empty where it was not delivered when the trace was written."""
    delivered: Annotated[str | None, Example("metadata.is_delivered")] = None
    """Whether it was delivered when the trace was written, true or false, where there is no time."""
    action_taken: Annotated[str | None, Example("metadata.action")] = None
    """What the agent's own system did with it: delivered, rephrased or escalated."""

    def names(self) -> dict[str, str]:
        """The attributes that are named, by what they say."""
        return {field: name for field, name in asdict(self).items() if name}


@dataclass(frozen=True, kw_only=True)
class JoinSettings(Section):
    """Rows of a file that together make up one answer, such as the observations of a trace."""

    by: Annotated[str, Example("trace_id")]
    """Path of what rows of one answer have in common."""
    kind: str = "type"
    """Path of what a row is; the next three keys name its values, in any case of letters."""
    answers: tuple[str, ...] = ("generation", "llm", "assistant", "ai")
    """Rows that hold an answer: the last that says something; `fields` are paths in this row."""
    questions: tuple[str, ...] = ("user", "human")
    """Rows that hold a question: the last before the answer is `joined.question`."""
    evidence: tuple[str, ...] = ("retriever", "tool", "function")
    """Rows that hold documents or results of tools: all are `joined.evidence`, which are the contexts unless
    another path is set."""
    text: str = "output"
    """Path of what rows of evidence and questions hold."""
    order: Annotated[str | None, Example("start_time")] = None
    """Path of what the rows are in order of; without it, their order in the file."""


@dataclass(frozen=True, kw_only=True)
class SourceSettings(Section):
    """One place that agent outputs come from."""

    name: Annotated[str, MinLen(1), MaxLen(200)]
    """Its name in the tables; each source needs its own."""
    kind: str
    """What is behind it."""
    trace_url: Annotated[str | None, Example("https://traces.example/t/{source_id}")] = None
    """Address of an answer's trace, to which pages link: {source_id} is the record's own id, {session_id} its
    conversation, {output_id} the output's; values are escaped for a URL."""
    minimise: MinimiseSettings | None = None
    """What is removed from records before anything of them is written."""
    sample: SampleSettings | None = None
    """Which answers are audited; without it, all."""
    write_back: bool = False
    """Whether verdicts go back to it: annotations of Phoenix, scores of Langfuse, assessments of MLflow; for
    every other source OpenTelemetry events in files below LAKE/write_back."""

    def __post_init__(self) -> None:
        if self.trace_url is not None and not self.trace_url.startswith(("https://", "http://")):
            raise ValueError(f"trace_url is {self.trace_url!r}, expected an address with https:// or http://")


_LATER_FIELDS = ("context_ids", "delivered_at", "delivered", "action_taken")
"""Fields of later releases."""


def deciding(source: SourceSettings) -> dict[str, Any]:
    """Settings that decide what a record becomes: where one of them changes, all is read again."""
    settings = asdict(source)
    # What is drawn of a record leaves it as it is: another share is for what comes from now on.
    del settings["sample"]
    del settings["write_back"]
    # Nor does how fast it is read.
    settings.pop("requests_at_once", None)
    settings.pop("reviews", None)
    if "fields" in settings:
        unset = {name for name in _LATER_FIELDS if settings["fields"].get(name) is None}
        settings["fields"] = {k: v for k, v in settings["fields"].items() if k not in unset}
        if not settings["fields"]:
            del settings["fields"]
    # A key of a later release that is not set decides nothing: an upgrade reads nothing again.
    later = ("minimise", "look_up")
    return {key: value for key, value in settings.items() if key not in later or value is not None}


@dataclass(frozen=True, kw_only=True)
class PathSettings(SourceSettings):
    """A source of files."""

    path: Annotated[str, MinLen(1), Example("exports/**/*.jsonl.gz")]
    """A file, a folder or a glob; relative to the configuration file."""


@dataclass(frozen=True, kw_only=True)
class AnswerSettings(SourceSettings):
    """What a source says of answers that do not say it themselves."""

    agent: Annotated[str | None, Example("support-bot")] = None
    """Agent for records that name none."""
    model: Annotated[str | None, Example("some-model")] = None
    """Model for records that name none."""
    use_case: Annotated[str | None, Example("support")] = None
    """Use case for records that name none."""
    look_up: Annotated[str | None, Example("kb/{id}.md")] = None
    """Address in the corpus of a document that records name without its text, `{id}` being its id or address
    there; `{id}` alone where both are the same. Its text is then the corpus's. Without it, such documents are
    counted and no evidence."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.look_up is not None and "{id}" not in self.look_up:
            raise ValueError(f"look_up is {self.look_up!r}, expected {{id}} where a document's id belongs")


@dataclass(frozen=True, kw_only=True)
class SpanSettings(AnswerSettings):
    """A source of spans, whose names are those of conventions."""

    fields: DeliveryFields = DeliveryFields()


@dataclass(frozen=True, kw_only=True)
class RecordSettings(AnswerSettings):
    """A source of records whose fields are mapped."""

    produced_at: Annotated[str | None, Example("2026-11-01T00:00:00Z")] = None
    """Time for records that have none."""
    time_zone: Annotated[str | None, Example("Europe/Berlin")] = None
    """IANA name of the zone of times that have none, or UTC; without it they are refused."""
    time_format: Annotated[str | None, Example("%d.%m.%Y %H:%M")] = None
    """strptime format of times (%Z at its end is the name of a zone), iso, epoch_s, epoch_ms, epoch_us or
    epoch_ns; without it ISO 8601, and numbers by their size."""
    fields: FieldMapping = FieldMapping()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.time_zone is not None:
            try:
                clocks.zone(self.time_zone)
            except ValueError as error:
                raise ValueError(f"time_zone {self.time_zone!r} {error}") from None
        if self.time_format is not None:
            clocks.check_format(self.time_format)


@dataclass(frozen=True, kw_only=True)
class FilesSettings(RecordSettings, PathSettings):
    """One place that agent outputs come from."""

    kind: Literal["files"] = "files"
    """JSON Lines (also .gz, .zst), JSON, CSV or Parquet."""
    format: Literal["auto", "jsonl", "json", "csv", "parquet", "delta"] = "auto"
    """auto goes by the name of each file, and knows a Delta table on a disk by its log; one in a store is
    delta."""
    encoding: Encoding = "auto"
    """Encoding of text files; auto is UTF-8, and UTF-16 where a file begins with its mark. The plain CSV of
    Excel is windows-1252 in Western Europe."""
    where: Annotated[str | None, Example("type = 'GENERATION'")] = None
    """Condition in SQL on each record's own fields; what does not meet it is left out and counted."""
    join: JoinSettings | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.where is not None:
            where.condition(self.where)


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
