"""The report of a run: one self-contained page, and its numbers as JSON and Parquet beside it.

1. the scope: which days, which drift report, which re-audit.
2. the queries are run, and the page is made of their results.
3. numbers, then the page, then the site over all runs, each file whole or not at all.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tasks.drift import slices
from tasks.errors import LakeError
from tasks.files import durable, parquet
from tasks.lake.store import Lake
from tasks.report import (
    answers,
    caught,
    changes,
    charts,
    headline,
    listing,
    markup,
    numbers,
    queries,
    site,
    summary,
    trust,
    whole,
    worst,
)
from tasks.report.database import Database
from tasks.report.listing import Listing
from tasks.report.page import Change, Checkpoint, Page, RunFacts, Story, as_json
from tasks.report.parameters import ReportParameters
from tasks.report.queries import SLICES, Scope, Window
from tasks.report.summary import Filter, Totals
from tasks.report.whole import WholeAnswer
from tasks.report.worst import ShownClaim
from tasks.tables import REPORT
from tasks.visible import shortened, visible

if TYPE_CHECKING:
    from tasks.ledger.nightly import Verification

NAMES = {
    "supported": "Supported", "contradicted": "Contradicted", "unsettled": "Not settled",
    "unchecked": "Not checked", "insufficient": "Insufficient",
    "conflict": "Conflict", "delivered": "Delivered", "rephrased": "Rephrased", "escalated": "Escalated",
    "undecided": "Undecided", "no_claims": "No factual claim", "abstained": "Abstained",
    "evidence": "Evidence", "verifier": "Verifier", "policy": "Policy", "combination": "Together",
    "unexplained": "Unexplained",
}  # fmt: skip
"""Words of the vocabularies as a page prints them."""
REAUDIT = "reaudit"
"""Flow whose page begins with what it found of earlier verdicts."""
ABSTAINS = (pl.col("abstained") > 0) | (pl.col("in_part") > 0)
_LATER = ("worst", "evidence", "trend", "ledger")
"""Queries that need what others gave, or are not run: the ledger's size is signed in its checkpoint."""


def write(lake: Lake, page: Page) -> Path:
    """Writes `write_page`'s files, then the site over all runs. Returns the page's path.

    Raises:
        LakeError: the folder cannot be written.
    """
    path = write_page(lake, page)
    site.write(lake, now=page.now)
    return path


def write_page(lake: Lake, page: Page) -> Path:
    """Writes LAKE/reports/RUN_ID/{report.json,report.parquet,index.html} and the lists of claims.

    Writing again gives the same, as long as the lake is the same. Returns the page's path.
    """
    folder = lake.report_folder(page.run.run_id)
    with durable.touching(folder):
        durable.replace(folder / "report.json", as_json(page))
        durable.replace(folder / "report.parquet", parquet.encode(REPORT, numbers.numbers(page)))
        durable.replace(folder / "index.html", render(page).encode())
        for part in page.listing:
            durable.replace(folder / part.name, render_listing(page, part).encode())
    return folder / "index.html"


def said_of_trust(page: Path) -> list[str]:
    """What a written page says of how far its verdicts can be trusted, for the terminal; nothing where
    nothing was judged.
    """
    try:
        story = json.loads(page.with_name("report.json").read_bytes())["story"]
        return [str(sentence["text"]) for sentence in story["trust"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def gather(
    lake: Lake,
    run_id: str,
    *,
    checkpoint: Checkpoint | None,
    now: datetime,
    verification: Verification | None = None,
    is_after_erasure: bool = False,
    parameters: ReportParameters | None = None,
) -> Page:
    """Everything the page shows; its size does not grow with the lake.

    All that is said of the run is in the lake by now: its row, its health, its validation.

    Args:
        checkpoint: the ledger's signed state, or None where there is none.
        now: when the page is written, UTC.
        verification: of the ledger in this run; None where it was not verified.
        is_after_erasure: the page replaces one that may have shown an output that is erased.

    Raises:
        LakeError: the lake has no such run.
    """
    bounds = parameters or ReportParameters()
    size = int((checkpoint or {}).get("size", 0))
    with Database(lake, Scope(run_id, ledger_size=size, parameters=bounds)) as database:
        parameters_of_run = _choose(database, lake, bounds)
        results = database.results([name for name in queries.QUERIES if name not in _LATER])
        total = Totals(**results["answers"].row(0, named=True), **results["verdicts"].row(0, named=True))
        tables = tuple(summary.slice_table(results[f"by-{column}"], column, bounds) for column in SLICES)
        claims = _claims(database, bounds)
        names = changes.trend_slices(results["drift"], tables[0].rows, bounds)
        return Page(
            run=_run(run_id, parameters_of_run, results, bounds),
            now=now,
            is_after_erasure=is_after_erasure,
            window=database.scope.window,
            unit=database.scope.period,
            story=_story(
                results, total, tables[0].rows, verification, is_reaudit=database.scope.reaudit == run_id
            ),
            change=_change(results, bounds),
            total=total,
            sampled=results["sampled"],
            because=_because(results["because"], bounds),
            targets=results["targets"],
            measured=results["measured"],
            reviewed=results["reviewed"],
            accuracy=results["accuracy"].head(bounds.groups),
            nights=results["nights"],
            slices=tables,
            series=results["over-time"].tail(2 * bounds.daily_points),
            trend=database.trend(names),
            trend_slices=names,
            tenths=summary.all_tenths(results["scores"]),
            actions=summary.all_actions(results["actions"]),
            action_reasons=results["action-reasons"].head(bounds.groups),
            flow=results["flow"],
            abstentions=results["abstentions"].filter(ABSTAINS).head(bounds.groups),
            caught=results["caught"].head(bounds.groups),
            late=results["late"],
            taken=results["taken"],
            claims=claims,
            answers=_answers(database, lake, bounds),
            filter=summary.cube(database.rows(queries.CUBE), bounds),
            citations=results["citations"].head(bounds.groups),
            findings=results["findings"].head(bounds.groups),
            addressed_claims=results["addressed-evidence"].item(),
            checkpoint=checkpoint,
            verification=verification,
            identities=_identities(results, bounds),
            queries=queries.published(database.scope),
            # Last, because the listing speaks of other claims and days than the queries above.
            listing=_listing(database, lake, bounds),
            listing_query=queries.listing(database.scope),
        )


def _story(
    results: Mapping[str, pl.DataFrame],
    total: Totals,
    agents: pl.DataFrame,
    verification: Verification | None,
    *,
    is_reaudit: bool,
) -> Story:
    drift, run = changes.notable(results["drift"]), results["run"]
    counts = changes.counts(results["drift-status"])
    by_documents = bool(results["flips-delivered"]["by_documents"].item())
    actions = summary.all_actions(results["actions"])
    lead = headline.reaudited(results["flips"], results["flips-delivered"]["answers"].item())
    return Story(
        headline=lead
        if is_reaudit and run["flow"].item() == REAUDIT and lead
        else headline.weighted(
            headline.headline(
                total,
                results["because"],
                rows_in=run["rows_in"].item(),
                refused=run["rows_quarantined"].item(),
            ),
            results["sampled"],
        ),
        trust=trust.sentences(results["measured"], results["reviewed"]),
        meaning=trust.meaning(results["measured"]),
        answers=answers.answers(
            total=total,
            agents=agents,
            targets=results["targets"],
            drift=drift,
            drift_counts=counts,
            actions=actions,
            nights=results["nights"],
            caught=caught.sentences(results["caught"]),
            attention=_attention(results, verification),
        ),
        changes=headline.changes(drift, counts) if results["drift"].height else [],
        flips=headline.reaudit(results["flips"], by_documents=by_documents),
        remarks=headline.remarks(total, results["sampled"]),
    )


def _attention(results: Mapping[str, pl.DataFrame], verification: Verification | None) -> list[str]:
    """What is broken besides the claims, in words."""
    said = []
    if verification and verification.findings:
        said.append("The lake does not match what was signed: some of it was changed after it was recorded.")
    down = results["health"].filter(~pl.col("ok"))["target"].to_list()
    if down:
        names = ", ".join(shortened(str(name), 60) for name in down[:3])
        more = f" and {len(down) - 3} more" if len(down) > 3 else ""
        said.append(f"Not reached: {names}{more}, so its records are missing.")
    missing, days = results["completeness"].select("missing", "missing_days").sum().row(0)
    if missing:
        is_are = "record is" if missing == 1 else "records are"
        said.append(f"{missing:,} {is_are} missing that the sources count, on {days:,} days.")
    refused = results["run"]["rows_quarantined"].item()
    if refused:
        are = "record was refused and is" if refused == 1 else "records were refused and are"
        said.append(f"{refused:,} {are} not audited.")
    return said


def _because(rows: pl.DataFrame, bounds: ReportParameters) -> pl.DataFrame:
    """Each cause's sum, and its first agents."""
    return rows.filter(pl.int_range(pl.len()).over("because") <= bounds.identities)


def _answers(database: Database, lake: Lake, bounds: ReportParameters) -> dict[str, WholeAnswer]:
    """The whole answers of the claims shown."""
    outputs = [list(database.scope.outputs)]
    texts = database.rows(queries.CHOICES["whole_answers"], outputs)
    claims = database.rows(queries.CHOICES["their_claims"], outputs)
    addresses = _addresses(lake, database.scope.run_id)
    traces = {row["output_id"]: markup.trace(addresses.get(row["source"]), row) for row in texts.to_dicts()}
    known = {output: trace for output, trace in traces.items() if trace}
    answers = whole.present(texts, claims, known, bounds.answer_characters)
    return {output: answers[output] for output in database.scope.outputs if output in answers}


def _listing(database: Database, lake: Lake, bounds: ReportParameters) -> list[Listing]:
    """Every claim in pages, with the answers that make them."""
    claims = database.rows(queries.LISTING["claims"])
    database.scope = dataclasses.replace(
        database.scope,
        claim_days=tuple(claims["produced_at"].dt.date().unique().sort()),
        outputs=tuple(claims["output_id"].unique(maintain_order=True)),
    )
    words = database.rows(queries.LISTING["words"], [claims["claim_id"].to_list()])
    return listing.paged(claims, words, _answers(database, lake, bounds), bounds.listed_claims)


def _addresses(lake: Lake, run_id: str) -> dict[str, str]:
    """By source, the address of its traces, as the run was configured."""
    try:
        sections = json.loads((lake.run_folder(run_id) / "settings.json").read_bytes())
        sources = json.loads(sections["sources"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {each["name"]: each["trace_url"] for each in sources if each.get("trace_url")}


def _change(results: Mapping[str, pl.DataFrame], bounds: ReportParameters) -> Change:
    return Change(
        drift=changes.ranked(results["drift"]).head(bounds.groups),
        drift_rows=results["drift"].height,
        drift_counts=changes.counts(results["drift-status"]),
        began=changes.began(results["drift"]),
        flips=results["flips"],
        flips_delivered=results["flips-delivered"]["answers"].item(),
    )


def _run(
    run_id: str,
    parameters: Mapping[str, object],
    results: Mapping[str, pl.DataFrame],
    bounds: ReportParameters,
) -> RunFacts:
    return RunFacts(
        run_id=run_id,
        **{**results["run"].row(0, named=True), "parameters": parameters},
        verdicts=results["of-run"],
        tables=results["reconciliation"],
        minimised=results["minimised"].head(bounds.groups),
        redaction=results["redaction"],
        lacks=results["lacks"].head(bounds.groups),
        validation=results["validation"],
        failures=results["failures"],
        quarantine=results["quarantine"].head(bounds.groups),
        health=results["health"].head(bounds.groups),
        availability=results["availability"].head(bounds.groups),
        completeness=results["completeness"].head(bounds.groups),
        incomplete=results["incomplete"].head(bounds.groups),
        inventory=results["inventory"].head(bounds.groups),
    )


def _choose(database: Database, lake: Lake, bounds: ReportParameters) -> dict[str, object]:
    """Settles what the page speaks of, and makes the common tables; the run's own parameters.

    Raises:
        LakeError: the lake has no such run.
    """

    def first(name: str) -> str | None:
        return next(iter(database.rows(queries.CHOICES[name]).to_series()), None)

    run = database.rows(queries.QUERIES["run"])
    if run.is_empty():
        run_id = database.scope.run_id[:12]
        raise LakeError(f"{lake.root}: there is no run {run_id} in its table of runs, so no report")
    parameters: dict[str, object] = json.loads(run["parameters"].item())
    days: list[date] = database.rows(queries.CHOICES["days"]).to_series().to_list()
    window = summary.window(parameters, days, bounds)
    database.scope = dataclasses.replace(
        database.scope,
        window=window,
        trend_window=summary.newest_days(window, bounds.daily_points),
        drift_report=first("newest_drift"),
        reaudit=first("newest_reaudit"),
    )
    database.make_common_tables()
    judged = Window(*database.rows(queries.CHOICES["verdict_days"]).row(0))
    database.scope = dataclasses.replace(database.scope, period=summary.period(judged, bounds))
    return parameters


def _claims(database: Database, bounds: ReportParameters) -> list[ShownClaim]:
    chosen = database.rows(queries.QUERIES["worst"])
    database.scope = dataclasses.replace(
        database.scope,
        claims=tuple(chosen["claim_id"]),
        outputs=tuple(chosen["output_id"].unique(maintain_order=True)),
        claim_days=tuple(chosen["produced_at"].dt.date().unique().sort()),
    )
    evidence = database.rows(queries.QUERIES["evidence"])
    return worst.present(
        chosen,
        texts=database.rows(queries.CHOICES["texts"]),
        evidence=evidence,
        passages=database.rows(queries.CHOICES["passages"], [evidence["passage_id"].unique().to_list()]),
        parameters=bounds,
    )


def _identities(results: Mapping[str, pl.DataFrame], bounds: ReportParameters) -> pl.DataFrame:
    """What judged the claims shown, the most frequent of each kind."""
    rows = pl.concat([results["judged-by"], results["decided-by"]])
    return rows.filter(pl.int_range(pl.len()).over("what") < bounds.identities)


def render(page: Page) -> str:
    """The page's HTML."""
    whole = page.trend.filter(pl.col("slice") == slices.ALL)
    changed = page.change.began.get(slices.ALL)
    widths = (charts.WIDE, charts.NARROW)
    judged = widths if page.total.claims else ()
    cards = charts.cards(page.trend, page.trend_slices, page.change.began)
    shown = {
        "page": page,
        "names": NAMES,
        "because_words": headline.BECAUSE,
        "late_words": caught.LATE,
        "verifier_names": dict(page.measured.select("verifier", "name").iter_rows()),
        "how_to_review": trust.HOW,
        "parts": queries.PARTS,
        "listed": {claim.claim_id for claim in page.claims},
        "over_time": [charts.over_time(page.series, whole, page.unit, w, changed=changed) for w in judged],
        "scores": [charts.scores(page.tenths, width) for width in judged],
        "flows": [charts.flow(page.flow, NAMES, width) for width in widths if page.flow.height],
        "cards": cards,
        "trend_table": _by_day(page.trend, [card.slice for card in cards]),
        "flip_scale": max([share or 0 for share in page.change.flips["share"]] + [0.001]),
        "slice_words": slices.words,
        "besides": changes.besides,
        "metric_words": headline.metric_words,
        "indices": lambda name: _indices(slices.parsed(name), page.filter),
    }
    # In the narrow columns of a select, and in the script's memory: short names.
    values = {
        c: [shortened(visible(v), markup.NAME_CHARACTERS) for v in page.filter.values[c]] for c in SLICES
    }
    return markup.render(
        "report.html.j2", {**shown, "values": values}, data={"rows": page.filter.rows}, script="report.js"
    )


def render_listing(page: Page, part: Listing) -> str:
    """The HTML of one page of claims."""
    shown = {
        "page": page,
        "part": part,
        "names": NAMES,
        "because_words": headline.BECAUSE,
        "listed": set(part.claims["claim_id"]),
        "file_name": listing.file_name,
    }
    return markup.render("listing.html.j2", shown, data={}, script="listing.js")


def _by_day(trend: pl.DataFrame, names: Sequence[str]) -> list[tuple[date, list[dict[str, object] | None]]]:
    """The trend as a table: a day, and per slice its row or None; the newest day first."""
    cells = {(row["date"], row["slice"]): row for row in trend.to_dicts()}
    days = sorted({day for day, _ in cells}, reverse=True)
    return [(day, [cells.get((day, name)) for name in names]) for day in days]


def _indices(where: Mapping[str, str], values: Filter) -> dict[str, int]:
    """The filter's numbers of a slice's values; a value that the filter folded has none."""
    places = {c: values.place(c, None if value == slices.NONE else value) for c, value in where.items()}
    return {column: place for column, place in places.items() if place is not None}
