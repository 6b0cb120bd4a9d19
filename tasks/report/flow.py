"""From verdicts to actions: how many answers of each standing went which way, and the ribbons of a drawing.

Belongs here: counts and geometry. Does not belong here: what a policy decides (`policies.py`), markup.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tasks.tables import ACTIONS

STANDINGS = ("contradicted", "conflict", "insufficient", "supported", "no_claims")
"""Of an answer's claims the worst one counts, in this order; an answer may make no factual claim."""
UNDECIDED = "undecided"
_ORDER = (*STANDINGS, *ACTIONS, UNDECIDED)


def flow(outputs: pl.DataFrame, verdicts: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Answers per standing and action.

    Args:
        outputs: output_id, one row each; verdicts: current ones with output_id, verdict, is_conflict;
        actions: the last one of each output, with output_id, action.

    Returns:
        standing, action, answers (Int64), in the vocabularies' order; pairs without answers are absent.
    """
    worst = verdicts.group_by("output_id").agg(
        contradicted=(pl.col("verdict") == "contradicted").any(),
        conflict=pl.col("is_conflict").any(),
        insufficient=(pl.col("verdict") == "insufficient").any(),
    )
    standing = (
        pl.when(pl.col("contradicted").is_null())
        .then(pl.lit("no_claims"))
        .when("contradicted")
        .then(pl.lit("contradicted"))
        .when("conflict")
        .then(pl.lit("conflict"))
        .when("insufficient")
        .then(pl.lit("insufficient"))
        .otherwise(pl.lit("supported"))
    )
    return (
        outputs.select("output_id")
        .join(worst, on="output_id", how="left")
        .join(actions.select("output_id", "action"), on="output_id", how="left")
        .group_by(standing.alias("standing"), pl.col("action").fill_null(UNDECIDED))
        .agg(answers=pl.len().cast(pl.Int64))
        .sort(_place("standing", STANDINGS), _place("action", (*ACTIONS, UNDECIDED)))
    )


@dataclass(frozen=True)
class Node:
    """One bar: its name, answers, and where it stands in the drawing."""

    name: str
    answers: int
    y: float
    height: float
    label_y: float


@dataclass(frozen=True)
class Drawing:
    """Two columns of bars and the ribbons (standing, SVG path data) between them, in CSS pixels."""

    width: float
    height: float
    left: tuple[Node, ...]
    right: tuple[Node, ...]
    left_x: float
    right_x: float
    ribbons: tuple[tuple[str, str], ...]


BAR = 10.0
"""Width of a bar, pixels."""
_SLOT = 34.0
"""Least height of a bar's place, pixels: two lines of label."""
_TALL = 150.0
"""Height that all answers together have, pixels."""


def drawn(links: pl.DataFrame, width: float, labels: tuple[float, float]) -> Drawing:
    """The drawing of `flow(...)`; `labels` is the room left and right of the bars, in pixels."""
    whole = int(links["answers"].sum())
    scale = _TALL / whole if whole else 0.0
    left = _nodes(links, "standing", scale)
    right = _nodes(links, "action", scale)
    height = max(left[1], right[1])
    x0, x1 = labels[0] + BAR, width - labels[1] - BAR
    middle = (x0 + x1) / 2
    used = {**{n.name: n.y for n in left[0]}, **{f"→{n.name}": n.y for n in right[0]}}
    ribbons = []
    for standing, action, answers in links.iter_rows():
        thick = answers * scale
        a, b = used[standing], used[f"→{action}"]
        used[standing], used[f"→{action}"] = a + thick, b + thick
        ribbons.append(
            (
                standing,
                f"M{x0:.1f},{a:.1f}C{middle:.1f},{a:.1f} {middle:.1f},{b:.1f} {x1:.1f},{b:.1f}"
                f"L{x1:.1f},{b + thick:.1f}C{middle:.1f},{b + thick:.1f} {middle:.1f},{a + thick:.1f} "
                f"{x0:.1f},{a + thick:.1f}Z",
            )
        )
    return Drawing(width, height, tuple(left[0]), tuple(right[0]), labels[0], x1, tuple(ribbons))


def _nodes(links: pl.DataFrame, column: str, scale: float) -> tuple[list[Node], float]:
    totals = links.group_by(column).agg(pl.col("answers").sum()).sort(_place(column, _ORDER))
    nodes, at = [], 0.0
    for name, answers in totals.iter_rows():
        height = max(answers * scale, 1.5)
        slot = max(height, _SLOT)
        nodes.append(Node(name, answers, at + (slot - height) / 2, height, at + slot / 2))
        at += slot + 6
    return nodes, max(at - 6, 0.0)


def _place(column: str, order: tuple[str, ...]) -> pl.Expr:
    return pl.col(column).replace_strict(
        list(order), range(len(order)), default=len(order), return_dtype=pl.Int64
    )
