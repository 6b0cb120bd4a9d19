"""Door to Jinja2: one self-contained page per run, from the lake's tables.

The page needs no network: styles, script and charts are inline, and its Content-Security-Policy admits
exactly these by hash, so that nothing a trace says can load or run anything. Every text passes `visible`
and the engine's escaping; nothing in the templates is marked safe but our own files and cleaned charts.

Belongs here: reading, rendering, writing. Does not belong here: what the numbers mean (`tasks/pure`).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from tasks import durable
from tasks.pure import checks, summary, worst
from tasks.pure.queries import queries
from tasks.pure.summary import SLICES, SummaryParameters
from tasks.pure.visible import shortened, visible
from tasks.pure.worst import WorstParameters
from tasks.store import Lake

_VERDICT_COLUMNS = (
    "verdict_id", "claim_id", "output_id", "produced_at", "verified_at", "verdict", "p_supported",
    "p_contradicted", "p_insufficient", "verifier", "snapshot", "is_conflict", *SLICES,
)  # fmt: skip
_EVIDENCE_COLUMNS = (
    "claim_id", "verifier", "snapshot", "rank", "passage_id", "origin", "p_supported", "p_contradicted",
    "p_insufficient", "tokens_offered", "tokens_seen",
)  # fmt: skip
_NAME_CHARACTERS = 120
"""Longest name of an agent, model or use case on the page; sources may send any length."""

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
    """Writes LAKE/reports/RUN_ID/index.html, whole or not at all, and returns its path.

    Args:
        run: the run's row of the `runs` table.
        validation: what `Validator.results()` gave; see `tasks/pure/checks.py` for the keys read.
        health: this run's rows of the `health` table.
        checkpoint: the ledger's signed state as plain values, or None where there is none.
        now: when the page is written, UTC.

    Raises:
        LakeError: the folder cannot be written.
    """
    page = render(
        gather(lake, run_id, run=run, validation=validation, health=health, checkpoint=checkpoint, now=now)
    )
    path = lake.report_folder(run_id) / "index.html"
    with durable.touching(path):
        durable.replace(path, page.encode())
    return path


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
) -> dict[str, Any]:
    """Everything the template shows, by name; its size does not grow with the lake."""
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
    drift = lake.scan("drift").filter(pl.col("run_id") == run_id).collect()
    return {
        "run": {**run, "parameters": json.loads(run["parameters"])},
        "run_id": run_id,
        "now": now,
        "window": facts.window,
        "total": total,
        "headline": summary.headline(total),
        "remarks": summary.remarks(total, agents, actions, bounds),
        "shares": summary.percentages([total.supported, total.contradicted, total.insufficient]),
        "slices": [
            {"column": column, "title": title, "rows": _rows(frame)}
            for column, title, frame in zip(
                SLICES, ("Agent", "Model", "Use case"), (agents, models, use_cases), strict=True
            )
        ],
        "unit": unit,
        "series": series.to_dicts(),
        "tenths": tenths.to_dicts(),
        "charts": _charts(series, unit, tenths) if total.claims else {},
        "actions": _shares(actions),
        "action_reasons": summary.action_reasons(facts.actions, bounds).to_dicts(),
        "claims": claims,
        "filter": {
            "values": {c: [shortened(visible(v), _NAME_CHARACTERS) for v in values[c]] for c in SLICES},
            "rows": combinations.rows(),
        },
        "findings": summary.findings_by_kind(_within(lake, "findings", facts.window), bounds)
        .collect()
        .to_dicts(),
        "tables": checks.reconciliation(json.loads(run["counts"])),
        "validation": checks.by_table(validation),
        "quarantine": summary.quarantine_by_check(
            lake.scan("quarantine").filter(pl.col("run_id") == run_id), bounds
        )
        .collect()
        .to_dicts(),
        "health": health.sort("ok", "kind", "target").head(bounds.groups).to_dicts(),
        "drift": summary.drift_rows(drift, bounds).to_dicts(),
        "drift_rows": drift.height,
        "checkpoint": dict(checkpoint) if checkpoint else None,
        "queries": queries(facts.window, run_id, unit),
        "identities": _identities(lake, facts),
    }


def _facts(lake: Lake, run_parameters: Mapping[str, Any], bounds: SummaryParameters) -> _Facts:
    # Days of rows, not of partitions: a table without rows still has a file, in the partition of its making.
    days = lake.scan("outputs").select(pl.col("produced_at").dt.date().unique()).collect().to_series()
    window = summary.window(run_parameters, days.to_list(), bounds)
    outputs, verdicts, actions = pl.collect_all(
        [
            _within(lake, "outputs", window).select("output_id", *SLICES),
            summary.current(_within(lake, "verdicts", window).select(_VERDICT_COLUMNS)),
            summary.latest_actions(_within(lake, "actions", window)).select(
                "output_id", "action", "policy", "reason"
            ),
        ]
    )
    return _Facts(window, outputs, verdicts, actions)


def _within(lake: Lake, table: str, window: summary.Window) -> pl.LazyFrame:
    return lake.scan(table, since=window.first, until=window.last)


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
            named("verdicts", "verdict_id", chosen["verdict_id"], ("verdict_id", "reason", "policy")),
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


def _charts(series: pl.DataFrame, unit: str, tenths: pl.DataFrame) -> dict[str, dict[str, str]]:
    from tasks import charts

    return {
        "over_time": {
            "wide": charts.over_time(series, unit, _WIDE),
            "narrow": charts.over_time(series, unit, _NARROW),
        },
        "scores": {"wide": charts.scores(tenths, _WIDE), "narrow": charts.scores(tenths, _NARROW)},
    }


def render(context: Mapping[str, Any]) -> str:
    """The page's HTML. Every text of `context` is escaped; charts are already cleaned."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    folder = files("tasks") / "templates"
    style = (folder / "report.css").read_text("utf-8")
    script = (folder / "report.js").read_text("utf-8")
    environment = Environment(
        loader=PackageLoader("tasks", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        count=lambda value: f"{value:,}",
        probability=lambda value: f"{value:.2f}",
        name=lambda value: shortened(visible(str(value)), _NAME_CHARACTERS),
        link=_link,
        duration=_duration,
        instant=lambda value: f"{value:%Y-%m-%d %H:%M:%S} UTC",
    )
    charts = {
        name: {width: Markup(svg) for width, svg in drawings.items()}  # noqa: S704 - rebuilt by charts.clean
        for name, drawings in context["charts"].items()
    }
    data = json.dumps(context["filter"], ensure_ascii=True, separators=(",", ":"))
    return environment.get_template("report.html.j2").render(
        {**context, "charts": charts},
        # `<` cannot end the element early, whatever a name holds.
        filter_json=Markup(data.replace("<", "\\u003c")),  # noqa: S704
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy="; ".join(
            [
                "default-src 'none'",
                f"style-src '{_source_hash(style)}'",
                f"script-src '{_source_hash(script)}'",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
    )


def _finalize(value: object) -> object:
    """Every plain text that reaches the page loses its invisible characters, wherever it is printed."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def _source_hash(text: str) -> str:
    """CSP hash of an inline element (W3C Content Security Policy Level 3, section 2.3.1)."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _link(uri: str) -> str | None:
    """The URI if a reader may follow it: http or https with a host, and nothing invisible in it."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(uri)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return uri if usable and uri.isprintable() and " " not in uri and visible(uri) == uri else None


def _duration(seconds: float | None) -> str:
    """A span of time in the unit a reader would choose."""
    if seconds is None:
        return "–"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if abs(seconds) < limit:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 86400:,.0f} days"
