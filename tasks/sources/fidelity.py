"""What sources could not tell of the answers they gave: counted by source, kept with the run, worded here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

WITHOUT_TEXT, SWITCHED_OFF = "documents_without_text", "traces_without_content"
PREVIEWS, CUT = "answers_of_previews", "answers_with_dropped_attributes"
WITHOUT_PROMPT = "answers_without_prompt"

LACKS = {
    WITHOUT_TEXT: "documents named without their text",
    SWITCHED_OFF: "traces with neither inputs nor outputs, in which nothing can be verified",
    WITHOUT_PROMPT: "answers without what was asked",
    PREVIEWS: "answers of previews, which may be cut",
    CUT: "answers of spans that lost attributes when they were recorded",
}
"""What may be lacking, in words before its number."""


def sentences(source: str, lacks: Mapping[str, int]) -> Iterator[str]:
    """One sentence on everything that a source lacked, if anything."""
    counted = [f"{words}: {lacks[name]:,}" for name, words in LACKS.items() if lacks.get(name)]
    if counted:
        yield f"source {source!r} could not tell everything; {'; '.join(counted)}"
