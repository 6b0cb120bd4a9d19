"""The reader of records: JSON Lines, JSON, CSV and Parquet files, packed or not, a portion at a time.

Everybody who reads records of other people reads them here, so that the same bytes are refused for the same
reason wherever they come in. Which files there are is in `streams.py`, what a record means is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from tasks.files import csv_records, encodings, json_records, parquet_records, streams
from tasks.files.limits import LimitSettings
from tasks.files.portions import BYTE_ORDER_MARK, Portion
from tasks.files.refusal import Refusal
from tasks.files.streams import FORMATS, Format


def portions(
    path: Path,
    limits: LimitSettings,
    *,
    form: str = "auto",
    required: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
    begin: tuple[int, int] | None = None,
    encoding: str = "auto",
) -> Iterator[Portion]:
    """The file's records and refusals, in bounded memory.

    Args:
        path: the file; how it is packed shows in its first bytes.
        limits: budgets, each of which is refused by name.
        form: jsonl, json, csv or parquet; "auto" goes by suffix and content.
        required: columns that a table must have (dotted paths), and the setting that names each.
        columns: of a Parquet file, those that are read; none means all.
        encoding: one of `encodings.Encoding`; the first bytes of UTF-16 and of UTF-8 with a mark say more.
        begin: (offset, line) of JSON Lines that are not packed: a portion's `resume`, to read on from there.

    Raises:
        Refusal: a file that no record can be read from.
    """
    streams.regular(path)
    required = required or {}
    if begin is not None:
        with streams.unpacked(path, "none", limits.max_file_bytes - begin[0], start=begin[0]) as rest:
            yield from json_records.line_portions(rest, limits, offset=begin[0], line=begin[1])
        return
    packed = streams.compression_of(path)
    with streams.unpacked(path, packed, limits.max_file_bytes) as raw:
        code = encodings.named(raw.head(), encoding)
        is_plain = code == "utf-8" or raw.head()[:4] == b"PAR1"
        stream: encodings.Stream = raw if is_plain else encodings.Decoded(raw, code)
        form = format_of(path, stream.head(), form)
        if form == "parquet":
            if packed != "none":
                raise Refusal("parquet", f"is Parquet inside {packed}; unpack it")
            yield from parquet_records.portions(path, limits, required, columns)
        elif form == "csv":
            yield from csv_records.portions(stream, limits, required)
        elif form == "json":
            yield from json_records.value_portions(stream, limits)
        else:
            for portion in json_records.line_portions(stream, limits):
                if packed != "none" or stream is not raw or portion.failure is not None:
                    portion.resume = None
                yield portion


def format_of(path: Path, head: bytes, configured: str) -> Format:
    """A file's format: as configured, else by suffix, else by content.

    Raises:
        Refusal: empty, UTF-16 or UTF-32, binary, or nothing that is known.
    """
    named = streams.suffixes(path)[0]
    form = next((known for known in FORMATS if known == configured), named)
    if head[:4] == b"PAR1" or form == "parquet":
        return "parquet"
    body = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if not head:
        raise Refusal("empty", "is empty")
    if _is_utf16(head):
        raise Refusal(
            "encoding", "is UTF-16 text without a byte-order mark; export it as UTF-8, or name its encoding"
        )
    # A damaged text file still begins like one; what neither begins nor reads like text is no text at all.
    if body[:1] not in (b"{", b"[") and _is_binary(head):
        raise Refusal(
            "binary",
            "is a binary file or not UTF-8 text, expected JSON Lines, JSON, CSV or Parquet",
        )
    if form == "json" and body[:1] == b"{" and _begins_with_a_record_a_line(body):
        return "jsonl"
    if form is not None:
        return form
    if body[:1] == b"[":
        return "json"
    if body[:1] == b"{":
        return "jsonl"
    raise Refusal("format", "is of an unknown format; name it with the source's `format`")


def _is_utf16(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return len(head) > 3 and (head[0] == 0) != (head[1] == 0) and (head[2] == 0) != (head[3] == 0)


def _is_binary(head: bytes) -> bool:
    controls = sum(head.count(bytes([c])) for c in (*range(9), *range(14, 27), *range(28, 32)))
    if controls * 50 > len(head):
        return True
    invalid = head.decode("utf-8", "replace").count("\ufffd")
    return invalid * 5 > len(head)


def _begins_with_a_record_a_line(body: bytes) -> bool:
    first, newline, rest = body.partition(b"\n")
    if newline and not rest.strip():
        return True
    try:
        return bool(newline) and isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False
