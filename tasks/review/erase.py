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
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl

from tasks.errors import InputError
from tasks.files import durable
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.ledger import events_table, opening, recording
from tasks.ledger.parameters import LedgerSettings
from tasks.review import disclosed, erase_tables, occurrence
from tasks.review.erase_tables import Change
from tasks.review.journal import Journal
from tasks.review.occurrence import Texts
from tasks.tables import ERASED

_TITLES = ("mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "mme", "m")
_LONG = 20
"""A refused record with so many letters of an erased answer in a row is taken for that answer."""


@dataclass
class Erased:
    """What was removed from where."""

    output_id: str
    """The first of them."""
    output_ids: list[str] = field(default_factory=list)
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
    return erase_all(lake, settings, [output_id], reason=reason, run_id=run_id, now=now, actor=actor)


def erase_all(
    lake: Lake,
    settings: LedgerSettings,
    output_ids: Sequence[str],
    *,
    reason: str,
    run_id: str,
    now: datetime,
    actor: str,
    keeps_reviews: bool = False,
) -> Erased:
    """Erases several outputs at once, for one reason; as `erase` otherwise.

    Args:
        keeps_reviews: leaves what people wrote of them, which may repeat their words.

    Raises:
        InputError, ConfigError, LakeError: as `erase`.
    """
    _require_no_name(reason)
    with lake.lock("erasure"):
        lake.recover()
        words = _words(lake, output_ids)
        done = Erased(output_ids[0], output_ids=list(output_ids))
        opened = opening.open_ledger(lake, settings)
        logged = opened.log.find(pl.Series("subject_id", list(output_ids))).filter(
            pl.col("kind") == "erasure"
        )
        there = lake.scan("outputs").filter(pl.col("output_id").is_in(list(output_ids)))
        known = {*logged["subject_id"], *there.select("output_id").collect()["output_id"]}
        for output_id in output_ids:
            if output_id not in known:
                raise InputError(f"{output_id[:80]}: no output with this id in {lake.root}")
        rows = erase_tables.changes(lake, output_ids, words.own, keeps_reviews=keeps_reviews)
        fresh = [each for each in output_ids if each not in set(logged["subject_id"])]
        if fresh:
            counts = erase_tables.rows_of(lake, fresh)
            if len(output_ids) == 1:
                counts = {fresh[0]: sum(change.rows for change in rows)}
            recorded = recording.append_each(
                lake,
                settings,
                "erasure",
                [
                    {"subject_id": each, "output_id": each, "rows_erased": counts.get(each, 0)}
                    for each in fresh
                ],
                run_id=run_id,
                now=now,
                actor=actor,
                reason=reason,
            )
            done.event_index = recorded.checkpoint.size - len(fresh)
        else:
            done.event_index = int(logged["sequence"][0])
        with durable.touching(lake.root):
            _run_folders(lake, words.all, done)
            for output_id in output_ids:
                _elsewhere(lake, output_id, done)
            _pages(lake, words.days, done)
            cache = lake.root / "cache"
            if cache.exists():
                shutil.rmtree(cache)
                done.files.append(str(cache))
            _commit(lake, run_id, rows, done)
        done.key_destroyed = opened.vault.destroy(output_ids)
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
                "for ever; give a ticket's number instead, or write it in small letters if it is not a name"
            )


@dataclass(frozen=True)
class _Words:
    """The days of outputs, and what they said: all texts, and those of the agents and their users alone.

    Contexts may be shown of other outputs too.
    """

    days: frozenset[date]
    all: Texts
    own: Texts


def _words(lake: Lake, output_ids: Sequence[str]) -> _Words:
    """Every text of the outputs that is not erased yet; none where there is no such output."""
    mine = pl.col("output_id").is_in(list(output_ids))
    outputs = lake.scan("outputs").filter(mine).collect()
    claims = lake.scan("claims").filter(mine).select("text").collect()
    own = [*outputs["prompt"], *outputs["response"], *claims["text"]]
    more = [text for contexts in outputs["contexts"] for c in contexts for text in (c["text"], c["uri"])]
    for table, column in (
        ("passages", "text"),
        ("verdicts", "reason"),
        ("actions", "reason"),
        ("flips", "reason"),
        ("reaudits", "reason"),
    ):
        rows = lake.scan(table).filter(mine).select(column).collect()
        more += rows[column].to_list()
    days = frozenset(outputs["produced_at"].dt.date().to_list())
    return _Words(days, Texts([*own, *more]), Texts(own, _LONG))


def _commit(lake: Lake, run_id: str, changes: list[Change], done: Erased) -> None:
    if changes:
        unit = f"erase-{done.output_ids[0][:16]}"
        commits.commit(lake.root, run_id, unit, [(c.file, c.data) for c in changes])
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


def _pages(lake: Lake, days: Collection[date], done: Erased) -> None:
    """Removes the pages that cover one of the days, and those that do not say which days they cover."""
    for folder in sorted((lake.root / "reports").glob("*")):
        if any(_covers(folder, day) for day in days):
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
