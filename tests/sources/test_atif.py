"""Agent trajectories: each question an answer, what tools returned as evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from tasks.sources import atif
from tasks.sources.atif import AtifSettings
from tests.support.scopes import scope


def step(number: int, source: str, message: object, **more: Any) -> dict[str, Any]:
    stamp = f"2026-11-19T12:00:{number:02d}Z"
    return {"step_id": number, "timestamp": stamp, "source": source, "message": message, **more}


CALL = {"tool_call_id": "c1", "function_name": "registry", "arguments": {}}
SEEN = {"results": [{"source_call_id": "c1", "content": "Owner: the board."}, {"content": "Also: nobody."}]}
TRAJECTORY = {
    "schema_version": "ATIF-v1.7",
    "session_id": "s1",
    "trajectory_id": "t1",
    "agent": {"name": "clerk", "version": "1", "model_name": "m-1"},
    "steps": [
        step(1, "system", "Be brief."),
        step(2, "user", "Who runs Harwick?"),
        step(3, "agent", "", tool_calls=[CALL], observation=SEEN, reasoning_content="Let me see."),
        step(4, "agent", "The board."),
        step(5, "user", [{"type": "text", "text": "Since when?"}]),
        step(6, "agent", "Since 1987.", model_name="m-2"),
    ],
}


def pulled(tmp_path: Path, *records: Any) -> Any:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    source = AtifSettings(name="bot", kind="atif", path=str(path))
    batches = list(atif.pull(source, scope(work=tmp_path / "w")))
    outputs = pl.concat([batch.outputs for batch in batches]).sort("source_id")
    return outputs, pl.concat([batch.quarantine for batch in batches])


def test_each_question_is_an_answer_with_what_its_tools_returned(tmp_path):
    outputs, quarantine = pulled(tmp_path, TRAJECTORY)
    columns = ["source_id", "prompt", "response", "model", "agent", "session_id"]
    assert outputs.select(columns).rows() == [
        ("t1", "Who runs Harwick?", "The board.", "m-1", "clerk", "s1"),
        ("t1:1", "Since when?", "Since 1987.", "m-2", "clerk", "s1"),
    ]
    assert outputs["contexts"].to_list() == [
        [
            {"uri": "tool:registry", "text": "Owner: the board."},
            {"uri": "tool:unnamed", "text": "Also: nobody."},
        ],
        [],
    ]
    assert quarantine.height == 0


def test_what_is_no_trajectory_is_refused(tmp_path):
    (_, quarantine) = pulled(tmp_path, TRAJECTORY, {"steps": 1}, {"session_id": "x", "steps": [{"a": 1}]})
    assert [reason[:42] for reason in quarantine["reason"]][:2] == [
        "is not a trajectory (KeyError at 'session_", "is not a trajectory (KeyError at 'source')",
    ]  # fmt: skip
