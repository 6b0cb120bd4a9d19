import hashlib
import struct
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import tables
from tasks.ledger import rows
from tasks.ledger.events import bound_columns

CONTEXTS = tables.OUTPUTS.schema["contexts"]
SCHEMA = {
    "text": pl.String,
    "count": pl.Int32,
    "p": pl.Float64,
    "flag": pl.Boolean,
    "at": tables.UTC,
    "ids": pl.List(pl.String),
    "contexts": CONTEXTS,
    "day": pl.Date,
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | TEXT,
        "count": st.none() | st.integers(-(2**31), 2**31 - 1),
        "p": st.none() | st.floats(allow_nan=False),
        "flag": st.none() | st.booleans(),
        "at": st.none()
        | st.datetimes(datetime(1, 1, 2), datetime(2300, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
        "ids": st.none() | st.lists(st.none() | TEXT, max_size=3),
        "day": st.none() | st.dates(),
        "contexts": st.lists(st.fixed_dictionaries({"uri": st.none() | TEXT, "text": TEXT}), max_size=3),
    }
)


def _form(value: object) -> bytes:
    """The written form, value by value, as the module's own words say."""
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"b1;" if value else b"b0;"
    if isinstance(value, str):
        return b"s%d:" % len(value.encode()) + value.encode()
    if isinstance(value, int):
        return b"i%d;" % value
    if isinstance(value, float):
        return b"f%d;" % struct.unpack("<q", struct.pack("<d", value))[0]
    if isinstance(value, datetime):
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        return b"t%d;" % ((since.days * 86400 + since.seconds) * 10**6 + since.microseconds)
    if isinstance(value, date):
        return b"d%d;" % (value - date(1970, 1, 1)).days
    if isinstance(value, list):
        return b"l%d:" % len(value) + b"".join(_form(v) for v in value)
    assert isinstance(value, dict)
    return b"r" + _form(value["uri"]) + _form(value["text"])


@given(st.lists(ROW, min_size=1, max_size=4))
def test_the_columnwise_form_is_the_written_one(values):
    frame = pl.DataFrame(values, schema=SCHEMA)
    found = rows.digests(frame, list(SCHEMA)).to_list()
    expected = [
        hashlib.sha256(bytes(32) + b"".join(_form(row[c]) for c in SCHEMA)).digest() for row in values
    ]
    assert found == expected


@pytest.mark.parametrize("table", tables.TABLES.values(), ids=lambda t: t.name)
def test_every_declared_table_has_a_form(table):
    assert rows.texts(table.empty(), table.schema.names()).len() == 0


def test_a_changed_cell_changes_the_digest_and_a_moved_boundary_does_too():
    frame = pl.DataFrame({"a": ["ab", "a", "ab"], "b": ["c", "bc", "d"]})
    assert rows.digests(frame, ["a", "b"]).n_unique() == 3


def test_a_column_that_an_older_file_lacks_counts_as_null():
    old = pl.DataFrame({"a": ["x"]})
    new = pl.DataFrame({"a": ["x"], "b": pl.Series([None], dtype=pl.String)})
    assert rows.digests(old, ["a", "b"]).to_list() == rows.digests(new, ["a", "b"]).to_list()


def test_a_column_that_says_again_what_another_holds_is_in_no_digest_so_that_earlier_rows_keep_theirs():
    outputs = {"output_id", "response", "content_sha256", "run_id"}
    assert outputs < set(bound_columns("outputs"))
    assert set(tables.TABLES["outputs"].schema) - set(bound_columns("outputs")) == {"language"}
    later = {"rows_filtered", "rows_joined", "rows_sampled_out", "stage", "reason"}
    assert set(tables.TABLES["runs"].schema) - set(bound_columns("runs")) == later


def test_a_row_without_its_salt_has_no_digest():
    frame = pl.DataFrame({"a": ["x", "x"]})
    with_salt, without = rows.digests(frame, ["a"], pl.Series([b"s" * 32, None], dtype=pl.Binary)).to_list()
    assert with_salt != rows.digests(frame, ["a"])[0]
    assert without is None


@given(ROW, st.integers(2, 5))
def test_rows_that_share_everything_have_the_written_form_too(value, count):
    frame = pl.DataFrame([value] * count, schema=SCHEMA)
    assert (
        rows.texts(frame, list(SCHEMA)).cast(pl.Binary).to_list()
        == [b"".join(_form(value[c]) for c in SCHEMA)] * count
    )


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False)), min_size=2, max_size=6))
def test_a_column_of_one_length_or_one_value_has_the_written_form(values):
    frame = pl.DataFrame(values, schema={"t": pl.String, "p": pl.Float64}, orient="row")
    expected = [_form(t) + _form(p) for t, p in values]
    assert rows.texts(frame, ["t", "p"]).cast(pl.Binary).to_list() == expected


def test_a_row_that_many_refer_to_has_the_digest_it_has_alone():
    frame = pl.DataFrame({"a": ["x", "y"]})
    salts = [b"s" * 32, b"t" * 32]
    uses = pl.DataFrame(
        {
            "passage_at": [0, 1, 0, None, 1],
            "salt_at": [0, 0, 1, 1, None],
            "salt": [salts[0], salts[0], salts[1], salts[1], None],
        }
    )
    found = rows.shared_digests(frame, ["a"], uses).to_list()
    alone = [rows.digests(frame, ["a"], pl.Series([s, s])).to_list() for s in salts]
    assert found == [alone[0][0], alone[0][1], alone[1][0], None, None]


def test_digests_are_combined_in_order_and_a_missing_one_leaves_its_group_without():
    digests = pl.Series([b"a" * 32, b"b" * 32, b"c" * 32, None, b"d" * 32], dtype=pl.Binary)
    found = rows.combined(pl.Series([0, 0, 2, 3, 3]), {"d": digests}, 5)["d"].to_list()
    expected = [hashlib.sha256(b"a" * 32 + b"b" * 32).digest(), hashlib.sha256(b"c" * 32).digest()]
    assert found == [expected[0], None, expected[1], None, None]
    assert rows.combined(pl.Series([], dtype=pl.UInt32), {"d": digests.head(0)}, 2)["d"].to_list() == [
        None,
        None,
    ]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1]])
def test_columns_are_put_beside_by_key(order):
    left = pl.DataFrame({"k": ["a", "b", "c"], "x": [1, 2, 3]})
    right = pl.DataFrame({"k": ["a", "b", "c"], "y": [4, 5, 6]})[order]
    there = {right["k"][i]: right["y"][i] for i in range(right.height)}
    assert rows.beside(left, right, "k")["y"].to_list() == [there.get(k) for k in "abc"]
