"""Strings of a confidential list in answers: in any case, with any gaps, hyphens and disguises of letters.

Texts and strings are squeezed to their letters and digits, so that `Blue-Fin 7` is `bluefin7`; one pass looks
for all strings at once. A match must begin and end where words do.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tasks.privacy import shadow

COPIES = {
    "row": pl.Int64,
    "kind": pl.String,
    "origin": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "ratio": pl.Float64,
}
"""Where an answer has text that is not its own: row, span in characters, from where, and how much of it."""
SHORTEST = 4
"""Letters and digits of a string that is looked for: fewer are in too many texts."""


def squeezed(texts: pl.Series) -> pl.Series:
    """Letters and digits of the texts' shadows (String, n), in lower case."""
    return shadow.plain(texts).fill_null("").str.replace_all(r"[^\pL\pN]", "").str.to_lowercase()


def copies(texts: pl.Series, strings: Mapping[str, str], own: pl.Series) -> pl.DataFrame:
    """COPIES of confidential strings (string: origin) in texts (String, n), apart, in order.

    What a text's `own` (String, n; null: nothing), its question and contexts, holds is left out.
    """
    plain = squeezed(pl.Series(list(strings), dtype=pl.String)).to_list()
    origins = {
        one: origin for one, origin in zip(plain, strings.values(), strict=True) if len(one) >= SHORTEST
    }
    rows = []
    if origins:
        small = squeezed(texts)
        hits = small.str.contains_any(list(origins)).arg_true()
        every = small.gather(hits).str.extract_many(list(origins), overlapping=True)
        given = squeezed(own.gather(hits))
        for row, text, held, allowed in zip(hits, texts.gather(hits), every, given, strict=True):
            strange = [one for one in held if one not in allowed]
            spans = _spans(text, strange, origins)
            rows += [(row, "confidential", origin, *span, 1.0) for origin, span in spans]
    return pl.DataFrame(rows, schema=COPIES, orient="row")


def _spans(text: str, held: list[str], origins: Mapping[str, str]) -> list[tuple[str, tuple[int, int]]]:
    """Where a text, which holds these squeezed strings, has them as whole words; the longest first."""
    folded, places = shadow.fold(text)
    kept = [(i, character.lower()) for i, character in enumerate(folded) if character.isalnum()]
    letters = "".join(character for _, character in kept)
    owners = [i for i, character in kept for _ in character]
    taken: list[tuple[str, tuple[int, int]]] = []
    for one in sorted(set(held), key=lambda string: (-len(string), string)):
        at = letters.find(one)
        while at >= 0:
            first, last = owners[at], owners[at + len(one) - 1]
            is_whole = (
                not (first and folded[first - 1].isalnum()) and not folded[last + 1 : last + 2].isalnum()
            )
            span = (places[first], places[last] + 1)
            if is_whole and all(span[1] <= a or b <= span[0] for _, (a, b) in taken):
                taken.append((origins[one], span))
            at = letters.find(one, at + 1)
    return sorted(taken, key=lambda pair: pair[1])
