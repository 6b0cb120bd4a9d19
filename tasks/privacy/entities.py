"""What a token classifier says of a text, made into findings of persons and addresses.

Belongs here: which labels mean what, how pieces of words become names, masks. Does not belong here: the
model (`names.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.privacy.outline import Finding

LABELS = {
    "person": "PER PERSON NAME PERSONNAME FIRSTNAME GIVENNAME MIDDLENAME LASTNAME SURNAME FAMILYNAME PATIENT",
    "address": "ADDRESS ADDR STREET STREETADDRESS STREETNAME BUILDINGNUM BUILDINGNUMBER SECONDARYADDRESS "
    "ZIP ZIPCODE POSTCODE POSTALCODE",
}
"""Names that models give their labels, without case, signs and the prefix of the place in an entity. Cities
and countries by themselves are nobody's address, so LOC and GPE are left out."""
_KIND = {label: kind for kind, labels in LABELS.items() for label in labels.split()}
_BEGINS = re.compile(r"(?i)^(?:B|S|U)-")
_PLACED = re.compile(r"(?i)^[BIESLU]-")
GAPS = {"person": 1, "address": 3}
"""Characters between two pieces of one entity: a blank, and in an address a comma as well."""


@dataclass(frozen=True)
class Piece:
    """A token: characters of the text, the label with the most probability, and that probability."""

    start: int
    end: int
    label: str
    score: float


class Recogniser(Protocol):
    """A token classifier. `label` names it with its version, for the column `detector`."""

    label: str

    def pieces(self, texts: Sequence[str]) -> Iterable[Sequence[Piece]]:
        """The tokens of each text, in its order; where windows overlap a token may come twice."""


def kind_of(label: str) -> str | None:
    """`person`, `address`, or None for what is neither."""
    return _KIND.get(re.sub(r"[^A-Z]", "", _PLACED.sub("", label).upper()))


def findings(text: str, pieces: Iterable[Piece], minimum: float) -> Iterator[tuple[str, Finding]]:
    """(kind, finding) of what the pieces say together, apart and in order of position.

    A token that goes on within a word has the word's kind, whatever its own label says. The confidence is the
    least of the words'.
    """
    for kind, start, end, score in _merged(text, _words(text, pieces)):
        if score >= minimum:
            yield kind, Finding(start, end, masked(kind, text[start:end]), round(score, 6))


def masked(kind: str, piece: str) -> str:
    """A name's first letter, and nothing of an address."""
    return f"{piece[0]}***" if kind == "person" else "***"


def _words(text: str, pieces: Iterable[Piece]) -> list[tuple[int, int, str, float]]:
    """(start, end, label, score) of the words, by their first tokens."""
    words: list[tuple[int, int, str, float]] = []
    for piece in sorted(pieces, key=lambda one: (one.start, -one.end)):
        if not any(map(str.isalnum, text[piece.start : piece.end])) and kind_of(piece.label) is None:
            continue  # what stands between words says nothing of them
        if words and piece.end <= words[-1][1]:
            continue  # a token of a window before
        if (
            words
            and piece.start <= words[-1][1]
            and text[piece.start].isalnum()
            and text[piece.start - 1].isalnum()
        ):
            start, _, label, score = words[-1]
            words[-1] = (start, piece.end, label, score)
        else:
            words.append((piece.start, piece.end, piece.label, piece.score))
    return words


def _merged(text: str, words: list[tuple[int, int, str, float]]) -> Iterator[tuple[str, int, int, float]]:
    """(kind, start, end, score) of entities: words of one kind beside each other."""
    current: tuple[str, int, int, float] | None = None
    for start, end, label, score in words:
        kind = kind_of(label)
        goes_on = (
            current is not None
            and kind == current[0]
            and start - current[2] <= GAPS[current[0]]
            and not any(map(str.isalnum, text[current[2] : start]))
            # Parts of a name are labels of their own in some models: B-GIVENNAME, B-SURNAME.
            and not (_BEGINS.match(label) and kind_of(label) == "person" and _is_whole(label))
        )
        if goes_on and current is not None:
            current = (current[0], current[1], end, min(current[3], score))
            continue
        if current is not None:
            yield current
        current = None if kind is None else (kind, start, end, score)
    if current is not None:
        yield current


def _is_whole(label: str) -> bool:
    """Whether the label is of a whole name, so that the next beginning is another person's."""
    return re.sub(r"[^A-Z]", "", _PLACED.sub("", label).upper()) in (
        "PER",
        "PERSON",
        "NAME",
        "PERSONNAME",
        "PATIENT",
    )
