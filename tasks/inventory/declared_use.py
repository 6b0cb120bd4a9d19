"""Seen against declared: one row for each thing, with what is wrong of it.

Belongs here: the rows and the findings. Does not belong here: files of declarations (`declarations.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from tasks.inventory.parameters import OWN, Declaration
from tasks.tables import INVENTORY

UNSEEN_DAYS = 30
"""A declared thing that nothing used for so long is a finding: an agreement without use, or use that we
miss.
"""
ADDRESSING = "judge_address"
_VERSION = r"^(.+?)[-@:](\d{4}-?\d{2}-?\d{2}|v?\d+(?:\.\d+)+)$"
"""A model's name that ends in a date or a dotted version has that as its version."""


def seen(outputs: pl.LazyFrame, actions: pl.LazyFrame, runs: pl.LazyFrame) -> pl.DataFrame:
    """Everything that outputs and runs name: kind, name, version, first_seen_at, last_seen_at, outputs,
    contradicted (outputs whose current outcome is contradicted).
    """
    bad = (
        actions.filter(pl.col("outcome") == "contradicted")
        .select("output_id", bad=pl.lit(1))
        .unique("output_id")
    )
    rows = outputs.join(bad, on="output_id", how="left").with_columns(pl.col("bad").fill_null(0))
    parts = [
        rows.select("produced_at", "bad", kind=pl.lit(kind), name=name)
        for kind, name in (
            ("agent", pl.col("agent")),
            ("model", pl.col("model")),
            ("source", pl.col("source")),
        )
    ]
    parts.append(
        rows.explode("tools", empty_as_null=True).select(
            "produced_at", "bad", kind=pl.lit("tool"), name="tools"
        )
    )
    parts += [
        runs.select(pl.col("started_at").alias("produced_at"), bad=pl.lit(0), kind=pl.lit(kind), name=column)
        for kind, column in (("verifier", "verifier"), ("corpus", "snapshot"))
    ]
    everything = pl.concat([part.with_columns(pl.col("bad").cast(pl.Int64)) for part in parts])
    found = everything.filter(pl.col("name").is_not_null()).with_columns(
        version=pl.when(pl.col("kind") == "model")
        .then(pl.col("name").str.extract(_VERSION, 2))
        .fill_null(""),
        name=pl.when((pl.col("kind") == "model") & pl.col("name").str.contains(_VERSION))
        .then(pl.col("name").str.extract(_VERSION, 1))
        .otherwise(pl.col("name")),
    )
    is_own = pl.col("kind").is_in(OWN)
    return (
        found.group_by("kind", "name", "version")
        .agg(
            first_seen_at=pl.col("produced_at").min(),
            last_seen_at=pl.col("produced_at").max(),
            outputs=pl.len().cast(pl.Int64),
            contradicted=pl.col("bad").sum(),
        )
        .with_columns(outputs=pl.when(is_own).then(0).otherwise(pl.col("outputs")))
        .sort("kind", "name", "version")
        .collect()
    )


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
        rows.append(_row(thing, found, _findings(thing, found, exact is not None, classes, now), run_id))
    for each in declared:
        if id(each) not in met:
            nothing = {
                "kind": each.kind,
                "name": each.name,
                "version": each.version,
                "outputs": 0,
                "contradicted": 0,
            }
            thing = {**nothing, "first_seen_at": None, "last_seen_at": None}
            rows.append(_row(thing, each, _findings(thing, each, True, classes, now), run_id))
    frame = pl.DataFrame(rows, schema=INVENTORY.schema)
    return frame.sort("kind", "name", "version")


def _findings(
    thing: dict[str, object],
    declared: Declaration | None,
    is_exact: bool,
    classes: pl.DataFrame,
    now: datetime,
) -> list[str]:
    if declared is None:
        return [] if thing["kind"] in OWN else ["seen and not declared"]
    found = []
    last = thing["last_seen_at"]
    if not isinstance(last, datetime) or now - last > timedelta(days=UNSEEN_DAYS):
        found.append(f"declared and not seen for {UNSEEN_DAYS} days")
    if not is_exact:
        found.append(f"version {thing['version'] or 'without a name'}, declared {declared.version}")
    if declared.provider and not declared.agreement:
        found.append("no agreement on data processing")
    if declared.agreement_until is not None and declared.agreement_until < now.date():
        found.append(f"the agreement ended on {declared.agreement_until}")
    if declared.kind == "tool" and declared.data_classes is not None:
        kinds = classes.filter(pl.col("name") == declared.name)["data_class"].sort().to_list()
        outside = [kind for kind in kinds if kind not in declared.data_classes]
        if outside:
            found.append(f"answers that used it hold {', '.join(outside)}, which it may not see")
    return found


def _row(
    thing: dict[str, object], declared: Declaration | None, findings: Sequence[str], run_id: str
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
        "run_id": run_id,
    }
