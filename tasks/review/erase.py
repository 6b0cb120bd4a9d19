"""Erasure: an output's content goes from every place, and the ledger still verifies.

Belongs here: which places hold what, and the order. Does not belong here: keys (`vault.py`), events
(`ledger.py`).

1. the erasure event is appended: from here on rows that are gone are explained. Crash: run the command again.
2. reports and run folders: the texts are overwritten where they stand; caches are deleted, they are rebuilt;
   proofs, samples and review sheets that this lake wrote lose the text too, where they still stand.
3. every table is rewritten in one commit: texts blanked, context passages and their ids removed. After the
   other files, because the tables know what to look for in those.
4. the key and the salt are destroyed, last, because the steps before may need to be repeated.

What stays says that something was there and when, and no longer what: ids, verdicts, probabilities, digests
under a key that nobody has. Copies that people took elsewhere (an auditor's proofs, backups) are theirs: they
still prove what was logged, and nobody else can guess it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ids
from tasks.errors import InputError
from tasks.files import durable, parquet
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.ledger import events_table, opening, recording
from tasks.ledger.parameters import LedgerSettings
from tasks.review import disclosed, redact, report_files
from tasks.tables import TABLES

ERASED = "[erased]"
_MINIMUM = 12
"""Shorter texts are not searched for: they would overwrite unrelated words and numbers. In pages they go with
the element that shows the claim."""
_LONG = 24
"""A refused record with so many characters of an erased answer is taken for that answer."""


@dataclass
class Erased:
    """What was removed from where."""

    output_id: str
    rows: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Files that its text was written to and that are no longer where they were: copies that others keep."""
    key_destroyed: bool = False
    event_index: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "output_id": self.output_id,
            "rows": self.rows,
            "files": self.files,
            "missing": self.missing,
            "key_destroyed": self.key_destroyed,
            "event_index": self.event_index,
        }


def erase(
    lake: Lake, settings: LedgerSettings, output_id: str, *, reason: str, run_id: str, now: datetime
) -> Erased:
    """Erases one output's content everywhere in the lake; running it again finishes what was interrupted.

    Raises:
        InputError: there is no such output.
        ConfigError: the reason holds what looks like personal data, or the signing key is missing.
        LakeError: something cannot be written; run it again.
    """
    with lake.lock("erasure"):
        lake.recover()
        texts = _texts(lake, output_id)
        done = Erased(output_id)
        opened = opening.open_ledger(lake, settings)
        logged = opened.log.find(pl.Series([output_id])).filter(pl.col("kind") == "erasure")
        if texts is None and logged.is_empty():
            raise InputError(f"{output_id[:80]}: no output with this id in {lake.root}")
        rows = _tables(lake, output_id, texts.own if texts else [])
        if logged.is_empty():
            recorded = recording.append_one(
                lake,
                settings,
                "erasure",
                run_id=run_id,
                now=now,
                subject_id=output_id,
                output_id=output_id,
                reason=reason,
                rows_erased=sum(change.rows for change in rows),
            )
            done.event_index = recorded.checkpoint.size - 1
        else:
            done.event_index = int(logged["sequence"][0])
        with durable.touching(lake.root):
            _files(lake, texts or _Texts([], [], []), done)
            _reports(lake, output_id, done)
            _elsewhere(lake, output_id, done)
            cache = lake.root / "cache"
            if cache.exists():
                shutil.rmtree(cache)
                done.files.append(str(cache))
            _commit(lake, run_id, output_id, rows, done)
        done.key_destroyed = opened.vault.destroy(output_id)
        events_table.render(lake, opened.log)
    return done


@dataclass(frozen=True)
class _Texts:
    """What is to be found and overwritten, longest first."""

    all: list[str]
    own: list[str]
    """What this agent said and was asked; contexts may be shown of other outputs too."""
    claim_ids: list[str]


def _texts(lake: Lake, output_id: str) -> _Texts | None:
    """Every text of the output; None where there is no such output."""
    output = lake.scan("outputs").filter(pl.col("output_id") == output_id).collect()
    if output.is_empty():
        return None
    claims = lake.scan("claims").filter(pl.col("output_id") == output_id).collect()
    own = [output["prompt"][0], output["response"][0], *claims["text"].to_list()]
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
    return _Texts(_searchable([*own, *more]), _searchable(own), claims["claim_id"].to_list())


def _searchable(texts: list[str | None]) -> list[str]:
    found = {t for t in texts if t and len(t) >= _MINIMUM and t != ERASED}
    return sorted(found, key=lambda text: (-len(text), text))


@dataclass(frozen=True)
class _Change:
    """One table file with the output's rows blanked."""

    table: str
    file: commits.File
    data: bytes
    rows: int


def _tables(lake: Lake, output_id: str, own: list[str]) -> list[_Change]:
    claim_ids = (
        lake.scan("claims").filter(pl.col("output_id") == output_id).select("claim_id").collect()["claim_id"]
    )
    verdicts = lake.scan("verdicts").filter(pl.col("output_id") == output_id)
    verdict_ids = verdicts.select("verdict_id").collect()["verdict_id"]
    mine = pl.col("output_id") == output_id
    gone = pl.lit(ids.digest("erased", output_id))
    blank = pl.lit(ERASED)
    passage_ids = gone + pl.lit("")  # one stand-in for all: which passages there were says what was said
    plans: dict[str, tuple[pl.Expr, dict[str, pl.Expr]]] = {
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
                "content_sha256": gone,
            },
        ),
        "claims": (mine, {"text": blank}),
        "evidence": (mine & (pl.col("origin") == "context"), {"passage_id": passage_ids}),
        "verdicts": (mine, {"reason": blank, "evidence_ids": pl.col("evidence_ids").list.head(0)}),
        "actions": (mine, {"reason": blank}),
        "findings": (mine, {"masked": blank}),
        "flips": (mine, {"reason": blank}),
        "reaudits": (mine & pl.col("reason").is_not_null(), {"reason": blank}),
        "reviews": (
            pl.col("claim_id").is_in(claim_ids.implode()) | pl.col("verdict_id").is_in(verdict_ids.implode()),
            {"comment": pl.lit(None, pl.String), "reviewer": blank},
        ),
        "quarantine": (
            pl.col("locator").is_in([output_id, *claim_ids, *verdict_ids])
            | pl.col("locator").str.contains(output_id, literal=True)
            | _repeats(own),
            {"raw": blank},
        ),
        "passages": (mine, {}),
    }
    changes = []
    for table, (which, values) in plans.items():
        for path in lake.files(table):
            change = _change(table, path, which, values)
            if change:
                changes.append(change)
    return changes


def _repeats(own: list[str]) -> pl.Expr:
    """Refused records that hold what the agent said: the same answer, refused another time for its form."""
    long = [text for text in own if len(text) >= _LONG]
    spelled = [spelling.decode("utf-8", "replace") for spelling in redact.spellings(long)]
    return pl.col("raw").str.contains_any(spelled) if spelled else pl.lit(value=False)


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


def _reports(lake: Lake, output_id: str, done: Erased) -> None:
    """Claims and findings beside pages, as wholes: passages are cut there, so no search finds them.

    `report.parquet` holds numbers and names only.
    """
    for path in sorted((lake.root / "reports").glob("*/*")):
        if path.name in report_files.NAMES and path.is_file():
            old = path.read_text("utf-8", errors="surrogateescape")
            new = report_files.without(path.name, old, output_id)
            if new != old:
                durable.replace(path, new.encode("utf-8", "surrogateescape"))
                done.files.append(str(path))


def _elsewhere(lake: Lake, output_id: str, done: Erased) -> None:
    """Proofs, samples and sheets that this lake wrote, where they still stand."""
    mine = lake.scan("verdicts").filter(pl.col("output_id") == output_id)
    verdict_ids = mine.select("verdict_id").collect()["verdict_id"].to_list()
    changed, missing = disclosed.erase(lake, output_id, verdict_ids)
    done.files += changed
    done.missing += missing


def _files(lake: Lake, texts: _Texts, done: Erased) -> None:
    """Overwrites the texts in reports, run folders and state, in every spelling those files use.

    A page may show a text in pieces, so elements about the output's claims go whole; a page that shows its
    words even then goes whole too.
    """
    spelled = redact.spellings(texts.all)
    elements = {f"claim-{claim_id[:16]}" for claim_id in texts.claim_ids}
    for folder in ("reports", "runs", "state"):
        for path in sorted((lake.root / folder).rglob("*")):
            if not path.is_file() or path.suffix == ".parquet" or path.parent.name == "commits":
                continue
            old = path.read_bytes()
            new = old
            if path.suffix == ".html":
                page = redact.without_elements(_decoded(old), elements, f"<p>{ERASED}</p>")
                new = page.encode("utf-8", "surrogateescape")
            for spelling in spelled:
                new = new.replace(spelling, ERASED.encode())
            # Only now: a question that other answers were asked too is overwritten there, and the page stays.
            if path.suffix == ".html" and redact.shows(_decoded(new), texts.own):
                new = _INSTEAD.encode()
            if new != old:
                durable.replace(path, new)
                done.files.append(str(path))


_INSTEAD = f"<!doctype html><meta charset=utf-8><title>{ERASED}</title><p>This page showed an erased output."


def _decoded(page: bytes) -> str:
    return page.decode("utf-8", "surrogateescape")
