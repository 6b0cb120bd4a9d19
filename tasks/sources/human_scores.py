"""What people said of answers where they look at traces: scores of Langfuse, feedback of LangSmith.

Both systems keep people's scores beside those of judges and programs; only a person's are taken: what was
annotated in Langfuse's interface (`source` ANNOTATION), or given in LangSmith's (`feedback_source` app). What
a score's name and value mean is configured, because both are a team's own words.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import polars as pl
from annotated_types import Ge, Le, MaxLen, MinLen

from tasks.files.portions import Record
from tasks.knobs import Example, Section
from tasks.sources.messages import decoded
from tasks.visible import visible

Verdict = Literal["supported", "contradicted", "insufficient"]
SCORES = pl.Schema(
    {
        "source": pl.String,
        "source_id": pl.String,
        "score_id": pl.String,
        "verdict": pl.String,
        "reviewer": pl.String,
        "comment": pl.String,
        "reviewed_at": pl.String,
    }
)
"""One person's score of one trace: `source_id` is the trace, `verdict` what the score means, `reviewed_at`
when it was given or last changed, in ISO 8601."""
READ, NOT_HUMAN, UNMAPPED, ODD = "read", "not_of_a_person", "without_a_meaning", "no_score"
_BOUND = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(Section):
    """People's scores of a source's traces, taken as reviews of the verdicts on its answers."""

    verdicts: Annotated[
        dict[str, dict[str, Verdict]],
        Example({"correct": {"true": "supported", "false": "contradicted"}}),
    ] = field(default_factory=dict)
    """What scores mean, by name and value: a text in any case of letters, a number, or a bound such as
    `"<0.5"`, the first that holds. Scores of other names or values are left."""
    path: Annotated[str, Example("s3://exports/scores/**/*.parquet")] = ""
    """The export of scores (Langfuse's `scores`, LangSmith's feedback), of a source that reads exports; of a
    server they are asked for."""
    reviewer: Annotated[str | None, MinLen(1), MaxLen(200), Example("annotation team")] = None
    """Who gave scores that name nobody, as those of Langfuse's exports; without it they are refused."""
    look_back_days: Annotated[float, Ge(0), Le(3650)] = 30.0
    """Days of scores that a server is asked for each night: some come late, and some are changed."""


@dataclass
class Taken:
    """Scores that count, and how many were read and left for what reason."""

    rows: list[dict[str, str | None]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    changed: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By score, when it was last changed and its place among the rows."""

    def frame(self) -> pl.DataFrame:
        """SCORES, each score once, as it was last changed."""
        kept = sorted(place for _, place in self.changed.values())
        return pl.DataFrame([self.rows[place] for place in kept], schema=SCORES)


Reading = Callable[[Record], "dict[str, Any] | None"]
"""What a row of a system says: `trace`, `id`, `name`, `values`, `reviewer`, `comment`, `at`; None where it is
not a person's."""


def take(
    records: Iterable[Record], source: str, settings: ScoreSettings, read: Reading, taken: Taken
) -> None:
    """Adds what people's scores among the records mean."""
    for record in records:
        taken.counts[READ] += 1
        try:
            score = read(record)
            moment = None if score is None else _moment(score["at"])
        except (KeyError, TypeError, ValueError, AttributeError):
            taken.counts[ODD] += 1
            continue
        if score is None or moment is None:
            taken.counts[NOT_HUMAN] += 1
            continue
        verdict = meaning(settings.verdicts.get(str(score["name"]), {}), score["values"])
        if verdict is None:
            taken.counts[UNMAPPED] += 1
            continue
        identity = str(score["id"])
        if taken.changed.get(identity, ("", 0))[0] > moment:
            continue
        taken.changed[identity] = (moment, len(taken.rows))
        taken.rows.append(
            {
                "source": source,
                "source_id": str(score["trace"]),
                "score_id": identity,
                "verdict": verdict,
                "reviewer": visible(str(score["reviewer"] or settings.reviewer or "")),
                "comment": str(score["comment"] or "") or None,
                "reviewed_at": moment,
            }
        )


def meaning(rules: Mapping[str, str], values: Sequence[object]) -> str | None:
    """The verdict of the first rule that one of a score's values meets."""
    return next((verdict for rule, verdict in rules.items() if any(_meets(rule, v) for v in values)), None)


def _meets(rule: str, value: object) -> bool:
    if value is None:
        return False
    bound, number = _BOUND.fullmatch(rule.strip()), _number(value)
    if bound:
        return number is not None and _COMPARED[bound[1]](number, float(bound[2]))
    if str(value).strip().casefold() == rule.strip().casefold():
        return True
    return number is not None and number == _number(rule)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _moment(value: object) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def of_langfuse(row: Record) -> dict[str, Any] | None:
    """A score of Langfuse, with snake_case keys as exports have them."""
    if row["source"] != "ANNOTATION" or not row.get("trace_id"):
        return None
    return {
        "trace": row["trace_id"],
        "id": row["id"],
        "name": row["name"],
        "values": (row.get("string_value"), row.get("value")),
        "reviewer": row.get("author_user_id"),
        "comment": row.get("comment"),
        "at": row.get("updated_at") or row.get("created_at") or row["timestamp"],
    }


def of_langsmith(row: Record) -> dict[str, Any] | None:
    """Feedback of LangSmith."""
    giver = decoded(row.get("feedback_source"))
    if not isinstance(giver, dict) or giver.get("type") != "app" or not row.get("trace_id"):
        return None
    return {
        "trace": row["trace_id"],
        "id": row["id"],
        "name": row["key"],
        "values": (decoded(row.get("value")), row.get("score")),
        "reviewer": giver.get("user_name") or giver.get("user_id") or giver.get("ls_user_id"),
        "comment": row.get("comment"),
        "at": row.get("modified_at") or row["created_at"],
    }
