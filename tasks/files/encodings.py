"""Text of other encodings as UTF-8, in the order and at the pace that it is read.

UTF-16 says what it is in its first bytes. The code pages of spreadsheets do not: which one a file is in
cannot be told from its bytes, and a wrong guess would change letters in silence, so it has to be named.
"""

from __future__ import annotations

import codecs
import re
from typing import Literal, Protocol

from tasks.files.portions import BYTE_ORDER_MARK
from tasks.files.refusal import Refusal

Encoding = Literal[
    "auto", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1250", "windows-1251", "windows-1252",
    "windows-1253", "windows-1254", "windows-1256", "iso-8859-1", "iso-8859-2", "iso-8859-15", "shift_jis",
    "euc_jp", "gb18030", "big5", "euc_kr",
]  # fmt: skip
"""Encodings of exports; `auto` is UTF-8, and UTF-16 where the file begins with its mark."""
_TYPOGRAPHIC = "€‚„…‘’“”•–—°§«»²³·´µ¿¡×±£©®™\xa0"
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Stream(Protocol):
    """Bytes with a look ahead, as `streams.Unpacked` gives them."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        ...

    def head(self) -> bytes:
        """The first bytes, which `read` gives again."""
        ...


def named(head: bytes, encoding: str) -> str:
    """The encoding of a file by its first bytes, or as it was named where they do not say."""
    if head.startswith(BYTE_ORDER_MARK):
        return "utf-8"
    return _MARKS.get(head[:2], "utf-8" if encoding == "auto" else encoding)


def may_be_windows_1252(head: bytes) -> bool:
    """Whether text that is not UTF-8 looks like words of Western Europe in that code page.

    To be proposed, never to be taken for granted.

    Its letters stand alone among ASCII ones; those of other scripts stand in rows.
    """
    if b"\0" in head or head.decode("utf-8", "ignore") == head.decode("utf-8", "replace"):
        return False
    runs = re.findall("[^\x00-\x7f]+", head.decode("cp1252", "replace"))
    is_text = all(c.isalpha() or c in _TYPOGRAPHIC for run in runs for c in run)
    return is_text and sum(map(len, runs)) < 2 * len(runs)


class Decoded:
    """A stream in another encoding as UTF-8.

    A byte that the code page does not know stays as it is, which is not UTF-8: its record is refused.
    """

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        is_wide = encoding.startswith("utf-16")
        self._decoder = codecs.getincrementaldecoder(encoding)("strict" if is_wide else "surrogateescape")
        self._ahead = b""
        self._count = 0
        self._end = False

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of UTF-8.

        Raises:
            Refusal: the stream fails, or is not in its encoding, after what could be read.
        """
        while not self._ahead and not self._end:
            self._ahead = self._more(size)
        block, self._ahead = self._ahead[:size], self._ahead[size:]
        return block

    def head(self) -> bytes:
        """The first bytes of UTF-8, which `read` gives again."""
        if not self._ahead:
            self._ahead = self._more(len(self._stream.head()) or 1)
        return self._ahead

    def _more(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._end = not chunk
        try:
            text = self._decoder.decode(chunk, self._end)
        except UnicodeDecodeError as error:
            self._end = True
            place = self._count + error.start
            raise Refusal("encoding", f"is not valid {self._encoding} at byte {place}") from None
        self._count += len(chunk)
        return text.encode("utf-8", "surrogateescape")
