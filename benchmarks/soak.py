"""Everything at once, for a while: `python -m benchmarks.soak [--minutes N] [-o FILE]`.

One lake, and at the same time: new answers every night and nightly audits, backfills of the days before,
re-audits, deliveries to a receiver, a reviewer who decides on the review page, and two analysts who read the
tables all the time, one with Polars and one with DuckDB, by the plain globs of the documentation.

The analysts check at every look what a reader relies on:
    whole    each table can be read                              once     no key is there twice
    joined   each claim has its output, each verdict its claim   kept     no key of an earlier look is missing

Printed: looks and violations (0 expected), how often each job ran and how it ended, the peak memory of an
audit in the first and the last quarter of the time, memory and open files of the page's server likewise. The
verifier is the small one of the tests: the network is not what is tried. Exit status 1 where a reader saw
a violation or a job ended badly.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tasks.tables import TABLES
from tests.support.nursery import Ended, Nursery
from tests.support.receiver import receiving
from tests.support.review_pages import Visitor
from tests.support.small_team import answer, configure, write_answers

READ = ("verdicts", "claims", "outputs")
"""Children before their parents: what is committed between two reads is then no violation."""
FIRST = date(2026, 10, 1)
ANSWERS = 20
"""Of each night."""
WEBHOOK = """
[[webhooks]]
name = "siem"
url = "{url}"
allow_private = true
events = ["verification", "action", "review", "checkpoint"]
"""


@dataclass
class Record:
    """What happened; jobs and readers write to it."""

    until: float
    ends: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    audit_mib: list[float] = field(default_factory=list)
    page_mib: list[float] = field(default_factory=list)
    page_files: list[int] = field(default_factory=list)

    @property
    def is_going_on(self) -> bool:
        return time.monotonic() < self.until

    def ended(self, job: str, ended: Ended) -> None:
        self.ends[f"{job} {ended.code}"] += 1
        if ended.code:
            self.failures.append(f"{job}: {ended.err.strip()[-400:]}")


def write_night(folder: Path, number: int) -> None:
    """An export of one more day: half of the answers hold, half do not."""
    day = FIRST + timedelta(days=number)
    answers = [
        {
            **answer(
                f"{number}-{each}",
                f"{day}T10:{each:02}:00Z",
                f"Plant {number}-{each} has {each + each % 2} reactors.",
                f"Plant {number}-{each} has {each} reactors. Its tower is 310 metres high.",
            ),
            "question": f"What is plant {number}-{each}?",
        }
        for each in range(ANSWERS)
    ]
    partial = folder / f"{day}.part"
    write_answers(partial, answers)
    partial.rename(folder / f"{day}.jsonl")


def nights(folder: Path, record: Record) -> None:
    """A new export, then the nightly audit, again and again."""
    with Nursery() as nursery:
        number = 0
        while record.is_going_on:
            write_night(folder / "exports", number)
            ended = nursery.run("audit", "--quiet", cwd=folder)
            record.ended("audit", ended)
            record.audit_mib.append(ended.peak_mib)
            number += 1


def the_rest(folder: Path, record: Record) -> None:
    """Backfills, re-audits and deliveries in turn."""
    jobs = (
        ("backfill", "--from", str(FIRST), "--to", str(FIRST + timedelta(days=1)), "--reverify"),
        ("reaudit", "--sample", "10"),
        ("deliver",),
    )
    with Nursery() as nursery:
        turn = 0
        while record.is_going_on:
            job = jobs[turn % len(jobs)]
            record.ended(job[0], nursery.run(*job, "--quiet", cwd=folder))
            turn += 1


def reviewer(folder: Path, record: Record) -> None:
    """Signs in on the page and calls what it shows supported, every two seconds."""
    with page(folder) as (url, process):
        visitor = Visitor(url)
        while record.is_going_on:
            visitor.get()
            if 'action="/decide"' in visitor.text:
                answer = visitor.decide("supported")
                record.ends[f"decision {answer.status_code}"] += 1
                if answer.status_code >= 400:
                    record.failures.append(f"review page: {answer.status_code}")
            status = Path(f"/proc/{process.pid}/status").read_text()
            record.page_mib.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
            record.page_files.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
            time.sleep(2)
        visitor.client.close()


@contextmanager
def page(folder: Path) -> Any:
    """The review page as its command serves it: its address and its process."""
    command = [sys.executable, "-m", "flows.commands.cli", "review", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    document = ""
    while "}" not in document:
        document += process.stdout.readline()
    try:
        yield json.loads(document)["url"], process
    finally:
        process.terminate()
        process.wait()


def by_polars(glob: str, keys: list[str]) -> pl.DataFrame:
    return pl.scan_parquet(glob).select(keys).collect()


def by_duckdb(glob: str, keys: list[str]) -> pl.DataFrame:
    with duckdb.connect() as connection:
        return connection.read_parquet(glob).project(", ".join(keys)).pl()


def analyst(name: str, read: Callable[[str, list[str]], pl.DataFrame], folder: Path, record: Record) -> None:
    """Reads the tables again and again, and notes each thing that a reader must never see."""
    kept: dict[str, pl.Series] = {}
    columns = {table: list(dict.fromkeys((*TABLES[table].key, *PARENTS.get(table, ())))) for table in READ}
    while record.is_going_on:
        try:
            frames = {t: read(f"{folder}/lake/tables/{t}/**/*.parquet", columns[t]) for t in READ}
        except Exception as error:  # noqa: BLE001 - whatever a reader of the plain files meets is a finding here
            record.violations.append(f"{name} could not read: {type(error).__name__}: {str(error)[:200]}")
            continue
        record.looks[name] += 1
        for table, frame in frames.items():
            key = frame[TABLES[table].key[0]]
            if key.is_duplicated().any():
                record.violations.append(f"{name}: {table} has a row twice")
            if table in kept and not kept[table].is_in(key.implode()).all():
                record.violations.append(f"{name}: rows of {table} are missing")
            kept[table] = key
        for child, (parent_key,) in PARENTS.items():
            parent = next(t for t in READ if TABLES[t].key[0] == parent_key)
            if frames[child].join(frames[parent], on=parent_key, how="anti").height:
                record.violations.append(f"{name}: {child} without their {parent}")


PARENTS = {"verdicts": ("claim_id",), "claims": ("output_id",)}


def soak(minutes: float) -> Record:
    """All of it at once, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name, receiving() as receiver:
        folder = Path(name)
        (folder / "exports").mkdir()
        configure(folder, answers="exports/*.jsonl", more=WEBHOOK.format(url=receiver.url))
        os.environ["CLAIMLEDGER_WEBHOOK_SIEM_SECRET"] = f"whsec_{b64encode(b'soak' * 8).decode()}"
        with Nursery() as nursery:
            write_night(folder / "exports", 0)
            first = nursery.run("audit", "--quiet", cwd=folder)
            if first.code:
                raise SystemExit(first.err)
            record = Record(time.monotonic() + minutes * 60)
            jobs: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
                (nights, (folder, record)),
                (the_rest, (folder, record)),
                (reviewer, (folder, record)),
                (analyst, ("Polars", by_polars, folder, record)),
                (analyst, ("DuckDB", by_duckdb, folder, record)),
            ]
            threads = [threading.Thread(target=job, args=arguments) for job, arguments in jobs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            record.ended("last audit", nursery.run("audit", "--quiet", cwd=folder))
            record.ended("ledger verify", nursery.run("ledger", "verify", "--json", cwd=folder))
            record.ends["events received"] = len(receiver.accepted)
    return record


def quarters(values: list[Any]) -> list[float]:
    """The largest of the first and of the last quarter."""
    share = max(1, len(values) // 4)
    return [round(max(values[:share], default=0), 1), round(max(values[-share:], default=0), 1)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    record = soak(arguments.minutes)
    found = {
        "minutes": arguments.minutes,
        "ends": dict(record.ends),
        "looks": dict(record.looks),
        "violations": Counter(record.violations).most_common(10),
        "failures": Counter(record.failures).most_common(10),
        "peak MiB of an audit, first and last quarter": quarters(record.audit_mib),
        "MiB of the page's server, first and last quarter": quarters(record.page_mib),
        "open files of the page's server, first and last quarter": quarters(record.page_files),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    return int(bool(record.violations or record.failures))


if __name__ == "__main__":
    sys.exit(main())
