"""Doors to document formats: the text of each document in one file.

Belongs here: one reader per format, each refusing what it cannot read whole. Does not belong here: which
files there are and what becomes of the refused (`tasks/evidence/corpus.py`).

A reader of a file that is one document returns its text; a reader of many documents yields them, and a
refusal in the place of each that is none, so that one bad line costs one line.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from tasks.errors import ClaimledgerError
from tasks.evidence.parameters import CorpusSettings
from tasks.sources.parameters import LimitSettings
from tasks.sources.records import shown

RAW_CHARACTERS = 500
"""Of a refused record, so much is kept to show."""

_PDF_PAGES = 20_000


class RefusedError(ClaimledgerError):
    """A file or record that is no document: the check that refused it, the reason, the text in question."""

    def __init__(self, check: str, reason: str, raw: str = "") -> None:
        super().__init__(reason)
        self.check, self.reason, self.raw = check, reason, raw


Record = tuple[str, str] | RefusedError
"""(uri, text), or why there is none."""


def records(path: Path, name: str, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Record]:
    """Every document of a file; `name` is its uri, or the beginning of its records' uris."""
    suffix = path.suffix.lower()
    try:
        if suffix in _MANY:
            yield from _MANY[suffix](path, name, settings, limits)
        else:
            yield name, _WHOLE[suffix](path, limits)
    except RefusedError as error:
        yield error
    except (OSError, MemoryError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "too large or nested too deep"
        yield RefusedError("unreadable", f"cannot be read ({why})")


def _bytes(path: Path, limits: LimitSettings) -> bytes:
    """A whole file that is one document."""
    size = path.stat().st_size
    if size > limits.max_record_bytes * 4:
        # Four: markup and a PDF's pictures are larger than their text; the text itself is checked after.
        raise RefusedError(
            "size", f"{size} bytes for one document, more than four times limits.max_record_bytes"
        )
    return path.read_bytes()


def _decode(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raw = data[max(0, error.start - 20) : error.start + 20].decode("utf-8", "backslashreplace")
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise RefusedError("encoding", f"not {name} text at byte {error.start}", raw) from None
    if "\0" in text:
        raise RefusedError("binary", f"a NUL character at {text.index(chr(0))}: binary data, not text")
    return text


def _text(path: Path, limits: LimitSettings) -> str:
    return _decode(_bytes(path, limits)).replace("\r\n", "\n")


def _html(path: Path, limits: LimitSettings) -> str:
    page = _Page()
    page.feed(_decode(_bytes(path, limits)))
    page.close()
    text = re.sub(r"[^\S\n]+", " ", "".join(page.parts))
    return re.sub(r" ?\n[ \n]*", "\n", text).strip()


class _Page(HTMLParser):
    """What a reader sees, one block a line, in one pass: no tree that hostile nesting could make deep.

    Only the edge of a block ends a line; a line break at every tag would cut `<b>` out of words.
    """

    _BLOCKS = frozenset(
        [
            "address",
            "article",
            "aside",
            "blockquote",
            "br",
            "caption",
            "dd",
            "div",
            "dl",
            "dt",
            "figcaption",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "p",
            "pre",
            "section",
            "table",
            "td",
            "th",
            "title",
            "tr",
            "ul",
        ]
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the base class calls it so
        """Script and style hold no markup, so the parser itself finds their end."""
        self._hidden = tag in ("script", "style")
        self._edge(tag)

    def handle_endtag(self, tag: str) -> None:
        """The end of a block ends its line."""
        self._hidden = False
        self._edge(tag)

    def handle_data(self, data: str) -> None:
        """Text between tags, entities resolved."""
        if not self._hidden:
            # White space in the source is a space on the page.
            self.parts.append(re.sub(r"\s+", " ", data))

    def _edge(self, tag: str) -> None:
        if tag in self._BLOCKS:
            self.parts.append("\n")


def _pdf(path: Path, limits: LimitSettings) -> str:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs content of broken files
    data = _bytes(path, limits)
    pages: list[str] = []
    size = 0
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise RefusedError("encrypted", "the PDF is encrypted; give a copy without a password")
        for number, page in enumerate(reader.pages):
            pages.append(page.extract_text())
            size += len(pages[-1])
            if size > limits.max_record_bytes or number > _PDF_PAGES:
                raise RefusedError("size", f"the PDF's text is longer than {limits.max_record_bytes} bytes")
    except RefusedError:
        raise
    except FileNotDecryptedError:
        raise RefusedError("encrypted", "the PDF is encrypted; give a copy without a password") from None
    except Exception as error:  # noqa: BLE001 - a broken PDF raises anything, from KeyError to RecursionError
        reason = f"the PDF is damaged or no PDF ({shown(str(error) or type(error).__name__, 80)})"
        raise RefusedError("pdf", reason, data[:100].decode("latin-1")) from None
    text = "\n".join(pages).replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not text.strip():
        raise RefusedError("empty", f"none of the PDF's {len(pages)} pages has text; scanned pages need OCR")
    return text


def _jsonl(path: Path, name: str, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Record]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(limits.max_record_bytes + 1):
            number += 1
            where = f"{name}#{number}"
            if len(line) > limits.max_record_bytes:
                while line and not line.endswith(b"\n"):
                    line = file.readline(limits.max_record_bytes)
                yield RefusedError("size", f"line {number} is longer than {limits.max_record_bytes} bytes")
                continue
            if not line.strip(b" \t\r\n\xef\xbb\xbf"):
                continue
            raw = line[:RAW_CHARACTERS].decode("utf-8", "backslashreplace")
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                reason = f"line {number} is not JSON in UTF-8 ({shown(str(error), 80)})"
                yield RefusedError("json", reason, raw)
                continue
            if not isinstance(record, dict):
                yield RefusedError("json", f"line {number} is no JSON object", raw)
                continue
            text = record.get(settings.text_field)
            if not isinstance(text, str):
                reason = f"line {number} has no text under {settings.text_field!r} (corpus.text_field)"
                yield RefusedError("text", reason, raw)
                continue
            uri = record.get(settings.uri_field)
            yield str(uri) if uri not in (None, "") else where, text


def _parquet(path: Path, name: str, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Record]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if settings.text_field not in schema.names:
                yield RefusedError(
                    "schema",
                    f"no column {settings.text_field!r} (corpus.text_field); it has "
                    f"{', '.join(schema.names[:10])}",
                )
                return
            columns = [c for c in (settings.text_field, settings.uri_field) if c in schema.names]
            read = 0
            for batch in file.iter_batches(batch_size=32, columns=columns):
                read += batch.nbytes
                if read > limits.max_file_bytes:
                    yield RefusedError("size", f"more than {limits.max_file_bytes} bytes after decompression")
                    return
                for record in batch.to_pylist():
                    number += 1
                    text, uri = record[settings.text_field], record.get(settings.uri_field)
                    where = f"{name}#{number}"
                    if not isinstance(text, str):
                        yield RefusedError("text", f"row {number} has no text in {settings.text_field!r}")
                        continue
                    yield str(uri) if uri not in (None, "") else where, text
    except (pa.ArrowException, OSError, ValueError) as error:
        yield RefusedError("parquet", f"the Parquet file cannot be read ({shown(str(error), 160)})")


_WHOLE: dict[str, Callable[[Path, LimitSettings], str]] = {
    ".txt": _text,
    ".text": _text,
    ".md": _text,
    ".markdown": _text,
    ".rst": _text,
    ".html": _html,
    ".htm": _html,
    ".xhtml": _html,
    ".pdf": _pdf,
}
_MANY: dict[str, Callable[[Path, str, CorpusSettings, LimitSettings], Iterator[Record]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
READERS = frozenset(_WHOLE) | frozenset(_MANY)
"""Known file name endings."""
