"""Mends what a general sentence splitter does not know about the prose of agents.

Where citation marks, closing marks and emoji go, and abbreviations of English technical prose; the words of
other languages are in `abbreviations.py`. Every rule answers to faults counted in
`docs/decisions/0002-sentence-splitter.md`.
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import re

from tasks.text.abbreviations import goes_on, rules, rules_by_script
from tasks.text.language import UNKNOWN

Spans = list[tuple[int, int]]

ENDS = ".!?…。！？｡．।॥؟۔։။។៕።፧༎᙮⁇⁈⁉‼"
"""Marks that end a sentence, in every script that has its own."""

_NUMBERED = frozenset(
    "eq eqs fig figs sec secs para paras vol vols ch chap art arts app tab no nos nr p pp max min approx ca "
    "lit ex ref refs cl ver v".split()
)
"""Before a number, these are abbreviations; `max. 40 mg` and `no. 7` but not `She said no. 7 left.`"""

_TITLES = frozenset(
    "dr mr mrs ms prof gen rep sen gov lt col sgt capt cmdr maj adm hon rev fr sr st mt ft pres".split()
)
"""Before a capitalised name; `jr` is absent, since it ends sentences as often as not."""

_ALWAYS = frozenset("approx cf viz resp incl excl e.g i.e vs max min dept млн млрд тыс".split())
"""Never the last word of a sentence in ordinary prose."""

WHOLE = 2000
"""Characters that tell the script of a text of unknown language; such texts are short."""

_SAID = ("と", "って")
"""After a closing bracket, the sentence that quotes goes on: 「はい。」と答えた。"""

_CITATION = (
    r"\[\^?\d{1,4}(?:\s?[-–,;]\s?\^?\d{1,4}){0,40}\]|【[^】\n]{1,80}】|[¹²³⁰⁴-⁹]{1,6}|\[\^[\w-]{1,40}\]"
)
_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\ufe0f\u200d]"
_CLOSERS = re.compile(r"[*_~`\"”’»›)\]」』】》）]{1,8}(?=\s|$|[\[【¹²³⁰⁴-⁹])")
_MARKS = re.compile(rf"(?:[ \t]{{0,2}}(?:{_CITATION})){{1,50}}[.,]?(?=\s|$|[^\W\d_]|[*_])")
_TRAILING_EMOJI = re.compile(rf"(?:[ \t]?{_EMOJI}){{1,20}}(?=\s|$)")
_LEADING_EMOJI = re.compile(rf"\s*{_EMOJI}")
_SPACE = re.compile(r"\s*")
_WORD_BEFORE = re.compile(r"[\w.]{1,20}\Z")
_LINKED = re.compile(r"[A-Z]\.-[A-Z]\.\Z")
_MARKER = re.compile(r"\s*[(\[]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]\Z")

_STARTERS = (
    "A|After|All|Although|And|As|At|Both|But|By|Each|For|From|He|Her|His|How|However|If|In|It|Its|Many|More|Most|"
    "Neither|No|Nobody|None|Not|On|One|Or|Others|Our|She|Since|So|Some|Such|That|The|Their|Then|There|These|They|"
    "This|Those|Thus|To|We|What|When|Where|While|Why|With|You|Your"
)
# The mark comes first, since a search for a few characters is fast; what is before it is looked back at.
_MISSED = re.compile(
    r"[.!?…។៕。！？፡．](?:"
    rf"(?<=[a-z]{{3}}[.!?])\)(?=\s+[\"“(*]?[A-Z])"  # a whole sentence in parentheses
    rf"|(?<=…)(?=\s+[\"“]?[A-Z])"
    rf"|(?<=[a-z]\s[A-Z]\.)(?=\s+(?:{_STARTERS})\s)"  # `vitamin D. It`, but `by D. Jones`
    rf"|(?<=[a-z0-9%]{{2}}[.!?])[\"”’)]?(?:\s?(?:{_CITATION})){{1,10}}(?=\s+[\"“(*]?[A-Z])"
    r"|(?<=[។៕])(?=\s*[^\s។៕])"  # Khmer, which the library does not split
    r"|(?<=[。！？])(?=\d)"  # `。2か月後`
    r"|(?<=፡)፡(?=\s*\w)"  # an Ethiopic full stop typed as two word spaces
    r"|(?<=[\u3040-\u9fff]．)(?=[\u3040-\u9fff])"
    r")"
)


def mend(text: str, spans: Spans, language: str = UNKNOWN) -> Spans:
    """Better sentences from a splitter's: (start, end) in Unicode characters, trimmed, in order.

    The rules of a language are added to those that hold everywhere.

    Every visible character of the given spans stays in exactly one span. Time is linear in the text: every
    pattern is bounded and is tried at a fixed number of places per boundary.
    """
    if not spans:
        return []
    first, last = _end(_SPACE.match(text, spans[0][0]), 0), spans[-1][1]
    ends = {_trimmed_end(text, start, end) for start, end in spans}
    ends |= {match.end() for match in _MISSED.finditer(text, first, last)}
    own = rules(language) if language != UNKNOWN else rules_by_script(text[:WHOLE])
    if own is not None and own.enders is not None:
        ends |= {match.end() for match in own.enders.finditer(text, first, last)}
    emoji_lead = _LEADING_EMOJI.match(text, first) is not None
    mended: Spans = []
    start = first
    for candidate in sorted(ends):
        if candidate <= start:
            continue
        end = min(last, _with_tail(text, candidate, emoji_lead))
        following = _end(_SPACE.match(text, end), end)
        if following < last and (
            _continues(text, start, end, following)
            or (own is not None and text[end - 1] == "." and goes_on(text, start, end, following, own))
        ):
            continue
        mended.append((start, end))
        start = following
    rest = _trimmed_end(text, start, last)
    if rest > start:
        mended.append((start, rest))
    return _absorb(text, mended)


def _with_tail(text: str, end: int, emoji_lead: bool) -> int:
    """The end moved past closing marks, citation marks and emoji that belong to the sentence before them."""
    if end and text[end - 1] not in ENDS:
        return end
    end = _end(_CLOSERS.match(text, end), end)
    end = _end(_MARKS.match(text, end), end)
    return end if emoji_lead else _end(_TRAILING_EMOJI.match(text, end), end)


def _continues(text: str, start: int, end: int, following: int) -> bool:
    """Whether what looks like the end of a sentence is an abbreviation or a list marker."""
    if text[end - 1] not in ".)":
        return text[end - 1] in "」』" and text.startswith(_SAID, following)
    head = text[max(start, end - 24) : end]
    if end - start <= 8 and _MARKER.match(head):
        return True
    if text[end - 1] == ")":
        return False
    next_character = text[following]
    before = _WORD_BEFORE.search(head[:-1])
    word = before.group() if before else ""
    is_name = word.isupper() and next_character.isalpha()  # `ASP.NET`, `O.N.U.`
    is_decimal = word[-1:].isdigit() and next_character.isdigit()  # `၃.၅`, in the digits of any script
    if following == end and (is_name or is_decimal):
        return True
    lower = word.lower()
    if head[-4:-2] == ".-" and _LINKED.search(head):
        return True  # `C.-H. Lee`
    return (
        lower in _ALWAYS
        or (lower in _NUMBERED and next_character.isdigit())
        or (lower in _TITLES and word[:1].isupper() and next_character.isupper())
        or (word.isdigit() and len(word) <= 2 and next_character.islower())
    )


def _absorb(text: str, spans: Spans) -> Spans:
    """Pieces without a letter or digit (a stray quotation mark, an emoji) join the sentence before them."""
    kept: Spans = []
    for start, end in spans:
        piece = text[start:end]
        if kept and len(piece) <= 40 and "\n" not in text[kept[-1][1] : start] and not _says(piece):
            kept[-1] = (kept[-1][0], end)
        else:
            kept.append((start, end))
    return kept


def _says(piece: str) -> bool:
    return any(character.isalnum() for character in piece)


def _trimmed_end(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip())


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return match.end() if match else otherwise


_BREAK = re.compile(rf"\n\s*\n|[{ENDS[3:]}]|[.!?]['\"”’)\]]{{0,3}}\s")


def windows(text: str, size: int) -> list[tuple[int, int, bool]]:
    """(start, end, whether it begins a sentence) of pieces that cover a text, none longer than `size`.

    A piece ends at the last blank line or end of a sentence that fits. Where there is none, it is cut hard,
    and the next piece goes on with the same sentence.
    """
    pieces: list[tuple[int, int, bool]] = []
    start, is_whole = 0, True
    while start < len(text):
        end = min(start + size, len(text))
        next_is_whole = True
        if end < len(text):
            # Half a window is the least progress, which keeps the time linear in the text.
            breaks = [match.end() for match in _BREAK.finditer(text, start + size // 2, end)]
            next_is_whole = bool(breaks)
            end = breaks[-1] if breaks else end
        pieces.append((start, end, is_whole))
        start, is_whole = end, next_is_whole
    return pieces
