"""The populations of a period out of the lake: one CSV file each, written as a stream.

Belongs here: which rows and columns, and the files. Does not belong here: what is counted in them
(`numbers.py`), what is an exception (`exceptions.py`).

No population has a text that an agent or a person wrote: ids, times, verdicts and names of things alone, so
that a pack needs no erasure but in its sample. Cells that a spreadsheet would run are made inert
(`review/cells.py`); instants and days are ISO 8601, Booleans `true` and `false`, and a cell without a value
is empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.files import durable
from tasks.lake import current
from tasks.lake.store import Lake
from tasks.ledger.erasures import Erasure
from tasks.ledger.events import JUDGED
from tasks.ledger.notes import Checkpoint
from tasks.pack import gaps, nights
from tasks.review.cells import ACTIVE
from tasks.tables import ACTIONS, AGREEMENT_ENDED, DECISIVE, ERASED, NO_AGREEMENT, OWN_PARTS

POLICY_DOCUMENTS = pl.Schema(
    {
        "policy": pl.String(),
        "owner": pl.String(),
        "approver": pl.String(),
        "approved_on": pl.Date(),
        "effective_from": pl.Date(),
        "effective_until": pl.Date(),
    }
)
"""`policy` is NAME@VERSION; owner and approver are empty where the document names nobody."""
_ACTIVE = "^[" + "".join(ACTIVE).replace("-", r"\-") + "']"


@dataclass(frozen=True, kw_only=True)
class Period:
    """What a pack speaks of: UTC days, both included, and the state of the log that it ends at."""

    since: date
    until: date
    now: datetime
    size: int
    """Events of the log at its checkpoint."""

    def rows(self, lake: Lake, table: str) -> pl.LazyFrame:
        """Rows about answers of the period."""
        return lake.scan(table, since=self.since, until=self.until)

    def holds(self, column: str) -> pl.Expr:
        """Whether an instant of a column lies in the period."""
        return pl.col(column).dt.date().is_between(self.since, self.until)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What the ledger says besides its events: its checkpoints and its erasures, and what the schedule
    expects.
    """

    checkpoints: Sequence[Checkpoint]
    erasures: Sequence[Erasure]
    expected: Sequence[datetime]
    following: datetime | None
    """The first instant of the schedule after the period."""
    policies: pl.DataFrame
    """Documents of policies, as the configuration has them: `POLICY_DOCUMENTS`."""
    inventory: pl.DataFrame
    """Rows of INVENTORY about the period: what was in use, beside what is declared."""


def populations(lake: Lake, period: Period, recorded: Recorded) -> dict[str, pl.LazyFrame]:
    """Rows of every population by its name; columns as the files have them, in their types."""
    erased = [each.output_id for each in recorded.erasures]
    runs = lake.scan("runs").collect()
    mine = runs.filter(period.holds("started_at"))
    log = lake.scan("events").filter(pl.col("sequence") < period.size)
    verdicts, events = _verdicts(lake, period, log, erased)
    return {
        "nights": nights.nights(recorded.expected, recorded.following, runs, now=period.now).lazy(),
        "runs": _runs(runs, period),
        "quarantine": lake.scan("quarantine")
        .filter(period.holds("quarantined_at"))
        .select("row_sha256", "table", "source", "check", "quarantined_at", "run_id")
        .sort("quarantined_at", "row_sha256"),
        "completeness": _completeness(lake, period),
        "agents": _agents(lake, period, recorded.inventory).lazy(),
        "use_cases": _use_cases(lake, period).lazy(),
        "numbers": gaps.numbers(period.rows(lake, "outputs"), lake.scan("outputs")).lazy(),
        "outputs": _outputs(lake, period, erased),
        "verdicts": verdicts,
        "actions": _actions(lake, period),
        "caught": _caught(lake, period, erased),
        "actions_taken": _actions_taken(lake, period),
        "findings": _findings(lake, period),
        "redaction": _redaction(mine),
        "reviews": _reviews(lake, period),
        "reaudits": lake.scan("reaudits")
        .join(mine.lazy().select("run_id"), on="run_id", how="semi")
        .select("run_id", "claim_id", "output_id", "verdict_before", "outcome", "cause", "agent", "use_case"),
        "drift": lake.scan("drift")
        .join(mine.lazy().select("run_id", "started_at"), on="run_id")
        .select(
            "started_at",
            "run_id",
            "slice",
            "metric",
            "status",
            "direction",
            "difference",
            "ci_low",
            "ci_high",
        )
        .sort("started_at", "slice", "metric"),
        "health": lake.scan("health")
        .filter(period.holds("checked_at"))
        .select("checked_at", "target", "kind", "ok", "latency_ms", "lag_s", "run_id")
        .sort("checked_at", "target"),
        "changes": _changes(log, period),
        "policies": _policies(lake, period, recorded.policies),
        "erasures": _erasures(lake, period, recorded.erasures),
        "events": events,
        "checkpoints": _checkpoints(recorded.checkpoints),
        "disclosures": _disclosures(lake),
        "inventory": _inventory(recorded.inventory),
    }


def _redaction(runs: pl.DataFrame) -> pl.LazyFrame:
    """What people found left by a redactor, as the newest run of the period with their sheet counted it."""
    dtype = pl.Struct({"reviewed": pl.Int64, "missed": pl.Int64})
    kept = pl.col("counts").str.json_path_match("$.findings.redaction").str.json_decode(dtype)
    return (
        runs.select("run_id", "started_at", kept.alias("kept"))
        .filter(pl.col("kept").struct.field("reviewed") > 0)
        .sort("started_at", "run_id")
        .tail(1)
        .unnest("kept")
        .lazy()
    )


def _runs(runs: pl.DataFrame, period: Period) -> pl.LazyFrame:
    """Runs that began in the period; `settled_by` is the first later one of the flow that completed."""
    left_out = ("rows_filtered", "rows_joined", "rows_sampled_out")
    others = pl.sum_horizontal(pl.col(name).fill_null(0) for name in left_out)
    parts = pl.col("rows_out") + pl.col("rows_already_there") + pl.col("rows_quarantined")
    completed = runs.filter(pl.col("status") == "completed").select(
        "flow", "started_at", settled_by="run_id", settled_at="started_at"
    )
    rows = runs.filter(period.holds("started_at")).sort("started_at")
    rows = rows.join_asof(
        completed.sort("started_at"),
        on="started_at",
        by="flow",
        strategy="forward",
        check_sortedness=False,
    )
    is_open = pl.col("status") != "completed"
    return (
        rows.with_columns(
            pl.when(is_open).then(pl.col("settled_by")).alias("settled_by"),
            pl.when(is_open).then(pl.col("settled_at")).alias("settled_at"),
            reconciles=pl.when(~is_open).then(pl.col("rows_in") == parts + others),
        )
        .select(
            "run_id",
            "flow",
            "started_at",
            "finished_at",
            "status",
            "rows_in",
            "rows_out",
            "rows_already_there",
            "rows_quarantined",
            "rows_filtered",
            "rows_joined",
            "rows_sampled_out",
            "reconciles",
            "code_version",
            "verifier",
            "policy",
            "snapshot",
            "stage",
            "settled_by",
            "settled_at",
        )
        .lazy()
    )


def _completeness(lake: Lake, period: Period) -> pl.LazyFrame:
    """The newest comparison of each source and day."""
    return (
        lake.scan("completeness")
        .filter(pl.col("day").is_between(period.since, period.until))
        .sort("checked_at", descending=True)
        .unique(["source", "day"], keep="first", maintain_order=True)
        .select("source", "day", "theirs", "ours", "missing_count", "basis", "state", "checked_at", "run_id")
        .sort("day", "source")
    )


def _agents(lake: Lake, period: Period, inventory: pl.DataFrame) -> pl.DataFrame:
    """Agents that answered, and those that were expected to; of days that are over."""
    earlier, until = _before(lake, period)
    declared = inventory.filter((pl.col("kind") == "agent") & pl.col("declared"))
    return gaps.agents(
        period.rows(lake, "outputs"), earlier, declared.select("name"), since=period.since, until=until
    )


def _use_cases(lake: Lake, period: Period) -> pl.DataFrame:
    """Use cases with answers, and those of the period before; of days that are over."""
    earlier, until = _before(lake, period)
    return gaps.use_cases(period.rows(lake, "outputs"), earlier, since=period.since, until=until)


def _before(lake: Lake, period: Period) -> tuple[pl.LazyFrame, date]:
    """Answers of as many days before the period, and its last day that is over."""
    days = (period.until - period.since).days + 1
    earlier = lake.scan(
        "outputs", since=period.since - timedelta(days=days), until=period.since - timedelta(days=1)
    )
    return earlier, min(period.until, period.now.date() - timedelta(days=1))


def _outputs(lake: Lake, period: Period, erased: Sequence[str]) -> pl.LazyFrame:
    claims = period.rows(lake, "claims").filter(pl.col("kind") == "factual")
    decided = (
        period.rows(lake, "actions").select("output_id", is_decided=pl.lit(value=True)).unique("output_id")
    )
    return (
        period.rows(lake, "outputs")
        .join(claims.group_by("output_id").agg(claims=pl.len()), on="output_id", how="left")
        .join(decided, on="output_id", how="left")
        .select(
            "output_id",
            "produced_at",
            "ingested_at",
            "source",
            "source_id",
            "agent",
            "model",
            "use_case",
            "content_sha256",
            "sampling_probability",
            "supersedes",
            "run_id",
            pl.col("claims").fill_null(0),
            pl.col("is_decided").fill_null(value=False),
            is_erased=pl.col("output_id").is_in(list(erased)),
        )
        .sort("produced_at", "output_id")
    )


def _verdicts(
    lake: Lake, period: Period, log: pl.LazyFrame, erased: Sequence[str]
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Verdicts of the period's answers, each with the index of its first event; and the events of the range.

    The range goes from the first to the last event that happened in the period or judged an answer of it;
    `is_sampled_from` marks what `claimledger sample` draws from for these days.
    """
    rows = period.rows(lake, "verdicts")
    is_erased = pl.col("output_id").is_in(list(erased))
    newest = (
        current.VERDICTS.of(rows)
        .join(current.current_outputs(period.rows(lake, "outputs")), on="output_id", how="semi")
        .select("verdict_id", is_current=pl.lit(value=True))
    )
    judged = (
        log.filter(pl.col("kind").is_in(JUDGED))
        .select("sequence", verdict_id="subject_id")
        .join(rows.select("verdict_id", "output_id"), on="verdict_id")
    )
    was_weighed = pl.col("insufficient_because").is_in(["conflict", "not_settled"]).fill_null(value=True)
    first_event = judged.group_by("verdict_id").agg(event_index=pl.col("sequence").min())
    verdicts = (
        rows.join(first_event, on="verdict_id", how="left")
        .join(newest, on="verdict_id", how="left")
        .select(
            "verdict_id",
            "output_id",
            "produced_at",
            "verified_at",
            "verdict",
            "p_supported",
            "p_contradicted",
            "p_insufficient",
            "policy",
            "threshold_supported",
            "threshold_contradicted",
            "verifier",
            "snapshot",
            "insufficient_because",
            "source",
            "agent",
            "model",
            "use_case",
            "run_id",
            "event_index",
            pl.col("is_current").fill_null(value=False),
            is_checked=(pl.col("verdict") != "insufficient") | was_weighed,
            minutes_to_verdict=(pl.col("verified_at") - pl.col("produced_at")).dt.total_minutes(),
            is_erased=is_erased,
        )
        .sort("produced_at", "verdict_id")
    )
    sampled = judged.filter(~is_erased).select("sequence", is_sampled_from=pl.lit(value=True))
    bounds = (
        pl.concat([judged.select("sequence"), log.filter(period.holds("occurred_at")).select("sequence")])
        .select(low=pl.col("sequence").min(), high=pl.col("sequence").max())
        .collect(engine="streaming")
    )
    low, high = bounds.row(0)
    in_range = pl.col("sequence").is_between(low, high) if low is not None else pl.lit(value=False)
    events = (
        log.filter(in_range)
        .select("sequence", "kind", "occurred_at", "leaf_hash")
        .join(sampled, on="sequence", how="left")
        .with_columns(pl.col("is_sampled_from").fill_null(value=False))
        .sort("sequence")
    )
    return verdicts, events


def _actions(lake: Lake, period: Period) -> pl.LazyFrame:
    rows = period.rows(lake, "actions")
    newest = current.ACTIONS.of(rows)
    return (
        _marked(rows, newest, period, lake, key="action_id", flag="is_current")
        .select(
            "action_id",
            "output_id",
            "produced_at",
            "decided_at",
            "action",
            "outcome",
            "policy",
            "run_id",
            "is_current",
        )
        .sort("produced_at", "action_id")
    )


def _marked(
    rows: pl.LazyFrame, newest: pl.LazyFrame, period: Period, lake: Lake, *, key: str, flag: str
) -> pl.LazyFrame:
    """Rows about outputs with `flag`: whether the row is the newest of its output, and that is current."""
    outputs = current.current_outputs(period.rows(lake, "outputs"))
    last = newest.join(outputs, on="output_id", how="semi").select(key, pl.lit(value=True).alias(flag))
    return rows.join(last, on=key, how="left").with_columns(pl.col(flag).fill_null(value=False))


def _caught(lake: Lake, period: Period, erased: Sequence[str]) -> pl.LazyFrame:
    """Current answers that failed a verification, each with the newest of what is known of its delivery; of
    those that an earlier release verified nothing is.
    """
    outputs = period.rows(lake, "outputs")
    known = current.CAUGHT.of(period.rows(lake, "caught")).drop("produced_at", "run_id", "known_at")
    failed = current.ACTIONS.of(period.rows(lake, "actions")).filter(pl.col("action") != ACTIONS[0])
    ids = pl.concat([known.select("output_id"), failed.select("output_id")]).unique()
    return (
        current.current_outputs(outputs)
        .join(ids, on="output_id", how="semi")
        .join(known, on="output_id", how="left")
        .select(
            "output_id",
            "produced_at",
            "source",
            "source_id",
            "agent",
            "use_case",
            "action_id",
            "action",
            "decided_at",
            "recorded_at",
            "delivered_at",
            pl.col("state").fill_null("unknown"),
            pl.col("because").fill_null("not_known"),
            "hours",
            minutes=(pl.col("hours") * 60).round().cast(pl.Int64),
            is_erased=pl.col("output_id").is_in(list(erased)),
        )
        .sort("produced_at", "output_id")
    )


def _actions_taken(lake: Lake, period: Period) -> pl.LazyFrame:
    """What was really done with answers, beside what was decided; `is_last` of each current answer."""
    rows = period.rows(lake, "actions_taken")
    last = current.ACTIONS_TAKEN.of(rows)
    return (
        _marked(rows, last, period, lake, key="taken_id", flag="is_last")
        .select(
            "taken_id",
            "output_id",
            "produced_at",
            "action",
            "taken_at",
            "origin",
            "action_id",
            "decided",
            "is_deviation",
            "is_before",
            "noted_at",
            "run_id",
            "is_last",
        )
        .sort("produced_at", "taken_id")
    )


def _findings(lake: Lake, period: Period) -> pl.LazyFrame:
    """Findings with the current decision on their answer."""
    decided = current.ACTIONS.of(period.rows(lake, "actions")).select("output_id", "action")
    return (
        period.rows(lake, "findings")
        .join(decided, on="output_id", how="left")
        .select(
            "finding_id", "output_id", "produced_at", "found_at", "kind", "detector", "confidence", "action"
        )
        .sort("produced_at", "finding_id")
    )


def _reviews(lake: Lake, period: Period) -> pl.LazyFrame:
    rows = lake.scan("reviews").filter(period.holds("reviewed_at"))
    decided = current.current_reviews(rows).filter(pl.col("outcome").is_in(DECISIVE))
    last = decided.sort("reviewed_at", "review_id").unique("verdict_id", keep="last", maintain_order=True)
    return (
        rows.join(last.select("review_id", is_last=pl.lit(value=True)), on="review_id", how="left")
        .select(
            "review_id",
            "verdict_id",
            "reviewed_at",
            "reviewer",
            "outcome",
            "corrected_verdict",
            "run_id",
            pl.col("is_last").fill_null(value=False),
        )
        .sort("reviewed_at", "review_id")
    )


def _changes(log: pl.LazyFrame, period: Period) -> pl.LazyFrame:
    rows = log.filter((pl.col("kind") == "configuration") & period.holds("occurred_at"))
    fields = [
        pl.col("body").str.json_path_match(f"$.{name}").alias(name) for name in ("change", "before", "after")
    ]
    return rows.select("sequence", "occurred_at", "actor", *fields, "run_id").sort("sequence")


def _policies(lake: Lake, period: Period, documents: pl.DataFrame) -> pl.LazyFrame:
    """Policies that decided answers of the period, and those of the configuration. `approval` is approved,
    not_approved (its document names no approver or no day) or no_document.
    """
    decided = current.ACTIONS.of(period.rows(lake, "actions")).group_by("policy").agg(answers=pl.len())
    is_known = pl.col("owner").is_not_null()
    is_approved = (pl.col("approver").fill_null("") != "") & pl.col("approved_on").is_not_null()
    approval = pl.when(~is_known).then(pl.lit("no_document")).when(is_approved).then(pl.lit("approved"))
    rows = decided.join(documents.lazy(), on="policy", how="full", coalesce=True)
    return rows.with_columns(
        pl.col("answers").fill_null(0),
        approval=approval.otherwise(pl.lit("not_approved")),
        is_used=pl.col("answers").fill_null(0) > 0,
    ).sort("policy")


def _erasures(lake: Lake, period: Period, erasures: Sequence[Erasure]) -> pl.LazyFrame:
    """Erasures of the period; `text_left` says whether the tables still hold the answer or a claim of it."""
    rows = pl.DataFrame(
        {
            "sequence": [each.index for each in erasures],
            "erased_at": [each.erased_at[:19] for each in erasures],
            "output_id": [each.output_id for each in erasures],
            "reason": [each.reason for each in erasures],
            "actor": [each.actor for each in erasures],
            "rows": [each.rows for each in erasures],
            "verdicts": [sum(each.verdicts.values()) for each in erasures],
        },
        schema={
            "sequence": pl.Int64,
            "erased_at": pl.String,
            "output_id": pl.String,
            "reason": pl.String,
            "actor": pl.String,
            "rows": pl.Int64,
            "verdicts": pl.Int64,
        },
    ).lazy()
    left = pl.concat(
        [
            lake.scan(table).filter(pl.col(column) != ERASED).select("output_id")
            for table, column in (("outputs", "response"), ("claims", "text"))
        ]
    ).join(rows.select("output_id"), on="output_id", how="semi")
    return (
        rows.with_columns(
            pl.col("erased_at").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.replace_time_zone("UTC")
        )
        .filter(period.holds("erased_at"))
        .join(left.unique().with_columns(text_left=pl.lit(value=True)), on="output_id", how="left")
        .with_columns(pl.col("text_left").fill_null(value=False))
        .sort("sequence")
    )


def _checkpoints(checkpoints: Sequence[Checkpoint]) -> pl.LazyFrame:
    """Size, root, id of the log's key that signed, and names of others with a line (not verified here)."""
    rows = []
    for each in checkpoints:
        lines = each.note.signatures
        own = [line.key_id.hex() for line in lines if line.name == each.origin]
        others = sorted({line.name for line in lines if line.name != each.origin})
        rows.append((each.size, each.root.hex(), " ".join(own), " ".join(others)))
    schema = {"size": pl.Int64, "root": pl.String, "key": pl.String, "others": pl.String}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def _inventory(rows: pl.DataFrame) -> pl.LazyFrame:
    """What was in use or is declared. `standing` is declared, not_declared or own_part; `agreement` is
    in_force, missing or ended, and empty of what no provider runs.
    """
    is_own = pl.col("kind").is_in(OWN_PARTS)
    finding = pl.col("finding").fill_null("")
    standing = pl.when(pl.col("declared")).then(pl.lit("declared"))
    agreement = (
        pl.when(finding.str.contains(NO_AGREEMENT, literal=True))
        .then(pl.lit("missing"))
        .when(finding.str.contains(AGREEMENT_ENDED, literal=True))
        .then(pl.lit("ended"))
        .otherwise(pl.lit("in_force"))
    )
    return rows.lazy().select(
        "kind",
        "name",
        "version",
        "first_seen_at",
        "last_seen_at",
        "outputs",
        "failed",
        "contradicted",
        standing.when(is_own).then(pl.lit("own_part")).otherwise(pl.lit("not_declared")).alias("standing"),
        "owner",
        "purpose",
        "region",
        "provider",
        "may_train",
        pl.when(pl.col("provider").is_not_null()).then(agreement).alias("agreement"),
        "agreement_until",
        "finding",
        has_finding=pl.col("finding").is_not_null(),
        is_in_use=is_own | (pl.col("outputs") > 0),
    )


def _disclosures(lake: Lake) -> pl.LazyFrame:
    """Files with texts that were written outside the lake: last part of the path, and number of outputs."""
    schema = {"line": pl.Int64, "name": pl.String, "outputs": pl.Int64}
    try:
        lines = (lake.root / "state" / "disclosed.jsonl").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return pl.LazyFrame(schema=schema)
    rows: list[tuple[int, str | None, int | None]] = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            rows.append((number, Path(record["path"]).name, len(record["outputs"])))
        except (ValueError, KeyError, TypeError):
            rows.append((number, None, None))
    return pl.LazyFrame(rows, schema=schema, orient="row")


def write(folder: Path, frames: Mapping[str, pl.LazyFrame]) -> None:
    """Writes FOLDER/NAME.csv for every population, without holding the large ones in memory."""
    durable.make_folder(folder)
    for name, frame in frames.items():
        _cells(frame).sink_csv(
            folder / f"{name}.csv",
            include_header=True,
            datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ",
            null_value="",
            quote_style="necessary",
        )


def _cells(frame: pl.LazyFrame) -> pl.LazyFrame:
    text = pl.col(pl.String)
    return frame.with_columns(
        pl.when(text.str.contains(_ACTIVE)).then("'" + text).otherwise(text).name.keep()
    )


def read(folder: Path, name: str) -> pl.LazyFrame:
    """A population as it was written: every cell is text, and the empty one has no value."""
    return pl.scan_csv(folder / f"{name}.csv", infer_schema=False)


def instants(text: str) -> datetime:
    """An instant of a cell."""
    return datetime.fromisoformat(text).astimezone(UTC)
