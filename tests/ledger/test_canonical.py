import json
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger import canonical
from tasks.ledger.canonical import CanonicalError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def _reference(value: object) -> bytes:
    """RFC 8785 section 3.2.2.2 for strings, written out; independent of any encoder."""
    if isinstance(value, str):
        short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
        out = [short.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 0x20 else c) for c in value]
        return b'"' + "".join(out).encode() + b'"'
    if value is None or isinstance(value, bool | int):
        return json.dumps(value).encode()
    if isinstance(value, list):
        return b"[" + b",".join(_reference(v) for v in value) + b"]"
    assert isinstance(value, dict)
    items = sorted(value.items(), key=lambda kv: kv[0].encode("utf-16-be"))
    return b"{" + b",".join(_reference(k) + b":" + _reference(v) for k, v in items) + b"}"


def test_every_unicode_code_point_is_encoded_as_rfc_8785_asks():
    points = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
    encoded = canonical.encode(pl.DataFrame({"text": points})).to_list()
    assert encoded == [_reference({"text": point}) for point in points]


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "zeta": TEXT,
                "_schema": TEXT,
                "alpha_us": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
                "flag": st.booleans(),
                "list": st.lists(st.fixed_dictionaries({"a": TEXT, "b_u6": st.integers(0, 10**6)})),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_columns_rows_and_reference_give_the_same_bytes(rows):
    schema = {
        "zeta": pl.String,
        "_schema": pl.String,
        "alpha_us": pl.Int64,
        "flag": pl.Boolean,
        "list": pl.List(pl.Struct({"a": pl.String, "b_u6": pl.Int64})),
    }
    encoded = canonical.encode(pl.DataFrame(rows, schema=schema)).to_list()
    assert encoded == [_reference(row) for row in rows] == [canonical.dumps(row) for row in rows]
    assert [canonical.loads(data) for data in encoded] == rows
    assert all(data.startswith(b'{"_schema":') for data in encoded)


def test_a_float_is_refused():
    with pytest.raises(CanonicalError, match="Float64"):
        canonical.encode(pl.DataFrame({"p": [0.5]}))
    with pytest.raises(CanonicalError, match="float"):
        canonical.dumps({"p": 0.5})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_probability_that_is_no_number_is_refused_and_never_null(bad):
    frame = pl.DataFrame({"p": [0.25, bad]}).select(canonical.millionths("p"))
    with pytest.raises(CanonicalError, match="NaN"):
        canonical.encode(frame)


def test_probabilities_become_millionths():
    frame = pl.DataFrame({"p": [0.0, 0.333333, 0.1, 1.0, None]}).select(canonical.millionths("p"))
    assert frame["p_u6"].to_list() == [0, 333333, 100000, 1000000, None]


@pytest.mark.parametrize("number", [2**53, -(2**53)])
def test_an_integer_that_readers_would_round_is_refused(number):
    with pytest.raises(CanonicalError):
        canonical.encode(pl.DataFrame({"n": [number]}))
    with pytest.raises(CanonicalError):
        canonical.dumps({"n": number})


def test_an_event_that_does_not_fit_a_log_entry_is_refused():
    room = canonical.MAX_BYTES - len(b'{"t":""}')
    assert len(canonical.encode(pl.DataFrame({"t": ["x" * room]}))[0]) == canonical.MAX_BYTES
    with pytest.raises(CanonicalError, match="65535"):
        canonical.encode(pl.DataFrame({"t": ["x" * (room + 1)]}))


@pytest.mark.parametrize("key", ["Upper", "with space", "ümlaut", "", "1st"])
def test_a_key_outside_the_alphabet_is_refused(key):
    with pytest.raises(CanonicalError):
        canonical.encode(pl.DataFrame({key: ["x"]}))


@pytest.mark.parametrize(
    "other",
    [b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a":1.0}', b'{"a":"\\u0041"}', b"[]", b"\xff"],
)
def test_another_spelling_of_an_event_is_refused(other):
    with pytest.raises(CanonicalError):
        canonical.loads(other)


def test_half_a_character_is_refused():
    with pytest.raises(CanonicalError):
        canonical.dumps({"a": "\ud800"})


KNOWN = st.lists(
    st.fixed_dictionaries(
        {
            "alpha_us": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
            "flag": st.booleans(),
            "list": st.lists(st.fixed_dictionaries({"a": TEXT, "b_u6": st.integers(0, 10**6)}), max_size=2),
            "text": st.none() | TEXT,
            "zeta": TEXT,
        }
    ),
    min_size=1,
    max_size=4,
)
SCHEMA = {
    "alpha_us": pl.Int64,
    "flag": pl.Boolean,
    "list": pl.List(pl.Struct({"a": pl.String, "b_u6": pl.Int64})),
    "text": pl.String,
    "zeta": pl.String,
}


@given(rows=KNOWN, others=KNOWN, known=st.sets(st.sampled_from([*SCHEMA]), min_size=1))
def test_what_objects_say_is_found_without_parsing_as_parsing_finds_it(rows, others, known):
    size = min(len(rows), len(others))
    data = canonical.encode(pl.DataFrame(rows[:size], schema=SCHEMA))
    facts = pl.DataFrame(others[:size], schema=SCHEMA).select(sorted(known))
    said = canonical.says(data, sorted(SCHEMA), facts).to_list()
    assert said == [
        all(row[name] == other[name] for name in known)
        for row, other in zip(rows[:size], others[:size], strict=True)
    ]
    same = pl.DataFrame(rows[:size], schema=SCHEMA).select(sorted(known))
    assert canonical.says(data, sorted(SCHEMA), same).all()


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"b":"x","c":2,"d":3}',
        b'{"a":1,"b":"x"}',
        b'{"a":1,"b":"x","c":2} ',
        b'{"a":1,"b":"x","c":22}',
        b'{"a":11,"b":"x","c":2}',
        b'{"b":"x","c":2}',
        b"\xff",
        b"",
    ],
)
def test_other_bytes_do_not_say_it(data):
    known = pl.DataFrame({"a": [1], "c": [2]})
    assert canonical.says(pl.Series([b'{"a":1,"b":"x","c":2}']), ["a", "b", "c"], known).all()
    assert not canonical.says(pl.Series([data], dtype=pl.Binary), ["a", "b", "c"], known).any()


def test_words_inside_a_text_are_not_taken_for_a_field():
    texts = ['","zeta":"x"}', '\\","zeta":"', "plain"]
    data = canonical.encode(pl.DataFrame({"text": texts, "zeta": ["1", "2", "3"]}))
    known = pl.DataFrame({"zeta": ["1", "2", "3"]})
    assert canonical.says(data, ["text", "zeta"], known).to_list() == [True, True, True]


def test_fields_are_read_out_of_bytes():
    digest = "ab" * 32
    data = pl.Series([b'{"a":null,"n_us":-5,"output_id":"%b"}' % digest.encode(), b'{"a":1,"n_us":null}'])
    assert canonical.text_field(data, "output_id").to_list() == [digest, None]
    assert canonical.integer_field(data, "n_us").to_list() == [-5, None]
