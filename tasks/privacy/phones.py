"""Phone numbers: written with a plus sign, as in North America, or as within any other country.

Shapes propose (1), words before and after speak for or against (2), numbering plans check (3). The less the
words say, the more the plan must: an announced number needs a plausible length, one without a word needs to
be a number that some country gives out, with the gaps where that country puts them. What is written after the
name of another number (`Order 415-555-2671`) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.privacy import phone_plans, phone_words
from tasks.privacy.outline import Finding, digits_of, masked_digits

SCREEN = (
    r"[0-9](?:[ ().\-/]{0,3}[0-9]){6}"
    r"|[0-9０-９٠-٩۰-۹](?:"
    r"[ ().\-/\x{a0}\x{202f}\x{2009}\x{3000}\x{2010}-\x{2013}－（）]{0,3}[0-9０-９٠-٩۰-۹]){6}"
)
"""Seven digits and what may part them; the first half is a part of the second and quick."""
_FOLD = {
    **{
        ord(char): str(i)
        for row in ("０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")
        for i, char in enumerate(row)
    },
    **dict.fromkeys(map(ord, "\u00a0\u202f\u2009\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013－"), "-"),
    ord("＋"): "+",
    ord("（"): "(",
    ord("）"): ")",
}
"""Digits, gaps and signs of other keyboards, character for character."""

_CANDIDATE = re.compile(
    r"[(+0-9](?<![a-zA-Z0-9_.+/#@$€£¥\\-].)(?<![0-9][,:'’].)(?:(?<=\()\+)?\(?(?:[0-9]|[ "
    r"().\-/]{1,3}(?=[0-9])){6,27}"
    r"(?![0-9a-zA-Z_@%\\]|[.,:-][0-9]|-[A-Za-z]|\s?[%°])"
)
"""What is behind the first character is looked at after it: Python's engine skips to a set of characters."""
_INTERNATIONAL = re.compile(r"\(?(?:\+|00(?=[1-9]))")
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .-])?(?:\(([2-9][0-9]{2})\)[ -]?|([2-9][0-9]{2})[.-])([2-9][0-9]{2})[.-]([0-9]{4})"
)
_YEAR = r"(?:1[0-9]|20)[0-9]{2}"
_DATE = re.compile(
    rf"(?:[0-9]{{1,2}} )?{_YEAR}(?:\s?[-/. ]\s?{_YEAR})+|{_YEAR}[-./ ]?[01][0-9][-./ ]?[0-3][0-9](?:[ "
    rf"-]?[0-2][0-9][0-5][0-9](?:[0-5][0-9])?|[ -][0-2]?[0-9])?"
    rf"|{_YEAR}[-./ ][01]?[0-9][-./ ][0-3]?[0-9](?:[ -][0-2]?[0-9])?"
    rf"|[0-3]?[0-9][-./ ][0-3]?[0-9][-./ ]{_YEAR}(?:[ -][0-2]?[0-9](?:[.-][0-5][0-9])*)?"
    rf"|[0-2][0-9]\.[0-5][0-9]\s?-\s?[0-2][0-9]\.[0-5][0-9]"
)
_EPOCH = re.compile(r"1[0-9]{9}|1[0-9]{12}|1[0-9]{15}")
"""Seconds, milliseconds and microseconds since 1970 until 2033."""
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[ .][0-9]{3})+")
_OTHER_SHAPE = re.compile(
    r"97[89][- ][0-9- ]{10,14}|[0-9][- ][0-9]{2,7}[- ][0-9]{1,7}[- ][0-9Xx]|[1-9][0-9]*(?:\.[0-9]+){3,}"
    r"|(?:[0-9]{1,3}\.){2,3}[0-9]{1,3}|[0-9]\.[0-9]{3}(?: [0-9]{3})+|[0-9]{1,3}\.[0-9]+ "
    r"-?[0-9]{1,3}\.[0-9]+|[0-9]{1,3}\.[0-9]{4,}|[0-9]{5,}\.[0-9]+|[0-9]{2,7}-[0-9]{2}-[0-9]{1,4}"
)
"""ISBN, versions and addresses, decimal fractions, social security and CAS numbers."""
_NEXT = re.compile(r"\s?/\s?|(?<=[0-9])\s(?=\()")
"""A slash between two numbers, or a bracket behind one that the number does not close: `4500 (2019)`."""
_SHORTEST, _LONGEST = 7, 17
"""Digits: the shortest are of whole subscribers, the longest E.164's fifteen behind `00`."""
_WHOLE = 9
"""Digits from which a number counts without a word: eight in pairs are as often a date."""
_BEFORE, _AFTER = 56, 16
"""Characters around a number that are read for words."""
_SENTENCE = re.compile(r"[.!?]\s+(?=[A-ZÀ-Þ])|[。！？]|\n\s*\n")


def phones(text: str) -> Iterator[Finding]:
    """Phone numbers of a text, in order of position and apart."""
    folded = text if text.isascii() else text.translate(_FOLD)
    for match in _CANDIDATE.finditer(folded):
        for start, end in _parts(folded, *match.span()):
            confidence = _confidence(folded, start, end)
            if confidence:
                yield Finding(start, end, masked_digits(text[start:end], 2), confidence)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span, or two where a slash or a bracket parts two numbers; an unclosed one is left outside."""
    piece = text[start:end]
    parted = _NEXT.search(piece)
    if parted is not None:
        left, right = piece[: parted.start()], piece[parted.end() :]
        is_open = "(" in right and ")" not in right
        if is_open or min(len(digits_of(left)), len(digits_of(right))) >= _SHORTEST:
            yield from _parts(text, start, start + parted.start())
            yield from _parts(text, start + parted.end(), end)
            return
    while piece.startswith("(") and piece.count("(") > piece.count(")"):
        start, piece = start + 1, piece[1:]
    yield start, end


def _confidence(text: str, start: int, end: int) -> float:
    """How sure it is (ratio) that text[start:end] is a phone number; 0: it is none."""
    piece = text[start:end]
    digits = digits_of(piece)
    if not _SHORTEST <= len(digits) <= _LONGEST or len(set(digits)) == 1:
        return 0
    before = _SENTENCE.split(text[max(0, start - _BEFORE) : start])[-1]
    is_other = bool(_DATE.fullmatch(piece) or phone_words.OTHER.search(before))
    if _INTERNATIONAL.match(piece) and ("+" in piece or not is_other):
        return _international(piece, digits)
    is_announced = any(words.search(before) for words in (phone_words.ANNOUNCED, phone_words.DIRECT)) or bool(
        phone_words.NAMED.match(text[end : end + _BEFORE])
    )
    if is_other or (_OTHER_SHAPE.fullmatch(piece) and not is_announced):
        return 0
    if _NORTH_AMERICAN.fullmatch(piece):
        return 0.85 if is_announced or phone_plans.is_north_american(digits[-10:]) else 0
    after = text[end : end + _AFTER]
    if is_announced:
        return _announced(piece, digits, before, after)
    return _unannounced(piece, digits, before, after, is_alone=text.strip() == piece)


def _international(piece: str, digits: str) -> float:
    is_zeros = "+" not in piece
    if is_zeros and piece.isdigit():
        return 0  # zero-padded numbers of orders and accounts
    if digits.endswith("000000"):
        return 0  # round sums
    return 0.9 if phone_plans.is_international(digits.removeprefix("00") if is_zeros else digits) else 0


def _announced(piece: str, digits: str, before: str, after: str) -> float:
    """A number after a word of phones: of a plausible length, and no point in time or sum of money."""
    if len(digits) > 13 or phone_words.AMOUNT.search(before):
        return 0
    has_gaps, has_trunk = not piece.isdigit(), digits[0] == "0"
    if not has_gaps and _EPOCH.fullmatch(digits):
        return 0
    is_national = phone_plans.is_national(digits)
    is_placed = bool(phone_words.WHERE.search(before))
    is_dialled = has_trunk or is_placed or (has_gaps and not _THOUSANDS.fullmatch(piece))
    if not phone_words.GOES_ON.match(after) and not (is_dialled and is_national):
        return 0  # `Call: 20123456 failed`, `phones: 333 095 060 units`
    return 0.9 if is_national else 0.75


def _unannounced(piece: str, digits: str, before: str, after: str, *, is_alone: bool) -> float:
    """A number without a word of phones: its digits and gaps must speak for it."""
    sizes = tuple(map(len, re.findall(r"[0-9]+", piece)))
    ends = bool(phone_words.GOES_ON.match(after))
    if not _is_likely(piece, digits, sizes, before, ends=ends) or not phone_plans.is_national(digits):
        return 0
    if len(sizes) == 1:
        return 0.7
    if digits[0] == "0":
        is_usual = phone_plans.is_written_so(digits, sizes, exactly=False)
        return (0.85 if ends else 0.7) if is_usual else 0
    is_called = ends and phone_words.CALLED.search(before)
    is_placed = bool(is_alone or is_called or phone_words.WHERE.search(before))
    return _without_trunk(piece, digits, sizes, is_placed, bool(phone_words.DOUBTFUL.search(before)))


def _is_likely(piece: str, digits: str, sizes: tuple[int, ...], before: str, *, ends: bool) -> bool:
    """Whether a number without a word is worth asking the plans, which takes a hundred times as long."""
    if sizes[-1] == 1:
        return False  # no country writes one digit by itself at the end
    if len(sizes) == 1:
        is_called = ends and len(digits) > _WHOLE and bool(phone_words.CALLED.search(before))
        is_likely = is_called and not _EPOCH.fullmatch(digits)
    elif digits[0] == "0":
        is_likely = sizes[0] >= 2 and len(digits) >= _WHOLE
    else:  # the shape excluded is of North America by its look, and none there
        is_likely = ends and "/" not in piece and not ("-" in piece and sizes == (3, 3, 4))
    return is_likely and not phone_words.AMOUNT.search(before)


def _without_trunk(
    piece: str, digits: str, sizes: tuple[int, ...], is_placed: bool, has_weak_word: bool
) -> float:
    if _THOUSANDS.fullmatch(piece):
        return 0.6 if is_placed and len(digits) >= _WHOLE and sizes[0] > 1 else 0
    if is_placed or has_weak_word:
        return 0.7 if phone_plans.is_written_so(digits, sizes, exactly=False) else 0
    is_usual = len(digits) >= _WHOLE and phone_plans.is_written_so(digits, sizes, exactly=True)
    return 0.6 if is_usual and "." not in piece else 0
