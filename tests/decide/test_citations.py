"""What an answer cites for a claim, and whether that is what supports it."""

from __future__ import annotations

import polars as pl
import pytest

from tasks import tables
from tasks.decide.citations import citations

ANSWER = (
    "The plant has 92 reactors [1]. It opened in 1987. [2][3] Water is treated daily ([2, 4]). "
    "It is [run by the board](kb://board). Nothing is cited here. Nobody wrote [9]."
)
CONTEXTS = [
    {"uri": "kb://a", "text": "a"},
    {"uri": None, "text": "b"},
    {"uri": "kb://c", "text": "c"},
    {"uri": "kb://d", "text": "d"},
]


def cited(claim: str, supporting: dict[str, bool], verdict: str = "supported") -> str | None:
    """The status of one claim of ANSWER, given which documents were read and whether each supports it."""
    start = ANSWER.index(claim)
    claims = pl.DataFrame(
        [{"claim_id": "c", "output_id": "o", "start": start, "end": start + len(claim), "text": claim}]
    )
    output = {"output_id": "o", "response": ANSWER, "contexts": CONTEXTS}
    schema = {name: tables.OUTPUTS.schema[name] for name in output}
    passages = pl.DataFrame(
        {
            "claim_id": "c", "document_uri": list(supporting), "fits": True, "threshold_supported": 0.5,
            "p_supported": [0.9 if holds else 0.1 for holds in supporting.values()],
        }
    )  # fmt: skip
    result = citations(
        claims,
        pl.DataFrame([output], schema=schema),
        passages,
        pl.DataFrame({"claim_id": ["c"], "verdict": [verdict]}),
    )
    return result["citation"].item() if result.height else None


@pytest.mark.parametrize(
    ("claim", "supporting", "status"),
    [
        ("The plant has 92 reactors [1].", {"kb://a": True, "kb://c": False}, "holds"),
        ("The plant has 92 reactors [1].", {"kb://a": False, "kb://c": True}, "other"),
        ("The plant has 92 reactors", {"kb://a": False, "kb://c": True}, "other"),
        ("It opened in 1987.", {"kb://a": False, "context:1": True, "kb://c": False}, "holds"),
        ("It opened in 1987.", {"kb://a": True, "context:1": False, "kb://c": False}, "other"),
        (
            "[2][3] Water is treated daily ([2, 4])",
            {"kb://c": True, "context:1": False, "kb://d": False},
            "other",
        ),
        ("It is [run by the board](kb://board).", {"kb://board": True}, "holds"),
        ("It is [run by the board](kb://board).", {"kb://board": False, "kb://a": True}, "other"),
        ("Nothing is cited here.", {"kb://a": True}, None),
        ("Nobody wrote [9].", {"kb://a": True}, "other"),
    ],
)
def test_a_citation_holds_where_what_it_leads_to_supports_the_claim(
    claim: str, supporting: dict[str, bool], status: str | None
) -> None:
    assert cited(claim, supporting) == status


def test_where_nothing_supports_the_claim_the_citation_is_none() -> None:
    assert cited("The plant has 92 reactors [1].", {"kb://a": False}, "contradicted") == "none"


def test_of_a_cited_document_that_nobody_read_nothing_is_said() -> None:
    assert cited("The plant has 92 reactors [1].", {"kb://c": True}) is None
