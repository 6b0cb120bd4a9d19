"""Ids are digests of what they name, and no two lists of values share a preimage."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tasks.ids import digest, digest_rows, text_sha256

VALUES = st.lists(st.one_of(st.none(), st.integers(), st.text(st.characters(codec="utf-8"))), max_size=4)


def test_an_id_never_changes_between_releases() -> None:
    assert digest("claim", "a", 1, None) == "f7c633a867d2c124e57a1afa7aa8b039328e359e955ab642487113c0804c557b"


@given(VALUES, VALUES)
def test_different_values_have_different_ids(one: list[object], other: list[object]) -> None:
    as_text = [[None if v is None else str(v) for v in values] for values in (one, other)]
    assert (digest("t", *one) == digest("t", *other)) == (as_text[0] == as_text[1])


def test_where_one_value_ends_and_the_next_begins_matters() -> None:
    assert digest("t", "ab", "c") != digest("t", "a", "bc")
    assert digest("t", "") != digest("t", None)
    assert digest("t", "a") != digest("ta")


TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8")))
ROWS = st.tuples(TEXTS, st.integers(-(2**63), 2**63 - 1), st.one_of(st.none(), st.floats(), st.booleans()))


@given(st.lists(ROWS, max_size=20))
def test_ids_of_rows_are_the_ids_of_each_row(rows: list[tuple[str | None, int, float | None]]) -> None:
    columns = [
        pl.Series([r[0] for r in rows], dtype=pl.String),
        pl.Series([r[1] for r in rows], dtype=pl.Int64),
        pl.Series([r[2] for r in rows], dtype=pl.Object),
    ]
    assert digest_rows("t", columns).to_list() == [digest("t", *row) for row in rows]


def test_text_digests_are_plain_sha256_of_utf8() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert text_sha256(pl.Series(["", None])).to_list() == [empty, None]


def test_rows_that_a_filter_left_of_many_pieces_have_their_digests() -> None:
    """A year of runs is read as hundreds of pieces, most of them empty once those with an event are out."""
    pieces = pl.concat([pl.DataFrame({"run_id": [f"{number:064x}"]}) for number in range(275)], rechunk=False)
    last = pieces.filter(pl.Series([number > 270 for number in range(275)]))["run_id"]
    assert digest_rows("run end", [last]).equals(digest_rows("run end", [last.rechunk()]))
