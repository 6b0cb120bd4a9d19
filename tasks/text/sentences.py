"""The door to the sentence splitter: sentencex, mended for agents' prose.

Our own rules are `boundaries.py`. Why this library: `docs/decisions/0002-sentence-splitter.md`.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

Spans = list[tuple[int, int]]

WINDOW = 2000
"""Characters that the library sees at once: its time grows with the square of a paragraph's sentences.

Measured: 66,000 sentences of three Chinese characters took 69 s whole and 4 s in windows.
"""


class Segmenter(Protocol):
    """The splitter: text in, (start, end) of its sentences in Unicode characters out, trimmed, in order."""

    def __call__(self, text: str, within: str = "und") -> Spans:
        """`within` is the language of the answer around the text; it holds where the text is unclear."""


@cache
def segmenter() -> Segmenter:
    """The splitter in use, with the rules of each text's own language."""
    import sentencex

    from tasks.text.boundaries import mend, windows
    from tasks.text.language import UNKNOWN, language

    def segment(text: str, within: str = UNKNOWN) -> Spans:
        # English without a letter of another language stays English: most text is, and this costs nothing.
        own = UNKNOWN if within == "en" and text.isascii() else language(text)
        name = within if own == UNKNOWN else own
        spans: Spans = []
        for start, end, is_whole in windows(text, WINDOW):
            parts = sentencex.get_sentence_boundaries(_RULES.get(name, name), text[start:end])
            pieces = [(start + one["start_index"], start + one["end_index"]) for one in parts]
            if spans and pieces and not is_whole:
                pieces[0] = (spans.pop()[0], pieces[0][1])
            spans += pieces
        return mend(text, spans, name)

    return segment


_RULES = {"und": "en"}
"""Language → whose rules the library is asked for; those for English know the marks of every script."""
