"""Frames that several tests of the lake share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from tasks import ids, tables

Frames = Callable[..., dict[str, pl.DataFrame]]
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def made(count: int, first: int = 0, days: int = 2) -> dict[str, pl.DataFrame]:
    """Valid rows of three tables: outputs `first` to `first + count`, two claims each, one refusal."""
    run = ids.digest("run", 1)
    outputs, claims = [], []
    for number in range(first, first + count):
        output, at = ids.digest("output", number), NOON + timedelta(days=number % days)
        outputs.append(
            {
                "output_id": output,
                "produced_at": at,
                "source": "bot",
                "source_id": str(number),
                "agent": "agent",
                "model": None,
                "use_case": "support",
                "session_id": None,
                "prompt": "What is the capital of France?",
                "response": "Paris is the capital. It has two million inhabitants.",
                "contexts": [{"uri": "a.md", "text": "Paris is the capital of France."}],
                "tools": ["search"],
                "metadata": "{}",
                "content_sha256": ids.digest("content", number),
                "supersedes": None,
                "ingested_at": NOON,
                "run_id": run,
                "language": "en",
                "sampling_probability": 1.0,
                "delivered_at": None,
                "is_delivered": None,
                "action_taken": None,
            }
        )
        claims += [
            {
                "claim_id": ids.digest("claim", number, ordinal),
                "output_id": output,
                "ordinal": ordinal,
                "start": start,
                "end": end,
                "text": outputs[-1]["response"][start:end],  # type: ignore[index]
                "kind": "factual",
                "produced_at": at,
                "run_id": run,
            }
            for ordinal, (start, end) in enumerate([(0, 21), (22, 53)])
        ]
    refused = tables.quarantine_rows(
        [{"locator": f"a.jsonl:{first}", "check": "json", "reason": "not JSON", "raw": "{"}],
        table="outputs",
        source="bot",
        run_id=run,
        quarantined_at=NOON,
    )
    return {
        "outputs": pl.DataFrame(outputs, schema=tables.OUTPUTS.schema),
        "claims": pl.DataFrame(claims, schema=tables.CLAIMS.schema),
        "quarantine": refused,
    }


def outputs_of(responses: Sequence[str]) -> pl.DataFrame:
    """OUTPUTS with those responses, an id made of each, and some value of its type in every other column."""
    day = datetime(2026, 11, 1, tzinfo=UTC)
    some = {pl.List: [], pl.Datetime: day, pl.String: "x", pl.Float64: 1.0, pl.Boolean: False}
    made = {name: [some[of.base_type()]] * len(responses) for name, of in tables.OUTPUTS.schema.items()}
    given = {"response": list(responses), "output_id": [ids.digest("output", text) for text in responses]}
    return pl.DataFrame(made | given, schema=tables.OUTPUTS.schema)
