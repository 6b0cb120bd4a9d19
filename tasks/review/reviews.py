"""Human review: the queue out of the tables, sheets for people, and their answers back into `reviews`.

Belongs here: reading the lake for the queue, writing and importing sheets. Does not belong here: which
verdicts wait (`review/queue.py`), what a line must say (`review/review_sheets.py`), runs and events
(`flows/reviews.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl

from tasks import ids
from tasks.errors import InputError
from tasks.files import durable, workbooks
from tasks.files.workbooks import WorkbookError
from tasks.lake import current, reviewed
from tasks.lake.store import Lake
from tasks.privacy.cover import Cover
from tasks.review import disclosed, opinions, review_sheets, scores
from tasks.review.queue import QueueParameters, queue
from tasks.review.review_sheets import FILLED, Sheet, SheetError
from tasks.schema import conform
from tasks.tables import DECISIVE, ERASED, PROBABILITIES, REVIEWS, UTC, quarantine_rows

MAX_SHEET_BYTES = 64 << 20
"""A hundred thousand reviewed verdicts with their evidence; more is not a sheet that people filled in."""
PASSAGES = 3
"""Passages shown beside a claim, the deciding ones first."""
_SHOWN = 4000
"""Characters of a text in a sheet; a spreadsheet cell ends at 32,767."""


# The queue ------------------------------------------------------------------------------------------------


def waiting(lake: Lake, parameters: QueueParameters) -> pl.DataFrame:
    """Verdicts that wait for a person, most urgent first: columns of `queue.QUEUE`."""
    erased = lake.scan("outputs").filter(pl.col("response") == ERASED).select("output_id")
    verdicts = lake.scan("verdicts").join(erased, on="output_id", how="anti").collect()
    actions = lake.scan("actions").filter(pl.col("action") == "escalated").collect()
    return queue(verdicts, actions, lake.scan("reviews").collect(), _flips(lake), parameters)


def _flips(lake: Lake) -> pl.DataFrame:
    """verdict_id and detail of verdicts that flipped although the answer had been delivered."""
    delivered = lake.scan("flips").filter("is_delivered").sort("found_at", "flip_id", descending=True)
    detail = pl.format("was {}, now {}: {}", "verdict_before", "verdict", "cause")
    return delivered.select("verdict_id", detail=detail).collect()


def with_texts(lake: Lake, found: pl.DataFrame) -> pl.DataFrame:
    """The queue's rows with `claim` and `evidence`, a list of passages, those that decided first."""
    days = found["produced_at"].dt.date().sort().to_list()
    since, until = (days[0], days[-1]) if days else (None, None)
    wanted = found.lazy().select("claim_id").unique()

    def rows(table: str) -> pl.LazyFrame:
        return lake.scan(table, since=since, until=until).join(wanted, on="claim_id", how="semi")

    evidence = rows("evidence").collect()
    needed = evidence.lazy().select("passage_id").unique()
    passages = lake.scan("passages").join(needed, on="passage_id", how="semi").select("passage_id", "text")
    judged = lake.scan("verdicts", since=since, until=until).select("verdict_id", "verifier", "snapshot")
    keyed = (
        found.lazy().join(judged, on="verdict_id").select("verdict_id", "claim_id", "verifier", "snapshot")
    )
    shown = (
        keyed.join(evidence.lazy(), on=["claim_id", "verifier", "snapshot"])
        .join(passages.unique("passage_id"), on="passage_id")
        # By rank where scores are equal: a join keeps no order, and a sheet must not depend on chance.
        .sort(
            "verdict_id",
            pl.max_horizontal("p_supported", "p_contradicted"),
            "rank",
            descending=[False, True, False],
        )
        .group_by("verdict_id", maintain_order=True)
        .agg(evidence=pl.col("text").str.slice(0, _SHOWN).head(PASSAGES))
    )
    claims = rows("claims").select("claim_id", claim=pl.col("text").str.slice(0, _SHOWN)).unique("claim_id")
    return (
        found.lazy()
        .join(claims, on="claim_id", how="left", maintain_order="left")
        .join(shown, on="verdict_id", how="left", maintain_order="left")
        .with_columns(pl.col("evidence").fill_null([]))
        .collect()
    )


def export(lake: Lake, found: pl.DataFrame, path: Path) -> int:
    """Writes the queue as a sheet to fill in; the number of lines.

    `.jsonl` gives one record a line for annotation tools, `.xlsx` a workbook; any other name gives CSV.

    Raises:
        InputError: a workbook without the extra `office`.
        LakeError: the file cannot be written.
    """
    frame = with_texts(lake, found)
    if path.suffix == ".jsonl":
        frame = frame.with_columns(pl.lit("").alias(name) for name in FILLED)
        data = frame.with_columns(pl.col("produced_at").dt.to_string("iso:strict")).write_ndjson().encode()
    else:
        header, rows = _lines(lake, frame)
        try:
            is_workbook = path.suffix == ".xlsx"
            write = partial(workbooks.write, choices=review_sheets.CHOICES)
            data = write(header, rows) if is_workbook else review_sheets.write(header, rows)
        except WorkbookError as error:
            raise InputError(f"{path}: {error}") from None
    write_noted(lake, path, frame["output_id"].to_list(), data)
    return frame.height


def labelled(lake: Lake) -> pl.DataFrame:
    """What people decided, as pairs to train, calibrate and evaluate a verifier with.

    Columns: verdict_id, claim_id, output_id, dataset ("reviews"), agent, use_case, claim, evidence (list, as
    the reviewer saw it), label, weight. A confirmed verdict is the label; of an overturned one it is the
    correction, and without any `not_supported` where the verdict was *supported*. Left out: verdicts that
    reviewers disagree on (and nobody adjudicated), and those of which nothing is known but that they were
    wrong.

    The weight is how many verdicts the pair stands for: those of its kind by the read ones of its kind
    (`lake/reviewed.py`), times the answers that its answer was drawn for.
    """
    agreed = (
        opinions.by_verdict(lake.scan("reviews"))
        .filter("is_settled")
        .select("verdict_id", "outcome", "corrected_verdict")
    )
    answers = lake.scan("outputs")
    erased = answers.filter(pl.col("response") == ERASED).select("output_id")
    drawn = answers.select("output_id", stands_for=1 / pl.col("sampling_probability").fill_null(1.0))
    judged = (
        lake.scan("verdicts")
        .select(*_OF_PAIRS, *reviewed.READ)
        .join(agreed, on="verdict_id", how="left")
        .join(erased, on="output_id", how="anti")
        .join(drawn, on="output_id", how="left")
        .with_columns(label=_label(), dataset=pl.lit("reviews"))
        .with_columns(weight=reviewed.represents(pl.col("label").is_not_null()) * pl.col("stands_for"))
        .filter(pl.col("label").is_not_null())
        .sort("verdict_id")
    )
    return (
        with_texts(lake, judged.collect())
        .filter(pl.col("evidence").list.len() > 0)
        .select(*("verdict_id", "claim_id", "output_id", "dataset", "agent", "use_case"),
                *("claim", "evidence", "label", "weight"))
    )  # fmt: skip


_OF_PAIRS = ("verdict_id", "claim_id", "output_id", "produced_at", "agent", "use_case")


def _label() -> pl.Expr:
    """What a verdict should have been, null where no review says it."""
    unsaid = pl.when(pl.col("verdict") == "supported").then(pl.lit("not_supported"))
    corrected = pl.when(pl.col("outcome") == "overturned").then(pl.coalesce("corrected_verdict", unsaid))
    return pl.when(pl.col("outcome") == "confirmed").then("verdict").otherwise(corrected)


def export_labelled(lake: Lake, path: Path) -> int:
    """Writes `labelled` as JSON Lines; the number of pairs.

    Raises:
        InputError: a name that does not end in .jsonl, or no review that gives a label.
        LakeError: the file cannot be written.
    """
    if path.suffix != ".jsonl":
        raise InputError(f"{path}: pairs are written as JSON Lines; give a name that ends in .jsonl")
    frame = labelled(lake)
    if frame.is_empty():
        raise InputError(
            f"{lake.root}: no review yields a label yet; claimledger review list shows what waits"
        )
    write_noted(lake, path, frame["output_id"].to_list(), frame.write_ndjson().encode())
    return frame.height


def write_noted(lake: Lake, path: Path, output_ids: list[str], data: bytes) -> None:
    """Writes a file that shows texts of these outputs, and notes it for their erasure."""
    with durable.touching(path):
        durable.make_folder(path.resolve().parent)
        # Noted before it is there, so that no erasure can miss it.
        disclosed.remember(lake, path, output_ids)
        durable.replace(path.resolve(), data)


def _lines(lake: Lake, frame: pl.DataFrame) -> tuple[tuple[str, ...], list[list[str]]]:
    """Header and rows of a sheet: what a person judges by, beside the passages."""
    shown = ("because", "verdict", *PROBABILITIES, "agent", "use_case", "claim")
    numbered = [f"evidence_{n + 1}" for n in range(PASSAGES)]
    context = _context(lake, frame)
    cut = frame.join(context, on="verdict_id", how="left", maintain_order="left").with_columns(
        pl.col(PROBABILITIES).round(3).cast(pl.String).str.strip_suffix(".0"),
        *(pl.col("evidence").list.get(n, null_on_oob=True).alias(name) for n, name in enumerate(numbered)),
        *(pl.lit("").alias(name) for name in FILLED),
    )
    header = ("verdict_id", "claim_id", *shown, *context.columns[1:], *numbered, *FILLED)
    return header, [list(row) for row in cut.select(header).fill_null("").iter_rows()]


def _context(lake: Lake, frame: pl.DataFrame) -> pl.DataFrame:
    """By verdict_id: deciding_sentence, document, reason, question, answer."""
    days = frame["produced_at"].dt.date().sort().to_list()
    since, until = (days[0], days[-1]) if days else (None, None)
    judged = lake.scan("verdicts", since=since, until=until).join(
        frame.lazy().select("verdict_id"), on="verdict_id", how="semi"
    )
    judged = judged.with_columns(passage_id=pl.col("evidence_ids").list.get(0, null_on_oob=True))
    passages = lake.scan("passages").join(judged.select("passage_id"), on="passage_id", how="semi")
    outputs = lake.scan("outputs", since=since, until=until).select("output_id", "prompt", "response")
    start, end = pl.col("decisive_start"), pl.col("decisive_end")
    return (
        judged.join(outputs, on="output_id", how="left")
        .join(
            passages.unique("passage_id").select("passage_id", "document_uri", "text"),
            on="passage_id",
            how="left",
        )
        .select(
            "verdict_id",
            deciding_sentence=pl.col("text").str.slice(start, end - start).str.slice(0, _SHOWN),
            document="document_uri",
            reason="reason",
            question=pl.col("prompt").str.slice(0, _SHOWN),
            answer=pl.col("response").str.slice(0, _SHOWN),
        )
        .collect()
    )


# Answers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What a filled-in sheet amounts to, before anything is published."""

    reviews: pl.DataFrame
    """REVIEWS rows that are new."""
    already_there: int
    quarantine: pl.DataFrame
    blank: int
    """Lines that nobody has filled in."""
    lines: int
    """Lines that were filled in, usable or not."""
    days: tuple[date, date] | None
    """First and last UTC day of the outputs that usable lines are about."""
    outcomes: dict[str, str]
    """verdict_id to outcome, as the sheet says, for evaluating a sample; overturned outweighs confirmed."""


def read_sheet(
    lake: Lake,
    path: Path,
    *,
    run_id: str,
    now: datetime,
    default_reviewer: str | None = None,
    cover: Cover | None = None,
) -> Answers:
    """Reads a filled-in sheet (CSV, or `.jsonl`) against the lake.

    A line that says what a review in the lake says already, by the same reviewer, is not a second review.

    Raises:
        InputError: the file is missing, too large, or no sheet at all.
    """
    try:
        if path.stat().st_size > MAX_SHEET_BYTES:
            raise InputError(f"{path}: larger than {MAX_SHEET_BYTES >> 20} MiB; give the sheet in parts")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        sheet = review_sheets.read_lines(data) if path.suffix == ".jsonl" else review_sheets.read(data)
    except SheetError as error:
        raise InputError(f"{path}: no review sheet: {error}") from None
    return taken(
        lake,
        sheet,
        path.name,
        channel="sheet",
        run_id=run_id,
        now=now,
        default_reviewer=default_reviewer,
        cover=cover,
    )


def taken(
    lake: Lake,
    sheet: Sheet,
    name: str,
    *,
    channel: Literal["page", "sheet"],
    run_id: str,
    now: datetime,
    default_reviewer: str | None = None,
    cover: Cover | None = None,
) -> Answers:
    """What people's decisions amount to against the lake: the one way into `reviews`.

    Args:
        name: where they are from, for the quarantine.
        channel: a line of a sheet that says what the reviewer said before is the sheet imported again; on the
            page it is so only where nothing was decided in between.
        cover: covers confidential data in comments; of refused lines it is not shown anyway.
    """
    if cover is not None:
        sheet = replace(sheet, rows=sheet.rows.with_columns(cover.plain(sheet.rows["comment"])))
    usable, refused, blank = review_sheets.judged(
        sheet.rows, _named(lake, sheet.rows), now=now.isoformat(), default_reviewer=default_reviewer
    )
    days = usable["produced_at"].dt.date().sort().to_list()
    verdict_ids = usable.lazy().select("verdict_id").unique()
    since, until = (days[0], days[-1]) if days else (None, None)
    known = lake.scan("reviews", since=since, until=until).join(verdict_ids, on="verdict_id", how="semi")
    fresh, there = _new(usable, known.collect(), channel=channel, run_id=run_id, now=now)
    # What was examined before its output was erased counts for a sample, else an erasure would hide it.
    examined = refused.filter((pl.col("problem") == review_sheets.ERASED) & pl.col("outcome").is_in(DECISIVE))
    said = pl.concat([frame.select("verdict_id", "outcome") for frame in (usable, examined)])
    outcomes = dict(said.filter(pl.col("outcome").is_in(DECISIVE)).sort("outcome").iter_rows())
    quarantine = _quarantine(sheet.refused, refused, name, run_id, now)
    lines = sheet.rows.height - blank + len(sheet.refused)
    return Answers(fresh, there, quarantine, blank, lines, (days[0], days[-1]) if days else None, outcomes)


def of_scores(
    lake: Lake, found: pl.DataFrame, source: str, *, run_id: str, now: datetime
) -> tuple[Answers, dict[str, int]]:
    """People's scores of answers (columns as in `scores.lines`) against the lake, as a sheet would be read.

    Returns what they amount to, and how many gave no review for what reason.
    """
    outputs = current.current_outputs(lake.scan("outputs")).join(
        found.lazy().select("source", "source_id").unique(), on=["source", "source_id"], how="semi"
    )
    judged = current.VERDICTS.of(lake.scan("verdicts")).join(
        outputs.select("output_id", "source", "source_id"), on="output_id"
    )
    known = lake.scan("reviews").collect()
    sheet, counts = scores.lines(found, judged.collect(), known)
    usable, refused, _ = review_sheets.judged(sheet, _named(lake, sheet), now=now.isoformat())
    fresh, there = _new(usable, known, channel="source", run_id=run_id, now=now)
    quarantine = _quarantine([], refused, f"scores of {source}", run_id, now)
    outcomes = dict(usable.select("verdict_id", "outcome").iter_rows())
    return Answers(fresh, there, quarantine, 0, sheet.height, None, outcomes), counts


def _named(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """What `judged` needs of the verdicts that a sheet names."""
    wanted = rows.lazy().select(pl.col("verdict_id").str.to_lowercase()).unique()
    erased = lake.scan("outputs").filter(pl.col("response") == ERASED).select("output_id").collect()
    return (
        lake.scan("verdicts")
        .join(wanted, on="verdict_id", how="semi")
        .select(
            "verdict_id",
            "claim_id",
            "verdict",
            "produced_at",
            is_erased=pl.col("output_id").is_in(erased["output_id"].implode()),
        )
        .collect()
    )


def _new(
    usable: pl.DataFrame, known: pl.DataFrame, *, channel: str, run_id: str, now: datetime
) -> tuple[pl.DataFrame, int]:
    """REVIEWS rows that the lake does not have yet, and how many it has.

    Args:
        known: REVIEWS rows of these verdicts.
    """
    same = ["verdict_id", "reviewer", "outcome", "corrected_verdict", "comment"]
    last = current.REVIEWS.of(known.lazy()).collect()
    fresh = usable.unique(same, keep="first", maintain_order=True).join(
        (last if channel == "page" else known).select(same),
        on=same,
        how="anti",
        nulls_equal=True,
        maintain_order="left",
    )
    moments = fresh["reviewed_at"].dt.epoch("us")
    named = [fresh["verdict_id"], fresh["reviewer"], moments, fresh["outcome"]]
    rows = fresh.with_columns(
        review_id=ids.digest_rows("review", named),
        run_id=pl.lit(run_id),
        recorded_at=pl.lit(now, UTC),
        channel=pl.lit(channel),
    )
    rows = _beside_others(rows.unique("review_id", keep="first", maintain_order=True), last)
    return conform(REVIEWS, rows.select(REVIEWS.schema.names())), usable.height - rows.height


def _beside_others(rows: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """With `supersedes` and `is_adjudication`, out of every reviewer's last word before."""
    own = last.select("verdict_id", "reviewer", before="reviewed_at", supersedes="review_id")
    decided = last.filter(pl.col("outcome").is_in(DECISIVE))
    others = rows.select("verdict_id", "reviewer", "review_id").join(
        decided.select("verdict_id", "outcome", "corrected_verdict", other="reviewer"), on="verdict_id"
    )
    differing = (
        others.group_by("review_id")
        .agg(
            opinions=pl.struct("outcome", "corrected_verdict").n_unique(),
            is_own=(pl.col("other") == pl.col("reviewer")).any(),
        )
        .filter((pl.col("opinions") > 1) & ~pl.col("is_own"))
    )
    return rows.join(own, on=["verdict_id", "reviewer"], how="left", maintain_order="left").with_columns(
        # What was reviewed before the last word, and imported after it, replaces nothing.
        supersedes=pl.when(pl.col("before") < pl.col("reviewed_at")).then("supersedes"),
        is_adjudication=pl.col("outcome").is_in(DECISIVE)
        & pl.col("review_id").is_in(differing["review_id"].implode()),
    )


def _quarantine(
    broken: list[tuple[int, str]], refused: pl.DataFrame, name: str, run_id: str, now: datetime
) -> pl.DataFrame:
    """Refused lines as rows of `quarantine`; what people wrote is told by its length alone."""
    rows = [(line, problem, "") for line, problem in broken]
    for each in refused.iter_rows(named=True):
        raw = {k: each[k][:80] for k in ("verdict_id", "outcome", "corrected_verdict")}
        raw |= {k: f"({len(each[k])} characters)" for k in ("reviewer", "comment")}
        rows.append((each["line"], each["problem"], json.dumps(raw, sort_keys=True)))
    return quarantine_rows(
        [
            {
                "locator": f"{name[:200]}:{line}",
                "check": "review_sheet",
                "reason": f"line {line}: {problem}",
                "raw": raw,
            }
            for line, problem, raw in sorted(rows)
        ],
        table="reviews",
        source="review import",
        run_id=run_id,
        quarantined_at=now,
    )


def summary(frame: pl.DataFrame) -> dict[str, int]:
    """Counts of a queue by reason."""
    counts = frame["because"].value_counts().sort("because")
    return dict(counts.iter_rows())
