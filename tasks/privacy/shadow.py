"""A text as a language model reads it: without what hides letters, and with the way back to its characters.

Compatibility forms are decomposed (UAX #15, NFKD), marks and characters without width dropped (general
categories Mn, Me, Cf), letters of other scripts that look like Latin ones replaced (a part of UTS #39), and
tag characters (U+E0020 to U+E007E), which no screen shows, read as the ASCII they stand for. Each character
is folded by itself, so that every character of the shadow has one place in the text.
"""

from __future__ import annotations

import unicodedata
from array import array

import polars as pl

_ALIKE = dict(
    zip(
        "\u0430\u0441\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u0455\u0443\u0445\u0501\u051b\u051d"
        "\u043a\u0442\u043c\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421"
        "\u0422\u0423\u0425\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0391\u0392"
        "\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0251\u0261\u0131",
        "acehijlopsyxdqwktmABESIJKMHOPCTYXaeiknoptuxABEZHIKMNOPTYXagi",
        strict=True,
    )
)
"""Cyrillic and Greek letters, and IPA's, that look like a Latin one."""
_DISGUISED = (
    r"[^\x00-\x{9f}\x{a1}-\x{a7}\x{a9}\x{ab}\x{ac}\x{ae}\x{b0}\x{b1}\x{b6}\x{b7}\x{bb}\x{bf}"
    r"\x{2010}\x{2012}-\x{2016}\x{2018}-\x{2023}\x{2027}\x{4e00}-\x{9fff}]"
)
"""All that folding changes, and more: what is left out are ASCII, quotes, dashes and Chinese."""
_TAGS = r"[\x{e0020}-\x{e007e}]"
_DROPPED = frozenset(("Mn", "Me", "Cf"))


def plain(texts: pl.Series) -> pl.Series:
    """The shadows of texts (String, n), in their order; null stays null."""
    frame = texts.cast(pl.String).alias("text").to_frame().with_row_index("row")
    odd = frame.filter(pl.col("text").str.contains(_DISGUISED))
    if odd.is_empty():
        return frame["text"]
    tagged = odd["text"].str.contains(_TAGS)
    tags = pl.Series("text", [fold(text)[0] for text in odd.filter(tagged)["text"]], dtype=pl.String)
    folded = pl.concat(
        [
            odd.filter(~tagged).with_columns(
                pl.col("text")
                .str.normalize("NFKD")
                .str.replace_all(r"[\p{Mn}\p{Me}\p{Cf}]", "")
                .str.replace_many(_ALIKE)
            ),
            odd.filter(tagged).with_columns(tags),
        ]
    )
    return frame.update(folded, on="row")["text"]


def fold(text: str) -> tuple[str, array[int]]:
    """The shadow and, for each of its characters, the index of the character of the text it comes from."""
    if text.isascii():
        return text, array("q", range(len(text)))
    pieces: list[str] = []
    places = array("q")
    pieces_of: dict[str, str] = {}
    for place, character in enumerate(text):
        piece = pieces_of.get(character)
        if piece is None:
            piece = pieces_of[character] = _folded(character)
        if piece:
            pieces.append(piece)
            places.extend([place] * len(piece))
    return "".join(pieces), places


def _folded(character: str) -> str:
    if "\U000e0020" <= character <= "\U000e007e":
        return chr(ord(character) - 0xE0000)
    return "".join(
        _ALIKE.get(one, one)
        for one in unicodedata.normalize("NFKD", character)
        if unicodedata.category(one) not in _DROPPED
    )
