"""Documents that an output names without text are judged by the corpus's text, and by nothing else's."""

from __future__ import annotations

import polars as pl

from tasks.evidence import look_up
from tasks.tables import OUTPUTS


def outputs(**by_output: list[tuple[str, str]]) -> pl.DataFrame:
    """OUTPUTS columns that matter here, of contexts (address, text) by output."""
    rows = [
        {"source": "desk", "output_id": name, "contexts": [{"uri": uri, "text": text} for uri, text in given]}
        for name, given in by_output.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"contexts": OUTPUTS.schema["contexts"]})


PASSAGES = pl.DataFrame(
    {
        "passage_id": ["p1", "p2", "p3"],
        "text": ["Thirty days.", "In euros.", "Closed."],
        "document_uri": ["refunds.md", "refunds.md", "opening.md"],
    }
)


def test_only_contexts_that_name_the_corpus_are_looked_up_each_once() -> None:
    given = outputs(
        a=[("corpus:refunds.md", ""), ("corpus:refunds.md", ""), ("corpus:opening.md", "Own text.")],
        b=[("refunds.md", ""), ("tool:look", "42")],
        c=[],
    )
    assert look_up.addresses(given).rows() == [("desk", "a", "refunds.md")]


def test_an_output_gets_all_passages_of_the_documents_it_names_and_unknown_ids_are_counted() -> None:
    given = outputs(a=[("corpus:refunds.md", ""), ("corpus:gone.md", "")], b=[("corpus:refunds.md", "")])
    addressed = look_up.addresses(given)
    named = look_up.named(addressed, PASSAGES)
    assert named.schema == look_up.NAMED
    assert named.select("output_id", "passage_id").rows() == [
        ("a", "p1"), ("a", "p2"), ("b", "p1"), ("b", "p2"),
    ]  # fmt: skip
    assert look_up.counts(addressed, PASSAGES) == {"desk": {look_up.LOOKED_UP: 2, look_up.UNKNOWN: 1}}
    assert look_up.counts(addressed, PASSAGES.clear()) == {"desk": {look_up.LOOKED_UP: 0, look_up.UNKNOWN: 3}}
