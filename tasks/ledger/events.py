"""Events: the fields of every kind, and the rows that each kind binds.

An event says by value what an auditor checks first (verdict, probabilities, thresholds, times, fingerprints)
and binds everything else by digest: texts as salted commitments, rows of tables as salted digests. No field
holds free text, so nothing enters the log that would have to leave it. The first field, `_schema`, is the
digest of the kind's declaration below; a reader that does not know it cannot verify, which is not the same as
finding something wrong.

How rows become fields is in `bindings.py`, canonical bytes in `canonical.py`, the log in `log.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TypedDict, cast

import polars as pl

from tasks import ids
from tasks.ledger import canonical
from tasks.tables import TABLES, UTC

FRAME = pl.Schema(
    {
        "kind": pl.String(),
        "occurred_at": UTC,
        "subject_id": pl.String(),
        "run_id": pl.String(),
        "claim_id": pl.String(),
        "event": pl.Binary(),
    }
)
"""A frame of events: the typed columns of the log, the claim for look-ups, and the canonical bytes."""


class Passage(TypedDict):
    """A passage that was shown for a claim, in the event of its verdict."""

    commitment: str | None
    p_contradicted_u6: int
    p_insufficient_u6: int
    p_supported_u6: int
    rank: int


class Input(TypedDict):
    """A file that a run read, in the event of its end; its name is in `runs/RUN_ID/inputs.json`."""

    sha256: str
    source: str


class PolicyValues(TypedDict):
    """A policy by value, in a configuration event."""

    policy: str
    policy_sha256: str
    threshold_contradicted_u6: int
    threshold_supported_u6: int


class Body(TypedDict, total=False):
    """An event as its readers meet it: the fields that some of them use by name."""

    _schema: str
    kind: str
    occurred_at_us: int
    subject_id: str
    run_id: str
    output_id: str
    claim_id: str
    produced_at_us: int
    verifier: str
    snapshot: str
    claim: str | None
    reviewer: str | None
    evidence: list[Passage]
    change: str
    before: str | None
    after: str | None
    actor: str | None
    reason: str
    verdict: str
    rows_erased: int
    inputs: list[Input]
    phase: str
    use_case: str | None
    agent: str | None
    until_us: int | None


_LISTS = {
    "evidence": "commitment p_contradicted_u6 p_insufficient_u6 p_supported_u6 rank",
    "inputs": "sha256 source",
    "policies": "policy policy_sha256 threshold_contradicted_u6 threshold_supported_u6",
}
"""Fields that hold lists of records, and the fields of those."""
_INTEGER = re.compile(r"\w+_(us|u6|count|index)|rows_(in|out|quarantined|erased)|start|end|rank")
_COMMON = "_schema kind occurred_at_us run_id subject_id"


def _type(name: str) -> pl.DataType:
    """A field's type, which its name says: `_us` is in microseconds, `_u6` in millionths, `is_` a Boolean."""
    if name in _LISTS:
        return pl.List(pl.Struct({each: _type(each) for each in _LISTS[name].split()}))
    if name.startswith("is_"):
        return pl.Boolean()
    return pl.Int64() if _INTEGER.fullmatch(name) else pl.String()


INPUT = pl.Schema({name: _type(name) for name in _LISTS["inputs"].split()})
"""A file that a run read."""
POLICY = pl.Schema({name: _type(name) for name in _LISTS["policies"].split()})
"""A policy by value."""


@dataclass(frozen=True)
class Kind:
    """A kind of event: its fields beside the common ones, and the rows that it is about and binds."""

    fields: str
    """Names; a field is named after the column that it repeats."""
    binds: tuple[str, ...] = ()
    """Tables with rows that the event binds in its field `row_TABLE`; the first is what it is about."""
    key: str | None = None
    """Column of that table which `subject_id` repeats; None where the subject's id is computed."""
    moment: str = ""
    """Column of that table with the time at which the event occurred."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Fields that repeat a column of another name."""

    @property
    def about(self) -> str:
        """The table with one row for each such event."""
        return self.binds[0]


_JUDGED = Kind(
    "action action_id claim claim_id earlier_index evidence evidence_count is_conflict output_id "
    "p_contradicted_u6 p_insufficient_u6 p_supported_u6 policy policy_sha256 produced_at_us row_actions "
    "row_claims row_evidence row_passages row_verdicts snapshot threshold_contradicted_u6 "
    "threshold_supported_u6 verdict verifier",
    ("verdicts", "claims", "evidence", "passages", "actions"),
    key="verdict_id",
    moment="verified_at",
)
KINDS: Mapping[str, Kind] = {
    "verification": _JUDGED,
    "re-verification": _JUDGED,
    "action": Kind(
        "action output_id policy produced_at_us row_actions row_outputs verdict_count verdicts_sha256",
        ("actions", "outputs"),
        key="action_id",
        moment="decided_at",
    ),
    "action_taken": Kind(
        "action action_id actor decided is_before is_deviation origin output_id produced_at_us "
        "row_actions_taken taken_at_us",
        ("actions_taken",),
        key="taken_id",
        moment="noted_at",
    ),
    "finding": Kind(
        "confidence_u6 detector end finding output_id row_findings start",
        ("findings",),
        key="finding_id",
        moment="found_at",
        renamed={"finding": "kind"},
    ),
    "review": Kind(
        "actor claim_id corrected_verdict earlier_index outcome output_id reviewer row_reviews verdict_id",
        ("reviews",),
        key="review_id",
        moment="reviewed_at",
    ),
    "flip": Kind(
        "cause claim_id earlier_index is_delivered output_id produced_at_us row_flips verdict verdict_before "
        "verdict_id verdict_id_before",
        ("flips",),
        key="flip_id",
        moment="found_at",
    ),
    "erasure": Kind("actor output_id reason rows_erased"),
    "hold": Kind("actor agent output_id phase reason until_us use_case"),
    "configuration": Kind("actor after before change policies"),
    "pack": Kind("actor manifest_sha256 period_end_us period_start_us"),
    "run": Kind(
        "actor code_version commits_sha256 flow inputs inputs_count inputs_sha256 phase policy row_runs "
        "rows_in rows_out rows_quarantined snapshot status verifier",
        ("runs",),
        moment="finished_at",
    ),
    "health": Kind(
        "alarm_kinds is_ok row_health target target_kind",
        ("health",),
        moment="checked_at",
        renamed={"target_kind": "kind", "is_ok": "ok"},
    ),
}
JUDGED = ("verification", "re-verification")
DAILY = ("verification", "action", "action_taken", "finding", "flip")
"""Kinds about rows of an output's day, each of which has an event."""
COMMITTED = ("claim", "reviewer")
"""Fields that are commitments, beside those of the passages."""

_UNBOUND = {
    "passages": ("snapshot_last_seen",),
    "outputs": ("language",),
    "health": ("answers", "usual_low", "usual_high", "alarms"),
    "runs": ("rows_filtered", "rows_joined", "rows_sampled_out", "stage", "reason"),
}
"""Columns that later runs may change, those that came later and say again what a bound column holds
(`response`, `counts`), and words on a run for people. Everything else in a bound table is bound, and
`commits_sha256` binds every file of a run."""


@dataclass(frozen=True)
class Addition:
    """What came into tables and events at once: events that were signed before bind rows without it."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Bound columns by table."""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Fields by kind of event."""


ADDITIONS = (
    Addition({"verdicts": ("decisive_start", "decisive_end")}),
    Addition({"actions": ("outcome", "abstention_count")}),
    Addition(
        {
            "actions": (
                "overlooked_passage_id",
                "overlooked_start",
                "overlooked_end",
                "overlooked_similarity",
            )
        }
    ),
    Addition({"verdicts": ("insufficient_because", "verifier_name")}),
    Addition(
        fields={
            "review": ("actor",),
            "erasure": ("actor",),
            "configuration": ("actor",),
            "run": ("actor", "inputs", "inputs_count", "inputs_sha256"),
        }
    ),
    Addition({"outputs": ("sampling_probability",)}),
    Addition({"verdicts": ("citation",)}),
    Addition({"outputs": ("delivered_at", "is_delivered", "action_taken")}),
    Addition({"findings": ("origin", "value_hmac")}),
    Addition({"reviews": ("recorded_at", "channel", "supersedes", "is_adjudication")}),
    Addition(fields={"health": ("alarm_kinds", "is_ok", "target")}),
)
"""The oldest first. Whoever adds a bound column or a field adds a line here, so that earlier lakes verify:
their events are of the vintage that counts the additions they know."""
VINTAGE = len(ADDITIONS)
"""Of the events that this release writes."""


def _later(vintage: int, what: str, name: str) -> set[str]:
    """Columns of a table, or fields of a kind, that came after a vintage."""
    return {each for addition in ADDITIONS[vintage:] for each in getattr(addition, what).get(name, ())}


@cache
def bound_columns(table: str, vintage: int = VINTAGE) -> tuple[str, ...]:
    """Columns of a table that its row digest covers, in order."""
    others = {*_UNBOUND.get(table, ()), *_later(vintage, "columns", table)}
    return tuple(name for name in TABLES[table].schema.names() if name not in others)


@cache
def fields(kind: str, vintage: int = VINTAGE) -> pl.Schema:
    """Name and type of every field of a kind of event, sorted by name."""
    names = {*f"{_COMMON} {KINDS[kind].fields}".split()} - _later(vintage, "fields", kind)
    return pl.Schema({name: _type(name) for name in sorted(names)})


@cache
def declaration(kind: str, vintage: int = VINTAGE) -> bytes:
    """The kind's fields and bound columns as canonical JSON: what `_schema` is the digest of."""
    return canonical.dumps(
        {
            "fields": [[name, str(dtype)] for name, dtype in fields(kind, vintage).items()],
            "kind": kind,
            "rows": {table: list(bound_columns(table, vintage)) for table in KINDS[kind].binds},
        }
    )


@cache
def schema_id(kind: str, vintage: int = VINTAGE) -> str:
    """Value of `_schema`."""
    return hashlib.sha256(declaration(kind, vintage)).hexdigest()


@cache
def vintages() -> Mapping[str, tuple[str, int]]:
    """`_schema` to kind and newest vintage, for every schema that this or an earlier release wrote."""
    return {schema_id(kind, vintage): (kind, vintage) for vintage in range(VINTAGE + 1) for kind in KINDS}


def known_schemas() -> dict[str, str]:
    """`_schema` to kind, for every schema that this or an earlier release wrote."""
    return {schema: kind for schema, (kind, _) in vintages().items()}


def with_schema(frame: pl.DataFrame, vintage: int = VINTAGE) -> pl.DataFrame:
    """The frame with the `_schema` of each row's `kind`."""
    schemas = {kind: schema_id(kind, vintage) for kind in frame["kind"].unique()}
    return frame.with_columns(_schema=pl.col("kind").replace_strict(schemas, return_dtype=pl.String))


def encode(frame: pl.DataFrame) -> pl.DataFrame:
    """Events (`FRAME`) out of a frame with all the fields of one kind, or of two with the same fields.

    Raises:
        CanonicalError: a value that no event can hold.
    """
    frame = with_schema(frame)
    declared = fields(str(frame["kind"][0])) if frame.height else pl.Schema({})
    body = canonical.encode(frame.select(pl.col(name).cast(dtype) for name, dtype in declared.items()))
    claim_id = pl.col("claim_id") if "claim_id" in declared else pl.lit(None, pl.String).alias("claim_id")
    typed = frame.select(
        "kind", pl.col("occurred_at_us").cast(UTC).alias("occurred_at"), "subject_id", "run_id", claim_id
    )
    return typed.with_columns(event=body)


def one(
    kind: str, *, occurred_at: datetime, subject_id: str, run_id: str, actor: str, **values: object
) -> pl.DataFrame:
    """A single event: an erasure or a configuration change; fields without a value are null.

    Args:
        actor: who acts, as the operating system, Prefect or CLAIMLEDGER_ACTOR says.
    """
    return several(
        kind, [{"subject_id": subject_id}], occurred_at=occurred_at, run_id=run_id, actor=actor, **values
    )


def several(
    kind: str,
    each: Sequence[Mapping[str, object]],
    *,
    occurred_at: datetime,
    run_id: str,
    actor: str,
    **values: object,
) -> pl.DataFrame:
    """Events of a kind that share some values, as `one`; each with its own `subject_id`, and more."""
    shared = {"kind": kind, "run_id": run_id, "actor": actor, "occurred_at": occurred_at, **values}
    frame = pl.DataFrame([shared | dict(one) for one in each], schema={**fields(kind), "occurred_at": UTC})
    return encode(frame.with_columns(canonical.microseconds("occurred_at")))


def read(data: bytes) -> Body:
    """An event's fields out of its canonical bytes.

    Raises:
        CanonicalError: the bytes are not the canonical form of an object.
    """
    return cast("Body", canonical.loads(data))


def committed_fields(body: Body) -> dict[str, str]:
    """Fields that can be opened, with their commitments: `claim`, `reviewer`, `passage 0` and so on."""
    values = {name: body.get(name) for name in COMMITTED}
    commitments = {name: value for name, value in values.items() if isinstance(value, str)}
    for passage in body.get("evidence") or []:
        if isinstance(passage, dict) and passage.get("commitment"):
            commitments[f"passage {passage.get('rank')}"] = str(passage["commitment"])
    return commitments


def is_alarming() -> pl.Expr:
    """Which health checks are events: what was not reached, or was unusual."""
    return ~pl.col("ok") | (pl.col("alarms").list.len() > 0).fill_null(value=False)


def alarm_kinds() -> pl.Expr:
    """Kinds of a check's alarms (late, volume, …), sorted, with a blank between; null where there is none.

    Their sentences may name a field or a model of a trace, and stay in the table.
    """
    words = pl.col("alarms").list.eval(pl.element().str.extract(r"^(\w+)")).list.drop_nulls()
    joined = words.list.unique().list.sort().list.join(" ")
    return pl.when(joined != "").then(joined)


def health_subjects(health: pl.DataFrame) -> pl.Series:
    """Ids of health checks: the target and the moment."""
    return ids.digest_rows("health", [health["target"], health["checked_at"].dt.epoch("us")])


def run_subjects(run_ids: pl.Series, phase: str) -> pl.Series:
    """Ids of the starts or ends of runs, so that each has one event."""
    return ids.digest_rows(f"run {phase}", [run_ids])
