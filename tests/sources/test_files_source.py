"""Hostile and broken files: a sentence, a place, the good rows kept, and the sum comes out."""

# ruff: noqa: E501 - the tables of bad inputs read best with one case a line

from __future__ import annotations

import gzip
import json
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import InputError, SourceError
from tasks.files.limits import LimitSettings
from tasks.schema import mismatches
from tasks.sources import files
from tasks.sources.batches import BATCH_RECORDS
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.tables import OUTPUTS, QUARANTINE
from tests.support.scopes import scope

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIELDS = FieldMapping(id="id", produced_at="at", response="out", contexts="docs")
LIMITS = LimitSettings()
SMALL = LimitSettings(max_record_bytes=2**16, max_file_bytes=2**20)


@dataclass
class Result:
    outputs: pl.DataFrame
    quarantine: pl.DataFrame
    records_in: int
    marks: dict[str, Any]
    problems: list[str]
    warnings: list[str]
    filtered: int = 0
    joined: int = 0

    @property
    def ids(self) -> list[str]:
        return self.outputs["source_id"].to_list()

    @property
    def places(self) -> list[str]:
        return self.quarantine["locator"].to_list()

    @property
    def reasons(self) -> list[str]:
        return self.quarantine["reason"].to_list()


def pull(
    path: Path, *, limits: LimitSettings = LIMITS, marks=None, since=None, until=None, **source
) -> Result:
    wanted = FilesSettings(**{"name": "bot", "path": str(path), "fields": FIELDS, **source})
    batches = list(
        files.pull(wanted, scope(limits=limits, marks=marks or {}, now=NOW, since=since, until=until))
    )
    result = Result(OUTPUTS.empty(), QUARANTINE.empty(), 0, {}, [], [])
    for batch in batches:
        assert mismatches(OUTPUTS, batch.outputs.schema) == []
        assert mismatches(QUARANTINE, batch.quarantine.schema) == []
        assert batch.outputs.height <= BATCH_RECORDS
        result.outputs = pl.concat([result.outputs, batch.outputs])
        result.quarantine = pl.concat([result.quarantine, batch.quarantine])
        result.records_in += batch.records_in
        result.marks.update(batch.marks)
        result.problems += batch.problems
        result.warnings += batch.warnings
        result.filtered += batch.filtered
        result.joined += batch.joined
    kept = result.outputs.height + result.quarantine.height
    assert result.records_in == kept + result.filtered + result.joined
    assert result.quarantine["row_sha256"].is_unique().all()
    assert (result.quarantine["raw"].str.len_chars() <= 2_000).all()
    return result


def record(identity: int | str, **changes: Any) -> dict[str, Any]:
    at = "2026-11-01T10:00:00Z"
    return {"id": str(identity), "at": at, "out": "Paris.", "docs": ["Paris is big."], **changes}


def line(identity: int | str, **changes: Any) -> bytes:
    return json.dumps(record(identity, **changes)).encode()


GOOD = line(1), line(2)


def written(folder: Path, *lines: bytes, name: str = "a.jsonl", end: bytes = b"\n") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(lines) + end)
    return path


# Formats ----------------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "a.jsonl": lambda p, r: p.write_bytes(b"".join(json.dumps(x).encode() + b"\n" for x in r)),
    "a.jsonl.gz": lambda p, r: p.write_bytes(
        gzip.compress(b"".join(json.dumps(x).encode() + b"\n" for x in r))
    ),
    "a.jsonl.zst": lambda p, r: p.write_bytes(zstd(b"".join(json.dumps(x).encode() + b"\n" for x in r))),
    "a.json": lambda p, r: p.write_text(json.dumps(r)),
    "pretty.json": lambda p, r: p.write_text(json.dumps(r, indent=2)),
    "lines.json": lambda p, r: p.write_text("\n".join(json.dumps(x) for x in r)),
    "values.json": lambda p, r: p.write_text("\n".join(json.dumps(x, indent=2) for x in r)),
    "a.json.gz": lambda p, r: p.write_bytes(gzip.compress(json.dumps(r).encode())),
    "a.csv": lambda p, r: pl.DataFrame([{**x, "docs": json.dumps(x["docs"])} for x in r]).write_csv(p),
    "a.tsv": lambda p, r: pl.DataFrame([{**x, "docs": json.dumps(x["docs"])} for x in r]).write_csv(
        p, separator="\t"
    ),
    "utf-16.csv": lambda p, r: p.write_bytes(
        pl.DataFrame([{**x, "docs": json.dumps(x["docs"])} for x in r]).write_csv().encode("utf-16")
    ),
    "utf-16.jsonl": lambda p, r: p.write_text("".join(json.dumps(x) + "\n" for x in r), "utf-16"),
    "a.parquet": parquet,
    "unnamed": lambda p, r: p.write_text(json.dumps(r)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_outputs(tmp_path, name):
    rows = [record(i, out='Ümläut "quoted",\nwith lines \\ and ] [ } {', at=f"2026-11-{i:02d}T10:00:00Z") for i in range(1, 20)]  # fmt: skip
    WRITERS["a.jsonl"](tmp_path / "a.jsonl", rows)
    expected = pull(tmp_path / "a.jsonl").outputs["output_id"].to_list()
    folder = tmp_path / "other"
    folder.mkdir()
    WRITERS[name](folder / name, rows)
    result = pull(folder / name)
    assert result.problems == []
    assert result.outputs["output_id"].to_list() == expected


def test_a_folder_a_glob_and_a_file_mean_the_same_and_hidden_files_are_left_alone(tmp_path):
    (tmp_path / "sub").mkdir()
    written(tmp_path / "sub", line(1))
    written(tmp_path, line(2), name="b.jsonl")
    written(tmp_path, line(3), name="_half.jsonl")
    written(tmp_path, line(4), name=".hidden.jsonl")
    (tmp_path / "README.md").write_text("not data")
    assert sorted(pull(tmp_path).ids) == ["1", "2"]
    assert sorted(pull(tmp_path / "**" / "*.jsonl").ids) == ["1", "2"]
    assert pull(tmp_path / "sub" / "a.jsonl").ids == ["1"]


def test_a_byte_order_mark_is_accepted(tmp_path):
    for name, data in {"a.jsonl": GOOD[0], "b.json": b"[" + GOOD[0] + b"]", "c.csv": b"id,at,out\n1,2026-11-01T10:00:00Z,x"}.items():  # fmt: skip
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + data)
        assert pull(tmp_path / name).ids == ["1"], name


# Bad rows ---------------------------------------------------------------------------------------------

BAD_LINES = {
    "not JSON": (b"this is not JSON", "json", "not JSON"),
    "half a record": (b'{"id": "9", "out": "Par', "json", "not JSON"),
    "a list": (b"[1, 2]", "not_a_record", "a list"),
    "a number": (b"7", "not_a_record", "expected a JSON record"),
    "duplicate keys": (b'{"id": "9", "id": "8", "at": 1793527200, "out": "x"}', "duplicate_key", "'id' occurs twice"),
    "duplicate keys, nested": (b'{"id": "9", "at": 1793527200, "out": "x", "n": {"a": 1, "a": 1}}', "duplicate_key", "'a' occurs twice"),
    "duplicate keys, one escaped": (b'{"id": "9", "\\u0069d": "8", "at": 1793527200, "out": "x"}', "duplicate_key", "occurs twice"),
    "duplicate keys beside an escaped colon": (b'{"id": "9", "n": 1, "n": 2, "at": 1793527200, "out": "\\u003a"}', "duplicate_key", "occurs twice"),
    "an integer of 65 bits": (b'{"id": "9", "at": 1793527200, "out": "x", "n": 9223372036854775808}', "integer", "64 bits"),
    "a wide integer after much space": (b'{"id": "9", "at": 1793527200, "out": "x", "n":' + b" " * 99 + b"9223372036854775808}", "integer", "64 bits"),
    "a negative integer of 65 bits": (b'{"id": "9", "at": 1793527200, "out": "x", "n": -9223372036854775809}', "integer", "64 bits"),
    "an integer of 5,000 digits": (b'{"id": "9", "at": 1793527200, "out": "x", "n": ' + b"9" * 5000 + b"}", "integer", "64 bits"),
    "NaN": (b'{"id": "9", "at": 1793527200, "out": "x", "n": NaN}', "number", "NaN"),
    "infinity": (b'{"id": "9", "at": 1793527200, "out": "x", "n": -Infinity}', "number", "Infinity"),
    "1e999": (b'{"id": "9", "at": 1793527200, "out": "x", "n": 1e999}', "number", "double"),
    "negative zero": (b'{"id": "9", "at": 1793527200, "out": "x", "n": -0.0}', "negative_zero", "negative zero"),
    "negative integer zero": (b'{"id": "9", "at": 1793527200, "n": -0, "out": "x"}', "negative_zero", "negative zero"),
    "a NUL byte": (b'{"id": "9", "at": 1793527200, "out": "x\x00y"}', "nul", "NUL byte"),
    "an escaped NUL": (b'{"id": "9", "at": 1793527200, "out": "x\\u0000y"}', "nul", "NUL character"),
    "a lone surrogate": (b'{"id": "9", "at": 1793527200, "out": "\\ud800"}', "surrogate", "lone surrogate"),
    "a low surrogate first": (b'{"id": "9", "at": 1793527200, "out": "\\udc00\\ud800"}', "surrogate", "lone surrogate"),
    "a surrogate as bytes": (b'{"id": "9", "at": 1793527200, "out": "\xed\xa0\x80"}', "surrogate", "lone surrogate"),
    "invalid UTF-8": (b'{"id": "9", "at": 1793527200, "out": "\xff\xfe"}', "encoding", "UTF-8"),
    "nested 10,000 deep": (b'{"id": "9", "at": 1793527200, "out": "x", "n": ' + b"[" * 10000 + b"]" * 10000 + b"}", "depth", "nested 10001 deep"),
    "nested beyond the limit": (b'{"id": "9", "at": 1793527200, "out": "x", "n": ' + b"[" * 200 + b"]" * 200 + b"}", "depth", "nested 201 deep"),
    "unclosed 100,000 deep": (b'{"a":' * 100_000, "depth", "nested"),
    "too many keys": (json.dumps({str(i): i for i in range(2_001)}).encode(), "columns", "2001 keys"),
    "two records in a line": (GOOD[0] + GOOD[1], "json", "not JSON"),
    "no answer": (line(9, out=None), "response", "no answer"),
    "no time": (line(9, at=None), "produced_at", "no time"),
    "a time in 1970": (line(9, at=0), "produced_at", "before 2000"),
    "a time in the future": (line(9, at="2027-01-01T00:00:00Z"), "produced_at", "future"),
    "a time without a zone": (line(9, at="2026-11-01T10:00:00"), "produced_at", "no zone"),
    "malformed contexts": (line(9, docs=5), "contexts", "expected a text, a record or a list"),
    "an id of 10,000 characters": (line("a" * 10_000), "id", "10000 characters"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_costs_one_row_and_says_where_and_why(tmp_path, name):
    bad, check, says = BAD_LINES[name]
    path = written(tmp_path, GOOD[0], bad, GOOD[1])
    result = pull(path)
    assert result.ids == ["1", "2"]
    assert result.places == [f"a.jsonl:2 (byte {len(GOOD[0]) + 1})"]
    assert result.quarantine["check"].to_list() == [check]
    assert says in result.reasons[0]
    assert result.problems == []
    assert result.warnings[0].startswith(f"{path}:2 (byte")
    assert result.warnings[0].endswith("1 of 3 records of this file are in quarantine")


# An element that does not close has no end inside an array: that is the test after this one.
UNCLOSED = {"half a record", "unclosed 100,000 deep", "two records in a line"}


@pytest.mark.parametrize("name", sorted(set(BAD_LINES) - UNCLOSED))
def test_a_bad_element_of_an_array_costs_one_row_too(tmp_path, name):
    bad, check, says = BAD_LINES[name]
    (tmp_path / "a.json").write_bytes(b"[\n" + b",\n".join([GOOD[0], bad, GOOD[1]]) + b"\n]\n")
    result = pull(tmp_path / "a.json")
    assert result.ids == ["1", "2"]
    assert result.places == [f"a.json:3 (byte {len(GOOD[0]) + 4})"]
    assert result.quarantine["check"].to_list() == [check]
    assert says in result.reasons[0]


def test_an_array_that_breaks_off_keeps_what_was_whole_and_says_so(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + GOOD[0] + b",\n" + GOOD[1][:20])
    result = pull(path)
    assert result.ids == ["1"]
    assert f"{path} is cut off, or continues after its end, at line 2" in result.problems[0]
    assert result.places[0] == f"a.json:2 (byte {len(GOOD[0]) + 3})"


def test_fields_that_look_doubtful_and_are_fine_are_kept(tmp_path):
    fine = [
        b'{"id": "1", "at": "1793527200123456789", "out": "a: b :: \\\\u0000 -0", "n": 9223372036854775807}',
        b'{"id": "2", "at": 1793527200, "out": "\\ud83d\\ude00 \\u003a", "n": [-0.5, -9223372036854775808]}',
        b'{"id": "3", "at": 1793527200, "out": "' + b"9" * 40 + b'", "n": ' + b"[" * 150 + b"]" * 150 + b"}",
        b'{"id": "4", "at": 1793527200, "out": "' + b"{[" * 500 + b'"}\r',
    ]
    result = pull(written(tmp_path, *fine))
    assert result.ids == ["1", "2", "3", "4"]
    assert result.outputs["response"][0] == "a: b :: \\u0000 -0"


def test_half_a_line_at_the_end_is_refused_and_a_whole_one_without_newline_is_not(tmp_path):
    result = pull(written(tmp_path, GOOD[0], GOOD[1][:30], end=b""))
    assert result.ids == ["1"]
    assert "the last line has no newline and breaks off" in result.reasons[0]
    assert pull(written(tmp_path, *GOOD, end=b"")).ids == ["1", "2"]


def test_raw_text_in_quarantine_is_inert_and_bounded(tmp_path):
    result = pull(written(tmp_path, b"\x1b]0;title\x07\xff<script>\xe2\x80\xae" + b"x" * 10_000))
    assert result.quarantine["raw"][0].startswith("\\x1b]0;title\\x07\\xff<script>\\u202e")
    assert len(result.quarantine["raw"][0]) == 2_000


def test_a_line_of_50_mb_is_skipped_in_bounded_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as stream:
        stream.write(GOOD[0] + b"\n")
        for _ in range(50):
            stream.write(b"x" * 2**20)
        stream.write(b"\n" + GOOD[1] + b"\n")
    tracemalloc.start()
    result = pull(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.ids == ["1", "2"]
    assert result.places == [f"a.jsonl:2 (byte {len(GOOD[0]) + 1})"]
    assert f"{50 * 2**20} bytes, at most {LIMITS.max_record_bytes}" in result.reasons[0]
    assert peak < 40 * 2**20


def test_a_million_empty_lines_are_not_records(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n" * 500_000 + GOOD[0] + b"\n" * 500_000 + b"bad\n")
    result = pull(path)
    assert result.ids == ["1"]
    assert result.places[0].startswith("a.jsonl:1000001 ")
    path.write_bytes(b"\n" * 1_000_000)
    result = pull(path)
    assert result.records_in == 0
    assert result.warnings == [f"{path} holds no record, only 1000000 blank lines"]


def test_an_answer_of_2_mb_is_an_answer(tmp_path):
    assert pull(written(tmp_path, line(1, out="ä" * 2**20))).outputs["response"].str.len_chars()[0] == 2**20
    path = tmp_path / "a.csv"
    path.write_text("id,at,out\n1,2026-11-01T10:00:00Z," + "x" * 2**21 + "\n")
    assert pull(path).outputs["response"].str.len_chars()[0] == 2**21


# Bad files --------------------------------------------------------------------------------------------


def test_a_path_without_files_is_a_source_that_is_down(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path / "*.jsonl", tmp_path):
        with pytest.raises(SourceError, match="correct the source's path"):
            pull(path)


BAD_FILES: dict[str, tuple[str, bytes, str, int]] = {
    "empty": ("b.jsonl", b"", "is empty", 0),
    "UTF-16 without its mark": ("b.jsonl", '{"id": 1}'.encode("utf-16-le"), "is UTF-16 text without a byte-order mark", 1),
    "binary": ("b.jsonl", bytes(range(256)) * 40, "is a binary file", 1),
    "an archive": ("b.json", b"PK\x03\x04" + os.urandom(4_000), "is a binary file", 1),
    "no gzip": ("b.jsonl.gz", b"{}\n{}\n", "is named gzip but does not begin like one", 1),
    "half a gzip": ("b.jsonl.gz", gzip.compress(b"")[:9], "breaks off after 0 unpacked bytes", 1),
    "zeros": ("b.parquet", bytes(4_000), "is not a readable Parquet file", 1),
    "half a Parquet": ("b.parquet", b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1", "is not a readable Parquet", 1),
    "a CSV without the answer": ("b.csv", b"id,at,text\n1,2,3\n", "its columns are id, at, text", 1),
    "a CSV with a column twice": ("b.csv", b"id,out,out\n1,2,3\n", "has the column 'out' twice", 1),
    "too many columns": ("b.csv", ",".join(map(str, range(10_000))).encode(), "has 10000 columns, at most 2000", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_unreadable_as_a_whole_is_a_problem_and_the_others_go_on(tmp_path, name):
    file_name, data, says, rows = BAD_FILES[name]
    written(tmp_path, GOOD[0], name="a.jsonl")
    written(tmp_path, GOOD[1], name="c.jsonl")
    (tmp_path / file_name).write_bytes(data)
    result = pull(tmp_path)
    assert result.ids == ["1", "2"]
    assert len(result.problems) == 1
    assert result.problems[0].startswith(f"{tmp_path / file_name} ")
    assert says in result.problems[0]
    assert result.places == [file_name] * rows
    again = pull(tmp_path, marks=result.marks)
    assert again.records_in == 0
    assert again.problems == result.problems


def test_a_torn_gzip_keeps_the_rows_before_the_tear(tmp_path):
    rows = [line(i, out=os.urandom(400).hex()) for i in range(400)]
    whole = gzip.compress(b"\n".join(rows))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    result = pull(path)
    assert 50 < result.outputs.height < 399
    assert "has a gzip stream that breaks off after" in result.problems[0]
    path.write_bytes(gzip.compress(b"\n".join([*rows[:3], b""]))[:-9])
    assert pull(path).ids == ["0", "1", "2"]
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(damaged))
    result = pull(path)
    assert result.problems or result.quarantine.height


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("content", [b"\0", b"\n", b" "])
def test_a_bomb_is_refused_within_the_budget(tmp_path, pack, content):
    suffix = "gz" if pack is gzip.compress else "zst"
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(pack(b"{" + content * (64 * 2**20)))
    written(tmp_path, GOOD[0], name="b.jsonl")
    tracemalloc.start()
    result = pull(tmp_path, limits=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.ids == ["1"]
    assert "holds more than 1048576 bytes unpacked" in result.problems[0]
    assert f"a.jsonl.{suffix}" in result.problems[0]
    assert peak < 30 * 2**20


def test_a_pipe_and_a_link_to_nowhere_are_said_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "nowhere")
    written(tmp_path, GOOD[0], name="c.jsonl")
    result = pull(tmp_path)
    assert result.ids == ["1"]
    assert "is not a regular file" in result.problems[0]
    assert "cannot be reached" in result.problems[1]


def test_a_file_all_of_whose_records_are_refused_says_that_the_form_changed(tmp_path):
    path = written(tmp_path, *[json.dumps({"id": i, "text": "x"}).encode() for i in range(20)])
    result = pull(path)
    assert result.quarantine.height == 20
    assert "no answer at 'out'; 20 of 20" in result.problems[0]
    assert "may have changed its form" in result.problems[0]


# CSV --------------------------------------------------------------------------------------------------

HEAD = b"id,at,out\n"
ROW = b"%d,2026-11-01T10:00:00Z,Paris\n"


@pytest.mark.parametrize(
    ("bad", "check", "says"),
    [
        (b"9,2026-11-01T10:00:00Z\n", "ragged", "the row has 2 cells, the header 3"),
        (b"9,2026-11-01T10:00:00Z,a,b\n", "ragged", "the row has 4 cells"),
        (b"9,2026-11-01T10:00:00Z,\xff\n", "encoding", "not valid UTF-8"),
        (b"9,2026-11-01T10:00:00Z,a\x00b\n", "nul", "a NUL byte"),
        (b'9,2026-11-01T10:00:00Z,"never closed\n', "csv", "quotes cannot be read"),
        (b'9,2026-11-01T10:00:00Z,"closed"twice\n', "csv", "quotes cannot be read"),
        (b"9,,Paris\n", "produced_at", "no time"),
    ],
)
def test_a_bad_row_of_a_csv_costs_one_row(tmp_path, bad, check, says):
    path = tmp_path / "a.csv"
    before = HEAD + ROW % 1 + b'2,2026-11-01T10:00:00Z,"two\nlines"\n'
    path.write_bytes(before + bad + ROW % 3)
    result = pull(path)
    assert result.ids == ["1", "2", "3"]
    assert result.places == [f"a.csv:5 (byte {len(before)})"]
    assert result.quarantine["check"].to_list() == [check]
    assert says in result.reasons[0]


def test_cells_that_look_like_formulas_are_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEAD + b"1,2026-11-01T10:00:00Z,=1+1\n2,2026-11-01T10:00:00Z,@SUM(A1)\n")
    assert pull(path).outputs["response"].to_list() == ["=1+1", "@SUM(A1)"]


def test_an_endless_csv_line_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEAD + ROW % 1 + b"x" * 2**19 + b"\n" + ROW % 2)
    result = pull(path, limits=SMALL)
    assert result.ids == ["1", "2"]
    assert set(result.quarantine["check"]) <= {"record_too_long", "ragged"}


# Parquet ----------------------------------------------------------------------------------------------


def test_a_parquet_bomb_is_refused_by_what_its_rows_decode_to(tmp_path):
    """A megabyte of text a hundred thousand times, in a dictionary: 100 GB from some kilobytes."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 2**20]))
    table = pa.table(
        {"id": texts.indices.cast(pa.string()), "at": ["2026-11-01T10:00:00Z"] * 100_000, "out": texts}
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 100_000
    written(tmp_path, GOOD[0], name="b.jsonl")
    before = pa.total_allocated_bytes()
    result = pull(tmp_path, limits=LimitSettings(max_file_bytes=8 * 2**20))
    assert pa.default_memory_pool().max_memory() - before < 500 * 2**20
    assert "unpacks to more than" in result.problems[0]
    assert result.ids[-1] == "1"


def test_a_parquet_row_beyond_the_limit_costs_one_row(tmp_path):
    path = parquet(tmp_path / "a.parquet", [record(1), record(2, out="x" * 2**17), record(3)])
    result = pull(path, limits=SMALL)
    assert result.ids == ["1", "3"]
    assert result.places == ["a.parquet: row 2"]
    assert "at most 65536 are allowed" in result.reasons[0]


def test_a_parquet_with_a_foreign_schema_names_its_columns(tmp_path):
    path = parquet(tmp_path / "a.parquet", [{"sepal_length": 1.0, "species": "x"}])
    result = pull(path)
    assert result.records_in == 1
    assert (
        "its columns are sepal_length, species; name the right one as fields.response" in result.problems[0]
    )


@pytest.mark.parametrize("where", ["footer", "data"])
def test_a_damaged_parquet_is_said_and_never_read_as_data(tmp_path, where):
    path = parquet(
        tmp_path / "a.parquet",
        [record(i, out=os.urandom(50).hex()) for i in range(500)],
        write_page_checksum=True,
    )
    data = bytearray(path.read_bytes())
    if where == "footer":
        begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        data[begin : begin + 200] = bytes(200)
    else:
        data[200:2_000] = bytes(1_800)
    path.write_bytes(bytes(data))
    result = pull(path)
    assert result.problems[0].startswith(f"{path} is ")
    assert result.quarantine.height == 1


def test_parquet_times_and_missing_numbers_are_read(tmp_path):
    at = datetime(2026, 11, 1, 10, tzinfo=UTC)
    path = parquet(
        tmp_path / "a.parquet", [record(1, at=at, score=float("nan")), record(2, at=at, score=1.0)]
    )
    result = pull(path)
    assert result.outputs["produced_at"].to_list() == [at, at]
    assert result.outputs["metadata"].to_list() == ['{"score":null}', '{"score":1.0}']


# Marks ------------------------------------------------------------------------------------------------


def test_an_unchanged_file_is_not_read_again_and_a_touched_one_neither(tmp_path):
    path = written(tmp_path, *GOOD)
    first = pull(path)
    json.dumps(first.marks)
    assert pull(path, marks=first.marks).records_in == 0
    os.utime(path, (1, 1))
    again = pull(path, marks=first.marks)
    assert again.records_in == 0
    assert pull(path, marks=again.marks).marks == {}


def test_appended_lines_are_read_alone_with_their_true_places(tmp_path):
    path = written(tmp_path, *GOOD, GOOD[0][:20], end=b"")
    first = pull(path)
    assert first.quarantine.height == 1
    path.write_bytes(b"\n".join([*GOOD, GOOD[0], b"bad", line(3)]) + b"\n")
    second = pull(path, marks=first.marks)
    assert second.ids == ["1", "3"]
    assert second.places == [f"a.jsonl:4 (byte {2 * len(GOOD[0]) + len(GOOD[1]) + 3})"]


def test_a_rewritten_file_is_read_as_a_whole_even_with_the_same_size_and_time(tmp_path):
    path = written(tmp_path, *GOOD)
    os.utime(path, ns=(NOW_NS, NOW_NS))
    first = pull(path)
    path.write_bytes(path.read_bytes().replace(b"Paris is", b"Paris_is"))
    os.utime(path, ns=(NOW_NS, NOW_NS))
    assert pull(path, marks=first.marks).ids == ["1", "2"]


NOW_NS = int(NOW.timestamp()) * 10**9


def test_a_corrected_mapping_reads_everything_again(tmp_path):
    path = written(tmp_path, *GOOD)
    wrong = pull(path, fields=FieldMapping(response="answer", produced_at="at"))
    assert wrong.outputs.height == 0
    assert pull(path, marks=wrong.marks).ids == ["1", "2"]


def test_half_characters_inside_a_cell_of_json_cost_one_row(tmp_path):
    path = tmp_path / "a.csv"
    cells = ('"[""\\ud800""]"', '"[""\\u0000""]"', '"[""\\ud83d\\ude00""]"', '"[""cut off"')
    rows = [f"{i},2026-11-01T10:00:00Z,x,{cell}" for i, cell in enumerate(cells)]
    path.write_text("\n".join(["id,at,out,docs", *rows]) + "\n")
    result = pull(path)
    assert result.ids == ["2"]
    assert result.quarantine["check"].to_list() == ["contexts"] * 3


def test_a_range_reads_whatever_the_marks_say_and_leaves_no_marks(tmp_path):
    path = written(tmp_path, line(1), line(2, at="2026-11-05T10:00:00Z"), b"bad")
    marks = pull(path).marks
    result = pull(path, marks=marks, since=date(2026, 11, 5), until=date(2026, 11, 5))
    assert result.ids == ["2"]
    assert result.records_in == 2
    assert result.marks == {}


def test_a_mapping_is_proposed_from_files_of_any_form(tmp_path):
    rows = [record(i, answer="Rome.") for i in range(3)]
    for name in ("a.jsonl", "a.json", "a.csv", "a.parquet"):
        WRITERS[name](tmp_path / name, rows)
        fields = files.propose(str(tmp_path / name)).fields
        assert (fields.id, fields.response) == ("id", "answer"), name
    (tmp_path / "none.jsonl").write_bytes(b"x\n")
    with pytest.raises(InputError, match=r"none\.jsonl:1 \(byte 0\)"):
        files.propose(str(tmp_path / "none.jsonl"))


# Anything -----------------------------------------------------------------------------------------------

BASE = b"\n".join(line(i, out='Ümlaut: \\ " 😀', n=[-1.5, {"a": {}}]) for i in range(6)) + b"\n"


SHARED_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, deadline=None, suppress_health_check=SHARED_FOLDER)
@given(
    st.lists(
        st.tuples(st.integers(0, len(BASE) - 1), st.one_of(st.binary(max_size=4), st.just(b"\n"))), max_size=6
    ),
    st.sampled_from(["a.jsonl", "a.json", "a.csv"]),
)
def test_rows_in_are_rows_out_and_quarantined_whatever_bytes_change(mutations, name):
    data = bytearray(BASE if name == "a.jsonl" else b"[" + BASE[:-1].replace(b"\n", b",\n") + b"]")
    for place, change in mutations:
        data[place : place + len(change)] = change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(bytes(data))
        result = pull(path)
    if name == "a.jsonl" and not result.problems:
        lines = [text for text in bytes(data).split(b"\n") if text.strip()]
        assert result.records_in == len(lines)
    assert result.records_in > 0 or result.problems
