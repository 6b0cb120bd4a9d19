"""Deviations of a period out of its populations: each with its criterion, and what was done about it.

Frames are populations as they were written: every column is text, null where a cell is empty. Deviations of
one kind and place are one line with their count, so that a bad night does not fill the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from tasks import ids
from tasks.pack.parameters import Response
from tasks.tables import AGREEMENT_ENDED, NO_AGREEMENT, OTHER_VERSION, OUTSIDE_CLASSES, UNUSED

SCHEMA = {
    "id": pl.String,
    "criterion": pl.String,
    "at": pl.String,
    "what": pl.String,
    "count": pl.Int64,
    "done": pl.String,
    "file": pl.String,
}
"""`at` is the first instant; `done` is empty where nothing is on record; `file` is the population."""
Populations = Mapping[str, pl.LazyFrame]
_ID_DIGITS = 10


def exceptions(
    populations: Populations, responses: Sequence[Response], *, is_outside_checked: bool, until: str
) -> pl.DataFrame:
    """All exceptions (`SCHEMA`), ordered by criterion, time and id.

    Args:
        is_outside_checked: a copy of a checkpoint outside the lake agreed when the ledger was verified.
        until: last day of the period, the time of what has none.
    """
    lines = [rule(populations) for rule in _RULES]
    if not is_outside_checked:
        lines.append(_unwitnessed(until))
    rows = pl.concat([frame.lazy().select(_LINE) for frame in lines]).collect()
    identities = ids.digest_rows("exception", [rows["criterion"], rows["file"], rows["key"]])
    told = {each.exception: f"{each.done} ({each.by})" for each in responses}
    rows = rows.with_columns(id=rows["criterion"] + "-" + identities.str.head(_ID_DIGITS))
    answer = pl.col("id").replace_strict(told, default=None, return_dtype=pl.String)
    done = pl.concat_str([pl.col("done"), answer], separator="; ", ignore_nulls=True)
    return (
        rows.with_columns(done=pl.when(done != "").then(done))
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
        .sort("criterion", "at", "id", nulls_last=True)
    )


def unanswered(rows: pl.DataFrame, responses: Sequence[Response]) -> list[str]:
    """Responses of the configuration to exceptions that are not there."""
    known = set(rows["id"])
    return [each.exception for each in responses if each.exception not in known]


_LINE = ("criterion", "key", "at", "what", "count", "done", "file")
"""Columns of a rule's result; `key` is the same in every pack, so that an answer stays with its exception."""


def _line(
    rows: pl.LazyFrame,
    criterion: str,
    file: str,
    *,
    what: pl.Expr,
    at: str,
    by: Sequence[str],
    done: pl.Expr | None = None,
) -> pl.LazyFrame:
    """Rows of one kind as exceptions, counted by columns; `what` and `done` speak of those and `count`."""
    counted = rows.group_by(by).agg(at=pl.col(at).min(), count=pl.len(), _done=_last(done))
    return counted.select(
        criterion=pl.lit(criterion),
        key=pl.concat_str([pl.col(name).fill_null("") for name in by], separator="|"),
        at=pl.col("at"),
        what=what,
        count=pl.col("count").cast(pl.Int64),
        done=pl.col("_done"),
        file=pl.lit(file),
    )


def _last(done: pl.Expr | None) -> pl.Expr:
    return pl.lit(None, pl.String).first() if done is None else done.last()


def _name(column: str, nothing: str = "not named") -> pl.Expr:
    return pl.col(column).fill_null(nothing)


def _nights(populations: Populations) -> pl.LazyFrame:
    rows = populations["nights"].filter(pl.col("state").is_in(["failed", "missed"]))
    state = pl.when(pl.col("state") == "failed").then(pl.lit("failed")).otherwise(pl.lit("did not run"))
    made_up = pl.when(pl.col("settled_by").is_not_null()).then(
        pl.format("made up for by run {}, begun {}", pl.col("settled_by").str.head(12), "settled_at")
    )
    what = pl.format("the night of {} {}", pl.col("expected_at").str.head(16), state)
    return _line(
        rows, "A1.1", "nights", what=what, at="expected_at", by=["expected_at", "state"], done=made_up
    )


def _unsettled(populations: Populations) -> pl.LazyFrame:
    is_open = pl.col("state").is_in(["failed", "missed"]) & pl.col("settled_by").is_null()
    what = pl.format("nothing has made up for the night of {} yet", pl.col("expected_at").str.head(16))
    return _line(
        populations["nights"].filter(is_open),
        "A1.2",
        "nights",
        what=what,
        at="expected_at",
        by=["expected_at"],
    )


def _runs(populations: Populations) -> pl.LazyFrame:
    rows = populations["runs"].filter(pl.col("status") != "completed")
    made_up = pl.when(pl.col("settled_by").is_not_null()).then(
        pl.format(
            "followed by the completed run {}, begun {}", pl.col("settled_by").str.head(12), "settled_at"
        )
    )
    what = pl.format(
        "{} {}: {} at {}", "flow", pl.col("run_id").str.head(12), "status", _name("stage", "its end")
    )
    by = ["run_id", "flow", "status", "stage"]
    return _line(rows, "CC7.4", "runs", what=what, at="started_at", by=by, done=made_up)


def _reconciliation(populations: Populations) -> pl.LazyFrame:
    reconciles = (pl.col("reconciles") == "true").fill_null(value=False)
    rows = populations["runs"].filter((pl.col("status") == "completed") & ~reconciles)
    what = pl.format("{} {}: records pulled are not accounted for", "flow", pl.col("run_id").str.head(12))
    return _line(rows, "PI1.2", "runs", what=what, at="started_at", by=["run_id", "flow"])


def _quarantine(populations: Populations) -> pl.LazyFrame:
    rows = populations["quarantine"]
    what = pl.format("{} rows for {} of source {} refused by {}", "count", "table", "source", "check")
    return _line(rows, "PI1.2", "quarantine", what=what, at="quarantined_at", by=["table", "source", "check"])


def _completeness(populations: Populations) -> pl.LazyFrame:
    rows = populations["completeness"].filter(
        (pl.col("basis") == "source") & ~pl.col("state").is_in(["complete", "open"])
        | (pl.col("state") == "never_pulled")
    )
    what = pl.format(
        "source {}, {}: {}, the source counts {}, the lake accounts for {}",
        "source", "day", "state", _name("theirs", "nothing"), "ours",
    )  # fmt: skip
    by = ["source", "day", "state", "theirs", "ours"]
    return _line(rows, "PI1.1", "completeness", what=what, at="day", by=by)


def _silent(populations: Populations) -> pl.LazyFrame:
    rows = populations["agents"].filter(pl.col("state") != "seen")
    agent = pl.format("agent {} of source {}", pl.col("agent").str.head(80), _name("source", "unknown"))
    what = (
        pl.when(pl.col("state") == "gap")
        .then(pl.format("{} gave no answer for {} days from {}", agent, "gap_days", _name("gap_from")))
        .when(pl.col("state") == "silent")
        .then(pl.format("{} answered in the period before and not in this one", agent))
        .otherwise(pl.format("agent {} is declared and gave no answer", pl.col("agent").str.head(80)))
    )
    by = ["agent", "source", "state", "gap_days", "gap_from"]
    filled = rows.with_columns(pl.col("gap_days").fill_null("0"), at=pl.col("gap_from"))
    return _line(filled, "PI1.1", "agents", what=what, at="at", by=by)


def _silent_use_cases(populations: Populations) -> pl.LazyFrame:
    rows = populations["use_cases"].filter(pl.col("state") != "seen")
    name = pl.col("use_case").str.head(80)
    what = (
        pl.when(pl.col("state") == "gap")
        .then(pl.format("use case {} had no answer for {} days from {}", name, "gap_days", _name("gap_from")))
        .otherwise(pl.format("use case {} had answers in the period before and none in this one", name))
    )
    by = ["use_case", "state", "gap_days", "gap_from"]
    filled = rows.with_columns(pl.col("gap_days").fill_null("0"), at=pl.col("gap_from"))
    return _line(filled, "PI1.1", "use_cases", what=what, at="at", by=by)


def _numbers(populations: Populations) -> pl.LazyFrame:
    """Gaps in numbered ids; explained where the runs left out as many records by rule."""
    columns = ("rows_filtered", "rows_joined", "rows_sampled_out", "rows_quarantined")
    left_out = pl.sum_horizontal(pl.col(name).cast(pl.Int64).fill_null(0) for name in columns).sum()
    total = populations["runs"].select(left_out=left_out)
    rows = populations["numbers"].filter(pl.col("missing") != "0").join(total, how="cross")
    what = pl.format(
        "source {}: {} numbers between {}{} and {} have no record: {}",
        "source", "missing", _name("beginning", ""), "lowest", "highest", _name("gaps"),
    )  # fmt: skip
    done = pl.when(pl.col("left_out") >= pl.col("missing").cast(pl.Int64)).then(
        pl.format("the runs of the period left out {} records by filter, join, sample or refusal", "left_out")
    )
    by = ["source", "beginning", "lowest", "highest", "missing", "gaps"]
    with_day = rows.with_columns(at=pl.lit(None, pl.String))
    return _line(with_day, "PI1.1", "numbers", what=what, at="at", by=by, done=done)


def _undecided(populations: Populations) -> pl.LazyFrame:
    rows = populations["outputs"].filter((pl.col("is_decided") == "false") & (pl.col("is_erased") == "false"))
    what = pl.format("{} answers of source {} have no decision", "count", "source")
    return _line(rows, "PI1.3", "outputs", what=what, at="produced_at", by=["source"])


def _overturned(populations: Populations) -> pl.LazyFrame:
    rows = populations["reviews"].filter((pl.col("outcome") == "overturned") & (pl.col("is_last") == "true"))
    what = pl.format("{} verdicts were overturned in review, to {}", "count", _name("corrected_verdict"))
    done = pl.lit("the review and the correct verdict are on record")
    return _line(rows, "PI1.3", "reviews", what=what, at="reviewed_at", by=["corrected_verdict"], done=done)


def _let_through(populations: Populations) -> pl.LazyFrame:
    rows = populations["actions"].filter(
        (pl.col("is_current") == "true")
        & (pl.col("outcome") == "contradicted")
        & (pl.col("action") == "delivered")
    )
    what = pl.format("{} answers with a contradicted claim were delivered under policy {}", "count", "policy")
    return _line(rows, "PI1.4", "actions", what=what, at="decided_at", by=["policy"])


def _late(populations: Populations) -> pl.LazyFrame:
    rows = populations["caught"].filter(pl.col("state") == "late")
    what = pl.format("{} answers of agent {} failed and had been delivered first", "count", "agent")
    return _line(rows, "PI1.4", "caught", what=what, at="delivered_at", by=["agent"])


def _deviations(populations: Populations) -> pl.LazyFrame:
    rows = populations["actions_taken"].filter(
        (pl.col("is_last") == "true") & (pl.col("is_deviation") == "true")
    )
    before = pl.when(pl.col("is_before") == "true").then(pl.lit(", before that was decided"))
    what = pl.format(
        "{} answers were {} where {} was decided{}",
        "count",
        "action",
        "decided",
        before.otherwise(pl.lit("")),
    )
    by = ["action", "decided", "is_before"]
    return _line(rows, "PI1.4", "actions_taken", what=what, at="noted_at", by=by)


def _unrecorded(populations: Populations) -> pl.LazyFrame:
    rows = populations["verdicts"].filter(pl.col("event_index").is_null())
    what = pl.format("{} verdicts of run {} are not in the log", "count", pl.col("run_id").str.head(12))
    return _line(rows, "PI1.5", "verdicts", what=what, at="verified_at", by=["run_id"])


def _drift(populations: Populations) -> pl.LazyFrame:
    rows = populations["drift"].filter((pl.col("status") == "drifted") & (pl.col("direction") == "worse"))
    what = pl.format("{} of {} drifted for the worse in {} reports", "metric", "slice", "count")
    return _line(rows, "CC4.1", "drift", what=what, at="started_at", by=["metric", "slice"])


def _health(populations: Populations) -> pl.LazyFrame:
    checks = populations["health"]
    up = checks.filter(pl.col("ok") == "true").group_by("target").agg(again=pl.col("checked_at").max())
    rows = checks.filter(pl.col("ok") == "false").sort("checked_at").join(up, on="target", how="left")
    again = pl.when(pl.col("again") > pl.col("checked_at")).then(
        pl.format("reached again, {}", pl.col("again"))
    )
    what = pl.format("{} {} was not reached in {} checks", "kind", "target", "count")
    return _line(rows, "CC7.2", "health", what=what, at="checked_at", by=["target", "kind"], done=again)


def _addressed(populations: Populations) -> pl.LazyFrame:
    rows = populations["findings"].filter(pl.col("kind") == "judge_address")
    what = pl.format("{} passages of answers address the verifier", "count")
    done = pl.lit("found and reported; the policy decides what happens to the answer")
    return _line(rows, "CC7.2", "findings", what=what, at="found_at", by=["kind"], done=done)


def _unnamed(populations: Populations) -> pl.LazyFrame:
    rows = populations["changes"].filter(pl.col("actor").is_null())
    what = pl.format("{} changes of {} without an actor on record", "count", "change")
    return _line(rows, "CC8.1", "changes", what=what, at="occurred_at", by=["change"])


def _unapproved(populations: Populations) -> pl.LazyFrame:
    rows = populations["policies"].filter((pl.col("is_used") == "true") & (pl.col("approval") != "approved"))
    why = (
        pl.when(pl.col("approval") == "no_document")
        .then(pl.lit("its document is not in the configuration"))
        .otherwise(pl.lit("its document names no approver or no day of approval"))
    )
    what = pl.format("policy {} decided {} answers, and {}", "policy", "answers", why)
    with_day = rows.with_columns(at=pl.col("effective_from"))
    return _line(with_day, "CC8.1", "policies", what=what, at="at", by=["policy", "approval", "answers"])


def _confidential(populations: Populations) -> pl.LazyFrame:
    rows = populations["findings"].filter(
        (pl.col("kind") != "judge_address") & (pl.col("action") == "delivered")
    )
    what = pl.format("{} findings of {} in answers that were delivered", "count", "kind")
    return _line(rows, "C1.1", "findings", what=what, at="found_at", by=["kind"])


def _undeclared(populations: Populations) -> pl.LazyFrame:
    rows = populations["inventory"].filter(pl.col("standing") == "not_declared")
    what = pl.format("{} of the kind {} are in use and not declared", "count", "kind")
    return _line(rows, "CC6.1", "inventory", what=what, at="first_seen_at", by=["kind"])


def _of_the_inventory(populations: Populations, criterion: str, *beginnings: str) -> pl.LazyFrame:
    """Findings that begin so, one line each."""
    each = populations["inventory"].with_columns(pl.col("finding").str.split("; ")).explode("finding")
    begins = pl.any_horizontal(pl.col("finding").str.starts_with(beginning) for beginning in beginnings)
    what = pl.format("{} {}: {}", "kind", pl.col("name").str.head(80), "finding")
    by = ["kind", "name", "version", "finding"]
    rows = each.filter(begins).with_columns(at=pl.col("last_seen_at").fill_null(pl.col("agreement_until")))
    return _line(rows, criterion, "inventory", what=what, at="at", by=by)


def _unused(populations: Populations) -> pl.LazyFrame:
    return _of_the_inventory(populations, "CC6.1", UNUSED)


def _versions(populations: Populations) -> pl.LazyFrame:
    return _of_the_inventory(populations, "CC8.1", OTHER_VERSION)


def _classes(populations: Populations) -> pl.LazyFrame:
    return _of_the_inventory(populations, "C1.1", OUTSIDE_CLASSES)


def _agreements(populations: Populations) -> pl.LazyFrame:
    return _of_the_inventory(populations, "P6", NO_AGREEMENT, AGREEMENT_ENDED)


def _half_erased(populations: Populations) -> pl.LazyFrame:
    rows = populations["erasures"].filter(pl.col("text_left") == "true")
    what = pl.format(
        "answer {} was erased and its text is still in the tables", pl.col("output_id").str.head(12)
    )
    return _line(rows, "C1.2", "erasures", what=what, at="erased_at", by=["output_id"])


def _unwitnessed(until: str) -> pl.LazyFrame:
    what = (
        "no checkpoint outside the lake was compared, so a holder of the signing key could have rewritten "
        "all of it; a witness or --trusted-checkpoint would reveal that"
    )
    row = {"criterion": "CC6.1", "key": "unwitnessed", "at": until, "what": what, "done": None}
    return pl.LazyFrame(
        [row | {"count": 1, "file": "checkpoints"}],
        schema={n: pl.Int64 if n == "count" else pl.String for n in _LINE},
    )


_RULES: tuple[Callable[[Populations], pl.LazyFrame], ...] = (
    _completeness,
    _silent,
    _silent_use_cases,
    _numbers,
    _reconciliation,
    _quarantine,
    _undecided,
    _overturned,
    _let_through,
    _late,
    _deviations,
    _unrecorded,
    _drift,
    _health,
    _addressed,
    _nights,
    _unsettled,
    _runs,
    _unnamed,
    _unapproved,
    _confidential,
    _half_erased,
    _undeclared,
    _unused,
    _versions,
    _classes,
    _agreements,
)
