"""A source that somebody names, looked at before it is configured: what it is, and what its answers become.

A tracing system's answers are those of its newest days; files are asked which system wrote them; rows of a
database are mapped as those of files are. Nothing is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError, SourceError
from tasks.files import places, records, streams
from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal, shown
from tasks.sources import dialects, files, joining, kinds, mapping, otlp_messages, sql
from tasks.sources.base import Scope
from tasks.sources.mapping import Proposal
from tasks.sources.parameters import FilesSettings, RecordSettings, SourceSettings
from tasks.sources.records import Mapper
from tasks.sources.sql import SqlSettings
from tasks.tables import OUTPUTS

_DAYS_BACK = (1, 30)
"""How far back a server is asked, and then for everything."""
_EARLIEST = date(2000, 1, 1)
_FILES = 3
_SERVERS = ("langfuse", "langsmith", "mlflow", "phoenix")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Where a source is, as somebody typed it."""

    path: str | None = None
    url: str | None = None
    project: str | None = None
    query: str | None = None


@dataclass(frozen=True)
class Look:
    """A source's settings, sentences for a person, and questions by key that only a person can answer."""

    source: SourceSettings
    notes: list[str]
    questions: dict[str, str] = field(default_factory=dict)


def look(kind: str, asked: Asked) -> Look:
    """The source, sampled.

    Raises:
        InputError: an unknown kind, something missing that it needs, or nothing there to read.
    """
    if kind not in kinds.SETTINGS:
        known = ", ".join(sorted(kinds.SETTINGS))
        raise InputError(f"--from-source {kind}: unknown kind of source, expected one of {known}")
    try:
        if kind == "sql":
            return _database(asked)
        if kind == "files":
            return _files(asked)
        return _traces(kind, asked, [])
    except SourceError as error:
        raise InputError(str(error)) from None


def _files(asked: Asked) -> Look:
    if not asked.path:
        raise InputError("--from-source files needs --path: a file, folder or glob to sample")
    kind = _written_by(asked.path)
    if kind != dialects.PLAIN:
        said = f"proposed: kind = {kind}, whose exports have such records"
        return _traces(kind, replace(asked, url=None), [said])
    proposal = files.propose(asked.path)
    source = FilesSettings(
        name="exports",
        path=_text(str(asked.path) if places.is_remote(asked.path) else str(Path(asked.path).absolute())),
        encoding=proposal.encoding,
        time_format=proposal.time_format,
        fields=proposal.fields,
        join=proposal.join,
    )
    return _mapped(source, replace(source, fields=joining.fields_of(source)), proposal)


def _written_by(path: str) -> str:
    """Which kind of source reads the files of a path."""
    try:
        listing = places.listing(path)[:_FILES]
    except Refusal:
        return dialects.PLAIN  # whoever reads them as plain files says what is wrong
    with tempfile.TemporaryDirectory() as folder:
        for place in listing:
            try:
                with places.fetched(place, Path(folder), LimitSettings().max_file_bytes) as local:
                    kind = _of_file(local)
            except (Refusal, OSError):
                continue
            if kind != dialects.PLAIN:
                return kind
    return dialects.PLAIN


def _of_file(path: Path) -> str:
    if streams.suffixes(path)[0] is None:  # protobuf has no records; what reads as spans of OTLP is that
        found = list(islice(otlp_messages.spans(path, LimitSettings()), 3))
        is_otlp = bool(found) and not isinstance(found[0][0], Refusal)
        return "otlp" if is_otlp else dialects.PLAIN
    sample: list[Record] = []
    for portion in islice(records.portions(path, LimitSettings()), 1):
        sample = [record for record, _ in portion.records[:20]]
    return dialects.dialect(sample) if sample else dialects.PLAIN


def _traces(kind: str, asked: Asked, notes: Sequence[str]) -> Look:
    given: dict[str, Any] = {"name": kind, "kind": kind}
    is_server = kind in _SERVERS and asked.url
    if is_server:
        given |= {"url": asked.url, **({"project": asked.project} if asked.project else {})}
    elif asked.path:
        is_remote = places.is_remote(asked.path)
        given["path"] = asked.path if is_remote else _text(str(Path(asked.path).absolute()))
    else:
        options = "--url or --path" if kind in _SERVERS else "--path"
        raise InputError(f"--from-source {kind} needs {options}")
    source = kinds.SETTINGS[kind](**given)
    outputs, refused = _outputs(source, is_server=bool(is_server))
    return Look(source, [*notes, *as_read(outputs, source.name), *refused, *_summary(outputs, source.name)])


def _outputs(source: SourceSettings, *, is_server: bool) -> tuple[pl.DataFrame, list[str]]:
    """OUTPUTS of the source's newest days, the first of them, and why others were refused."""
    now = datetime.now(UTC)
    back = [now.date() - timedelta(days=days) for days in _DAYS_BACK] if is_server else []
    refused: list[str] = []
    for since in (*back, _EARLIEST):
        with tempfile.TemporaryDirectory() as folder:
            scope = Scope(
                limits=LimitSettings(), marks={}, run_id="0" * 64, now=now, since=since, work=Path(folder)
            )
            for batch in kinds.SOURCES[source.kind].pull(source, scope):
                refused = [
                    *refused,
                    *batch.problems,
                    *(f"as read: refused, {r}" for r in batch.quarantine["reason"]),
                ]
                if batch.outputs.height:
                    return batch.outputs, refused[:3]
    if not refused:
        raise InputError(
            f"--from-source {source.kind}: it has no agent's answer yet, so there is nothing to sample"
        )
    return OUTPUTS.empty(), refused[:3]


def _database(asked: Asked) -> Look:
    if not asked.url or not asked.query:
        raise InputError(
            "--from-source sql needs --url, such as postgresql://reader@host/database, and --query, a SELECT"
        )
    bare = SqlSettings(name="sql", kind="sql", url=asked.url, query=asked.query)
    try:
        rows = sql.sampled(bare, mapping.SAMPLE)
    except ConnectionError as error:
        raise InputError(f"source 'sql': {error}") from None
    if not rows:
        raise InputError("--from-source sql: the query returns no row, so there is nothing to sample")
    proposal = mapping.propose(rows)
    if proposal.join is not None:
        raise InputError(
            "--from-source sql: several rows make up one answer; join them in the query, so that "
            "each row is one answer"
        )
    at = proposal.fields.produced_at
    source = replace(
        bare,
        fields=proposal.fields,
        time_format=proposal.time_format,
        watermark=at if at in rows[0] else None,
    )
    return _mapped(source, source, proposal)


def _mapped(source: RecordSettings, read: RecordSettings, proposal: Proposal) -> Look:
    """A source whose fields were proposed, with its first records as `read` maps them."""
    notes = [*_proposed(source), *proposal.sentences]
    questions = {}
    # What stands in for an answer is for the eye alone: nothing is audited by it.
    if proposal.fields.produced_at is None:
        questions["produced_at"] = (
            "When were these answers given? No field says so, and all are refused without it."
        )
        read = replace(read, produced_at=datetime.now(UTC).isoformat(timespec="seconds"))
    elif proposal.zoneless is not None:
        times = shown(proposal.zoneless, 80)
        zone = f"In which zone are the times in {times!r}? They name none, and all are refused without it."
        questions["time_zone"] = zone
        read = replace(read, time_zone="UTC")
    return Look(source, [*notes, *_as_mapped(read, proposal.sample)], questions)


def _proposed(source: RecordSettings) -> list[str]:
    """A line for each setting that was proposed."""
    fields = {key: where for key, where in vars(source.fields).items() if where is not None}
    if "contexts" not in fields:
        fields = {key: where for key, where in fields.items() if not key.startswith("context_")}
    join = getattr(source, "join", None)
    joined = {f"join.{key}": getattr(join, key) for key in ("by", "kind", "text", "order")} if join else {}
    more = {name: getattr(source, name, None) for name in ("encoding", "time_format", "watermark")}
    return [
        f"proposed: {key} = {shown(where, 200) if isinstance(where, str) else list(where)}"
        for key, where in {**fields, **joined, **more}.items()
        if where not in (None, "auto")
    ]


def _as_mapped(source: RecordSettings, sample: Sequence[Record]) -> list[str]:
    """The first records as the proposed mapping reads them, for a person to compare."""
    scope = Scope(limits=LimitSettings(), marks={}, run_id="0" * 64, now=datetime.now(UTC), work=Path())
    mapped = Mapper(source, scope).map(sample)
    refused = [f"as read: refused, {refusal.reason}" for refusal in mapped.refused.values()]
    return [*as_read(mapped.outputs, source.name), *refused]


def as_read(outputs: pl.DataFrame, name: str) -> list[str]:
    """The first OUTPUTS, a line each, with what was not found of it; for a person to compare."""
    lines = []
    for row in outputs.head(mapping.SHOWN).iter_rows(named=True):
        lacks = _lacks(row, name)
        lines.append(
            f"as read: asked {shown(row['prompt'] or '', 80)!r}, answered {shown(row['response'], 120)!r}, "
            f"evidence {[shown(context['text'], 60) for context in row['contexts'][:2]]}"
            + (f"; not found: {', '.join(lacks)}" if lacks else "")
        )
    return lines


def _lacks(row: Mapping[str, Any], name: str) -> list[str]:
    lacks = {
        "question": not row["prompt"],
        "evidence": not row["contexts"],
        "agent": row["agent"] == name,
        "model": not row["model"],
    }
    return [what for what, is_lacking in lacks.items() if is_lacking]


def _summary(outputs: pl.DataFrame, name: str) -> list[str]:
    """What most of the sampled answers lack, in a sentence that says what follows."""
    bare = outputs.filter(pl.col("contexts").list.len() == 0).height
    said = []
    if bare:
        said.append(
            f"{bare} of {outputs.height} sampled answers have no evidence: every claim of these is "
            "insufficient unless [corpus] holds what they rest on"
        )
    unnamed = outputs.filter(pl.col("agent") == name).height
    if unnamed:
        said.append(f"{unnamed} of {outputs.height} name no agent; the source's name stands for it")
    return said


def _text(path: str) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"--path {path}: not a UTF-8 name, which TOML cannot hold; rename it") from None
    return path
