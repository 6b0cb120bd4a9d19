"""Door to the past of a lake, as two policies would have decided it: what would have changed.

Belongs here: which rows are meant, day by day, so that memory holds one part of a day. Does not belong here:
how a policy decides (`decide/again.py`).

1. The current verdicts of the use cases that either policy names, and the scores they rest on.
2. Both policies decide each of them; what was recorded is not a part of that, and is checked against it.
3. Flows are counted, a few claims kept as examples, and what people said of those that change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from tasks.decide import again
from tasks.decide.actions import IS_ACTED_ON
from tasks.decide.policies import ANY_USE_CASE, Policy
from tasks.decide.verdicts import ADDRESSED
from tasks.lake import current
from tasks.lake.store import Lake
from tasks.tables import ERASED, UTC

PART_ROWS = 1_000_000
"""Verdicts decided at once: some 600 MB with the scores they rest on."""
EXAMPLES = 3
"""Claims shown of each flow: those with the smallest ids, which is as good as chance and always the same."""
_FLOW = {"agent": pl.String, "before": pl.String, "after": pl.String, "count": pl.Int64}
_OPINION = {"before": pl.String, "after": pl.String, "opinion": pl.String, "count": pl.Int64}
_CHANGED = ("verdict_id", "claim_id", "output_id", "produced_at", "agent", "verdict", "before", "after",
            "p_supported", "p_contradicted")  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What another policy would have changed."""

    old: Policy
    new: Policy
    use_cases: list[str]
    claims: int
    outputs: int
    changed_claims: int
    changed_outputs: int
    unexplained: int
    """Verdicts recorded under one of the two policies that it does not reach from the stored scores."""
    verdicts: pl.DataFrame
    """agent, before, after, count: also what stays."""
    actions: pl.DataFrame
    examples: pl.DataFrame
    """A few changed claims of each flow, with their text."""
    reviews: pl.DataFrame
    """before, after, opinion, count: what people said of the verdicts that change."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            **{n: v for n, v in vars(self).items() if isinstance(v, int | list)},
            "old": self.old.label,
            "new": self.new.label,
            "values": changed_values(self.old, self.new),
            **{n: v.to_dicts() for n, v in vars(self).items() if isinstance(v, pl.DataFrame)},
        }


def changed_values(old: Policy, new: Policy) -> dict[str, list[Any]]:
    """Every value in which two policies differ: [old, new]."""
    before, after = old.values(), new.values()
    return {name: [before[name], after[name]] for name in after if before[name] != after[name]}


@dataclass(frozen=True)
class _Part:
    """Outputs of one UTC day whose ids are in [low, high)."""

    lake: Lake
    day: date
    low: str
    high: str

    def rows(self, table: str) -> pl.LazyFrame:
        """Its rows of a table."""
        rows = self.lake.scan(table, since=self.day, until=self.day)
        if (self.low, self.high) == ("", "g"):
            return rows
        return rows.filter(pl.col("output_id") >= self.low, pl.col("output_id") < self.high)


@dataclass
class _Sums:
    """What is kept of the parts that are done."""

    verdicts: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=_FLOW)])
    actions: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=_FLOW)])
    opinions: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=_OPINION)])
    examples: list[pl.DataFrame] = field(default_factory=list)
    use_cases: set[str] = field(default_factory=set)
    unexplained: int = 0


def compare(
    lake: Lake,
    old: Policy,
    new: Policy,
    *,
    others: Sequence[Policy] = (),
    since: date | None = None,
    until: date | None = None,
    done: Callable[[int], None] | None = None,
) -> Difference:
    """Decides what is current of some days by two policies.

    Args:
        others: policies in use beside them; a use case that one of them names is none of `*`.
        since, until: UTC days of the outputs, both included.
        done: told the number of verdicts decided so far, part by part.
    """
    sums, meant = _Sums(), _of_use_cases(old, new, others)
    replaced = lake.scan("outputs").select(output_id="supersedes").drop_nulls().collect()
    reviews = lake.scan("reviews").collect()
    for part in _parts(lake, since, until):
        judged = _current_verdicts(part, meant, replaced)
        decided = again.verdict_columns(judged, part.rows("evidence"), {"before": old, "after": new})
        judged = judged.with_columns(**decided)
        outputs = _current_outputs(part, meant, replaced)
        acted = outputs.with_columns(**again.action_columns(outputs, judged, {"before": old, "after": new}))
        changed = judged.filter(pl.col("before") != pl.col("after"))
        sums.verdicts.append(again.flows(judged))
        sums.actions.append(again.flows(acted))
        sums.opinions.append(again.opinions(changed, reviews))
        sums.examples.append(_first(changed.select(_CHANGED)))
        sums.use_cases |= set(judged["use_case"].drop_nulls().unique())
        sums.unexplained += _unexplained(judged, old, new)
        if done:
            done(judged.height)
    return _difference(sums, lake, old, new)


def _of_use_cases(old: Policy, new: Policy, others: Sequence[Policy]) -> pl.Expr:
    names = {*old.use_cases, *new.use_cases}
    if ANY_USE_CASE not in names:
        return pl.col("use_case").is_in(sorted(names))
    apart = {
        name for policy in others if policy.name not in (old.name, new.name) for name in policy.use_cases
    }
    return ~pl.col("use_case").fill_null("").is_in(sorted(apart - names))


def _parts(lake: Lake, since: date | None, until: date | None) -> Iterator[_Part]:
    """Every day, the large ones cut by the ids of outputs, which are digests and so evenly spread."""
    for day in sorted({*lake.days("verdicts"), *lake.days("actions")}):
        if (since and day < since) or (until and day > until):
            continue
        rows = lake.scan("verdicts", since=day, until=day).select(pl.len()).collect().item()
        count = -(-rows // PART_ROWS) or 1
        ends = ["", *(f"{256 * n // count:02x}" for n in range(1, count)), "g"]
        for low, high in itertools.pairwise(ends):
            yield _Part(lake, day, low, high)


def _current_verdicts(part: _Part, meant: pl.Expr, replaced: pl.DataFrame) -> pl.DataFrame:
    """The newest verdict of each claim, without those of erased outputs, whose reasons are gone."""
    rows = (
        part.rows("verdicts")
        .filter(meant, pl.col("reason") != ERASED)
        .select(
            *("verdict_id", "claim_id", "output_id", "produced_at", "verified_at", "verifier", "snapshot"),
            *("p_supported", "p_contradicted", "agent", "use_case", "policy", "verdict"),
            is_addressed=pl.col("reason").str.contains(ADDRESSED),
        )
        .collect()
    )
    rows = rows.join(replaced, on="output_id", how="anti") if replaced.height else rows
    if not again.are_distinct(rows["claim_id"]):
        rows = current.VERDICTS.of(rows.lazy()).collect()
    return rows


def _current_outputs(part: _Part, meant: pl.Expr, replaced: pl.DataFrame) -> pl.DataFrame:
    """output_id, agent, abstention_count, by_answer of outputs that have an action."""
    rows = part.rows("actions").filter(pl.col("reason") != ERASED)
    acted = rows.select("output_id", "decided_at", "action_id", "abstention_count").collect()
    if acted["output_id"].n_unique() < acted.height:
        acted = current.ACTIONS.of(acted.lazy()).collect()
    outputs = part.rows("outputs").filter(meant).select("output_id", "agent").collect()
    outputs = outputs.join(replaced, on="output_id", how="anti") if replaced.height else outputs
    addressed = part.rows("findings").filter(IS_ACTED_ON).group_by("output_id").agg(by_answer=pl.len())
    counted = addressed.with_columns(pl.col("by_answer").cast(pl.Int64)).collect()
    return (
        acted.select("output_id", pl.col("abstention_count").fill_null(0))
        .join(outputs, on="output_id")
        .join(counted, on="output_id", how="left")
        .with_columns(pl.col("by_answer").fill_null(0))
    )


def _unexplained(judged: pl.DataFrame, old: Policy, new: Policy) -> int:
    """Verdicts that one of the policies reached, and would not reach from what is stored."""
    columns = {old.label: "before", new.label: "after"}
    differing = [
        ((pl.col("policy") == label) & (pl.col("verdict") != pl.col(column))).sum().alias(column)
        for label, column in columns.items()
    ]
    return sum(judged.select(differing).row(0))


def _first(changed: pl.DataFrame) -> pl.DataFrame:
    """The examples of each flow, ordered by their ids."""
    of_flow = changed.group_by("before", "after").agg(pl.col("verdict_id").bottom_k(EXAMPLES))
    smallest = of_flow["verdict_id"].explode()
    return changed.filter(pl.col("verdict_id").is_in(smallest.implode())).sort("verdict_id")


def _difference(sums: _Sums, lake: Lake, old: Policy, new: Policy) -> Difference:
    verdicts, actions = (
        _total(parts, ["agent", "before", "after"]) for parts in (sums.verdicts, sums.actions)
    )
    examples = pl.concat([pl.DataFrame(schema=sums.examples[0].schema) if sums.examples else _no_example(),
                          *sums.examples])  # fmt: skip
    return Difference(
        old=old,
        new=new,
        use_cases=sorted(sums.use_cases),
        claims=_count(verdicts),
        outputs=_count(actions),
        changed_claims=_count(verdicts.filter(pl.col("before") != pl.col("after"))),
        changed_outputs=_count(actions.filter(pl.col("before") != pl.col("after"))),
        unexplained=sums.unexplained,
        verdicts=verdicts,
        actions=actions,
        examples=_with_text(_first(examples), lake),
        reviews=_total(sums.opinions, ["before", "after", "opinion"]),
    )


def _count(flows: pl.DataFrame) -> int:
    return int(flows["count"].sum())


def _total(parts: list[pl.DataFrame], by: list[str]) -> pl.DataFrame:
    return pl.concat(parts).group_by(by).agg(pl.col("count").sum()).sort(by)


def _no_example() -> pl.DataFrame:
    texts = dict.fromkeys(_CHANGED, pl.String)
    return pl.DataFrame(
        schema=texts | {"produced_at": UTC, "p_supported": pl.Float64, "p_contradicted": pl.Float64}
    )


def _with_text(examples: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    days = examples["produced_at"].dt.date().sort().to_list()
    if not days:
        return examples.with_columns(claim=pl.lit(None, pl.String))
    claims = lake.scan("claims", since=days[0], until=days[-1])
    mine = claims.join(examples.lazy().select("claim_id"), on="claim_id", how="semi")
    texts = mine.select("claim_id", claim="text").unique("claim_id").collect()
    joined = examples.join(texts, on="claim_id", how="left", maintain_order="left")
    return joined.sort("before", "after", "verdict_id")
