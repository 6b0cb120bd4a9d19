"""Claim: the memory of a pull does not grow with its rows, and a database is read as fast as rows are mapped.

    python -m benchmarks.streaming [files|sql] [ROWS ...]

Pulls so many records of some 1 kB (an answer of 80 words, two documents) from one JSON Lines file, or from a
table of a PostgreSQL server of its own (initdb has to be installed), each number in a process of its own.
Prints records a second of wall clock and of processor time, and the peak of resident memory; for a database
beside them `COPY ... TO STDOUT` of the same query and the bare cursor, in the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 20, tzinfo=UTC)
QUERY = "select id, asked_at, question, answer, docs from answers"
FIELDS = {
    "id": "id",
    "produced_at": "asked_at",
    "prompt": "question",
    "response": "answer",
    "contexts": "docs",
}
MADE = """
create table answers as
select n as id, timestamptz '2026-11-19 00:00Z' + n * interval '20 milliseconds' as asked_at,
       'What of ' || n || '?' as question,
       n || repeat(' the reactor at Harwick treats litres', 12) as answer,
       json_build_array(
           json_build_object('uri', 'doc-1', 'text', repeat('forty litres a day ', 12)),
           json_build_object('uri', 'doc-2', 'text', repeat('opened in 1987 ', 12))
       )::text as docs
from generate_series(1, {rows}) n
"""


def written(path: Path, rows: int) -> None:
    """The same answers as JSON Lines."""
    documents = [
        {"uri": "doc-1", "text": "forty litres a day " * 12},
        {"uri": "doc-2", "text": "opened in 1987 " * 12},
    ]
    with path.open("w") as stream:
        for number in range(rows):
            at = NOW - timedelta(days=1) + timedelta(milliseconds=20 * number)
            answer = str(number) + " the reactor at Harwick treats litres" * 12
            record = {"id": number, "asked_at": at.isoformat(), "question": f"What of {number}?"}
            stream.write(json.dumps({**record, "answer": answer, "docs": documents}) + "\n")


def timed(name: str, rows: int, step: Callable[[], object]) -> None:
    """Prints the speed of a step."""
    wall, processor = time.perf_counter(), time.process_time()
    step()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"  {name:10} {rows / wall:9.0f} rows/s of wall clock {rows / processor:9.0f} of processor time")


def measured(kind: str, rows: int) -> None:
    """One pull in this process."""
    from tasks.files.limits import LimitSettings
    from tasks.lake.store import Lake
    from tasks.sources.parameters import FieldMapping, FilesSettings, RecordSettings
    from tasks.sources.pull import pull_sources
    from tasks.sources.sql import SqlSettings

    fields = FieldMapping(**FIELDS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if kind == "files":
            written(folder / "a.jsonl", rows)
            source: RecordSettings = FilesSettings(name="s", path=str(folder / "a.jsonl"), fields=fields)
        else:
            from tests.support.postgres import postgres

            port = stack.enter_context(postgres())
            url = f"postgresql+psycopg://reader@127.0.0.1:{port}/postgres"
            source = SqlSettings(
                name="s", kind="sql", url=url, query=QUERY, watermark="asked_at", fields=fields
            )
            database(port, rows)
        lake = Lake.open(str(folder / "lake"))
        before = peak()

        def pull() -> None:
            pulled = pull_sources(
                (source,), LimitSettings(), lake, unit_outputs=500, retries=0, refused_share=0.5,
                run_id="0" * 64, now=NOW + timedelta(days=30), since=None, until=None,
            )  # fmt: skip
            assert (pulled.outputs, pulled.problems) == (rows, [])

        timed("pull", rows, pull)
        print(f"  peak memory {peak():.0f} MiB, {before:.0f} before the pull")


def database(port: int, rows: int) -> None:
    """Fills the table, and reads it by COPY and by the bare cursor."""
    import psycopg

    with psycopg.connect(f"host=127.0.0.1 port={port} user=reader dbname=postgres") as connection:
        connection.execute(MADE.format(rows=rows))
        connection.commit()

        def copied() -> None:
            with connection.cursor().copy(f"COPY ({QUERY}) TO STDOUT") as copy:
                for _ in copy:
                    pass

        def fetched() -> None:
            with connection.cursor("bare") as cursor:
                cursor.itersize = 2_000
                cursor.execute(QUERY)
                for _ in cursor:
                    pass

        timed("COPY", rows, copied)
        timed("cursor", rows, fetched)


def peak() -> float:
    """Highest resident memory of this process in MiB; `ru_maxrss` would inherit the parent's."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main(arguments: list[str]) -> None:
    """Each number of rows in a process of its own."""
    kinds = [each for each in arguments if not each.isdecimal()] or ["files", "sql"]
    numbers = [each for each in arguments if each.isdecimal()] or ["100000", "1000000"]
    for kind in kinds:
        for number in numbers:
            print(f"{kind}, {int(number):,} rows")
            command: list[Any] = [sys.executable, "-m", "benchmarks.streaming", "--one", kind, number]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measured(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
