"""Days compared with what a source counts, and days that were never pulled."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.errors import SourceError
from tasks.gate import outcomes, suite_files
from tasks.lake.store import Lake
from tasks.sources import completeness, counting, kinds, receipts
from tasks.sources.base import LEFT_OUT, QUARANTINED, Tally
from tasks.sources.completeness import Accounted, compared, gaps, unmatched
from tasks.sources.counting import Compared
from tasks.sources.langfuse import LangfuseSettings
from tasks.sources.parameters import FilesSettings, SourceSettings
from tasks.sources.receipts import READ, SET_ASIDE
from tasks.tables import OUTPUTS, QUARANTINE, TABLES

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
DAY, TODAY = date(2026, 11, 18), NOW.date()
RUN = "f" * 64


def accounted(*ids: str, day: date = DAY) -> Accounted:
    frame = pl.LazyFrame({"source_id": ids}, {"source_id": pl.String}).with_columns(day=day)
    return Accounted(frame, frame.filter(source_id="a"), "[erased]")


def row(
    ids: list[str], known: Accounted, aside: dict[str, str] | None = None, *, day: date = DAY,
    today: date = TODAY,
) -> dict[str, Any]:  # fmt: skip
    tally = Tally(day, len(ids), ids)
    return compared(tally, unmatched(tally, known, aside or {}), known, aside or {}, today=today)


def test_each_record_is_accounted_for_once_by_what_became_of_it():
    known, aside = accounted("a", "b:span"), {"c": QUARANTINED, "d": LEFT_OUT}
    whole = row(["a", "b", "c", "d"], known, aside)
    assert (whole["theirs"], whole["ours"], whole["quarantined"], whole["left_out"]) == (4, 4, 1, 1)
    assert (whole["state"], whole["missing_ids"]) == ("complete", [])
    lacking = row(["a", "b", "c", "d", "e"], known, aside)
    assert (lacking["ours"], lacking["state"], lacking["missing_ids"]) == (4, "missing", ["e"])


def test_a_trace_that_began_before_midnight_is_found_among_the_answers_of_the_next_day():
    assert row(["a"], accounted("a", day=DAY + timedelta(days=1)))["state"] == "complete"
    assert row(["a"], accounted("a", day=DAY + timedelta(days=2)))["state"] == "missing"


def test_an_erased_answer_is_no_missing_one():
    assert row(["a", "b"], accounted("a", "[erased]"))["state"] == "complete"
    assert row(["a", "b", "c"], accounted("a", "[erased]"))["missing_count"] == 1


def test_ids_are_told_apart_a_share_of_them_at_a_time(monkeypatch):
    known = accounted("a", "a", "b", "c", "[erased]", "[erased]", *map(str, range(40)))
    whole = known.counts
    monkeypatch.setattr(completeness, "COUNTED_AT_ONCE", 5)
    assert accounted("a", "a", "b", "c", "[erased]", "[erased]", *map(str, range(40))).counts == whole
    assert whole == {DAY: (45, 2)}


def test_a_day_that_is_not_over_is_open_and_one_with_more_here_than_there_is_no_loss():
    assert row(["a", "b"], accounted("a"), day=TODAY)["state"] == "open"
    known = accounted("a", "b")
    counted = compared(Tally(DAY, 1), [], known, {}, today=TODAY)
    assert (counted["state"], counted["theirs"], counted["ours"]) == ("surplus", 1, 2)


def days(first: date, count: int, *, without: set[int] = frozenset()) -> list[date]:  # type: ignore[assignment]
    every = [first + timedelta(days=n) for n in range(count)]
    return [day for n, day in enumerate(every) if n not in without]


def test_a_hole_among_daily_records_is_named_day_by_day():
    held = days(date(2026, 11, 2), 28, without={9, 10, 11, 12, 13, 14, 15})
    assert gaps(held, []) == [date(2026, 11, 11) + timedelta(days=n) for n in range(7)]
    assert gaps(held, days(date(2026, 11, 11), 6)) == [date(2026, 11, 17)]  # the source said: empty


def test_quiet_weekends_rare_records_and_a_first_week_name_no_day():
    weekdays = [day for day in days(date(2026, 11, 2), 28) if day.weekday() < 5]
    assert gaps(weekdays, []) == []
    assert gaps([*weekdays[:7], *weekdays[8:]], []) == [weekdays[7]]
    assert gaps(days(date(2026, 1, 1), 300)[::3], []) == []
    assert gaps([date(2026, 1, 1), date(2026, 2, 1)], []) == []


# With a lake -----------------------------------------------------------------------------------------------


def outputs(source: str, day: date, *names: str) -> pl.DataFrame:
    rows = [
        dict.fromkeys(OUTPUTS.schema)
        | {"output_id": name * 64, "source_id": name, "source": source, "agent": "a", "use_case": "u"}
        | {"response": "R.", "metadata": "{}", "content_sha256": "0" * 64, "run_id": RUN, "contexts": []}
        | {
            "tools": [],
            "ingested_at": NOW,
            "produced_at": datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
        }
        for name in names
    ]
    return pl.DataFrame(rows, schema=OUTPUTS.schema)


def read(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(day=pl.col("produced_at").dt.date()).select(READ.names())


def night(
    lake: Lake, source: SourceSettings, work: Path, given: pl.DataFrame, kept: pl.DataFrame, **more: Any
) -> Compared:
    """A night that reads `given` and publishes `kept` of it."""
    receipt = receipts.Receipt(work / f"{len(list(work.glob('*')))}")
    receipt.add_read(read(given))
    receipt.add_aside(more.pop("aside", pl.DataFrame(schema=SET_ASIDE)))
    counting.ask([source], lake, receipt, **{"now": NOW, "since": None, "until": None, **more})
    lake.commit(RUN, f"unit-{len(list(lake.files('outputs')))}", {"outputs": kept}, run_day=TODAY)
    done = counting.settle(receipt, lake, run_id=RUN, now=NOW)
    assert all(o.success for o in outcomes.by_rules(
        TABLES["completeness"], suite_files.committed("completeness"), done.rows
    ))  # fmt: skip
    return done


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


FILES = FilesSettings(name="desk", path="in")


def test_what_a_reader_handed_over_is_looked_up_in_the_lake(lake, tmp_path):
    given = outputs("desk", DAY, "1", "2", "3")
    done = night(lake, FILES, tmp_path / "w", given, given.head(2))
    (found,) = done.rows.to_dicts()
    assert (found["basis"], found["theirs"], found["ours"]) == ("reader", 3, 2)
    assert (found["state"], found["missing_ids"]) == ("missing", ["3"])
    assert done.problems[0].startswith("source 'desk': 1 of 3 records of 2026-11-18 are missing here (3)")


def test_an_answer_that_validation_refused_is_quarantined_and_not_missing(lake, tmp_path):
    given = outputs("desk", DAY, "1", "2")
    refused = {"table": "outputs", "source": "desk", "locator": "2" * 64, "check": "c", "reason": "r"}
    frame = pl.DataFrame(
        [{**refused, "row_sha256": "a" * 64, "raw": "", "run_id": RUN, "quarantined_at": NOW}],
        schema=QUARANTINE.schema,
    )
    lake.commit(RUN, "refused", {"quarantine": frame}, run_day=TODAY)
    done = night(lake, FILES, tmp_path / "w", given, given.head(1))
    assert done.rows.select("theirs", "ours", "quarantined", "state").row(0) == (2, 2, 1, "complete")
    assert done.problems == []


def test_a_day_that_was_never_pulled_is_named_once(lake, tmp_path):
    held = days(date(2026, 11, 2), 15, without={9})
    given = pl.concat([outputs("desk", day, f"{n:x}") for n, day in enumerate(held)])
    done = night(lake, FILES, tmp_path / "w", given, given)
    assert done.rows.filter(pl.col("state") == "never_pulled")["day"].to_list() == [date(2026, 11, 11)]
    assert done.warnings == [
        "source 'desk': no record of 2026-11-11, though days like that usually have some; `claimledger audit "
        "--since 2026-11-11 --until 2026-11-11` reads what is there"
    ]
    lake.commit(RUN, "completeness", {"completeness": done.rows}, run_day=TODAY)
    again = night(lake, FILES, tmp_path / "w", given.head(0), given.head(0))
    assert (again.rows.height, again.warnings) == (0, [])


def test_a_source_that_cannot_be_asked_makes_its_days_unknown_and_stops_nothing(lake, tmp_path, monkeypatch):
    source = LangfuseSettings(name="bot", kind="langfuse", url="http://127.0.0.1:1")
    given = outputs("bot", DAY, "1")
    done = night(lake, source, tmp_path / "w", given, given)
    assert set(done.rows["state"]) == {"unknown"}
    assert done.rows["theirs"].null_count() == done.rows.height == 3
    assert "cannot be reached" in done.rows["reason"][0]
    assert (done.problems, done.warnings) == ([], [])

    class Broken:
        @staticmethod
        def tally(*_: object) -> Any:
            yield Tally(DAY, 2)
            raise SourceError("it ended")

    monkeypatch.setitem(kinds.COUNTING, "langfuse", Broken)
    half = night(lake, source, tmp_path / "w", given.head(0), given.head(0), since=DAY, until=DAY)
    assert half.rows.select("theirs", "ours", "state", "missing_ids").row(0) == (2, 1, "missing", None)


def test_ids_of_traces_are_cut_and_shown_without_control_characters(lake, tmp_path):
    given = outputs("desk", DAY, "1").with_columns(source_id=pl.lit("\x1b[2J" + "x" * 500))
    done = night(lake, FILES, tmp_path / "w", given, given.head(0))
    assert "\x1b" not in done.problems[0]
    assert len(done.problems[0]) < 400


def test_what_is_set_aside_is_remembered_by_digest_and_forgotten_after_a_month(lake, tmp_path):
    def remembered() -> set[str]:
        return set(lake.read_state("aside-desk")["ids"])

    receipt = receipts.Receipt(tmp_path / "w")
    receipt.add_aside(pl.DataFrame([("desk", "waits", LEFT_OUT)], schema=SET_ASIDE, orient="row"))
    counting.ask([FILES], lake, receipt, now=NOW, since=None, until=None)
    counting.settle(receipt, lake, run_id=RUN, now=NOW)
    first = remembered()
    assert (len(first), "waits" in str(first)) == (1, False)
    receipt = receipts.Receipt(tmp_path / "w2")
    receipt.add_aside(pl.DataFrame([("desk", "new", LEFT_OUT)], schema=SET_ASIDE, orient="row"))
    counting.ask([FILES], lake, receipt, now=NOW, since=None, until=None)
    counting.settle(receipt, lake, run_id=RUN, now=NOW + timedelta(days=40))
    assert remembered().isdisjoint(first)


def test_where_more_is_left_out_than_is_remembered_a_day_is_unknown_and_not_missing(
    lake, tmp_path, monkeypatch
):
    class Counts:
        @staticmethod
        def tally(_: object, days: list[date], __: object) -> Any:
            return (Tally(day, 3, ["1", "x", "y"]) for day in days)

    monkeypatch.setitem(kinds.COUNTING, "langfuse", Counts)
    monkeypatch.setattr(counting, "ASIDE_IDS", 1)
    source, given = LangfuseSettings(name="bot", kind="langfuse", url="http://a"), outputs("bot", DAY, "1")
    aside = pl.DataFrame([("bot", each, LEFT_OUT) for each in "xy"], schema=SET_ASIDE, orient="row")
    first = night(lake, source, tmp_path / "w", given, given, aside=aside, since=DAY, until=DAY)
    assert first.rows.select("ours", "left_out", "state").row(0) == (3, 2, "complete")
    lake.commit(RUN, "completeness", {"completeness": first.rows}, run_day=TODAY)
    again = night(lake, source, tmp_path / "w", given.head(0), given.head(0))
    assert again.rows.sort("day").select("state", "reason").row(0) == ("unknown", counting.FORGOTTEN)
