"""Text of others in answers: exact and near, with where it came from; own and common text is not a leak."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from tasks import tables
from tasks.privacy import copied, grams, leak_window, leaks, listed
from tasks.privacy.parameters import LeakSettings
from tests.support.lake_frames import outputs_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PRIVATE = "Maria Kowalska owes 4312.77 euros on the loan that she took out in March for the new roof."
OTHER = "The heating was serviced in October and the next visit is due at the end of May next year."


def window(*rows: dict[str, object], settings: LeakSettings | None = None, **more: object) -> pl.DataFrame:
    """Findings among outputs, each given by the columns that matter."""
    frame = outputs_of([str(row.pop("response")) for row in rows])
    frame = frame.with_columns(
        source=pl.lit("bot"),
        session_id=pl.Series([row.get("session_id") for row in rows], dtype=pl.String),
        prompt=pl.Series([row.get("prompt") for row in rows], dtype=pl.String),
        metadata=pl.Series([row.get("metadata", "{}") for row in rows]),
        contexts=pl.Series(
            [
                [{"uri": uri, "text": text} for uri, text in row.get("contexts", {}).items()]  # type: ignore[attr-defined]
                for row in rows
            ],
            dtype=tables.OUTPUTS.schema["contexts"],
        ),
    )
    chosen = settings or LeakSettings()
    answers = leak_window.answers(frame.lazy(), chosen, with_own=True)
    texts = [*more.pop("texts", []), *leak_window.texts(frame.lazy(), chosen)]  # type: ignore[misc]
    return leaks.scan(answers, texts, chosen, run_id="r", now=NOW, **more)  # type: ignore[arg-type]


def guarded(place: str, text: str, origin: str = "a.txt") -> pl.DataFrame:
    return pl.DataFrame([(None, place, origin, None, text)], schema=leaks.TEXTS, orient="row")


def test_text_of_another_session_is_a_leak_with_its_place_and_where_it_came_from() -> None:
    answer = f"Sure. {PRIVATE} Anything else?"
    found = window(
        {"response": "Hello.", "session_id": "a", "contexts": {"m": PRIVATE}},
        {"response": answer, "session_id": "b", "prompt": "What do I owe?"},
    )
    assert found.select("kind", "detector", "confidence").rows() == [("leak", "leak@1", 0.95)]
    start, end = found.select("start", "end").row(0)
    assert answer[start:end] == PRIVATE.rstrip(".")
    assert found["origin"].item() == "session: " + outputs_of(["Hello."])["output_id"].item()
    assert found.schema == tables.FINDINGS.schema


def test_the_value_is_nowhere_in_a_finding() -> None:
    found = window(
        {"response": "Hello.", "session_id": "a", "contexts": {"m": PRIVATE}},
        {"response": PRIVATE, "session_id": "b"},
        key=b"sixteen letters!",
    )
    said = " ".join(map(str, found.row(0)))
    assert not [word for word in re.findall(r"\w{3,}", PRIVATE) if word in said]
    assert re.fullmatch(r"[* .]+…", found["masked"].item())
    assert re.fullmatch(r"[0-9a-f]{64}", found["value_hmac"].item())


def test_equal_texts_have_equal_hashes_under_one_key_and_none_without() -> None:
    assert copied.keyed("Owes  4 EUR!", b"a" * 16) == copied.keyed("owes 4 eur", b"a" * 16)
    assert copied.keyed("owes 4 eur", b"a" * 16) != copied.keyed("owes 4 eur", b"b" * 16)
    assert copied.keyed("owes 4 eur", b"") is None


def test_a_copy_with_words_changed_is_found_with_less_confidence() -> None:
    near = PRIVATE.replace("she took out in", "was taken out by her in").replace("owes", "now owes")
    found = window(
        {"response": "Hello.", "session_id": "a", "contexts": {"m": PRIVATE}},
        {"response": f"Well: {near}", "session_id": "b"},
    )
    assert found.height == 1
    assert 0.6 < found["confidence"].item() < 0.95
    exact = LeakSettings(minimum_ratio=1.0, minimum_words=10)
    assert window(
        {"response": "Hello.", "session_id": "a", "contexts": {"m": PRIVATE}},
        {"response": f"Well: {near}", "session_id": "b"},
        settings=exact,
    ).is_empty()


@pytest.mark.parametrize(
    "disguised",
    [
        PRIVATE.upper(),
        PRIVATE.replace(" ", "\u00a0"),
        PRIVATE.replace("a", "\u0430"),
        PRIVATE.replace("o", "o\u200b"),
    ],
)
def test_case_gaps_and_disguised_letters_hide_nothing(disguised: str) -> None:
    found = window(
        {"response": "Hello.", "session_id": "a", "contexts": {"m": PRIVATE}},
        {"response": disguised, "session_id": "b"},
    )
    start, end = found.select("start", "end").row(0)
    assert disguised[start:end] == disguised.rstrip(".")


@pytest.mark.parametrize(
    "own",
    [
        {"prompt": f"I read: {PRIVATE}"},
        {"contexts": {"m": PRIVATE}},
        {"contexts": {"doc#2": OTHER}, "uri": "same"},
    ],
)
def test_what_the_session_was_given_itself_is_no_leak(own: dict[str, object]) -> None:
    document = "doc#2" if own.pop("uri", None) else "x"
    assert window(
        {"response": "Hello.", "session_id": "a", "contexts": {document: PRIVATE}},
        {"response": "Hello again.", "session_id": "b", **own},
        {"response": PRIVATE, "session_id": "b"},
    ).is_empty()


def test_boilerplate_of_three_sessions_and_documents_of_the_corpus_are_everybodys() -> None:
    held = [
        {"response": f"Hello {n}.", "session_id": str(n), "contexts": {f"u{n}": PRIVATE}} for n in range(3)
    ]
    assert window(*held, {"response": PRIVATE, "session_id": "b"}).is_empty()
    assert window(
        {"response": "Hello.", "session_id": "a", "contexts": {"m": PRIVATE}},
        {"response": PRIVATE, "session_id": "b"},
        texts=[guarded(leaks.PUBLIC, PRIVATE)],
    ).is_empty()


def test_where_tenants_are_named_sessions_of_one_tenant_may_share() -> None:
    settings = LeakSettings(tenant="customer.id")
    rows = [
        {
            "response": "Hello.",
            "session_id": "a",
            "metadata": '{"customer": {"id": "red"}}',
            "contexts": {"m": PRIVATE},
        },
        {"response": f"{PRIVATE} Yes.", "session_id": "b", "metadata": '{"customer": {"id": "red"}}'},
        {"response": PRIVATE, "session_id": "c", "metadata": '{"customer": {"id": "blue"}}'},
    ]
    found = window(*rows, settings=settings)
    assert found["output_id"].to_list() == [outputs_of([PRIVATE])["output_id"].item()]
    assert found["origin"].item().startswith("tenant: ")


def test_a_system_prompt_leaks_from_a_file_and_from_metadata() -> None:
    prompt = "You are Ada. Never mention the merger with Halden Shipping before the ninth of June."
    found = window({"response": f"I was told: {prompt}"}, texts=[guarded("system_prompt", prompt, "ada.txt")])
    assert found["origin"].to_list() == ["system_prompt: ada.txt"]
    held = {"response": "Hello.", "metadata": f'{{"system": "{prompt}"}}'}
    found = window(held, {"response": prompt.upper()}, settings=LeakSettings(system_prompt="system"))
    assert found["origin"].item().startswith("system_prompt: ")


@pytest.mark.parametrize(
    "answer",
    [
        "It is called Blue-Fin 7 here.",
        "BLUE  FIN 7",
        "(bluefin7)",
        "B\u0430r: blue\u200bfin7",
        "blue fin 7\u2019s day",
    ],
)
def test_a_confidential_string_is_found_however_it_is_written(answer: str) -> None:
    found = window({"response": answer}, strings={"BlueFin 7": "list.txt:3"})
    assert found["origin"].to_list() == ["confidential: list.txt:3"]
    start, end = found.select("start", "end").row(0)
    assert re.sub(r"\W", "", answer[start:end]).lower() == "bluefin7"


@pytest.mark.parametrize("answer", ["bluefin 70", "deepbluefin7", "blue fins 7", "nothing of the kind"])
def test_a_longer_word_is_another(answer: str) -> None:
    assert window({"response": answer}, strings={"BlueFin 7": "list.txt:3"}).is_empty()


def test_a_confidential_string_that_the_user_said_first_is_no_leak() -> None:
    row = {"response": "Blue fin 7 is fine.", "prompt": "How is bluefin-7?"}
    assert window(row, strings={"BlueFin 7": "list.txt:3"}).is_empty()


def test_grams_are_those_of_a_plain_loop() -> None:
    texts = pl.Series(
        ["one two three four five six", "", "two", None, "eins zwei drei vier fünf", "一二三四五 six"]
    )
    made = grams.grams(texts)
    plain = [
        (row, place, tuple(words[place : place + grams.SIZE]))
        for row, words in enumerate(grams.words(texts).to_list())
        for place in range(len(words) - grams.SIZE + 1)
    ]
    assert list(zip(made.rows.tolist(), made.places.tolist(), strict=True)) == [one[:2] for one in plain]
    assert len(set(made.hashes.tolist())) == len({gram for *_, gram in plain})


def test_a_lookup_finds_what_is_there_and_nothing_else() -> None:
    random = np.random.default_rng(3)
    known, asked = random.integers(0, 2**63, 5000), random.integers(0, 2**63, 5000)
    every = np.concatenate([asked, known]).astype(np.uint64)
    assert grams.Lookup(known.astype(np.uint64)).holds(every).tolist() == list(range(5000, 10000))
    assert grams.Lookup(np.zeros(0, np.uint64)).holds(every).size == 0


def test_days_before_are_checked_again_and_long_ranges_in_blocks() -> None:
    one = [date(2026, 11, 20)]
    assert list(leak_window.blocks(one, LeakSettings(days=7))) == [(date(2026, 11, 13), date(2026, 11, 20))]
    many = [date(2026, 10, day) for day in range(1, 31)]
    blocks = list(leak_window.blocks(many, LeakSettings(days=0)))
    assert blocks[0] == (date(2026, 10, 1), date(2026, 10, 7))
    assert blocks[-1][1] == date(2026, 10, 30)
    assert list(leak_window.blocks([], LeakSettings())) == []


def test_nothing_to_look_at_gives_nothing() -> None:
    assert window().schema == tables.FINDINGS.schema
    assert listed.copies(
        pl.Series([], dtype=pl.String), {"secret": "a"}, pl.Series([], dtype=pl.String)
    ).is_empty()


def rows_of(contexts: list[dict[str, str]]) -> list[dict[str, object]]:
    return [{"response": "Hello.", "session_id": f"s{n}", "contexts": one} for n, one in enumerate(contexts)]


THIEF = {"response": PRIVATE, "session_id": "thief"}


def test_a_document_beside_others_that_many_sessions_read_is_everybodys() -> None:
    pages = {"kb/leave.md": "Leave is asked for three days before it begins, in the form for leave."}
    read = [pages, pages, {**pages, "kb/rare.md": PRIVATE}]
    assert window(*rows_of(read), dict(THIEF)).is_empty()
    # A ratio of 1 asks that everything was given to several.
    assert window(*rows_of(read), dict(THIEF), settings=LeakSettings(public_ratio=1)).height == 1


@pytest.mark.parametrize("address", ["crm/{n}", "crm", "tool:account", "https://crm.example/c/{n}/notes"])
def test_files_of_customers_are_not_though_all_lie_in_one_place(address: str) -> None:
    own = [{address.format(n=n): f"Customer number {n} pays by the month and lives alone."} for n in range(5)]
    own.append({address.format(n=5): PRIVATE})
    assert window(*rows_of(own), dict(THIEF)).height == 1


def test_what_a_tool_says_to_most_makes_nothing_it_says_everybodys() -> None:
    said = [{"tool:account": "There is no account of that name."}] * 4
    assert window(*rows_of([*said, {"tool:account": PRIVATE}]), dict(THIEF)).height == 1


def test_texts_are_read_in_batches_and_not_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak_window, "_SLICE", 10)
    frame = outputs_of([f"Answer {n}." for n in range(95)])
    batches = list(leak_window.texts(frame.lazy(), LeakSettings()))
    assert max(batch.height for batch in batches) < 95
    assert sum(batch.height for batch in batches) == (
        frame["contexts"].list.len().sum() + frame["prompt"].drop_nulls().len()
    )
