"""Sampling by rule: the same answers in every run, all that matter, and a probability beside each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.lake.store import Lake
from tasks.settings import Settings
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.sources.pulled import Pulled
from tasks.sources.sample import SampleSettings, draw
from tests.support.lake_frames import made
from tests.support.pulls import pull_into
from tests.support.scopes import NOW


def outputs(count: int = 1, **columns: Any) -> pl.DataFrame:
    return made(count)["outputs"].with_columns(**columns)


def test_a_share_is_drawn_by_id_alone_and_a_larger_share_holds_a_smaller() -> None:
    all_of_them = outputs(4_000)
    tenth = draw(all_of_them, SampleSettings(share=0.1))
    assert abs(tenth.height - 400) < 60
    assert tenth["sampling_probability"].unique().to_list() == [0.1]
    shuffled = draw(all_of_them.sample(fraction=1.0, shuffle=True, seed=1), SampleSettings(share=0.1))
    assert set(shuffled["source_id"]) == set(tenth["source_id"])
    half = draw(all_of_them, SampleSettings(share=0.5))
    assert set(tenth["source_id"]) < set(half["source_id"])


def test_each_agent_has_its_own_share() -> None:
    agents = pl.Series(["chatty", "rare", "other"] * 1_000)
    drawn = draw(outputs(3_000, agent=agents), SampleSettings(share={"chatty": 0.05, "*": 0.5}))
    probabilities = dict(
        drawn.group_by("agent").agg(pl.col("sampling_probability").unique().first()).iter_rows()
    )
    assert probabilities == {"chatty": 0.05, "rare": 0.5, "other": 0.5}
    assert drawn.filter(pl.col("agent") == "chatty").height < 100
    everyone = draw(outputs(30), SampleSettings(share={"chatty": 0.05}))
    assert everyone.height == 30


@pytest.mark.parametrize(
    ("always", "metadata"),
    [
        ("failed", {"status": "ERROR"}),
        ("failed", {"error": "timeout"}),
        ("failed", {"level": "ERROR"}),
        ("risk = 'high'", {"risk": "high"}),
        ("metadata.risk = 'high'", {"risk": "high"}),
        ("review.score >= 3", {"review": {"score": 4}}),
        ("risk >= 3", {"risk": "of another type"}),
    ],
)
def test_what_matters_is_always_audited_with_certainty(always: str, metadata: dict[str, Any]) -> None:
    rare = SampleSettings(share=1e-9, always=(always,))
    matters = outputs(5, metadata=pl.lit(json.dumps(metadata)))
    assert draw(matters, rare)["sampling_probability"].to_list() == [1.0] * 5
    assert draw(outputs(5, metadata=pl.lit('{"status": "ok"}')), rare).is_empty()


@pytest.mark.parametrize(
    "wrong", [{"share": 0.0}, {"share": 1.5}, {"share": {"a": 0}}, {"always": ["select 1"]}]
)
def test_a_share_that_nothing_could_speak_for_and_what_is_no_condition_are_refused(wrong: Any) -> None:
    source = {"name": "a", "kind": "files", "path": "a.jsonl", "sample": wrong}
    with pytest.raises(ValueError, match="sample"):
        Settings(sources=(source,))


def pull(lake: Lake, sample: SampleSettings, path: Path) -> Pulled:
    fields = FieldMapping(id="id", produced_at="at", response="out")
    source = FilesSettings(name="chat", path=str(path), fields=fields, sample=sample)
    return pull_into(lake, (source,), now=NOW, refused_share=1.0)


def test_rows_in_are_published_refused_and_sampled_out(tmp_path: Path) -> None:
    rows = [{"id": n, "at": "2026-11-01T10:00:00Z", "out": "Paris." if n else ""} for n in range(200)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pulled = pull(Lake(tmp_path / "lake"), SampleSettings(share=0.25), path)
    assert (pulled.records_in, pulled.quarantined) == (200, 1)
    assert 20 < pulled.outputs < 80
    assert pulled.outputs + pulled.quarantined + pulled.sampled_out == 200
    (unit,) = pulled.units
    assert unit.outputs()["sampling_probability"].unique().to_list() == [0.25]
