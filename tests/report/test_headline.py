"""The report in words."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.report import changes, headline
from tasks.report.changes import DriftRow
from tasks.report.sentence import Sentence
from tasks.report.summary import Totals
from tests.support import report_lake


def notable(drift: pl.DataFrame) -> list[DriftRow]:
    return changes.notable(changes.ranked(drift))


def counts(**rows: int) -> dict[str, int]:
    return changes.counts(pl.DataFrame({"says": list(rows), "rows": list(rows.values())}))


def total(answers: int = 0, **counts: int) -> Totals:
    """Totals whose sums follow from their parts."""
    parts = {name: counts.pop(name, 0) for name in ("supported", "contradicted", "unsettled", "unchecked")}
    checked = sum(parts.values()) - parts["unchecked"]
    whole = {"claims": sum(parts.values()), "checked": checked, "conflicts": 0}
    return Totals(answers=answers, **parts, **whole | counts)


def because(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["because", "agent", "claims"], orient="row")


def test_the_headline_counts_what_could_be_checked_and_says_why_the_rest_could_not() -> None:
    found = because(
        ("no_evidence", headline.ALL_AGENTS, 526),
        ("no_evidence", "bing_chat", 306),
        ("no_evidence", "gpt4", 200),
        ("no_evidence", "other", 20),
        ("not_settled", headline.ALL_AGENTS, 543),
    )
    counted = total(400, supported=669, contradicted=2, unsettled=543, unchecked=526)
    assert headline.headline(counted, found).text == (
        "669 of the 1,214 claims that could be checked are supported, 2 are contradicted by the evidence; "
        "526 more could not be checked (no evidence recorded, mostly bing_chat and gpt4)."
    )


def test_the_headline_first_says_that_most_records_were_refused() -> None:
    assert headline.headline(total(), rows_in=5, refused=5).text == (
        "5 of 5 records were refused and not audited; correct the source."
    )
    half = headline.headline(total(4, supported=3, contradicted=1), rows_in=800, refused=400)
    assert half.text.startswith("3 of the 4 claims that could be checked are supported")


@pytest.mark.parametrize(
    ("counted", "sentence"),
    [
        (total(), "No answers to audit: no source delivered any for these days."),
        (total(1), "1 answer audited; it makes no factual claim."),
        (total(2), "2 answers audited; they make no factual claim."),
        (
            total(3, abstained=2),
            "3 answers audited; they make no factual claim; 2 of 3 answers (67%) only say that they do not "
            "know.",
        ),
        (total(1, supported=1), "The one claim that could be checked is supported."),
        (total(1, supported=3), "All 3 claims that could be checked are supported."),
        (total(1, unchecked=3), "None of 3 claims could be checked."),
        (total(1, unchecked=1), "The one claim could not be checked."),
        (total(1, unsettled=1), "The one claim that could be checked is not settled by its evidence."),
        (
            total(1, supported=1, unsettled=1),
            "1 of the 2 claims that could be checked is supported, 0 are contradicted by the evidence.",
        ),
    ],
)
def test_the_headline_fits_its_numbers(counted: Totals, sentence: str) -> None:
    assert headline.headline(counted).text == sentence


@pytest.mark.parametrize(
    ("abstained", "in_part", "sentence"),
    [
        (1, 0, "1 of 30 answers (3%) only says that it does not know."),
        (3, 1, "3 of 30 answers (10%) only say that they do not know; 1 more says so of a part."),
        (0, 2, "0 of 30 answers (0%) only say that they do not know; 2 more say so of a part."),
    ],
)
def test_how_often_agents_do_not_know_is_said_in_words(abstained: int, in_part: int, sentence: str) -> None:
    said = headline.remarks(total(30, supported=40, abstained=abstained, in_part=in_part))
    assert Sentence(sentence, "answers") in said
    assert not any("know" in each.text for each in headline.remarks(total(30, supported=40)))


def test_that_the_evidence_seems_to_have_the_answer_is_called_a_hint() -> None:
    said = [each.text for each in headline.remarks(total(30, supported=40, abstained=3, overlooked=1))]
    assert (
        "3 of 30 answers (10%) only say that they do not know; of 1 of these the evidence seems to have the "
        "answer (a hint, to be read)."
    ) in said


def test_a_re_audit_s_page_begins_with_its_own_result() -> None:
    shares = report_lake.flips(report_lake.rows().frames()["verdicts"])["flip_shares"]
    said = headline.reaudited(shares, delivered=2)
    assert said is not None
    assert said.text == (
        "2 of 50 claims judged again got a different verdict (4%); 2 answers of these had been delivered."
    )
    assert headline.reaudited(shares.clear(), delivered=0) is None


def test_whether_it_is_noise_stands_beside_what_changed() -> None:
    drift = report_lake.drift()
    said = headline.changes(notable(drift), counts(worse=1, better=1, stable=1, too_few=1, not_measured=1))
    assert said[0].text == (
        "Supported share of agent ada fell from 0.93 to 0.81 on 2 March 2026, the day model M2 first appears "
        "(by −0.16 to −0.080, 95% interval, more than chance)."
    )
    assert [s.tone for s in said] == ["worse", "better", "note"]
    assert said[-1].text == "1 of 3 comparisons show no change, 1 have too few rows to tell."


def test_too_few_rows_are_never_told_as_no_change() -> None:
    said = headline.changes([], counts(too_few=12))
    assert [s.text for s in said] == [
        "It is too early to tell whether anything changed, 12 have too few rows to tell."
    ]
    quiet = headline.changes([], counts(stable=30))
    assert quiet[0].text.startswith("Nothing changed beyond chance: 30 comparisons")
    assert quiet[0].tone == "better"


def test_the_part_that_carries_the_harm_is_named_instead_of_the_whole() -> None:
    one = report_lake.drift().head(1)

    def row(name: str, kind: str, harm: float, metric: str = "supported_share") -> pl.DataFrame:
        return one.with_columns(
            slice=pl.lit(name), slice_kind=pl.lit(kind), harm=pl.lit(harm), metric=pl.lit(metric)
        )

    rows = pl.concat(
        [
            row("all", "all", 20.0),
            row("all", "all", 25.0, "insufficient_share"),
            row("agent=a&model=m", "agent&model", 16.0),
            row("agent=a", "agent", 15.0),
            row("use_case=u", "use_case", 4.0),
        ]
    )
    names = [r["slice"] for r in notable(rows)]
    assert names == ["agent=a", "agent=a&model=m", "use_case=u"]
    spread = pl.concat([row("all", "all", 20.0), row("agent=a", "agent", 6.0)])
    assert [r["slice"] for r in notable(spread)] == ["all", "agent=a"]


def test_where_all_were_judged_again_there_is_no_sampling_interval() -> None:
    shares = report_lake.flips(report_lake.rows().frames()["verdicts"])["flip_shares"]
    (said,) = headline.reaudit(shares.with_columns(population=pl.col("judged")), by_documents=True)
    assert "interval" not in said.text
    assert "all of them judged again" in said.text


def test_the_re_audit_is_told_by_cause_and_silent_where_there_was_none() -> None:
    shares = report_lake.flips(report_lake.rows().frames()["verdicts"])["flip_shares"]
    (said,) = headline.reaudit(shares, by_documents=True)
    assert said.text.startswith(
        "5.0% of the supported claims no longer hold (95% interval 2.5% to 10.0%): 2.5 points"
    )
    assert "because the documentation changed" in said.text
    assert said.tone == "worse"
    assert headline.reaudit(shares.clear(), by_documents=True) == []
