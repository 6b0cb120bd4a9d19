"""Whole answers with their claims marked, and the addresses of their traces."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.report import markup, whole

TEXT = "The shop opens at 9. It closes at 6. Thanks!"
OUTPUT = "ab" * 32


def answers(text: str = TEXT, **values: str | None) -> pl.DataFrame:
    row = {"output_id": OUTPUT, "source": "desk", "source_id": "a b/1", "session_id": None}
    return pl.DataFrame([row | {"prompt": "When?", "response": text} | values])


def claims(*spans: tuple[int, int, str | None]) -> pl.DataFrame:
    rows = [(OUTPUT, f"c{n}", start, end, standing) for n, (start, end, standing) in enumerate(spans)]
    return pl.DataFrame(rows, schema=["output_id", "claim_id", "start", "end", "standing"], orient="row")


def test_every_claim_is_marked_and_the_pieces_are_the_answer() -> None:
    found = whole.present(answers(), claims((0, 20, "supported"), (21, 36, "contradicted")), {}, 1000)[OUTPUT]
    assert "".join(piece.text for piece in found.pieces) == TEXT
    marked = [(piece.text, piece.standing) for piece in found.pieces if piece.claim_id]
    assert marked == [("The shop opens at 9.", "supported"), ("It closes at 6.", "contradicted")]


def test_claims_beyond_an_erased_answer_and_overlapping_ones_are_left_out() -> None:
    found = whole.present(answers("[erased]"), claims((0, 20, None), (3, 36, None)), {}, 1000)[OUTPUT]
    assert [piece.text for piece in found.pieces] == ["[erased]"]
    over = whole.present(answers(), claims((0, 20, None), (10, 36, None)), {}, 1000)[OUTPUT]
    assert "".join(piece.text for piece in over.pieces) == TEXT


def test_a_long_answer_is_cut_around_its_claims() -> None:
    text = "x" * 5000 + TEXT
    found = whole.present(answers(text), claims((5000, 5020, "supported")), {}, 400)[OUTPUT]
    assert sum(len(piece.text) for piece in found.pieces) <= 400
    assert any(piece.claim_id for piece in found.pieces)
    assert found.cut_before


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://t.example/{source_id}?o={output_id}", f"https://t.example/a%20b%2F1?o={OUTPUT}"),
        ("https://t.example/{session_id}", None),
        (None, None),
    ],
)
def test_a_trace_s_address_has_its_values_escaped(address: str | None, expected: str | None) -> None:
    assert markup.trace(address, answers().row(0, named=True)) == expected
