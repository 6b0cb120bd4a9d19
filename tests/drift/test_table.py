"""What the drift table says of made weeks: real changes, ordinary ones, and input that is hardly any."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.drift import explained, reasons, slices
from tasks.drift.cells import Cells, cells_of
from tasks.drift.metrics import METRICS
from tasks.drift.parameters import DriftParameters, windows
from tasks.drift.table import drift_rows
from tasks.tables import DRIFT, UTC
from tests.support.drift_days import cells, day_of, frames, month

PARAMETERS = DriftParameters()


def compared(
    days: list[dict[str, pl.DataFrame]] | Cells, last: int = 29, parameters: DriftParameters = PARAMETERS
) -> pl.DataFrame:
    found = days if isinstance(days, Cells) else cells(days)
    rows = drift_rows(found, windows(parameters, day_of(last)), parameters)
    declared = {n: t for n, t in DRIFT.schema.items() if n not in ("report_id", "run_id")}
    assert dict(rows.schema) == declared
    required = [c.name for c in DRIFT.columns if not c.nullable and c.name in declared]
    assert rows.select(pl.col(required).null_count()).row(0) == (0,) * len(required)
    assert (rows["baseline_end"] < rows["window_start"]).all()
    return rows


def row(rows: pl.DataFrame, metric: str = "supported_share", slice: str = "all") -> dict[str, Any]:
    return rows.row(by_predicate=(pl.col("metric") == metric) & (pl.col("slice") == slice), named=True)


def test_a_fall_is_found_where_it_is_with_its_day_and_what_else_happened_on_it() -> None:
    fallen = {True: lambda agent: 0.81 if agent == 0 else 0.93, False: lambda _agent: 0.93}
    days = [
        frames(
            n,
            answers=360,
            share=fallen[n >= 44],
            models=lambda day, agent: "M2" if agent == "A" and day >= 44 else "M1",
        )
        for n in range(46)
    ]
    first = compared(days, last=45).row(0, named=True)
    assert (first["slice"], first["metric"], first["status"]) == ("agent=A", "supported_share", "drifted")
    assert first["direction"] == "worse"
    assert first["changed_on"] == date(2026, 11, 14)
    before, after = f"{first['baseline_value']:.2f}", f"{first['current_value']:.2f}"
    assert first["reason"] == (
        f"supported share of agent A fell from {before} to {after} on 14 November 2026, "
        "the day model M2 first appears"
    )
    assert 0 < first["harm"] < -first["difference"] * first["current_count"] / 2
    assert first["ci_low"] < first["difference"] < first["ci_high"] < 0
    assert first["effect_size"] == pytest.approx(
        2 * np.arcsin(np.sqrt(first["current_value"])) - 2 * np.arcsin(np.sqrt(first["baseline_value"]))
    )


def test_a_change_is_named_after_the_simplest_slice_that_explains_it() -> None:
    def days(fallen: Any) -> list[dict[str, pl.DataFrame]]:
        return [frames(n, answers=360, share=fallen if n >= 28 else 0.93) for n in range(30)]

    everywhere = compared(days(0.8)).filter(metric="supported_share", status="drifted")
    assert everywhere["slice"][0] == "all"
    assert set(everywhere["part_of"][1:]) <= {
        "all",
        "agent=A",
        "agent=B",
        "agent=C",
        "use_case=u0",
        "use_case=u1",
    }
    one = compared(days(lambda agent: 0.8 if agent == 0 else 0.93)).filter(
        metric="supported_share", status="drifted"
    )
    assert one.row(0, named=True)["slice"] == "agent=A"
    assert one.filter(slice="agent=A")["part_of"].to_list() == [None]
    assert one.filter(pl.col("slice").str.contains("agent=A&"))["part_of"].unique().to_list() == ["agent=A"]


def test_a_part_that_moved_alone_is_not_its_parent_s() -> None:
    part = {
        "difference": -0.12,
        "standard_error": 0.02,
        "current_count": 200.0,
        "ci_low": -0.16,
        "ci_high": -0.08,
    }
    parent = {
        "threshold": 0.02,
        "standard_error": 0.008,
        "current_count": 1000.0,
        "ci_low": -0.04,
        "ci_high": -0.008,
    }
    alone = explained._explains(part | {"threshold": 0.02}, parent | {"difference": -0.024}, 8)
    together = explained._explains(
        part | {"threshold": 0.02}, parent | {"difference": -0.09, "ci_high": -0.07}, 8
    )
    assert alone is None, "the other 800 did not move"
    assert together == pytest.approx(
        (-0.12 + 0.0825) ** 2 / (0.02**2 + (0.008**2 - 0.04 * 0.02**2) / 0.8**2), rel=1e-9
    )


def test_an_ordinary_month_has_no_drift() -> None:
    rows = compared(month())
    assert rows.filter(pl.col("status") == "drifted").is_empty()
    assert rows.filter(pl.col("changed_on").is_not_null()).is_empty()
    assert rows["status"].value_counts().filter(status="stable").height == 1


def test_a_change_too_small_to_matter_is_none_however_many_rows_show_it() -> None:
    days = [frames(n, answers=4000, share=0.93 if n < 28 else 0.92, correlated=1e9) for n in range(30)]
    found = row(compared(days))
    assert found["p_value"] < 1e-3
    assert found["status"] == "stable"
    assert row(compared(days, parameters=DriftParameters(thresholds={"supported_share": 0.005})))[
        "status"
    ] == ("drifted")


def test_metrics_without_rows_are_not_measured_and_never_zero() -> None:
    rows = compared(month(12))
    for metric in ("escalated_share", "findings_per_output", "overturn_share", "question_distance"):
        found = row(rows, metric)
        assert found["status"] == "not_measured"
        assert found["current_value"] is None
        assert "no rows" in found["reason"] or "no text" in found["reason"]
    assert set(rows["metric"]) == set(METRICS)


def test_an_empty_lake_measures_nothing() -> None:
    rows = compared(Cells.concat([]))
    assert rows["status"].unique().to_list() == ["not_measured"]
    assert rows.height == len(METRICS)


def test_an_empty_window_vanished_and_new_slices_are_said() -> None:
    days = month(28)
    assert row(compared(days))["reason"].startswith("vanished")
    half = [
        frames(n, agents=("A", "B") if n < 28 else ("A", "C"), models=lambda _d, a: f"M{a}")
        for n in range(30)
    ]
    rows = compared(half)
    assert row(rows, slice="agent=B")["status"] == "too_few"
    assert row(rows, slice="agent=B")["reason"].startswith("vanished")
    assert row(rows, slice="agent=C")["reason"].startswith("new")
    gone = row(rows, "outputs_per_day", "agent=B")
    assert (gone["status"], gone["current_value"]) == ("drifted", 0.0)


def test_one_row_and_one_short_week_are_too_few() -> None:
    one = frames(29, answers=1, claims=1)
    assert set(compared([one])["status"]) == {"too_few", "not_measured"}
    week = [frames(n) for n in range(23, 30)]
    found = row(compared(week))
    assert found["status"] == "too_few"
    assert "5 baseline days" in found["reason"]
    assert found["p_value"] is None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_class_only_is_stable_and_its_first_exception_no_alarm(share: float) -> None:
    days = [frames(n, share=share) for n in range(30)]
    assert row(compared(days))["status"] == "stable"
    odd = days[-1]["verdicts"].with_row_index("n")
    other = "insufficient" if share else "supported"
    days[-1]["verdicts"] = odd.with_columns(
        verdict=pl.when(pl.col("n") == 0).then(pl.lit(other)).otherwise("verdict")
    ).drop("n")
    assert row(compared(days))["status"] == "stable"


def test_equal_scores_are_equal() -> None:
    days = month()
    for day in days:
        day["verdicts"] = day["verdicts"].with_columns(
            p_supported=pl.lit(0.5), p_contradicted=pl.lit(0.25), p_insufficient=pl.lit(0.25)
        )
    found = row(compared(days), "mean_p_supported")
    assert (found["status"], found["difference"], found["p_value"]) == ("stable", 0.0, 1.0)
    assert row(compared(days), "score_distance")["status"] == "stable"


def test_metrics_of_outputs_count_each_output() -> None:
    sums = cells([frames(0, answers=90)]).sums.filter(metric="claims_per_output")
    assert sums["clusters"].sum() == sums["x"].sum() == 90
    part = row(compared(month(answers=180)), "claims_per_output", "agent=A")
    assert part["status"] == "stable", "120 answers of one agent are not two"


def pulled(days: list[dict[str, pl.DataFrame]], when: timedelta) -> list[dict[str, pl.DataFrame]]:
    """The same answers, all pulled at one time after the last of them."""
    at = pl.lit(days[-1]["outputs"]["produced_at"].max() + when).cast(UTC)  # type: ignore[operator]
    return [day | {"outputs": day["outputs"].with_columns(ingested_at=at)} for day in days]


def test_the_first_audit_of_a_month_of_exports_says_the_same_on_whichever_day_it_runs() -> None:
    soon, late = (compared(pulled(month(), timedelta(days=d))) for d in (3, 40))
    assert_frame_equal(soon, late)
    found = row(soon, "lag_hours")
    assert found["status"] == "not_measured"
    assert found["reason"].endswith("these days were over before the first audit of their sources")


def test_lags_count_from_the_night_on_from_which_a_source_is_pulled() -> None:
    nights = [*pulled(month(15), timedelta(hours=4)), *(frames(n) for n in range(15, 32))]
    found = row(compared(nights, last=31), "lag_hours")
    assert (found["baseline_days"], found["status"]) == (17, "stable"), (
        "the last day before the first pull counts"
    )


def test_sentences_show_that_numbers_differ_however_small_or_large_they_are() -> None:
    def words(before: float, after: float) -> str:
        return reasons.sentence(METRICS["supported_share"], "all", (before, after), None, []).split(" from ")[
            1
        ]

    assert words(0.93, 0.81) == "0.93 to 0.81"
    assert words(0.0004, 0.0021) == "0.000 to 0.002"
    assert words(12.31, 12.29) == "12.31 to 12.29"
    assert words(1.5e6, 3.25e6) == "1,500,000 to 3,250,000"
    assert words(2e-12, 5e-11) == "2e-12 to 5e-11"


def test_gaps_of_the_clock_are_no_quiet_days() -> None:
    days = [frames(n) for n in range(30) if n not in (4, 5, 13, 20, 21, 22)]
    found = row(compared(days), "outputs_per_day")
    assert found["status"] == "stable"
    assert found["baseline_days"] == 22
    assert found["baseline_value"] == pytest.approx(200, rel=0.01)


def test_another_verifier_within_the_window_is_not_compared_with_the_old_one_and_it_is_said() -> None:
    days = [frames(n, share=0.93 if n < 29 else 0.6, verifier="V1" if n < 29 else "V2") for n in range(30)]
    found = row(compared(days))
    assert found["status"] == "too_few"
    assert "only verdicts by the current verifier V2 (first on 2026-10-30)" in found["reason"]
    assert row(compared(days), "outputs_per_day")["status"] == "stable", "answers have no verifier"


def test_a_swapped_verifier_that_judged_the_past_again_is_compared_with_itself() -> None:
    days = []
    for n in range(30):
        old, new = (frames(n, share=s, verifier=v) for s, v in ((0.93, "V1"), (0.6, "V2")))
        later = new["verdicts"].with_columns(pl.col("verified_at") + timedelta(days=40))
        days.append({"outputs": old["outputs"], "verdicts": pl.concat([old["verdicts"], later])})
    found = row(compared(days))
    assert found["status"] == "stable"
    assert found["baseline_value"] == pytest.approx(0.6, abs=0.03)
    assert found["baseline_count"] == 28 * 800


def test_another_version_of_a_policy_is_not_compared_with_the_old_one() -> None:
    days = [frames(n, policy="default@1" if n < 28 else "default@2") for n in range(30)]
    found = row(compared(days))
    assert found["status"] == "too_few"
    assert "only decisions by policy default@2 (first on 2026-10-29)" in found["reason"]


def test_a_release_is_a_baseline() -> None:
    days = [
        frames(n, share=0.95 if n < 20 else 0.8, models=lambda day, _a: "M1" if day < 20 else "M2")
        for n in range(30)
    ]
    parameters = DriftParameters(baseline="release", baseline_release="model=M1")
    rows = compared(days, parameters=parameters)
    found = row(rows)
    assert (found["baseline_kind"], found["baseline_days"]) == ("release", 20)
    assert found["baseline_value"] == pytest.approx(0.95, abs=0.02)
    assert found["status"] == "drifted"
    assert "the baseline is model M1" in found["reason"]
    assert not [s for s in rows["slice"] if "model=" in s]
    by_verifier = [frames(n, share=0.95, verifier="V1" if n < 20 else "V2") for n in range(30)]
    parameters = DriftParameters(baseline="release", baseline_release="verifier=V1")
    found = row(compared(by_verifier, parameters=parameters))
    assert (found["baseline_days"], found["status"]) == (20, "stable")


def test_windows_never_overlap() -> None:
    last = day_of(29)
    with pytest.raises(ValueError, match="reaches into the window"):
        windows(PARAMETERS, last, current=(day_of(10), last), baseline=(day_of(1), day_of(10)))
    with pytest.raises(ValueError, match="ends before it begins"):
        windows(PARAMETERS, last, current=(last, day_of(3)))
    fixed = DriftParameters(baseline="fixed", baseline_from=day_of(0), baseline_to=day_of(28))
    with pytest.raises(ValueError, match="reaches into the window"):
        windows(fixed, last)
    chosen = windows(PARAMETERS, last, current=(day_of(10), last))
    assert chosen.baseline_end == day_of(9)


def test_sampling_weights_undo_an_uneven_sample() -> None:
    days = []
    for n in range(30):
        day = frames(n, share=lambda agent: (0.95, 0.6, 0.95)[agent])
        odd = pl.col("agent") == "B"
        weights = pl.when(odd).then(pl.lit('{"w": 0.1}')).otherwise(pl.lit('{"w": 1}'))
        days.append(day | {"outputs": day["outputs"].with_columns(metadata=weights)})
    plain = row(compared(cells(days)))["current_value"]
    weighted = Cells.concat([cells_of(day, "w") for day in days])
    assert plain == pytest.approx(0.83, abs=0.03)
    assert row(compared(weighted))["current_value"] == pytest.approx(0.933, abs=0.02)
    assert row(compared(weighted))["current_count"] == pytest.approx(2 * 4 * (134 + 66 * 0.1), rel=0.02)


def test_rates_of_answers_that_were_sampled_are_those_of_all_answers() -> None:
    """Agent B, of whose answers a tenth is audited, counts as if all of its answers were."""
    days, sampled = [], []
    for n in range(30):
        day = frames(n, answers=600, share=lambda agent: (0.95, 0.6, 0.95)[agent])
        days.append(day)
        probability = pl.when(pl.col("agent") == "B").then(0.1).otherwise(1.0)
        drawn = pl.int_range(pl.len()).over("agent") % 10 == 0
        outputs = day["outputs"].with_columns(sampling_probability=probability)
        outputs = outputs.filter(drawn | (pl.col("agent") != "B"))
        verdicts = day["verdicts"].join(outputs, on="output_id", how="semi")
        sampled.append({"outputs": outputs, "verdicts": verdicts})
    whole, back = compared(cells(days)), compared(cells(sampled))
    assert row(back)["current_value"] == pytest.approx(row(whole)["current_value"], abs=0.02)
    assert row(back)["current_count"] == row(whole)["current_count"]
    assert row(back, "outputs_per_day")["current_value"] == 600
    width = {
        name: row(rows)["ci_high"] - row(rows)["ci_low"] for name, rows in (("all", whole), ("some", back))
    }
    assert width["some"] > width["all"]


def test_replaced_answers_and_older_verdicts_do_not_count() -> None:
    day = frames(0, answers=50)
    kept = cells([day]).sums.filter(metric="supported_share")["x"].sum()
    again = day["verdicts"].with_columns(
        pl.col("verified_at") - timedelta(hours=1), pl.col("verdict_id") + "x", snapshot=pl.lit("S0")
    )
    replaced = day["outputs"].with_columns(
        supersedes=pl.when(pl.col("output_id") == "0-1").then(pl.lit("0-0")).otherwise(None)
    )
    both = {"outputs": replaced, "verdicts": pl.concat([again, day["verdicts"]])}
    assert kept == 200
    assert cells([both]).sums.filter(metric="supported_share")["x"].sum() == 196


def test_reviews_give_the_overturn_rate_and_the_overconfidence() -> None:
    days = month()
    for day in days:
        reviewed = day["verdicts"].head(60)
        day["reviews"] = reviewed.select(
            "verdict_id",
            review_id="verdict_id",
            reviewer=pl.lit("a"),
            outcome=pl.when(pl.int_range(pl.len()) < 15)
            .then(pl.lit("overturned"))
            .otherwise(pl.lit("confirmed")),
            reviewed_at=pl.col("verified_at"),
            corrected_verdict=pl.lit(None, pl.String),
        )
    rows = compared(days)
    assert row(rows, "overturn_share")["current_value"] == 0.25
    stated = pl.concat([d["verdicts"].head(60) for d in days[28:]]).select(
        pl.when(pl.col("verdict") == "supported").then("p_supported").otherwise("p_insufficient").mean()
    )
    assert row(rows, "overconfidence")["current_value"] == pytest.approx(stated.item() - 0.75)


def test_precision_and_recall_weigh_each_review_by_the_verdicts_that_it_stands_for() -> None:
    """All flagged verdicts are reviewed and one in ten of the supported ones, and some of each are wrong."""
    day = frames(0, answers=400, share=0.5)
    verdicts = day["verdicts"]
    flagged = verdicts.filter(pl.col("verdict") != "supported")
    passed = verdicts.filter(pl.col("verdict") == "supported")
    read = [
        (flagged.head(flagged.height), pl.int_range(pl.len()) < 20, "supported"),
        (passed.gather_every(10), pl.int_range(pl.len()) < 5, "insufficient"),
    ]
    day["reviews"] = pl.concat(
        rows.select(
            "verdict_id",
            review_id="verdict_id",
            reviewer=pl.lit("a"),
            outcome=pl.when(wrong).then(pl.lit("overturned")).otherwise(pl.lit("confirmed")),
            corrected_verdict=pl.when(wrong).then(pl.lit(corrected)),
            reviewed_at="verified_at",
        )
        for rows, wrong, corrected in read
    )
    sums = cells([day]).sums.group_by("metric").agg(pl.col("y", "x").sum())
    share = {name: y / x for name, y, x in sums.iter_rows()}
    hits = flagged.height - 20
    assert share["flag_precision"] == pytest.approx(hits / flagged.height)
    missed = 5 * passed.height / read[1][0].height
    assert share["flag_recall"] == pytest.approx(hits / (hits + missed))


def test_the_share_caught_is_of_failed_answers_whose_delivery_is_known() -> None:
    day = frames(0)
    ids = day["outputs"]["output_id"].head(4)
    states = ["unknown", "caught", "late", "unknown"]
    first = pl.DataFrame({"output_id": ids, "state": states}).with_columns(
        caught_id="output_id", recorded_at=pl.lit(None, UTC), known_at=pl.lit(day_of(0)).cast(UTC)
    )
    later = first.head(1).with_columns(
        state=pl.lit("caught"), caught_id=pl.lit("z"), known_at=pl.lit(day_of(1)).cast(UTC)
    )
    day["caught"] = pl.concat([first, later])
    cell = cells([day]).sums.filter(metric="caught_share")
    assert cell.select("y", "x").sum().row(0) == (2.0, 3.0)


def test_slice_names_survive_whatever_agents_are_called() -> None:
    hostile = ["a&b=c", "100%", "%26", "model=x", "all", ""]
    frame = pl.DataFrame({"agent": [*hostile, None], "model": ["m"] * 7})
    names = frame.select(slices.name(("agent", "model")).alias("s"))["s"].to_list()
    assert len(set(names)) == 7
    for name, agent in zip(names, [*hostile, slices.NONE], strict=True):
        assert slices.parsed(name) == {"agent": agent, "model": "m"}
        chosen = frame.filter(slices.rows_of(name))
        assert chosen["agent"].fill_null(slices.NONE).to_list() == [agent]


def test_slices_that_repeat_a_simpler_one_are_left_out() -> None:
    days = month(3, agents=("A", "B"), models=lambda _d, a: f"model of {a}")
    names = set(slices.summed(cells(days).sums, ("agent", "model", "source"))["slice"])
    assert "all" in names
    assert "agent=A" in names
    assert "source=desk" not in names
    assert not [n for n in names if "&" in n]


def test_ten_thousand_slices_are_compared() -> None:
    numbers = np.arange(10_000)
    base = cells([frames(0, answers=30)]).sums.filter(metric="supported_share").head(1)
    parts = [
        pl.concat([base] * 10_000).with_columns(
            agent=pl.Series([f"agent {i}" for i in numbers]),
            date=pl.lit(day_of(day)),
            y=pl.lit(90.0), x=pl.lit(100.0), yy=pl.lit(330.0), xy=pl.lit(362.0), xx=pl.lit(400.0),
            clusters=pl.lit(25.0),
        )
        for day in range(30)
    ]  # fmt: skip
    sums = pl.concat(parts)
    made = Cells(sums, cells([]).profiles, cells([]).seen, frozenset({"verdicts"}))
    rows = compared(made, parameters=DriftParameters(slices=("agent",)))
    assert rows.filter(metric="supported_share", status="stable").height == 10_001


def test_the_abstention_share_is_of_answers_that_only_say_that_they_do_not_know() -> None:
    day = frames(0, answers=10)
    outcomes = ["abstained"] * 2 + ["no_claims"] + ["supported"] * 5 + [None] * 2
    actions = day["outputs"].select(
        "output_id",
        decided_at="ingested_at",
        action=pl.lit("delivered"),
        outcome=pl.Series(outcomes, dtype=pl.String),
        policy=pl.lit("default@1"),
        verdict_ids=pl.lit([], pl.List(pl.String)),
    )
    sums = cells_of(day | {"actions": actions}).sums.filter(pl.col("metric") == "abstention_share")
    assert sums.select(pl.col("y", "x").sum()).row(0) == (2, 8)
    assert cells_of(day).sums.filter(pl.col("metric") == "abstention_share").is_empty()
