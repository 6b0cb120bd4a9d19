"""Two hundred planted values of every kind that must not leave, and where in a folder they are."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from tests.support.labelled_texts import Maker

KINDS = ("email", "phone", "credit_card", "iban", "ssn", "secret", "ip_address")
COUNT = 200
PLACES = ("answer", "question", "context", "metadata", "refused")


def planted(seed: int = 5) -> dict[str, tuple[str, str]]:
    """Value: kind and place; every kind in every place, names and sentences of a list among them."""
    maker = Maker(seed)
    values: dict[str, tuple[str, str]] = {}
    while len(values) < COUNT:
        number = len(values)
        kind, place = KINDS[number % len(KINDS)], PLACES[number % len(PLACES)]
        if number % 20 == 19:
            kind, value = "confidential", f"Quokka Ledger {maker.digits(6)}"
        else:
            value, _ = getattr(maker, f"_{kind}")("with a plus")
        values.setdefault(value, (kind, place))
    return values


def records(values: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """JSON lines of an export; a line with a refused value lacks its time."""
    for number, (value, (_, place)) in enumerate(values.items()):
        said = {where: f"The value is {value}." if where == place else "Nothing to say." for where in PLACES}
        record = {
            "trace": {"id": f"t{number}"},
            "timestamp": None if place == "refused" else f"2026-11-{1 + number % 3:02}T10:00:00Z",
            "agent": "helper",
            "input": {"question": said["question"]},
            "output": {"text": f"The tower was built in {1800 + number}. {said['answer']} {said['refused']}"},
            "retrieval": {
                "documents": [
                    {
                        "content": f"The tower was built in {1800 + number}. {said['context']}",
                        "source": f"d{number}",
                    }
                ]
            },
            "user": said["metadata"],
        }
        yield json.dumps(record)


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder, by its path from there, as text; tables and archives unpacked."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        name = file.relative_to(folder).as_posix()
        if file.suffix == ".parquet":
            frame = pl.read_parquet(file, hive_partitioning=False)
            yield name, "\n".join(map(str, frame.rows()))
        elif file.suffix == ".gz":
            yield name, gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
        elif zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for part in archive.namelist():
                    yield f"{name}/{part}", archive.read(part).decode("utf-8", "replace")
        else:
            yield name, file.read_bytes().decode("utf-8", "replace")


def held(texts: Iterator[tuple[str, str]], values: Mapping[str, tuple[str, str]]) -> dict[str, set[str]]:
    """By file: the planted values that it holds, as they are."""
    found: dict[str, set[str]] = {}
    for name, text in texts:
        frame = pl.Series([text])
        if frame.str.contains_any(list(values)).item():
            found[name] = set(frame.str.extract_many(list(values)).item())
    return found
