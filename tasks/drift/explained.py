"""Which slice a change is named after: the simplest one that explains it.

Where an agent got worse, some of its pairs with models and use cases differ more than the agent itself, by
chance and because there are many. A row is part of a parent's change (`agent=A` of `agent=A&model=M`, `all`
of `agent=A`) where the parent's other rows moved alike: the heterogeneity between the row and the rest
(Cochran's Q, Biometrics 10, 1954) is not larger than what the rest shows against no change, but for the price
of having been the most extreme of k parts, 2 log k. The parent has then drifted too where its own interval
excludes zero and its difference matters: that nothing changed in it is refuted by its part already.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import polars as pl

from tasks.drift import slices

LOOKED_AT = 1000
"""Drifted rows, by P value: with more, the parents have long drifted themselves."""


def explained(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `part_of` (a slice or null), and sets parents that explain a part to *drifted*.

    Args:
        rows: with `slice, slice_kind, metric, difference, standard_error, ci_low, ci_high, threshold,
            current_count, p_value, status`; only metrics that are ratios can be split into part and rest.
    """
    ratios = rows.with_row_index("place").filter(
        pl.col("status").is_in(["drifted", "stable"]),
        pl.col("standard_error") > 0,
        pl.col("current_count") > 0,
    )
    drifted = ratios.filter(status="drifted")
    tested = {
        (row["metric"], row["slice"]): row
        for row in ratios.filter(pl.col("metric").is_in(drifted["metric"].unique().implode())).to_dicts()
    }
    parts = Counter((metric, parent) for metric, name in tested for parent in _parents(name))
    part_of: dict[int, str] = {}
    promoted: set[int] = set()
    looked_at = set(drifted.sort("p_value").head(LOOKED_AT)["place"])
    for pairs in (True, False):
        for (metric, name), row in tested.items():
            if ("&" in name) is not pairs or row["place"] not in looked_at | promoted:
                continue
            parents = [tested[metric, p] for p in _parents(name) if (metric, p) in tested]
            alike = [
                (heterogeneity, parent["slice"], parent["place"])
                for parent in parents
                if (heterogeneity := _explains(row, parent, parts[metric, parent["slice"]])) is not None
            ]
            if alike:
                _, part_of[row["place"]], place = min(alike)
                promoted.add(place)
    places = pl.int_range(rows.height, eager=True).to_list()
    return rows.with_columns(
        part_of=pl.Series([part_of.get(place) for place in places], dtype=pl.String),
        status=pl.when(pl.Series([place in promoted for place in places], dtype=pl.Boolean))
        .then(pl.lit("drifted"))
        .otherwise("status"),
    )


def _parents(name: str) -> list[str]:
    if name == slices.ALL:
        return []
    return name.split("&") if "&" in name else [slices.ALL]


def _explains(part: Mapping[str, float], parent: Mapping[str, float], count: int) -> float | None:
    """Heterogeneity between a part and the rest of its parent, None where the parent does not explain it."""
    matters = abs(parent["difference"]) >= parent["threshold"]
    sure = parent["ci_low"] > 0 or parent["ci_high"] < 0
    alike = parent["difference"] * part["difference"] > 0
    share = part["current_count"] / parent["current_count"]
    if not (matters and sure and alike and share < 1):
        return None
    rest = (parent["difference"] - share * part["difference"]) / (1 - share)
    own, whole = part["standard_error"] ** 2, parent["standard_error"] ** 2
    # The parent's error may by chance be smaller than its part's allows.
    variance = max((whole - share**2 * own) / (1 - share) ** 2, own * share / (1 - share) / 4)
    heterogeneity = float((part["difference"] - rest) ** 2 / (own + variance))
    nothing = float(rest**2 / variance)
    return heterogeneity if heterogeneity <= nothing + 2 * math.log(max(count, 1)) else None
