"""The index by meaning as an account: which method, which shards, which of their rows count in a snapshot.

A shard never changes. What a snapshot needs beside the shards of the one before it becomes a new shard, what
left is a row without a place in the snapshot, and a shard with too little left is written anew. All vectors
of one method are coded by the same trained quantiser, each by itself, so that a search finds the same
whichever shards hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from annotated_types import Ge, Interval

from tasks import ids
from tasks.knobs import Section

DEPTH = 10
"""Neighbours of a question that recall is measured at."""

QUESTIONS = 256
"""Questions that it is measured with: 2,560 neighbours, a standard error of half a percent at 0.95."""

SMALL_SHARDS = 8
"""So many shards with an eighth of a shard's rows or less are written as one."""

DEAD_ROWS = 128
"""Rows of an exact shard that may have left: as many more neighbours are asked for."""

GROWTH = 2.0
"""Cells are trained anew when there are so many times the passages that they were trained for."""

STAYING = 0.8
"""An approximate index stays until there are fewer than this share of `flat_passages`."""

MEASURED_GROWTH = 1.1
"""Recall is measured anew when there are so many times more or fewer passages than when it was measured."""

SAME_SCORE = 1e-5
"""Cosines that differ by less are equal: sums in single precision depend on their order."""

ROWS = pl.Schema({"query": pl.UInt32, "row": pl.UInt32, "score": pl.Float32})


@dataclass(frozen=True, kw_only=True)
class IndexParameters(Section):
    """When the index by meaning stops comparing everything, and how near to exact it must then be."""

    flat_passages: Annotated[int, Ge(1)] = 200_000
    """Up to so many passages a claim is compared with each: exact, 4 ms a claim at the limit. Beyond, the
    index has cells (IVF) and a byte a number."""
    minimum_recall: Annotated[float, Interval(ge=0.95, le=1)] = 0.95
    """Share of the ten nearest passages that an index with cells must find; one that does not is refused,
    and everything is compared."""
    aim_recall: Annotated[float, Interval(ge=0.95, le=1)] = 0.99
    """The cells searched are doubled until this share is found; more than is required, as the questions
    it is measured with are cut out of passages, and claims are further from them."""
    most_probes: Annotated[int, Interval(ge=1, le=65_536)] = 512
    """Most cells searched per claim."""
    cells_per_root: Annotated[int, Interval(ge=1, le=64)] = 2
    """Cells per square root of passages."""
    shard_passages: Annotated[int, Interval(ge=256, le=10_000_000)] = 262_144
    """Passages in one file of the index: what an interruption costs while it is built."""
    least_alive: Annotated[float, Interval(ge=0, le=1)] = 0.7
    """A file with a smaller share of its passages still in the corpus is written anew without the others."""


@dataclass(frozen=True)
class Method:
    """How vectors are found, what of the exact neighbours that finds, and why it is so."""

    kind: Literal["flat", "ivf"] = "flat"
    trained: str = ""
    """Entry with the trained quantiser."""
    trained_passages: int = 0
    """Passages when cells were trained, or tried and refused."""
    cells: int = 0
    probes: int = 0
    recall: float = 1.0
    """Share of the exact ten nearest that is found."""
    measured_passages: int = 0
    """Passages when recall was measured."""
    refused: str = ""
    """Why an index with cells was refused."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for records."""
        return asdict(self)

    @property
    def name(self) -> str:
        """Names what an approximate search finds in a snapshot; empty of an exact one, which needs none."""
        return ids.digest("index", self.trained, str(self.probes)) if self.kind == "ivf" else ""

    def in_words(self) -> str:
        """One sentence."""
        if self.kind == "flat":
            return f"every passage compared{f'; {self.refused}' if self.refused else ''}"
        return (
            f"{self.probes} of {self.cells:,} cells looked into, one byte a number, recall at {DEPTH} "
            f"{self.recall:.3f} measured at {self.measured_passages:,} passages"
        )


@dataclass(frozen=True)
class Plan:
    """What a snapshot's index by meaning consists of."""

    method: Method
    parameters: IndexParameters
    shards: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Plan:
        """The inverse of `as_dict`; TypeError or KeyError for anything else."""
        method, parameters = Method(**plain["method"]), IndexParameters(**plain["parameters"])
        return cls(method, parameters, tuple(plain["shards"]))


@dataclass(frozen=True)
class Placed:
    """A shard and the row of the snapshot that each of its rows is, -1 for one that left."""

    name: str
    rows: np.ndarray

    @property
    def dead(self) -> int:
        """Rows that left."""
        return int((self.rows < 0).sum())


def method_after(before: Plan | None, passages: int, parameters: IndexParameters) -> Method | None:
    """The method that stays, or FLAT; None where cells have to be trained."""
    last = before.method if before is not None and before.parameters == parameters else Method()
    if last.kind == "ivf":
        is_enough = passages >= STAYING * parameters.flat_passages
        is_apt = last.trained_passages / GROWTH <= passages <= last.trained_passages * GROWTH
        return (last if is_apt else None) if is_enough else Method()
    if passages <= parameters.flat_passages:
        return Method()
    is_refused = bool(last.refused) and passages <= last.trained_passages * GROWTH
    return last if is_refused else None


def is_stale(method: Method, passages: int) -> bool:
    """Whether recall was measured on a corpus of another size."""
    measured = method.measured_passages
    return not measured / MEASURED_GROWTH <= passages <= measured * MEASURED_GROWTH


def placed(name: str, shard: pl.Series, passages: pl.Series, taken: np.ndarray) -> Placed:
    """The shard's passage ids in the snapshot's; each passage is found in the first shard that holds it.

    `taken` marks the snapshot's rows that have a shard, and is marked further.
    """
    snapshot = passages.to_frame("passage_id").with_row_index("row")
    rows = (
        shard.to_frame("passage_id")
        .join(snapshot, on="passage_id", how="left", maintain_order="left")["row"]
        .cast(pl.Int64)
        .fill_null(-1)
        .to_numpy()
        .copy()
    )
    alive = rows >= 0
    rows[alive] = np.where(taken[rows[alive]], -1, rows[alive])
    taken[rows[rows >= 0]] = True
    return Placed(name, rows)


def kept(shards: Sequence[Placed], method: Method, parameters: IndexParameters) -> list[Placed]:
    """Those that stay as they are; the others' passages are written anew."""
    alive = [s for s in shards if _is_worth_keeping(s, method, parameters)]
    small = [s for s in alive if len(s.rows) <= parameters.shard_passages // SMALL_SHARDS]
    if len(small) < SMALL_SHARDS:
        return alive
    return [s for s in alive if len(s.rows) > parameters.shard_passages // SMALL_SHARDS]


def _is_worth_keeping(shard: Placed, method: Method, parameters: IndexParameters) -> bool:
    if method.kind == "flat" and shard.dead > DEAD_ROWS:
        return False
    return shard.dead <= (1 - parameters.least_alive) * len(shard.rows)


def best(found: Iterable[tuple[np.ndarray, np.ndarray]], k: int) -> pl.DataFrame:
    """ROWS of several shards' (scores, rows), each (n, any): the best k of each query, equal scores by row.

    Row -1 is none: FAISS pads with it where it has too few, and it stands for passages that left.
    """
    parts = list(found)
    scores = np.concatenate([part[0] for part in parts], axis=1)
    rows = np.concatenate([part[1] for part in parts], axis=1)
    scores = np.where(rows < 0, -np.inf, scores)
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    queries = np.repeat(np.arange(len(rows), dtype=np.uint32), rows.shape[1])
    is_row = rows.ravel() >= 0
    return pl.DataFrame(
        {
            "query": queries[is_row],
            "row": rows.ravel()[is_row].astype(np.uint32),
            "score": scores.ravel()[is_row].astype(np.float32),
        },
        schema=ROWS,
    )


def exact(questions: np.ndarray, vectors: Iterable[np.ndarray], k: int) -> pl.DataFrame:
    """ROWS of the k nearest among vectors that come a block at a time: everything compared."""
    nearest: list[tuple[np.ndarray, np.ndarray]] = []
    first = 0
    for block in vectors:
        scores = questions @ block.T
        depth = min(k, len(block))
        rows = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        nearest.append((np.take_along_axis(scores, rows, axis=1), rows + first))
        first += len(block)
    return best(nearest, k)


def recall(found: pl.DataFrame, expected: pl.DataFrame) -> float:
    """Share of the nearest that was found; 1 where none is expected.

    What is as near as the last that is expected counts: of passages with the same text, any will do.

    Args:
        found: ROWS with exact scores.
        expected: ROWS of `exact`.
    """
    if expected.is_empty():
        return 1.0
    last = expected.group_by("query").agg(last=pl.col("score").min(), most=pl.len())
    near = (
        found.join(last, on="query")
        .filter(pl.col("score") >= pl.col("last") - SAME_SCORE)
        .group_by("query")
        .agg(count=pl.min_horizontal(pl.len(), pl.col("most").first()))
    )
    return float(near["count"].sum()) / expected.height


def probes_in_order(parameters: IndexParameters, cells: int) -> list[int]:
    """Cells to look into, from few to many: 8, 16 and so on, and the most that is allowed."""
    most = min(parameters.most_probes, cells)
    return sorted({min(8 << doubling, most) for doubling in range(14)})


def refused(method: Method, parameters: IndexParameters) -> Method:
    """FLAT, with the reason that the method is not good enough."""
    reason = (
        f"an index with {method.cells:,} cells found {method.recall:.3f} of the ten nearest in "
        f"{method.probes} cells, {parameters.minimum_recall} is required"
    )
    return replace(Method(), refused=reason, trained_passages=method.trained_passages)
