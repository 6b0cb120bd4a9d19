"""The report in words."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.report import changes, headline, summary
from tasks.report.changes import DriftRow
from tasks.report.parameters import ReportParameters
from tasks.report.summary import Totals
from tests.support import report_lake

BOUNDS = ReportParameters()


def notable(drift: pl.DataFrame) -> list[DriftRow]:
    return changes.notable(changes.ranked(drift))


def counts(**rows: int) -> dict[str, int]:
    return changes.counts(pl.DataFrame({"says": list(rows), "rows": list(rows.values())}))


def test_the_headline_says_what_has_no_support_and_what_got_worse() -> None:
    total = Totals(400, 2104, 1792, 65, 247, 3)
    assert headline.headline(total, []).text == "312 of 2,104 claims have no support."
    assert headline.headline(total, notable(report_lake.drift())).text == (
        "312 of 2,104 claims have no support; supported share of agent ada fell from 0.93 to 0.81 on 2 March "
        "2026, the day model M2 first appears."
    )


def test_the_headline_first_says_that_most_records_were_refused() -> None:
    none = Totals(0, 0, 0, 0, 0, 0)
    assert headline.headline(none, [], rows_in=5, refused=5).text == (
        "5 of 5 records were refused and not audited; correct the source."
    )
    some = Totals(400, 2104, 1792, 65, 247, 3)
    half = headline.headline(some, [], rows_in=800, refused=400)
    assert half.text == "312 of 2,104 claims have no support."


@pytest.mark.parametrize(
    ("total", "sentence"),
    [
        (Totals(0, 0, 0, 0, 0, 0), "No answers to audit: no source has delivered any for these days."),
        (Totals(1, 0, 0, 0, 0, 0), "1 answer audited; it makes no factual claim."),
        (Totals(2, 0, 0, 0, 0, 0), "2 answers audited; they make no factual claim."),
        (
            Totals(3, 0, 0, 0, 0, 0, abstained=2),
            "3 answers audited; they make no factual claim; 2 of 3 answers (67%) say only that they do not "
            "know.",
        ),
        (Totals(1, 1, 1, 0, 0, 0), "The one claim is supported."),
        (Totals(1, 3, 3, 0, 0, 0), "All 3 claims are supported."),
        (Totals(1, 2, 1, 0, 1, 0), "1 of 2 claims has no support."),
    ],
)
def test_the_headline_fits_its_numbers(total: Totals, sentence: str) -> None:
    assert headline.headline(total, []).text == sentence


@pytest.mark.parametrize(
    ("abstained", "in_part", "sentence"),
    [
        (1, 0, "1 of 30 answers (3%) says only that it does not know."),
        (3, 1, "3 of 30 answers (10%) say only that they do not know; 1 more says so of a part."),
        (0, 2, "0 of 30 answers (0%) say only that they do not know; 2 more say so of a part."),
    ],
)
def test_how_often_agents_do_not_know_is_said_in_words(abstained: int, in_part: int, sentence: str) -> None:
    total = Totals(30, 40, 40, 0, 0, 0, abstained=abstained, in_part=in_part)
    none = pl.DataFrame(
        schema={"value": pl.String, "claims": pl.Int64, "contradicted": pl.Int64, "is_rest": pl.Boolean}
    )
    actions = summary.all_actions(pl.DataFrame({"action": ["delivered"], "answers": [30]}))
    said = headline.remarks(total, none, actions, BOUNDS)
    assert headline.Sentence(sentence, "answers") in said
    without = headline.remarks(Totals(30, 40, 40, 0, 0, 0), none, actions, BOUNDS)
    assert not any("know" in each.text for each in without)


def test_that_the_evidence_seems_to_have_the_answer_is_called_a_hint() -> None:
    total = Totals(30, 40, 40, 0, 0, 0, abstained=3, overlooked=1)
    actions = summary.all_actions(pl.DataFrame({"action": ["delivered"], "answers": [30]}))
    agents = pl.DataFrame({"value": ["a"], "claims": [40], "contradicted": [0], "is_rest": [False]})
    said = [each.text for each in headline.remarks(total, agents, actions, BOUNDS)]
    assert (
        "3 of 30 answers (10%) say only that they do not know; of 1 of these the evidence seems to have the "
        "answer (a hint, to be read)."
    ) in said


def test_a_slice_of_a_few_claims_is_not_named_as_the_worst() -> None:
    agents = pl.DataFrame(
        {
            "value": ["big", "mid", "tiny"],
            "claims": [40, 40, 2],
            "contradicted": [2, 0, 2],
            "is_rest": [False] * 3,
        }
    )
    said = headline.remarks(
        Totals(82, 82, 78, 4, 0, 0),
        agents,
        summary.all_actions(pl.DataFrame({"action": ["delivered"], "answers": [1]})),
        BOUNDS,
    )
    assert (
        said[0].text
        == "82 claims in 82 answers: 95% supported, 5% contradicted, 0% not settled by the evidence."
    )
    assert said[1].text == "big is contradicted most often: 2 of its 40 claims (5%)."
    assert "1 can go out as it is" in said[2].text


def test_whether_it_is_noise_stands_beside_what_changed() -> None:
    drift = report_lake.drift()
    said = headline.changes(notable(drift), counts(worse=1, better=1, stable=1, too_few=1, not_measured=1))
    assert said[0].text == (
        "That is more than chance (difference −0.16 to −0.080, 95% interval; adjusted p below 0.001)."
    )
    assert [s.tone for s in said] == ["worse", "better", "note"]
    assert said[-1].text == "1 of 3 comparisons show no change, 1 have too few rows to tell."


def test_too_few_rows_are_never_told_as_no_change() -> None:
    said = headline.changes([], counts(too_few=12))
    assert [s.text for s in said] == [
        "Whether anything changed cannot be told yet, 12 have too few rows to tell."
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


def test_the_re_audit_is_told_by_cause_and_silent_where_there_was_none() -> None:
    shares = report_lake.flips(report_lake.rows().frames()["verdicts"])["flip_shares"]
    (said,) = headline.reaudit(shares, by_documents=True)
    assert said.text.startswith(
        "5.0% of the supported claims no longer hold (95% interval 2.5% to 10.0%): 2.5 points"
    )
    assert "because the documentation changed" in said.text
    assert said.tone == "worse"
    assert headline.reaudit(shares.clear(), by_documents=True) == []
