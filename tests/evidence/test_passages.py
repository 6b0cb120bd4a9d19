"""Passages: exact spans, nothing lost, nothing too long."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import tables
from tasks.evidence import passages
from tasks.evidence.passages import PassageParameters

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def by_full_stop(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"[^.\s][^.]*\.?", text)]


texts = st.text(st.sampled_from("ab. \n\t1,。中文é\u200b🙂") | st.characters(codec="utf-8"), max_size=600)
parameters = st.builds(
    PassageParameters, target_characters=st.integers(50, 200), overlap_sentences=st.integers(0, 3)
)


@given(texts, parameters)
def test_every_visible_character_lies_in_some_passage(text: str, parameters: PassageParameters) -> None:
    spans = passages.cut(text, by_full_stop, parameters)
    covered = {i for start, end in spans for i in range(start, end)}
    assert [c for i, c in enumerate(text) if not c.isspace() and i not in covered] == []


@given(texts, parameters)
def test_passages_advance_and_stay_within_the_target(text: str, parameters: PassageParameters) -> None:
    spans = passages.cut(text, by_full_stop, parameters)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(end - start <= parameters.target_characters for start, end in spans)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(spans))


@given(texts)
def test_a_splitter_that_sees_only_part_of_the_text_loses_nothing(text: str) -> None:
    spans = passages.cut(text, lambda t: [(2, 5)] if len(t) > 5 else [], PassageParameters(50))
    covered = {i for start, end in spans for i in range(start, end)}
    assert [c for i, c in enumerate(text) if not c.isspace() and i not in covered] == []


def test_the_next_passage_begins_with_the_last_sentence_of_the_one_before() -> None:
    text = " ".join(f"Sentence number {i:02d} is here." for i in range(12))
    spans = passages.cut(text, by_full_stop, PassageParameters(110, 1))
    pieces = [text[a:b] for a, b in spans]
    assert len(pieces) > 2
    for before, after in itertools.pairwise(pieces):
        last = before[before.rindex("Sentence") :]
        assert after.startswith(last)
        assert len(after) > len(last)


def test_without_overlap_no_sentence_is_in_two_passages() -> None:
    text = " ".join(f"Sentence number {i:02d} is here." for i in range(12))
    spans = passages.cut(text, by_full_stop, PassageParameters(110, 0))
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


def test_a_sentence_beyond_the_target_is_cut_between_words_with_overlap() -> None:
    text = " ".join(f"word{i:03d}" for i in range(100)) + "."
    spans = passages.cut(text, by_full_stop, PassageParameters(200, 0))
    assert len(spans) > 3
    for start, end in spans:
        assert text[start:end].startswith("word")
        assert end == len(text) or text[end] == " "
    assert all(b[0] < a[1] for a, b in itertools.pairwise(spans))


def test_a_word_longer_than_the_target_is_cut_rather_than_lost() -> None:
    spans = passages.cut("x" * 1000, by_full_stop, PassageParameters(100))
    assert max(end - start for start, end in spans) <= 100
    assert spans[-1][1] == 1000


def test_scripts_that_cost_more_tokens_get_shorter_passages() -> None:
    latin = passages.cut("a" * 5000, by_full_stop, PassageParameters())
    chinese = passages.cut("中" * 5000, by_full_stop, PassageParameters())
    assert latin[0][1] == 700
    assert chinese[0][1] == 233


@pytest.mark.parametrize(("target", "overlap"), [(0, 1), (49, 1), (700, -1), (700, 11)])
def test_parameters_that_make_no_sense_are_refused(target: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        PassageParameters(target, overlap)


def outputs(*contexts: list[dict[str, str | None]] | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "output_id": [f"{i:064x}" for i in range(len(contexts))],
            "produced_at": [NOW] * len(contexts),
            "contexts": list(contexts),
        },
        schema={k: tables.OUTPUTS.schema[k] for k in ("output_id", "produced_at", "contexts")},
    )


def test_contexts_become_rows_of_the_declared_table_with_their_exact_text() -> None:
    frame = outputs([{"uri": "a", "text": "One. Two."}, {"uri": None, "text": "Three."}], [], None)
    found = passages.from_contexts(frame, by_full_stop, PassageParameters(), run_id="0" * 64)
    assert found.schema == tables.PASSAGES.schema
    assert found["document_uri"].to_list() == ["a", "context:1"]
    assert found["text"].to_list() == ["One. Two.", "Three."]
    assert found["corpus"].unique().to_list() == ["context"]
    assert found["snapshot_first_seen"].null_count() == 2


def test_the_same_context_given_to_two_outputs_or_twice_to_one_keeps_separate_ids() -> None:
    context: dict[str, str | None] = {"uri": "a", "text": "Shared."}
    found = passages.from_contexts(
        outputs([context, context], [context]), by_full_stop, PassageParameters(), run_id="0" * 64
    )
    assert found.height == 3
    assert found["passage_id"].n_unique() == 3


def test_contexts_without_text_give_no_passages() -> None:
    frame = outputs([{"uri": "a", "text": ""}, {"uri": "b", "text": None}, {"uri": "c", "text": " \n"}])
    assert passages.from_contexts(frame, by_full_stop, PassageParameters(), run_id="0" * 64).height == 0


def documents(**texts: str) -> pl.DataFrame:
    frame = pl.DataFrame({"document_uri": list(texts), "text": list(texts.values())})
    return frame.with_columns(content_sha256=pl.col("text").hash().cast(pl.String))


def cut_documents(frame: pl.DataFrame) -> pl.DataFrame:
    return passages.from_documents(
        frame,
        by_full_stop,
        PassageParameters(),
        corpus="handbook",
        snapshot="a" * 64,
        run_id="0" * 64,
        produced_at=NOW,
    )


def test_a_passage_is_its_documents_characters_from_start_to_end() -> None:
    text = "Grüße. 中文句子。" * 200
    found = cut_documents(documents(a=text))
    assert found.schema == tables.PASSAGES.schema
    assert found.height > 3
    assert all(text[r["start"] : r["end"]] == r["text"] for r in found.iter_rows(named=True))
    assert found["ordinal"].to_list() == list(range(found.height))


def test_an_unchanged_document_keeps_its_passage_ids_whatever_else_the_corpus_holds() -> None:
    alone = cut_documents(documents(a="One. Two."))
    together = cut_documents(documents(b="Other.", a="One. Two."))
    assert set(alone["passage_id"]) < set(together["passage_id"])


def test_a_snapshot_is_named_by_content_and_not_by_order() -> None:
    one, two = documents(a="1", b="2"), documents(b="2", a="1")
    name = passages.snapshot_id(one, PassageParameters(), corpus="c")
    assert passages.snapshot_id(two, PassageParameters(), corpus="c") == name
    assert passages.snapshot_id(documents(a="1"), PassageParameters(), corpus="c") != name
    assert passages.snapshot_id(documents(a="1", b="3"), PassageParameters(), corpus="c") != name
    assert passages.snapshot_id(one, PassageParameters(600), corpus="c") != name
