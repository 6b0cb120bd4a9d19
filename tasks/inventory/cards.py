"""A system card per agent in Markdown: what it is for, who answers for it, what it uses, how it did.

Text of traces is hostile: what Markdown would take for more than words is escaped, and lines stay lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from tasks import ids
from tasks.visible import shortened, visible

_ACTIVE = re.compile(r"([\\`*_{}\[\]()#+!|<>~&-])")
NAME_CHARACTERS = 120


def plain(value: object) -> str:
    """A value as words of one line."""
    text = shortened(" ".join(visible(str(value)).split()), NAME_CHARACTERS)
    return _ACTIVE.sub(r"\\\1", text)


def file_name(agent: str) -> str:
    """Name of an agent's file: readable where that is safe, and never that of another agent."""
    return f"{ids.readable(agent) or 'agent'}-{ids.digest('card', agent)[:8]}.md"


def used_by(outputs: pl.LazyFrame) -> pl.DataFrame:
    """Models, tools and sources of each agent: agent, kind, name, outputs."""
    base = outputs.select("agent", "model", "source", "use_case", "tools")
    parts = [base.select("agent", kind=pl.lit(kind), name=kind) for kind in ("model", "source", "use_case")]
    parts.append(base.explode("tools", empty_as_null=True).select("agent", kind=pl.lit("tool"), name="tools"))
    return (
        pl.concat(parts)
        .drop_nulls("name")
        .group_by("agent", "kind", "name")
        .agg(outputs=pl.len())
        .sort("agent", "kind", "name")
        .collect()
    )


def cards(rows: pl.DataFrame, used: pl.DataFrame, *, now: datetime) -> dict[str, str]:
    """Markdown by file name, one for each agent of the inventory."""
    agents = rows.filter(pl.col("kind") == "agent").to_dicts()
    of = {each["name"]: used.filter(pl.col("agent") == each["name"]) for each in agents}
    return {file_name(each["name"]): _card(each, of[each["name"]], now) for each in agents}


def _card(agent: Mapping[str, object], used: pl.DataFrame, now: datetime) -> str:
    def said(name: str) -> str:
        return "not declared" if agent[name] is None else plain(agent[name])

    lines = [
        f"# AI system card: {plain(agent['name'])}",
        "",
        f"Made {now:%Y-%m-%d %H:%M} UTC from the record of what the agent did and from what the team "
        f"declares.",
        "",
        f"* Purpose: {said('purpose')}",
        f"* Owner: {said('owner')}",
        f"* Region: {said('region')}",
        f"* First and last seen: {agent['first_seen_at'] or 'never'} to {agent['last_seen_at'] or 'never'}",
        f"* Answers: {agent['outputs']}, with a contradicted claim: {agent['contradicted']}, "
        f"failed: {agent['failed']}",
        f"* Findings: {plain(agent['finding']) if agent['finding'] else 'none'}",
        "",
        "| uses | name | answers |",
        "|---|---|---|",
        *(f"| {row['kind']} | {plain(row['name'])} | {row['outputs']} |" for row in used.to_dicts()),
        "",
        "A verdict states what the evidence shown says about a claim; this card is not a "
        "conformity assessment.",
    ]
    return "\n".join(lines) + "\n"
