"""The files that a run read: `LAKE/runs/RUN_ID/inputs.json`, whose digest the run's event holds.

Names stay out of the log, because a name may be a person's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.errors import IntegrityError
from tasks.files import durable

FILE = "inputs.json"


@dataclass(frozen=True, order=True)
class InputFile:
    """A file of a source, as it was when it was read."""

    source: str
    name: str
    """Below the source's folder."""
    sha256: str


def keep(folder: Path, files: Iterable[InputFile]) -> None:
    """Writes what a run read to its folder; nothing where it read no file."""
    records = [asdict(file) for file in sorted(files)]
    if records:
        with durable.touching(folder):
            durable.replace_json(folder / FILE, {"files": records})


def kept(folder: Path) -> list[InputFile] | None:
    """What a run read; None where nothing says so.

    Raises:
        IntegrityError: the file is damaged.
    """
    try:
        record = durable.read_json(folder / FILE)
        return None if record is None else [InputFile(**each) for each in record["files"]]
    except (KeyError, TypeError, ValueError):
        raise IntegrityError(f"{folder / FILE}: damaged; restore it from a copy") from None
