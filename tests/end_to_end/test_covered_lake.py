"""A lake without confidential data: what was planted is nowhere, spans are true, the ledger verifies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.end_to_end.conftest import Answer, read
from tests.end_to_end.test_canaries import VALUES, exports, run
from tests.support.canaries import held, texts_of

__all__ = ["exports"]
KEY = "CLAIMLEDGER_PRIVACY_HASH_KEY"


@pytest.mark.slow  # an audit that fails, one that ends, a sample and a pack, in two modes: over half a minute
@pytest.mark.parametrize("mode", ["masked", "hashed"])
def test_nothing_of_what_was_planted_is_in_a_covered_lake_and_all_of_it_is_found(
    mode: str, exports: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "a key that nobody can guess")
    monkeypatch.setenv("CLAIMLEDGER__PRIVACY__LAKE", mode)
    lake = exports / "lake"
    assert held(run(exports, command, ("score",)), VALUES) == {}
    assert command("ledger", "verify").code == 0

    # (1) spans are true of what the lake holds
    outputs, claims, found = read(lake, "outputs"), read(lake, "claims"), read(lake, "findings")
    said = dict(outputs.select("output_id", "response").iter_rows())
    spans = claims.select("output_id", "start", "end", "text").iter_rows()
    assert all(said[output_id][start:end] == text for output_id, start, end, text in spans)
    pieces = [
        said[output_id][a:b] for output_id, a, b in found.select("output_id", "start", "end").iter_rows()
    ]
    if mode == "masked":
        assert pieces == found["masked"].to_list()
    else:
        assert all("-" in piece and not any(map(str.isdigit, piece)) for piece in pieces)

    # (2) as much is found as in a lake that is clear
    kinds = {
        "leak" if kind == "confidential" else kind for kind, place in VALUES.values() if place == "answer"
    }
    planted = [value for value, (_, place) in VALUES.items() if place == "answer"]
    assert kinds <= set(found["kind"])
    assert found.filter(pl.col("confidence") > 0.5)["output_id"].n_unique() >= 0.97 * len(planted)

    # (3) what people add is covered too, and what is written for them
    verdict = read(lake, "verdicts")["verdict_id"][0]
    sheet = exports / "sheet.csv"
    sheet.write_text(
        f"verdict_id,reviewer,outcome,comment\n{verdict},ann,confirmed,told {planted[0]}\n", "utf-8"
    )
    assert command("review", "import", "sheet.csv").code == 0
    comment = read(lake, "reviews")["comment"].item()
    assert comment.startswith("told ")
    assert planted[0] not in comment
    assert (
        command("erase", "--output-id", claims["output_id"][0], "--reason", f"asked by {planted[2]}").code
        == 0
    )
    assert command("review", "export", "queue.csv").code == 0
    assert command("review", "export", "queue.xlsx").code == 0
    assert command("actions", "export", "actions.csv").code == 0
    assert command("sample", "--size", "20", "--seed", "1", "-o", "drawn").code == 0
    assert command("pack", "--from", "2026-11-01", "--to", "2026-11-03", "-o", "packed").code in (0, 1)
    sheet.unlink()
    (exports / "input.jsonl").unlink()
    (exports / "list.txt").unlink()
    assert held(texts_of(exports), VALUES) == {}
    assert command("ledger", "verify").code == 0
