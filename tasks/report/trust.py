"""How far the verdicts can be trusted, in words: what was measured of the verifier, and what people said.

A verdict without this beside it looks like a fact. Nothing here is a literal: what was measured comes with
the verifier, what people said from the table of reviews.
"""

from __future__ import annotations

import polars as pl

from tasks.report.sentence import Sentence, number
from tasks.visible import shortened

SAMPLE = 60
"""Reviews that give a share with an interval of some ±12 points at worst: an afternoon for one person."""
HOW = (
    f"claimledger sample --size {SAMPLE} --seed 1 -o to-review",
    "claimledger review import to-review/results.csv",
)
"""Draws verdicts at random; brings back the sheet when it is filled in."""


def sentences(measured: pl.DataFrame, reviewed: pl.DataFrame) -> list[Sentence]:
    """What was measured on foreign data, and on the team's own: results of the queries of those names."""
    if measured.is_empty():
        return []
    return [foreign(measured), own(reviewed)]


def foreign(measured: pl.DataFrame) -> Sentence:
    """What the makers of the verifier measured; of several verifiers the one that judged most."""
    row = measured.row(0, named=True)
    name = f"Verifier {shortened(row['name'], 60)}"
    more = ""
    if measured.height > 1:
        more = f" {number(measured.height - 1, 'other verifier')} judged the rest of the claims."
    if row["balanced_accuracy"] is None:
        text = (
            f"{name}: how often it is right was not measured; `claimledger evaluate` measures it on labelled "
            "pairs."
        )
        return Sentence(text + more, "measured", "worse")
    low, high = (f"{100 * row[end]:.0f}" for end in ("lowest", "highest"))
    text = (
        f"{name} was right on {100 * row['balanced_accuracy']:.0f} of 100 claims (supported and others in "
        f"equal parts) of {number(row['sources'], 'data set')} that it never learned "
        f"from: {low} to {high} by data set, where guessing gives 50."
    )
    return Sentence(text + more, "measured")


def own(reviewed: pl.DataFrame) -> Sentence:
    """What people said of its verdicts on the team's own answers, with a 95% interval."""
    rows = {row["verdict"]: row for row in reviewed.to_dicts()}
    if "any" not in rows:
        text = f"Not measured on your data. Review a sample of {SAMPLE}, `{HOW[0]}`, then `{HOW[1]}`."
        return Sentence(text, "reviewed", "worse")
    whole = rows["any"]
    text = (
        f"On your own answers people confirmed {whole['confirmed']:,} of "
        f"{number(whole['reviewed'], 'reviewed verdict')} ({whole['share']:.0%}, 95% interval "
        f"{whole['ci_low']:.0%} to {whole['ci_high']:.0%})"
    )
    if "supported" in rows:
        said = rows["supported"]
        text += f"; of {said['reviewed']:,} called supported they confirmed {said['confirmed']:,}"
    if whole["reviewed"] < SAMPLE:
        text += f". Fewer than {SAMPLE} reviews are only a hint: `{HOW[0]}` draws more"
    return Sentence(f"{text}.", "reviewed")


def meaning(measured: pl.DataFrame) -> str:
    """What a probability means, for whoever reads contradicted and supported claims alike."""
    error = measured["calibration_error"].drop_nulls().head(1).to_list() if measured.height else []
    off = f" On data from elsewhere it was off by {100 * error[0]:.0f} points on average." if error else ""
    return (
        "A probability is the verifier's own estimate of what the evidence says, not of what is true: of 100 "
        f"claims that it gives 0.80, about 80 should have such evidence.{off} Contradicted claims rest on "
        "such an estimate too: read the evidence before you act on one."
    )
