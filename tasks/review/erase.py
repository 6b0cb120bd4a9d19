"""Erasure: an output's content goes from every place, and the ledger still verifies.

1. the erasure event is appended: from here on rows that are gone are explained. Crash: run the command again.
2. run folders: Data Docs that show a text go, in results every string that holds it is overwritten. This
   comes before the tables, because those know what to look for.
3. proofs, samples and review sheets that this lake wrote lose the text, wherever they still are.
4. pages of the output's day, and their JSON, are removed; the caller writes them again (`Erased.reports`).
   Caches are deleted, they are rebuilt.
5. every table is rewritten in one commit: texts blanked, context passages and their ids removed.
6. the key and the salt are destroyed, last, because the steps before may need to be repeated.

What stays says that something was there and when, and no longer what: ids, verdicts, probabilities, digests
under a key that nobody has. Copies that people took elsewhere (an auditor's proofs, backups) are theirs: they
still prove what was logged, and nobody else can guess it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl

from tasks import ids
from tasks.errors import InputError
from tasks.files import durable, parquet
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.ledger import events_table, opening, recording
from tasks.ledger.parameters import LedgerSettings
from tasks.review import disclosed, occurrence
from tasks.review.journal import Journal
from tasks.review.occurrence import Texts
from tasks.tables import ERASED, TABLES

_TITLES = ("mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "mme", "m")
_LONG = 20
"""A refused record with so many letters of an erased answer in a row is taken for that answer."""


@dataclass
class Erased:
    """What was removed from where."""

    output_id: str
    rows: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Files that its text was written to and that are no longer where they were: copies that others keep."""
    reports: list[str] = field(default_factory=list)
    """Runs whose page covered the output's day and was removed: to be written again."""
    key_destroyed: bool = False
    event_index: int = 0

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def erase(
    lake: Lake,
    settings: LedgerSettings,
    output_id: str,
    *,
    reason: str,
    run_id: str,
    now: datetime,
    actor: str,
) -> Erased:
    """Erases one output's content everywhere in the lake; running it again finishes what was interrupted.

    Args:
        actor: who erases; the log says so for ever, as it does the reason.

    Raises:
        InputError: there is no such output.
        ConfigError: the reason holds what looks like personal data, or the signing key is missing.
        InputError: the reason holds what looks like a name.
        LakeError: something cannot be written; run it again.
    """
    _require_no_name(reason)
    with lake.lock("erasure"):
        lake.recover()
        words = _words(lake, output_id)
        done = Erased(output_id)
        opened = opening.open_ledger(lake, settings)
        logged = opened.log.find(pl.Series([output_id])).filter(pl.col("kind") == "erasure")
        if words is None and logged.is_empty():
            raise InputError(f"{output_id[:80]}: no output with this id in {lake.root}")
        words = words or _Words(None, Texts([]), Texts([]))
        rows = _tables(lake, output_id, words.own)
        if logged.is_empty():
            named = {"subject_id": output_id, "output_id": output_id, "reason": reason, "actor": actor}
            count = sum(change.rows for change in rows)
            recorded = recording.append_one(
                lake, settings, "erasure", run_id=run_id, now=now, rows_erased=count, **named
            )
            done.event_index = recorded.checkpoint.size - 1
        else:
            done.event_index = int(logged["sequence"][0])
        with durable.touching(lake.root):
            _run_folders(lake, words.all, done)
            _elsewhere(lake, output_id, done)
            _pages(lake, words.day, done)
            cache = lake.root / "cache"
            if cache.exists():
                shutil.rmtree(cache)
                done.files.append(str(cache))
            _commit(lake, run_id, output_id, rows, done)
        lake.publish()  # before the key goes: until then all of it can be done again
        done.key_destroyed = opened.vault.destroy(output_id)
        events_table.render(lake, opened.log)
    return done


def _require_no_name(reason: str) -> None:
    """A reason stays readable in the log for ever, so nobody may be named in it.

    Two capitalised words in a row, or one after a title, are taken for a name; the way out is to write them
    small, which costs an honest reason nothing.
    """
    words = [word.strip(".,;:!?()'\"") for word in reason.split()]
    for first, second in pairwise(words):
        if second.istitle() and (first.istitle() or first.lower() in _TITLES):
            raise InputError(
                f"--reason: {first} {second} looks like a name, and a reason stays readable in the ledger "
                "for ever; give a ticket's number instead, or write it in small letters if it is no name"
            )


@dataclass(frozen=True)
class _Words:
    """An output's day, and what it said: all texts, and those of the agent and its user alone.

    Contexts may be shown of other outputs too.
    """

    day: date | None
    all: Texts
    own: Texts


def _words(lake: Lake, output_id: str) -> _Words | None:
    """Every text of the output that is not erased yet; None where there is no such output."""
    output = lake.scan("outputs").filter(pl.col("output_id") == output_id).collect()
    if output.is_empty():
        return None
    claims = lake.scan("claims").filter(pl.col("output_id") == output_id).select("text").collect()
    own = [output["prompt"][0], output["response"][0], *claims["text"]]
    more = [text for c in output["contexts"][0].to_list() for text in (c["text"], c["uri"])]
    for table, column in (
        ("passages", "text"),
        ("verdicts", "reason"),
        ("actions", "reason"),
        ("flips", "reason"),
        ("reaudits", "reason"),
    ):
        rows = lake.scan(table).filter(pl.col("output_id") == output_id).select(column).collect()
        more += rows[column].to_list()
    return _Words(output["produced_at"][0].date(), Texts([*own, *more]), Texts(own, _LONG))


@dataclass(frozen=True)
class _Change:
    """One table file with the output's rows blanked."""

    table: str
    file: commits.File
    data: bytes
    rows: int


_Plan = tuple[pl.Expr, dict[str, pl.Expr]]
"""Which rows of a table, and the values they get; without values the rows go."""


def _tables(lake: Lake, output_id: str, own: Texts) -> list[_Change]:
    """Every file of a table that holds something of the output, as it is to be."""
    mine = pl.col("output_id") == output_id
    claim_ids = lake.scan("claims").filter(mine).select("claim_id").collect()["claim_id"].to_list()
    verdict_ids = lake.scan("verdicts").filter(mine).select("verdict_id").collect()["verdict_id"].to_list()
    plans = _plans(mine, pl.lit(ids.digest("erased", output_id))) | {
        "reviews": (
            pl.col("claim_id").is_in(claim_ids) | pl.col("verdict_id").is_in(verdict_ids),
            {"comment": pl.lit(None, pl.String), "reviewer": pl.lit(ERASED)},
        ),
        "quarantine": (
            pl.col("locator").is_in([output_id, *claim_ids, *verdict_ids])
            | pl.col("locator").str.contains(output_id, literal=True)
            # The same answer, refused another time for its form.
            | pl.col("raw").map_elements(own.are_in, return_dtype=pl.Boolean),
            {"raw": pl.lit(ERASED)},
        ),
    }
    changes = [_change(name, path, *plan) for name, plan in plans.items() for path in lake.files(name)]
    return [change for change in changes if change]


def _plans(mine: pl.Expr, digest: pl.Expr) -> dict[str, _Plan]:
    """Of the tables whose rows name their output; `digest` stands for every digest of what it said."""
    blank = pl.lit(ERASED)
    return {
        "outputs": (
            mine,
            {
                "source_id": blank,
                "session_id": pl.lit(None, pl.String),
                "prompt": pl.lit(None, pl.String),
                "response": blank,
                "contexts": pl.col("contexts").list.head(0),
                "tools": pl.col("tools").list.head(0),
                "metadata": pl.lit("{}"),
                "language": pl.lit(None, pl.String),
                "content_sha256": digest,
            },
        ),
        "claims": (mine, {"text": blank}),
        # One id for all: which passages there were says what was said.
        "evidence": (mine & (pl.col("origin") != "corpus"), {"passage_id": digest}),
        "verdicts": (mine, {"reason": blank, "evidence_ids": pl.col("evidence_ids").list.head(0)}),
        "actions": (mine, {"reason": blank}),
        "findings": (
            mine,
            {"masked": blank, "origin": pl.lit(None, pl.String), "value_hmac": pl.lit(None, pl.String)},
        ),
        "flips": (mine, {"reason": blank}),
        "reaudits": (mine & pl.col("reason").is_not_null(), {"reason": blank}),
        "passages": (mine, {}),
    }


def _change(table: str, path: Path, which: pl.Expr, values: dict[str, pl.Expr]) -> _Change | None:
    declared = TABLES[table]
    which = which.fill_null(value=False)
    old = parquet.scan(declared, [path]).collect()
    touched = int(old.select(which.sum()).item())
    if not touched:
        return None
    if values:
        new = old.with_columns(
            pl.when(which).then(expression).otherwise(pl.col(name)).alias(name)
            for name, expression in values.items()
        )
    else:
        new = old.filter(~which)
    if new.equals(old):
        return None
    data = parquet.encode(declared, new)
    day = datetime.fromisoformat(path.parent.name.removeprefix("date=")).date()
    was = (path.name, durable.sha256_file(path))
    return _Change(table, commits.describe(table, day, data, new.height, was), data, touched)


def _commit(lake: Lake, run_id: str, output_id: str, changes: list[_Change], done: Erased) -> None:
    if changes:
        commits.commit(lake.root, run_id, f"erase-{output_id[:16]}", [(c.file, c.data) for c in changes])
    for change in changes:
        done.rows[change.table] = done.rows.get(change.table, 0) + change.rows


def _elsewhere(lake: Lake, output_id: str, done: Erased) -> None:
    """Proofs, samples and sheets that this lake wrote, where they still are."""
    mine = lake.scan("verdicts").filter(pl.col("output_id") == output_id)
    verdict_ids = mine.select("verdict_id").collect()["verdict_id"].to_list()
    Journal(lake.root).erase(verdict_ids)
    changed, missing = disclosed.erase(lake, output_id, verdict_ids)
    done.files += changed
    done.missing += missing


def _run_folders(lake: Lake, texts: Texts, done: Erased) -> None:
    """Folders of pages that show a text go whole; elsewhere a file loses the strings that hold it."""
    for folder in sorted((lake.root / "runs").glob("*")):
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.suffix == ".parquet" or path.parent.name == "commits":
                continue
            content = path.read_bytes().decode("utf-8", "replace")
            if not texts.are_in(content):
                continue
            part = folder / path.relative_to(folder).parts[0]
            if part != path:
                shutil.rmtree(part)
            else:
                _without_texts(path, content, texts)
            done.files.append(str(part))
            _remove_page(lake.root / "reports" / folder.name, done)  # it links to them


def _without_texts(path: Path, content: str, texts: Texts) -> None:
    try:
        value = json.loads(content)
    except ValueError:
        path.unlink()
    else:
        clean = occurrence.without(value, texts, ERASED)
        durable.replace(
            path, json.dumps(clean, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        )


def _pages(lake: Lake, day: date | None, done: Erased) -> None:
    """Removes the pages that cover a day, and those that do not say which days they cover."""
    for folder in sorted((lake.root / "reports").glob("*")):
        if day is not None and _covers(folder, day):
            _remove_page(folder, done)


def _covers(folder: Path, day: date) -> bool:
    try:
        window = json.loads((folder / "report.json").read_bytes())["window"]
        return bool(window["first"] <= day.isoformat() <= window["last"])
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _remove_page(folder: Path, done: Erased) -> None:
    """Removes a run's page and its JSON; its numbers hold no text, and say that there was a page."""
    texts = [folder / "index.html", folder / "report.json", *sorted(folder.glob("claims*.html"))]
    files = [*texts, folder / "report.parquet"]
    if folder.name in done.reports or not any(file.exists() for file in files):
        return
    done.reports.append(folder.name)
    for file in texts:
        if file.exists():
            file.unlink()
            done.files.append(str(file))
