"""Door to document formats: the text of each document in one file.

A reader of a file that is one document returns its text; a reader of many documents yields them, and a
refusal in the place of each that is none, so that one bad line costs one line.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from tasks.evidence.parameters import CorpusSettings
from tasks.files import records
from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal, shown

RAW_CHARACTERS = 500
"""Of a refused record, so much is kept to show."""

_PDF_PAGES = 20_000


Record = tuple[str, str] | Refusal
"""(uri, text), or why there is none."""


def read(path: Path, name: str, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Record]:
    """Every document of a file; `name` is its uri, or the beginning of its records' uris."""
    suffix = path.suffix.lower()
    try:
        if suffix in _MANY:
            yield from _many(path, name, settings, limits)
        else:
            yield name, _WHOLE[suffix](path, limits)
    except Refusal as error:
        yield error
    except (OSError, MemoryError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "too large or nested too deep"
        yield Refusal("unreadable", f"cannot be read ({why})")


def _bytes(path: Path, limits: LimitSettings) -> bytes:
    """A whole file that is one document."""
    size = path.stat().st_size
    if size > limits.max_record_bytes * 4:
        # Four: markup and a PDF's pictures are larger than their text; the text itself is checked after.
        raise Refusal("size", f"{size} bytes for one document, more than four times limits.max_record_bytes")
    return path.read_bytes()


def _decode(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raw = data[max(0, error.start - 20) : error.start + 20].decode("utf-8", "backslashreplace")
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise Refusal("encoding", f"not {name} text at byte {error.start}", raw) from None
    if "\0" in text:
        raise Refusal("binary", f"a NUL character at {text.index(chr(0))}: binary data, not text")
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

    _BLOCK = re.compile(
        "address|article|aside|blockquote|br|caption|dd|div|dl|dt|figcaption|footer|form|h[1-6r]|header|li"
        "|main|nav|ol|p|pre|section|table|t[dhr]|title|ul"
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
        if self._BLOCK.fullmatch(tag):
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
            raise Refusal("encrypted", "the PDF is encrypted; give a copy without a password")
        for number, page in enumerate(reader.pages):
            pages.append(page.extract_text())
            size += len(pages[-1])
            if size > limits.max_record_bytes or number > _PDF_PAGES:
                raise Refusal("size", f"the PDF's text is longer than {limits.max_record_bytes} bytes")
    except Refusal:
        raise
    except FileNotDecryptedError:
        raise Refusal("encrypted", "the PDF is encrypted; give a copy without a password") from None
    except Exception as error:  # noqa: BLE001 - a broken PDF raises anything, from KeyError to RecursionError
        reason = f"the PDF is damaged or no PDF ({shown(str(error) or type(error).__name__, 80)})"
        raise Refusal("pdf", reason, data[:100].decode("latin-1")) from None
    text = "\n".join(pages).replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not text.strip():
        raise Refusal("empty", f"none of the PDF's {len(pages)} pages has text; scanned pages need OCR")
    return text


def _many(path: Path, name: str, settings: CorpusSettings, limits: LimitSettings) -> Iterator[Record]:
    """One document a record."""
    form = "parquet" if path.suffix.lower() == ".parquet" else "jsonl"
    required, columns = {settings.text_field: "corpus.text_field"}, (settings.text_field, settings.uri_field)
    for portion in records.portions(path, limits, form=form, required=required, columns=columns):
        for piece, refusal in portion.refused:
            where = f"row {piece.line}" if form == "parquet" else f"line {piece.line}"
            yield Refusal(refusal.check, f"{where}: {refusal.reason}", shown(piece.raw, RAW_CHARACTERS))
        for record, piece in portion.records:
            text, uri = record.get(settings.text_field), record.get(settings.uri_field)
            if isinstance(text, str):
                yield str(uri) if uri not in (None, "") else f"{name}#{piece.line}", text
            else:
                where = f"row {piece.line}" if form == "parquet" else f"line {piece.line}"
                reason = f"{where} has no text under {settings.text_field!r} (corpus.text_field)"
                yield Refusal("text", reason, shown(piece.raw, RAW_CHARACTERS))
        if portion.failure is not None:
            yield portion.failure


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
_MANY = (".jsonl", ".ndjson", ".parquet")
READERS = frozenset(_WHOLE) | frozenset(_MANY)
"""Known file name endings."""
