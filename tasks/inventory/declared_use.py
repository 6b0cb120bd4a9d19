"""Seen against declared: one row for each thing, with what is wrong of it.

Belongs here: the rows and the findings. Does not belong here: files of declarations (`declarations.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from tasks.inventory.parameters import Declaration
from tasks.tables import (
    AGREEMENT_ENDED,
    FAILURE_WORDS,
    INVENTORY,
    NO_AGREEMENT,
    OTHER_VERSION,
    OUTSIDE_CLASSES,
    OWN_PARTS,
    UNDECLARED,
    UNUSED,
    UTC,
)

UNSEEN_DAYS = 30
"""A declared thing that nothing used for so long is a finding: an agreement without use, or use that we
miss.
"""
ADDRESSING = "judge_address"
_VERSION = r"^(.+?)[-@:](\d{4}-?\d{2}-?\d{2}|v?\d+(?:\.\d+)+)$"
"""A model's name that ends in a date or a dotted version has that as its version."""


def seen(
    outputs: pl.LazyFrame, actions: pl.LazyFrame, runs: pl.LazyFrame, *, since: date | None = None
) -> pl.DataFrame:
    """Everything that outputs and runs name: kind, name, version, first_seen_at, last_seen_at, and of answers
    since a day (of all where none is given) outputs, contradicted (by their current outcome) and failed.
    """
    bad = (
        actions.filter(pl.col("outcome") == "contradicted")
        .select("output_id", bad=pl.lit(value=True))
        .unique("output_id")
    )
    is_counted = pl.lit(value=True) if since is None else pl.col("produced_at").dt.date() >= since
    rows = outputs.join(bad, on="output_id", how="left").select(
        "produced_at",
        "agent",
        "model",
        "source",
        "tools",
        is_counted=is_counted,
        bad=pl.col("bad").fill_null(value=False),
        failed=_is_failed(),
        failed_tools=_failed_tools(),
    )
    at, counted = pl.col("produced_at"), ("is_counted", "bad")
    parts = [
        rows.select(at, *counted, "failed", kind=pl.lit(kind), name=kind)
        for kind in ("agent", "model", "source")
    ]
    parts.append(
        rows.explode("tools", empty_as_null=True).select(
            at,
            *counted,
            failed=pl.col("tools").is_in(pl.col("failed_tools")),
            kind=pl.lit("tool"),
            name="tools",
        )
    )
    no = pl.lit(value=False)
    parts += [
        runs.select(
            produced_at="started_at", is_counted=no, bad=no, failed=no, kind=pl.lit(kind), name=column
        )
        for kind, column in (("verifier", "verifier"), ("corpus", "snapshot"))
    ]
    uses = pl.concat(parts).filter(pl.col("name").is_not_null())
    is_model = pl.col("kind") == "model"
    named = uses.with_columns(
        version=pl.when(is_model).then(pl.col("name").str.extract(_VERSION, 2)).fill_null(""),
        name=pl.when(is_model & pl.col("name").str.contains(_VERSION))
        .then(pl.col("name").str.extract(_VERSION, 1))
        .otherwise(pl.col("name")),
    )
    return (
        named.group_by("kind", "name", "version")
        .agg(
            first_seen_at=pl.col("produced_at").min(),
            last_seen_at=pl.col("produced_at").max(),
            outputs=pl.col("is_counted").sum().cast(pl.Int64),
            contradicted=(pl.col("is_counted") & pl.col("bad")).sum().cast(pl.Int64),
            failed=(pl.col("is_counted") & pl.col("failed")).sum().cast(pl.Int64),
        )
        .sort("kind", "name", "version")
        .collect()
    )


def _is_failed() -> pl.Expr:
    """Whether an answer's own record says that it failed, as `sources.sample` understands it."""
    words = [
        pl.col("metadata").str.json_path_match(f"$.{name}").str.to_lowercase().is_in(list(FAILURE_WORDS))
        for name in ("status", "level")
    ]
    error = pl.col("metadata").str.json_path_match("$.error")
    is_error = pl.col("metadata").str.json_path_match("$.is_error") == "true"
    nothing = ["", "false", "null", "0", "[]", "{}"]
    return pl.any_horizontal(*words, ~error.is_in(nothing), is_error).fill_null(value=False)


def _failed_tools() -> pl.Expr:
    """Names of the tools whose call failed, as `sources.traces` keeps them."""
    listed = pl.col("metadata").str.json_path_match("$.failed_tools")
    return listed.str.json_decode(pl.List(pl.String)).fill_null(pl.lit([], pl.List(pl.String)))


def classes_seen(outputs: pl.LazyFrame, findings: pl.LazyFrame) -> pl.DataFrame:
    """Kinds of confidential data in answers that a tool helped to give: name (of the tool), data_class."""
    kinds = findings.filter(pl.col("kind") != ADDRESSING).select("output_id", data_class="kind")
    tools = outputs.select("output_id", "tools").explode("tools", empty_as_null=True).drop_nulls("tools")
    return tools.join(kinds, on="output_id").select(name="tools", data_class="data_class").unique().collect()


def compared(
    things: pl.DataFrame,
    classes: pl.DataFrame,
    declared: Sequence[Declaration],
    *,
    now: datetime,
    run_id: str,
) -> pl.DataFrame:
    """Rows of INVENTORY: everything seen or declared, with its findings joined by `; `, null where none."""
    by_key: dict[tuple[str, str], list[Declaration]] = {}
    for each in declared:
        by_key.setdefault((each.kind, each.name), []).append(each)
    rows, met = [], set()
    for thing in things.to_dicts():
        candidates = by_key.get((thing["kind"], thing["name"]), [])
        exact = next((d for d in candidates if d.version in ("", thing["version"])), None)
        found = exact or (candidates[0] if candidates else None)
        met.add(id(found))
        rows.append(_row(thing, found, _findings(thing, found, exact is not None, classes, now)))
    for each in declared:
        if id(each) not in met:
            nothing = {
                "kind": each.kind,
                "name": each.name,
                "version": each.version,
                "outputs": 0,
                "contradicted": 0,
                "failed": 0,
            }
            thing = {**nothing, "first_seen_at": None, "last_seen_at": None}
            rows.append(_row(thing, each, _findings(thing, each, True, classes, now)))
    frame = pl.DataFrame(rows, schema=INVENTORY.schema).with_columns(
        taken_at=pl.lit(now, UTC),
        run_id=pl.lit(run_id),
        error_ratio=pl.when(pl.col("outputs") > 0).then(pl.col("failed") / pl.col("outputs")),
    )
    return frame.sort("kind", "name", "version")


def _findings(
    thing: dict[str, object],
    declared: Declaration | None,
    is_exact: bool,
    classes: pl.DataFrame,
    now: datetime,
) -> list[str]:
    if declared is None:
        return [] if thing["kind"] in OWN_PARTS else [UNDECLARED]
    found = []
    last = thing["last_seen_at"]
    if not isinstance(last, datetime) or now - last > timedelta(days=UNSEEN_DAYS):
        found.append(f"{UNUSED}{UNSEEN_DAYS} days")
    if not is_exact:
        found.append(f"{OTHER_VERSION}{thing['version'] or 'without a name'}, declared {declared.version}")
    if declared.provider and not declared.agreement:
        found.append(NO_AGREEMENT)
    if declared.agreement_until is not None and declared.agreement_until < now.date():
        found.append(f"{AGREEMENT_ENDED}{declared.agreement_until}")
    if declared.kind == "tool" and declared.data_classes is not None:
        kinds = classes.filter(pl.col("name") == declared.name)["data_class"].sort().to_list()
        outside = [kind for kind in kinds if kind not in declared.data_classes]
        if outside:
            found.append(f"{OUTSIDE_CLASSES}{', '.join(outside)}, which it may not see")
    return found


def _row(
    thing: dict[str, object], declared: Declaration | None, findings: Sequence[str]
) -> dict[str, object]:
    return thing | {
        "declared": declared is not None,
        "owner": declared.owner if declared else None,
        "purpose": (declared.purpose or None) if declared else None,
        "region": (declared.region or None) if declared else None,
        "provider": (declared.provider or None) if declared else None,
        "may_train": declared.may_train if declared else None,
        "agreement_until": declared.agreement_until if declared else None,
        "finding": "; ".join(findings) or None,
    }
