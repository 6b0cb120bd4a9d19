"""The vault: one random key per output, and the salts that its rows are digested with.

Keys are stored outside the lake, in a file that only its owner reads (`VAULT.sqlite` in the folder of the
ledger's keys), so that a copy of the lake opens nothing. Row salts, which come from the keys and lead to
nothing but the rows, are stored in LAKE/vault/salts: whoever has the lake has the rows, and can check them.
Destroying a key removes both. Deleted pages are overwritten with zeroes (`secure_delete`); what a disk or a
backup keeps of old blocks is theirs to forget.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.errors import IntegrityError, LakeError
from tasks.files import durable, parquet
from tasks.ledger import commitments
from tasks.schema import Column, Table
from tasks.tables import output_id

SALTS = Table(
    "salts",
    ("output_id",),
    "Salt of the digests of an output's rows",
    (output_id, Column("salt", pl.Binary, "32 bytes; gone when the output is erased")),
    partition_by=None,
)
_BATCH = 500


@dataclass(frozen=True)
class Vault:
    """Keys of one ledger's outputs (`file`) and the salts in its lake (`folder`)."""

    file: Path
    folder: Path

    def keys(self, output_ids: pl.Series) -> pl.DataFrame:
        """output_id and key (Binary), one new random key for each output that has none yet; durable.

        Raises:
            LakeError: the key file cannot be written.
        """
        distinct = output_ids.unique(maintain_order=True).to_list()
        with self._database(create=True) as database:
            known = _select(database, distinct)
            fresh = {i: secrets.token_bytes(commitments.KEY_BYTES) for i in distinct if i not in known}
            if fresh:
                database.executemany("INSERT INTO keys VALUES (?, ?)", list(fresh.items()))
                database.commit()
        return _frame(distinct, known | fresh)

    def known_keys(self, output_ids: pl.Series) -> pl.DataFrame:
        """output_id and key of those outputs whose key is here; the others' is null."""
        distinct = output_ids.unique(maintain_order=True).to_list()
        if not self.file.exists():
            return _frame(distinct, {})
        with self._database() as database:
            return _frame(distinct, _select(database, distinct))

    def keep_salts(self, keys: pl.DataFrame) -> None:
        """Keeps the row salts of outputs in the lake. Keeping them twice changes nothing."""
        frame = keys.select("output_id", salt=commitments.row_salts(keys["key"])).sort("output_id")
        data = parquet.encode(SALTS, frame)
        path = self.folder / "salts" / f"{hashlib.sha256(data).hexdigest()[:16]}.parquet"
        with durable.touching(path):
            durable.make_folder(path.parent)
            if not path.exists():
                durable.replace(path, data)

    def salts(self) -> pl.DataFrame:
        """output_id and salt of every output that has one.

        Raises:
            IntegrityError: a file of salts is not what was written.
        """
        return pl.concat([SALTS.empty(), *self.salt_files()]).unique("output_id", maintain_order=True)

    def salt_files(self) -> Iterator[pl.DataFrame]:
        """The salts file by file.

        Raises:
            IntegrityError: a file of salts is not what was written.
        """
        for path in sorted((self.folder / "salts").glob("*.parquet")):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest()[:16] != path.stem:
                raise IntegrityError(f"{path}: not the salts that were kept; restore it from a copy")
            yield parquet.parse(SALTS, data)

    def destroy(self, output_ids: Sequence[str]) -> bool:
        """Destroys the keys and salts of outputs for ever; whether there was one.

        Raises:
            LakeError: it cannot be written; nothing may be called erased then.
        """
        was_there = False
        if self.file.exists():
            with self._database() as database:
                for output_id in output_ids:
                    gone = database.execute("DELETE FROM keys WHERE output_id = ?", (output_id,))
                    was_there = was_there or bool(gone.rowcount)
                database.commit()
                database.execute("VACUUM")
        with durable.touching(self.folder):
            for path in sorted((self.folder / "salts").glob("*.parquet")):
                frame = parquet.decode(SALTS, path.read_bytes())
                kept = frame.filter(~pl.col("output_id").is_in(list(output_ids)))
                if kept.height == frame.height:
                    continue
                was_there = True
                data = parquet.encode(SALTS, kept)
                durable.replace(path.with_name(f"{hashlib.sha256(data).hexdigest()[:16]}.parquet"), data)
                path.unlink()
                durable.sync_folder(path.parent)
        return was_there

    @contextmanager
    def _database(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if create and not self.file.exists():
                durable.make_folder(self.file.parent)
                os.close(os.open(self.file, os.O_CREAT | os.O_WRONLY, 0o600))
            database = sqlite3.connect(self.file, timeout=30.0)
            try:
                database.execute("PRAGMA secure_delete = ON")
                database.execute("PRAGMA synchronous = EXTRA")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS keys (output_id TEXT PRIMARY KEY, key BLOB NOT NULL) "
                    "WITHOUT ROWID"
                )
                yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise LakeError(
                f"{self.file}: the outputs' keys cannot be used ({error}); mend it or restore it"
            ) from None
        except OSError as error:
            raise durable.explain(error, self.file) from error


def _select(database: sqlite3.Connection, output_ids: list[str]) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for at in range(0, len(output_ids), _BATCH):
        part = output_ids[at : at + _BATCH]
        marks = ",".join("?" * len(part))
        # Only question marks are put into the statement.
        rows = database.execute(f"SELECT output_id, key FROM keys WHERE output_id IN ({marks})", part)  # noqa: S608
        keys.update(rows.fetchall())
    return keys


def _frame(output_ids: list[str], keys: dict[str, bytes]) -> pl.DataFrame:
    return pl.DataFrame(
        {"output_id": output_ids, "key": [keys.get(i) for i in output_ids]},
        schema={"output_id": pl.String, "key": pl.Binary},
    )
