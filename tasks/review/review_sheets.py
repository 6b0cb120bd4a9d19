"""Review sheets: CSV files that people fill in, read with distrust.

Belongs here: what a sheet says line by line, and which lines can be used. Does not belong here: the lake
(`tasks/review/reviews.py`), which verdicts are in a sheet (`queue.py`, `tasks/review/sample.py`).

A sheet comes back from spreadsheet programs: with a comma, semicolon or tab between cells, with or without a
byte order mark, with columns moved, added or left out. Whatever cannot be used is refused with its line and a
reason, and never stops the other lines.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tasks.files import csv_records, json_records, workbooks
from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal
from tasks.files.workbooks import WorkbookError
from tasks.review import cells
from tasks.tables import DECISIVE, REVIEW_OUTCOMES, VERDICTS

FILLED = ("reviewer", "outcome", "corrected_verdict", "comment", "reviewed_at")
"""Columns that a person fills in; without the last one, the time of the import stands for it."""
COLUMNS = ("verdict_id", "claim_id", *FILLED)
"""Columns that are read; any other is for people."""
ERASED = "the output of this verdict was erased"
"""Why a line is refused although its outcome may have been reached before."""
_SINGLE_LINES = 3
"""Up to so many lines of another encoding are faults of their own; more are a file in a code page."""
MAX_REVIEWER, MAX_COMMENT = 200, 10_000
"""Characters: a name, and some pages of words; a spreadsheet cell ends at 32,767."""
SHEET: dict[str, pl.DataType] = {"line": pl.Int64(), **dict.fromkeys(COLUMNS, pl.String())}
REFUSED: dict[str, pl.DataType] = {**SHEET, "problem": pl.String()}


class SheetError(ValueError):
    """The file as a whole is not a review sheet."""


@dataclass(frozen=True)
class Sheet:
    """What a file says: `rows` (columns `SHEET`) and `refused` lines (line, sentence)."""

    rows: pl.DataFrame
    refused: list[tuple[int, str]] = field(default_factory=list)


CHOICES = {"outcome": REVIEW_OUTCOMES, "corrected_verdict": VERDICTS}
"""Words that a workbook offers."""


def write(header: tuple[str, ...], rows: list[list[str]]) -> bytes:
    """A sheet as CSV (RFC 4180, UTF-8 with a byte order mark, which spreadsheet programs need)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([[cells.inert(cell) for cell in row] for row in rows])
    return buffer.getvalue().encode("utf-8-sig", "replace")


def read(data: bytes) -> Sheet:
    """Reads a sheet, CSV or a workbook by what its bytes are; empty lines are left out.

    Raises:
        SheetError: UTF-16, another code page, a damaged workbook, no header with `verdict_id` and `outcome`,
            or a column twice.
    """
    if workbooks.is_workbook(data):
        return _of_workbook(data)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SheetError("it is UTF-16; save it as CSV in UTF-8")
    if not data.removeprefix(b"\xef\xbb\xbf").strip():
        raise SheetError("it is empty")
    if b"\n" not in data:  # as spreadsheet programs on old Macintoshes wrote lines
        data = data.replace(b"\r", b"\n")
    table = csv_records.rows(io.BytesIO(data), LimitSettings())
    header, _ = next(table)
    if isinstance(header, Refusal):
        raise SheetError(f"its first line is not a header ({header.reason})")
    places = _places([cell.strip().lower() for cell in header])
    lines: list[dict[str, object]] = []
    refused: list[tuple[int, str]] = []
    width = 1 + max(places.values())
    for row, piece in table:
        if isinstance(row, Refusal):
            refused.append((piece.line, row.reason))
        elif not any(cell.strip() for cell in row):
            continue
        elif len(row) < min(width, 2):
            refused.append((piece.line, f"it has {len(row)} cells, expected {width}"))
        else:
            lines.append({"line": piece.line, **_values(row, places)})
    foreign = sum("UTF-8" in reason for _, reason in refused)
    if foreign > max(_SINGLE_LINES, len(lines)):
        raise SheetError(
            f"{foreign} of its lines are not UTF-8; save it as `CSV UTF-8`, as spreadsheets call it, or "
            "as XLSX"
        )
    return Sheet(pl.DataFrame(lines, schema=SHEET), refused)


def _values(row: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    values = {n: cells.original(row[at].strip()) if at < len(row) else "" for n, at in places.items()}
    return {**dict.fromkeys(COLUMNS, ""), **values}


def _of_workbook(data: bytes) -> Sheet:
    try:
        table = workbooks.table(data)
    except WorkbookError as error:
        raise SheetError(str(error)) from None
    if not table.rows:
        raise SheetError("it is empty")
    places = _places([cell.strip().lower() for cell in table.names])
    lines = [
        {"line": line, **_values(row, places)}
        for line, row in table.whole
        if any(cell.strip() for cell in row)
    ]
    return Sheet(pl.DataFrame(lines, schema=SHEET), table.refused)


def _places(header: list[str]) -> dict[str, int]:
    if header[0].startswith("ï»¿"):
        raise SheetError("it was opened in a code page; open it as UTF-8, so that no word of it is lost")
    missing = [name for name in ("verdict_id", "outcome") if name not in header]
    if missing:
        raise SheetError(f"its first line has no column {missing[0]}; it must name the columns")
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise SheetError(f"it has the column {twice[0]} twice")
    return {name: header.index(name) for name in COLUMNS if name in header}


def judged(
    sheet: pl.DataFrame, verdicts: pl.DataFrame, *, now: str, default_reviewer: str | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Lines that can be used, lines that cannot, and how many nobody has filled in.

    Args:
        sheet: columns `SHEET`.
        verdicts: verdict_id, claim_id, verdict, produced_at and is_erased of the verdicts named in the sheet.
        now: ISO time that an empty `reviewed_at` stands for, and that none may be after.
        default_reviewer: who reviewed where a line does not say.

    Returns:
        Usable rows: `SHEET` (corrected_verdict, comment null where empty; reviewed_at as a time), verdict and
        produced_at. Refused rows: columns `REFUSED`.
    """
    lowered = sheet.with_columns(
        pl.col("verdict_id", "claim_id", "outcome", "corrected_verdict").str.to_lowercase(),
        reviewer=pl.when(pl.col("reviewer") == "")
        .then(pl.lit(default_reviewer or ""))
        .otherwise(pl.col("reviewer")),
    )
    empty = pl.col("outcome") == ""
    blank = lowered.filter(empty & (pl.col("corrected_verdict") == "") & (pl.col("comment") == ""))
    filled = lowered.join(blank, on="line", how="anti").join(
        verdicts.rename({"claim_id": "known_claim_id"}), on="verdict_id", how="left", maintain_order="left"
    )
    filled = filled.with_columns(
        at=pl.when(pl.col("reviewed_at") == "")
        .then(pl.lit(now))
        .otherwise(pl.col("reviewed_at"))
        .str.replace("Z$", "+00:00")
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
        moment=pl.lit(now).str.to_datetime("%+", time_unit="us", time_zone="UTC"),
        opinions=pl.struct("outcome", "corrected_verdict").n_unique().over("verdict_id", "reviewer"),
    ).with_columns(problem=_problem())
    refused = filled.filter(pl.col("problem").is_not_null()).select(*REFUSED)
    usable = filled.filter(pl.col("problem").is_null()).with_columns(
        pl.col("corrected_verdict", "comment").replace("", None), claim_id="known_claim_id", reviewed_at="at"
    )
    return usable.select(*SHEET, "verdict", "produced_at"), refused, blank.height


def _problem() -> pl.Expr:
    """The first thing wrong with a line, as a sentence; null where nothing is."""
    col = pl.col
    corrected = col("corrected_verdict")
    shown = "'" + col("outcome").str.slice(0, 40) + "'"
    cases: list[tuple[pl.Expr, pl.Expr | str]] = [
        (~col("verdict_id").str.contains("^[0-9a-f]{64}$"), "verdict_id is not 64 hexadecimal digits"),
        (col("verdict").is_null(), "this lake has no such verdict"),
        (col("is_erased"), ERASED),
        (
            (col("claim_id") != "") & (col("claim_id") != col("known_claim_id")),
            "claim_id is not the claim of this verdict",
        ),
        (col("outcome") == "", "outcome is empty although the line was filled in"),
        (
            ~col("outcome").is_in(REVIEW_OUTCOMES),
            "outcome is " + shown + f", expected one of {', '.join(REVIEW_OUTCOMES)}",
        ),
        (
            (corrected != "") & ~corrected.is_in(VERDICTS),
            f"corrected_verdict is not one of {', '.join(VERDICTS)}",
        ),
        (
            (col("outcome") == "confirmed") & (corrected != "") & (corrected != col("verdict")),
            "the line both confirms the verdict and corrects it",
        ),
        (
            ~col("outcome").is_in(DECISIVE) & (corrected != ""),
            "the line corrects the verdict although its outcome settles nothing",
        ),
        (
            (col("outcome") == "overturned") & (corrected == col("verdict")),
            "the line overturns the verdict but corrects it to the same verdict",
        ),
        (col("reviewer") == "", "reviewer is empty; fill it in or give --reviewer"),
        (col("reviewer").str.len_chars() > MAX_REVIEWER, f"reviewer has more than {MAX_REVIEWER} characters"),
        (col("comment").str.len_chars() > MAX_COMMENT, f"comment has more than {MAX_COMMENT} characters"),
        (col("at").is_null(), "reviewed_at is not an ISO 8601 time with a zone"),
        (col("at") > col("moment"), "reviewed_at is in the future"),
        (col("opinions") > 1, "another line of the same reviewer contradicts this one"),
    ]
    problem: pl.Expr = pl.lit(None, pl.String)
    for wrong, sentence in reversed(cases):
        words = pl.lit(sentence) if isinstance(sentence, str) else sentence
        problem = pl.when(wrong).then(words).otherwise(problem)
    return problem


def read_lines(data: bytes) -> Sheet:
    """Reads a sheet of JSON Lines: records with the columns of `COLUMNS`, any others ignored.

    Raises:
        SheetError: it is empty.
    """
    lines: list[dict[str, object]] = []
    refused: list[tuple[int, str]] = []
    for portion in json_records.line_portions(io.BytesIO(data), LimitSettings()):
        refused += [(piece.line, refusal.reason) for piece, refusal in portion.refused]
        for record, piece in portion.records:
            values = [record.get(name) or "" for name in COLUMNS]
            texts = [value.strip() for value in values if isinstance(value, str)]
            if len(texts) < len(values):
                refused.append((piece.line, "not a record of strings"))
            else:
                lines.append({"line": piece.line, **dict(zip(COLUMNS, texts, strict=True))})
    if not lines and not refused:
        raise SheetError("it is empty")
    return Sheet(pl.DataFrame(lines, schema=SHEET), sorted(refused))


TEXTS = (
    *("claim", "evidence", "evidence_1", "evidence_2", "evidence_3", "comment", "detail"),
    *("question", "answer", "reason", "deciding_sentence", "document"),
    *("response", "text", "claim_reason", "suggested_correction", "evidence_uri"),
)
"""Columns that show or may repeat an output's text."""


KEYS = ("verdict_id", "output_id")
"""Columns that say whose texts a line shows."""


def without_texts_of_workbook(data: bytes, subjects: set[str], instead: str) -> bytes:
    """The same for a workbook; what is none is unchanged."""
    try:
        table = workbooks.table(data)
    except WorkbookError:
        return data
    header = [cell.strip().lower() for cell in table.names]
    keys = [header.index(name) for name in KEYS if name in header]
    texts = [at for at, name in enumerate(header) if name in TEXTS]
    changes = {
        (line, at + 1): instead
        for line, row in table.rows[1:]
        if any(len(row) > key and row[key].strip().lower() in subjects for key in keys)
        for at in texts
        if at < len(row) and row[at] not in ("", instead)
    }
    return workbooks.with_texts(data, changes) if changes else data


def without_texts(data: bytes, subjects: set[str], instead: str, *, lines: bool) -> bytes:
    """A sheet (CSV, or JSON Lines) with the texts of some verdicts or outputs replaced; any other file is
    unchanged."""
    text = data.decode("utf-8-sig", "surrogateescape")
    if lines:
        return "\n".join(_record_without(line, subjects, instead) for line in text.split("\n")).encode(
            "utf-8", "surrogateescape"
        )
    first = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        return data
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    keys = [header.index(name) for name in KEYS if name in header]
    if not keys:
        return data
    texts = [i for i, name in enumerate(header) if name in TEXTS]
    is_changed = False
    for row in rows[1:]:
        if any(len(row) > key and cells.original(row[key].strip()).lower() in subjects for key in keys):
            for at in texts:
                if at < len(row) and row[at] not in ("", instead):
                    row[at], is_changed = instead, True
    if not is_changed:
        return data
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\r\n").writerows(rows)
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    return mark + buffer.getvalue().encode("utf-8", "surrogateescape")


def _record_without(line: str, subjects: set[str], instead: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(record, dict) or not any(record.get(key) in subjects for key in KEYS):
        return line
    blank = _blank(record, instead)
    claims = blank.get("claims")
    if isinstance(claims, list):
        blank["claims"] = [_blank(claim, instead) if isinstance(claim, dict) else claim for claim in claims]
    return json.dumps(blank)


def _blank(record: dict[str, object], instead: str) -> dict[str, object]:
    return {name: instead if name in TEXTS and value else value for name, value in record.items()}
