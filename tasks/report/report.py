"""The report of a run: one self-contained page, and its numbers as JSON and Parquet beside it.

Belongs here: reading the lake, putting the facts together, writing the three files. Does not belong here:
what the numbers mean (`tasks/pure`), rendering (`page.py`), the site over all runs (`site.py`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks.decide.verdicts import ADDRESSED
from tasks.drift import measurement, slices
from tasks.drift.daily import SERIES, daily_series
from tasks.drift.parameters import DriftParameters
from tasks.files import durable, parquet
from tasks.gate.validate import PAGES
from tasks.lake.store import Lake
from tasks.report import changes, checks, flow, headline, numbers, page, site, summary, trend, worst
from tasks.report.queries import queries
from tasks.report.summary import SLICES, SummaryParameters
from tasks.report.trend import TrendParameters
from tasks.report.worst import WorstParameters
from tasks.review import report_files
from tasks.tables import REPORT
from tasks.visible import shortened, visible

_VERDICT_COLUMNS = (
    "verdict_id", "claim_id", "output_id", "produced_at", "verified_at", "verdict", "p_supported",
    "p_contradicted", "p_insufficient", "verifier", "snapshot", "is_conflict", *SLICES,
)  # fmt: skip
_EVIDENCE_COLUMNS = (
    "claim_id", "verifier", "snapshot", "rank", "passage_id", "origin", "p_supported", "p_contradicted",
    "p_insufficient", "tokens_offered", "tokens_seen",
)  # fmt: skip
_REASON_COLUMNS = ("verdict_id", "reason", "policy", "evidence_ids", "decisive_start", "decisive_end")
_WIDE, _NARROW = 820, 305
"""Chart widths in CSS pixels: the page's column, and a phone of 375 less margins."""


def write(
    lake: Lake,
    run_id: str,
    *,
    run: Mapping[str, Any],
    validation: Sequence[Mapping[str, Any]],
    health: pl.DataFrame,
    checkpoint: Mapping[str, Any] | None,
    now: datetime,
) -> Path:
    """Writes LAKE/reports/RUN_ID/{report.json,report.parquet,index.html}, then the site over all runs.

    Each file appears whole or not at all, the page after its numbers, the site last; writing again gives the
    same. Returns the page's path.

    Args:
        run: the run's row of the `runs` table.
        validation: what `Validator.results()` gave; see `tasks/report/checks.py` for the keys read.
        health: this run's rows of the `health` table.
        checkpoint: the ledger's signed state as plain values, or None where there is none.
        now: when the page is written, UTC.

    Raises:
        LakeError: the folder cannot be written.
    """
    facts = gather(
        lake, run_id, run=run, validation=validation, health=health, checkpoint=checkpoint, now=now
    )
    folder = lake.report_folder(run_id)
    with durable.touching(folder):
        durable.replace(folder / "report.json", as_json(facts))
        durable.replace(folder / "report.parquet", parquet.encode(REPORT, numbers.numbers(facts)))
        durable.replace(folder / "index.html", render(facts).encode())
    site.write(lake, now=now)
    return folder / "index.html"


@dataclass(frozen=True)
class _Facts:
    """Frames that several sections share: current verdicts, outputs and last actions in the window."""

    window: summary.Window
    outputs: pl.DataFrame
    verdicts: pl.DataFrame
    actions: pl.DataFrame


def gather(
    lake: Lake,
    run_id: str,
    *,
    run: Mapping[str, Any],
    validation: Sequence[Mapping[str, Any]],
    health: pl.DataFrame,
    checkpoint: Mapping[str, Any] | None,
    now: datetime,
    parameters: SummaryParameters | None = None,
    worst_parameters: WorstParameters | None = None,
    trend_parameters: TrendParameters | None = None,
) -> dict[str, Any]:
    """Everything the page shows, by name; its size does not grow with the lake."""
    bounds = parameters or SummaryParameters()
    facts = _facts(lake, json.loads(run["parameters"]), bounds)
    agents, models, use_cases = (
        summary.by_slice(facts.verdicts, facts.outputs, column, bounds) for column in SLICES
    )
    total = summary.totals(facts.verdicts, facts.outputs)
    actions = summary.by_action(facts.actions)
    unit, series = summary.over_time(facts.verdicts, bounds)
    tenths = summary.scores(facts.verdicts)
    values, combinations = summary.cube(facts.verdicts, facts.outputs, bounds)
    claims = _worst(lake, facts, values, worst_parameters or WorstParameters())
    compared = changes.newest_drift(lake.scan("drift").collect(), run_id)
    ranked = changes.ranked(compared, bounds).to_dicts()
    told = changes.told(compared)
    drift_counts = changes.counts(compared)
    names = trend.wanted(
        agents.rename({"value": "agent"}),
        changes.drifted_slices(compared),
        bounds.minimum_claims,
        trend_parameters or TrendParameters(),
    )
    near = _newest_days(facts.window, bounds.daily_points)
    shares = changes.newest_flips(lake.scan("flip_shares").collect(), run_id)
    flips = changes.flips_by_cause(shares)
    flipped = _of_reaudit(lake, shares)
    return {
        "run": {**run, "parameters": json.loads(run["parameters"])},
        "run_id": run_id,
        "now": now,
        "window": facts.window,
        "total": total,
        "headline": headline.headline(total, told),
        "changes": headline.changes(told, drift_counts) if compared.height else [],
        "flip_sentences": headline.reaudit(shares, flipped),
        "remarks": headline.remarks(total, agents, actions, bounds),
        "shares": summary.percentages([total.supported, total.contradicted, total.insufficient]),
        "slices": [
            {"column": column, "title": title, "rows": _rows(frame)}
            for column, title, frame in zip(
                SLICES, ("Agent", "Model", "Use case"), (agents, models, use_cases), strict=True
            )
        ],
        "unit": unit,
        "series": series.to_dicts(),
        "trend_slices": names,
        "trend": _trend(lake, near, names).to_dicts(),
        "changed_on": changes.began(compared),
        "tenths": tenths.to_dicts(),
        "actions": _shares(actions),
        "action_reasons": summary.action_reasons(facts.actions, bounds).to_dicts(),
        "flow": flow.flow(facts.outputs, facts.verdicts, facts.actions).to_dicts(),
        "claims": claims,
        "filter": {
            "values": {c: [shortened(visible(v), page.NAME_CHARACTERS) for v in values[c]] for c in SLICES},
            "indices": {c: {v: place for place, v in enumerate(values[c])} for c in SLICES},
            "rows": combinations.rows(),
        },
        "findings": summary.findings_by_kind(_within(lake, "findings", facts.window), bounds)
        .collect()
        .to_dicts(),
        "addressed_claims": int(facts.verdicts["addressed"].sum()),
        "of_run": lake.scan("verdicts")
        .filter(pl.col("run_id") == run_id)
        .group_by("verdict")
        .agg(claims=pl.len().cast(pl.Int64))
        .sort("verdict")
        .collect()
        .to_dicts(),
        "tables": checks.reconciliation(json.loads(run["counts"])),
        "validation": checks.by_table(validation),
        "data_docs": _data_docs(lake, run_id),
        "quarantine": summary.quarantine_by_check(
            lake.scan("quarantine").filter(pl.col("run_id") == run_id), bounds
        )
        .collect()
        .to_dicts(),
        "health": health.sort("ok", "kind", "target").head(bounds.groups).to_dicts(),
        "drift": ranked,
        "drift_rows": compared.height,
        "drift_counts": drift_counts,
        "flips": flips,
        "flips_delivered": flipped.filter("is_delivered", pl.col("verdict") != "supported")[
            "output_id"
        ].n_unique(),
        "checkpoint": dict(checkpoint) if checkpoint else None,
        "queries": queries(
            facts.window,
            run_id,
            unit,
            claims=[claim.claim_id for claim in claims],
            drift_report=compared["report_id"][0] if compared.height else None,
            reaudit=shares["run_id"][0] if shares.height else None,
            trend_window=near,
            ledger_size=int((checkpoint or {}).get("size", 0)),
        ),
        "identities": _identities(lake, facts),
    }


def _facts(lake: Lake, run_parameters: Mapping[str, Any], bounds: SummaryParameters) -> _Facts:
    # Days of rows, not of partitions: a table without rows still has a file, in the partition of its making.
    days = lake.scan("outputs").select(pl.col("produced_at").dt.date().unique()).collect().to_series()
    window = summary.window(run_parameters, days.to_list(), bounds)
    outputs, verdicts, actions = pl.collect_all(
        [
            _within(lake, "outputs", window).select("output_id", *SLICES),
            summary.current(
                _within(lake, "verdicts", window).select(
                    *_VERDICT_COLUMNS, addressed=pl.col("reason").str.contains(ADDRESSED)
                )
            ),
            summary.latest_actions(_within(lake, "actions", window)).select(
                "output_id", "action", "policy", "reason"
            ),
        ]
    )
    return _Facts(window, outputs, verdicts, actions)


def _within(lake: Lake, table: str, window: summary.Window) -> pl.LazyFrame:
    return lake.scan(table, since=window.first, until=window.last)


def _newest_days(window: summary.Window, days: int) -> summary.Window:
    """The window, or its newest days where it is longer."""
    if window.first is None or window.last is None:
        return window
    return summary.Window(max(window.first, window.last - timedelta(days=days - 1)), window.last)


def _trend(lake: Lake, window: summary.Window, names: Sequence[str]) -> pl.DataFrame:
    """`daily_series` of the supported share of some slices; every claim counts once, without weights."""
    if window.first is None or window.last is None:
        return pl.DataFrame(schema=SERIES)
    cells = measurement.read_cells(lake, DriftParameters(), since=window.first, until=window.last)
    sums = cells.sums.filter(pl.col("metric") == trend.METRIC)
    return daily_series(dataclasses.replace(cells, sums=sums), slice_names=names)


def _of_reaudit(lake: Lake, shares: pl.DataFrame) -> pl.DataFrame:
    """The flips behind the shares shown; none where no re-audit is shown."""
    wanted = shares["run_id"][0] if shares.height else ""
    columns = ("output_id", "cause", "evidence_change", "is_delivered", "verdict")
    return lake.scan("flips").filter(pl.col("run_id") == wanted).select(columns).collect()


def _data_docs(lake: Lake, run_id: str) -> str | None:
    """Great Expectations' own pages of this run, seen from the report; None where none are kept."""
    written = (lake.root / "runs" / run_id / PAGES / "index.html").exists()
    return f"../../runs/{run_id}/{PAGES}/index.html" if written else None


def _worst(
    lake: Lake, facts: _Facts, values: Mapping[str, list[str]], parameters: WorstParameters
) -> list[worst.ShownClaim]:
    chosen = summary.fold_values(worst.select(facts.verdicts, parameters), values)
    if chosen.is_empty():
        return []
    days = chosen["produced_at"].dt.date().sort()
    near = summary.Window(days[0], days[-1])

    def named(table: str, key: str, ids: pl.Series, columns: tuple[str, ...]) -> pl.LazyFrame:
        return _within(lake, table, near).filter(pl.col(key).is_in(ids.implode())).select(columns)

    reasons, claims, outputs, evidence = pl.collect_all(
        [
            named("verdicts", "verdict_id", chosen["verdict_id"], _REASON_COLUMNS),
            named("claims", "claim_id", chosen["claim_id"], ("claim_id", "text")),
            named("outputs", "output_id", chosen["output_id"], ("output_id", "prompt")),
            named("evidence", "claim_id", chosen["claim_id"], _EVIDENCE_COLUMNS),
        ]
    )
    deciding = worst.deciding_passages(chosen, evidence, parameters)
    of_contexts = deciding.filter(pl.col("origin") == "context")["passage_id"].unique()
    of_corpus = deciding.filter(pl.col("origin") == "corpus")["passage_id"].unique()
    columns = ("passage_id", "document_uri", "text")
    # Passages of an output's own contexts stand in the output's day; those of a corpus in any.
    passages = pl.concat(
        [
            named("passages", "passage_id", of_contexts, columns),
            lake.scan("passages").filter(pl.col("passage_id").is_in(of_corpus.implode())).select(columns),
        ]
    )
    reasons = reasons.unique("verdict_id")
    return worst.present(
        chosen.join(reasons, on="verdict_id", how="left", maintain_order="left"),
        claims=claims,
        outputs=outputs,
        deciding=deciding,
        passages=passages.collect(),
        parameters=parameters,
    )


def _identities(lake: Lake, facts: _Facts) -> dict[str, list[tuple[str, int]]]:
    """What judged the claims shown: verifiers, snapshots, policies and sources, with how many rows each."""
    sources = _within(lake, "outputs", facts.window).group_by("source").len().collect()
    frames = {
        "verifier": facts.verdicts.group_by("verifier").len(),
        "snapshot": facts.verdicts.group_by("snapshot").len(),
        "policy": facts.actions.group_by("policy").len(),
        "source": sources,
    }
    return {
        name: frame.sort(["len", name], descending=[True, False]).head(10).rows()
        for name, frame in frames.items()
    }


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {**row, "shares": summary.percentages([row["supported"], row["contradicted"], row["insufficient"]])}
        for row in frame.iter_rows(named=True)
    ]


def _shares(actions: pl.DataFrame) -> list[dict[str, Any]]:
    shares = summary.percentages(actions["answers"].to_list())
    return [{**row, "share": share} for row, share in zip(actions.to_dicts(), shares, strict=True)]


def as_json(facts: Mapping[str, Any]) -> bytes:
    """The page's facts as one JSON document, keys sorted: what `report.json` holds."""

    def plain(value: object) -> object:
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, worst.ShownClaim | worst.ShownPassage):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            words = fields.pop("words")
            return {**fields, "text": "".join(text for text, _ in words)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        raise TypeError(f"{type(value).__name__} has no place in a report")

    return report_files.as_text({"format": 1, **facts}, plain).encode()


def render(facts: Mapping[str, Any], trend_parameters: TrendParameters | None = None) -> str:
    """The page's HTML, from what `gather` gives."""
    from tasks.report import charts

    series, tenths = pl.DataFrame(facts["series"]), pl.DataFrame(facts["tenths"])
    rows, links = pl.DataFrame(facts["trend"]), pl.DataFrame(facts["flow"])
    drawings = {}
    if facts["total"].claims:
        whole = rows.filter(pl.col("slice") == slices.ALL)
        changed = facts["changed_on"].get(slices.ALL)
        reach = trend.rounded_out(whole) if whole.height else (0.0, 1.0)
        for name, width in (("wide", _WIDE), ("narrow", _NARROW)):
            drawings[f"over_time_{name}"] = charts.over_time(
                series, whole, facts["unit"], width, changed=changed, reach=reach
            )
            drawings[f"scores_{name}"] = charts.scores(tenths, width)
    cards = (
        trend.cards(rows, facts["trend_slices"], facts["changed_on"], trend_parameters or TrendParameters())
        if rows.height
        else []
    )
    shown = {
        "cards": cards,
        "trend_table": _by_day(facts["trend"], [card.slice for card in cards]),
        "flows": {
            "wide": flow.drawn(links, _WIDE, (136, 120)),
            "narrow": flow.drawn(links, _NARROW, (98, 84)),
        }
        if links.height
        else None,
        "flip_scale": max([row["share"] or 0 for row in facts["flips"]] + [0.001]),
        "slice_words": slices.words,
        "parsed": slices.parsed,
        "besides": changes.besides,
        "metric_words": headline.metric_words,
        "indices": lambda where: _indices(where, facts["filter"]["indices"]),
    }
    return page.render(
        "report.html.j2",
        {**facts, **shown},
        drawings=drawings,
        data={"rows": facts["filter"]["rows"]},
        script="report.js",
    )


def _by_day(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[tuple[date, list[Any]]]:
    """The trend as a table: a day, and per slice its row or None; the newest day first."""
    cells = {(row["date"], row["slice"]): row for row in rows}
    days = sorted({day for day, _ in cells}, reverse=True)
    return [(day, [cells.get((day, name)) for name in names]) for day in days]


def _indices(where: Mapping[str, str], known: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The filter's numbers of a slice's values; a value that the filter folded has none."""
    named = {c: summary.NOT_RECORDED if value == slices.NONE else value for c, value in where.items()}
    return {c: known[c][v] for c, v in named.items() if c in known and v in known[c]}
