"""What rows of tables make their events say: the same code fills an event and checks it afterwards.

`facts` turns rows into the fields of events that follow from rows alone. Recording adds what follows from
keys and from the log (commitments, earlier indexes) and encodes; verification compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from tasks.decide.policies import Policy
from tasks.ledger import canonical, commitments, events, rows
from tasks.ledger.events import VINTAGE, bound_columns
from tasks.tables import PROBABILITIES

if TYPE_CHECKING:
    from tasks.files.inputs import InputFile

MAX_INPUTS = 128
"""Input files that a run's event lists one by one; `inputs_sha256` is over all of them."""
MAX_PASSAGES = 128
"""Passages an event lists one by one, best first: 65,535 bytes hold some 200. The row digest binds all."""
_JUDGEMENT = ["claim_id", "verifier", "snapshot"]

Frames = Mapping[str, pl.DataFrame]
"""Rows by table."""


def facts(
    kind: str,
    frames: Frames,
    salts: pl.DataFrame,
    named: pl.DataFrame | None = None,
    vintage: int = VINTAGE,
) -> pl.DataFrame:
    """Fields of events as rows say them: one row for each row of the table that the kind is about.

    Args:
        frames: rows of every table that the kind binds; a row that is missing has no digest. Reviews carry
            the `output_id` of their verdict beside their columns.
        salts: output_id and salt (Binary) of the outputs.
        named: verdict_id and action_id that the events of verdicts name; None takes the first action that
            rests on the verdict.
        vintage: which fields and columns the events know.

    Returns:
        Every field but `_schema`, `kind`, commitments and those that only the log knows. Digests are hex,
        null where a row or its salt is missing. A number that no event can hold (NaN, beyond 2^53) stays one
        that `canonical.encode` refuses.
    """
    declared, fields = events.KINDS[kind], events.fields(kind, vintage)
    about = frames[declared.about]
    if declared.about == "verdicts":
        about = rows.beside(about, _verdict_digests(frames, salts, named, vintage), "verdict_id")
    elif declared.about == "actions":
        about = about.hstack(_action_digests(frames, salts, vintage))
    else:
        about = about.with_columns(
            _digests(declared.about, about, salts, vintage).alias(f"row_{declared.about}")
        )
    made = [canonical.microseconds(declared.moment, "occurred_at_us")]
    made += [pl.col(column).alias(name) for name, column in declared.renamed.items()]
    for name in fields:
        column, _, unit = name.rpartition("_")
        if column in about.columns and unit in ("u6", "us"):
            made.append(canonical.millionths(column) if unit == "u6" else canonical.microseconds(column))
    about = about.with_columns(made, subject_id=_subjects(kind, about))
    if "verdicts_sha256" in fields:
        about = about.with_columns(_verdicts_digest(about["verdict_ids"]))
    if kind == "run":
        about = about.with_columns(phase=pl.lit("end"))
    if kind == "health":
        about = about.with_columns(alarm_kinds=events.alarm_kinds())
    others = {"_schema", "kind", *events.COMMITTED}
    names = [name for name in fields if name in about.columns and name not in others]
    return about.select(pl.col(name).cast(fields[name]) for name in names)


def _subjects(kind: str, about: pl.DataFrame) -> pl.Series:
    key = events.KINDS[kind].key
    if key is not None:
        return about[key]
    if kind == "run":
        return events.run_subjects(about["run_id"], "end")
    return events.health_subjects(about)


def _verdicts_digest(verdict_ids: pl.Series) -> list[pl.Series]:
    """verdict_count and verdicts_sha256: over the ids of the verdicts that an action rests on, in order."""
    joined = verdict_ids.list.join("").fill_null("").to_list()
    digests = [hashlib.sha256(each.encode()).hexdigest() for each in joined]
    return [
        verdict_ids.list.len().cast(pl.Int64).alias("verdict_count"),
        pl.Series("verdicts_sha256", digests, dtype=pl.String),
    ]


# Digests of rows --------------------------------------------------------------------------------------------


def _digests(table: str, frame: pl.DataFrame, salts: pl.DataFrame, vintage: int) -> pl.Series:
    """Digests (hex) of rows, salted where they are about an output."""
    if "output_id" not in frame.columns:
        return _hex(rows.digests(frame, bound_columns(table, vintage)))
    salted = frame.select("output_id").join(salts, on="output_id", how="left", maintain_order="left")
    return _hex(rows.digests(frame, bound_columns(table, vintage), salted["salt"]))


def _action_digests(frames: Frames, salts: pl.DataFrame, vintage: int) -> pl.DataFrame:
    """row_actions and row_outputs for each action."""
    actions = frames["actions"]
    outputs = actions.select("output_id").join(
        frames["outputs"], on="output_id", how="left", maintain_order="left"
    )
    digests = _digests("outputs", outputs, salts, vintage)
    return pl.DataFrame(
        {
            "row_actions": _digests("actions", actions, salts, vintage),
            "row_outputs": _where(outputs["content_sha256"].is_not_null(), digests),
        }
    )


def _verdict_digests(
    frames: Frames, salts: pl.DataFrame, named: pl.DataFrame | None, vintage: int
) -> pl.DataFrame:
    """verdict_id, row_verdicts, row_claims, row_evidence, row_passages, action_id, action, row_actions."""
    verdicts = frames["verdicts"].join(
        salts.with_row_index("salt_at"), on="output_id", how="left", maintain_order="left"
    )
    judged = verdicts.select(
        "verdict_id",
        *_JUDGEMENT,
        row_verdicts=_hex(rows.digests(verdicts, bound_columns("verdicts", vintage), verdicts["salt"])),
    )
    own = verdicts.select("claim_id", "salt").unique("claim_id", maintain_order=True)
    claims = rows.beside(own, frames["claims"].unique("claim_id", maintain_order=True), "claim_id")
    digests = _hex(rows.digests(claims, bound_columns("claims", vintage), claims["salt"]))
    claims = claims.select("claim_id", row_claims=_where(claims["output_id"].is_not_null(), digests))
    judged = rows.beside(_with_evidence(judged, frames, verdicts, vintage), claims, "claim_id")
    actions = (
        frames["actions"]
        .select("action_id", "action", "decided_at", "verdict_ids")
        .with_columns(row_actions=_digests("actions", frames["actions"], salts, vintage))
    )
    named = _first_actions(actions) if named is None else named
    actions = actions.select("action_id", "action", "row_actions").unique("action_id")
    named = named.join(actions, on="action_id", how="left", maintain_order="left")
    return rows.beside(judged, named, "verdict_id").drop(_JUDGEMENT)


def _first_actions(actions: pl.DataFrame) -> pl.DataFrame:
    """verdict_id and action_id: the first action that rests on the verdict."""
    ordered = actions.sort("decided_at", "action_id").select("action_id", verdict_id="verdict_ids")
    exploded = ordered.explode("verdict_id").drop_nulls("verdict_id")
    return exploded.unique("verdict_id", keep="first", maintain_order=True)


def _with_evidence(
    judged: pl.DataFrame, frames: Frames, verdicts: pl.DataFrame, vintage: int
) -> pl.DataFrame:
    """`judged` with one digest over the evidence rows of its judgement and one over their passages' rows."""
    own = verdicts.select(*_JUDGEMENT, "salt", "salt_at").unique(_JUDGEMENT, maintain_order=True)
    own = own.with_row_index("judgement")
    shown = (
        own.join(frames["evidence"], on=_judgement_key(own, frames["evidence"]), how="inner")
        .sort("judgement", "rank")
        .with_columns(pl.col(c).cast(frames["evidence"].schema[c]) for c in _JUDGEMENT)
    )
    passages = frames["passages"].unique("passage_id", maintain_order=True).with_row_index("passage_at")
    uses = shown.select("passage_id", "salt", "salt_at").join(
        passages.select("passage_id", "passage_at"), on="passage_id", how="left", maintain_order="left"
    )
    digests = {
        "row_evidence": rows.digests(shown, bound_columns("evidence", vintage), shown["salt"]),
        "row_passages": rows.shared_digests(passages, bound_columns("passages", vintage), uses),
    }
    groups = rows.combined(shown["judgement"], digests, own.height)
    combined = own.select(_JUDGEMENT).with_columns(_hex(groups[name]).alias(name) for name in digests)
    if own.height == judged.height:
        return judged.hstack(combined.drop(_JUDGEMENT))
    return judged.join(combined, on=_JUDGEMENT, how="left", maintain_order="left")


def _judgement_key(judgements: pl.DataFrame, evidence: pl.DataFrame) -> list[str]:
    """What evidence is joined on: the claim suffices where a single verifier and snapshot judged it all."""
    for column in ("verifier", "snapshot"):
        values = pl.concat([judgements[column].unique(), evidence[column].unique()]).unique()
        if values.len() != 1 or values.null_count():
            return _JUDGEMENT
    return ["claim_id"]


def _where(is_there: pl.Series, values: pl.Series) -> pl.Series:
    return values.zip_with(is_there, pl.Series([None], dtype=values.dtype))


def _hex(digests: pl.Series) -> pl.Series:
    return digests.bin.encode("hex")


# Events out of rows -----------------------------------------------------------------------------------------


def verifications(
    frames: Frames,
    keys: pl.DataFrame,
    earlier: pl.DataFrame,
    policies: Sequence[Policy],
    *,
    binds_rows: bool = True,
) -> pl.DataFrame:
    """One event (`events.FRAME`) for each row of `verdicts`.

    Args:
        frames: published rows of verdicts, and of claims, evidence, passages and actions that belong to them.
        keys: output_id and key (Binary) of every output concerned.
        earlier: claim_id and earlier_index of claims that the log has judged before; those become
            re-verifications.
        policies: those in force, in which a verdict's label is looked up.
        binds_rows: False where the verdicts are not rows of the tables: judged again with the same result.
    """
    declared = facts("verification", frames, _salts(keys))
    if not binds_rows:
        digests = [name for name in declared.columns if name.startswith("row_")]
        declared = declared.with_columns(pl.lit(None, pl.String).alias(name) for name in digests)
    keyed = declared.select("output_id", *_JUDGEMENT).join(keys, on="output_id", how="left")
    claims = frames["claims"].join(keyed.select("claim_id", "key").unique("claim_id"), on="claim_id")
    names = commitments.claim_field(claims["claim_id"])
    claims = claims.select("claim_id", claim=commitments.commit(claims["key"], names, claims["text"]))
    labels = pl.DataFrame(policies_field(policies), schema=events.POLICY).select("policy", "policy_sha256")
    again = pl.col("earlier_index").is_not_null()
    return events.encode(
        declared.join(claims, on="claim_id", how="left", maintain_order="left")
        .join(_passages_shown(frames, keyed), on=_JUDGEMENT, how="left", maintain_order="left")
        .join(labels.unique("policy"), on="policy", how="left", maintain_order="left")
        .join(earlier, on="claim_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("evidence").fill_null([]),
            pl.col("evidence_count").fill_null(0),
            kind=pl.when(again).then(pl.lit("re-verification")).otherwise(pl.lit("verification")),
        )
    )


def _passages_shown(frames: Frames, keyed: pl.DataFrame) -> pl.DataFrame:
    """Per judgement, `evidence` (passages, best first, with scores and commitments) and `evidence_count`."""
    texts = frames["passages"].select("passage_id", "text").unique("passage_id")
    shown = (
        keyed.unique(_JUDGEMENT, maintain_order=True)
        .join(frames["evidence"], on=_JUDGEMENT, how="inner")
        .join(texts, on="passage_id", how="left")
        .sort(*_JUDGEMENT, "rank")
    )
    names = commitments.passage_field(shown["claim_id"], shown["passage_id"])
    shown = shown.with_columns(
        *(canonical.millionths(c) for c in PROBABILITIES),
        commitment=commitments.commit(shown["key"], names, shown["text"]),
        rank=pl.col("rank").cast(pl.Int64),
    )
    return shown.group_by(_JUDGEMENT, maintain_order=True).agg(
        pl.struct(sorted(events.Passage.__annotations__)).head(MAX_PASSAGES).alias("evidence"),
        pl.len().alias("evidence_count"),
    )


def single(
    kind: str,
    frames: Frames,
    keys: pl.DataFrame | None,
    indexes: pl.DataFrame | None = None,
    actor: str | None = None,
) -> pl.DataFrame:
    """One event (`events.FRAME`) for each row that an action, what was done instead, a finding, a flip or a
    health alarm is about.

    Args:
        keys: output_id and key (Binary) of every output concerned; None where rows are about no output.
        indexes: `earlier_index` of the event that the row is about, by the one column that they share.
        actor: who brought the rows in, of kinds that say so.
    """
    declared = facts(kind, frames, _salts(keys)).with_columns(kind=pl.lit(kind))
    if actor is not None:
        declared = declared.with_columns(actor=pl.lit(actor))
    if indexes is not None:
        [on] = [name for name in indexes.columns if name != "earlier_index"]
        declared = declared.join(indexes, on=on, how="left", maintain_order="left")
    return events.encode(declared)


def reviews(frames: Frames, keys: pl.DataFrame, judged: pl.DataFrame, *, actor: str) -> pl.DataFrame:
    """One event (`events.FRAME`) for each row of `reviews`; the reviewer's name goes in as a commitment.

    Args:
        judged: verdict_id, output_id and earlier_index of the event that the review is about.
        actor: who took the reviews in.
    """
    about = frames["reviews"].join(judged, on="verdict_id", how="left", maintain_order="left")
    keyed = about.select("output_id").join(keys, on="output_id", how="left", maintain_order="left")
    names = commitments.reviewer_field(about["review_id"])
    declared = facts("review", {"reviews": about}, _salts(keys))
    return events.encode(
        declared.with_columns(
            kind=pl.lit("review"),
            actor=pl.lit(actor),
            earlier_index=about["earlier_index"],
            reviewer=commitments.commit(keyed["key"], names, about["reviewer"]),
        )
    )


def runs(
    frame: pl.DataFrame,
    phase: str,
    commits_sha256: Mapping[str, str],
    inputs: Mapping[str, Sequence[InputFile]],
    *,
    actor: str,
) -> pl.DataFrame:
    """One event (`events.FRAME`) for each row of `runs`, of its start or its end; only the end binds the row.

    Args:
        commits_sha256: run_id to the digest over its commit manifests, which name every file it published.
        inputs: run_id to the files that it read.
        actor: who started the run, or ended one that had died.
    """
    if phase == "start":
        frame = frame.with_columns(finished_at="started_at")
    declared = facts("run", {"runs": frame}, _salts(None)).with_columns(
        kind=pl.lit("run"),
        commits_sha256=pl.Series([commits_sha256.get(r) for r in frame["run_id"]], dtype=pl.String),
        actor=pl.lit(actor),
        **_inputs([inputs.get(r, ()) for r in frame["run_id"]]),
    )
    if phase == "start":
        declared = declared.with_columns(
            phase=pl.lit("start"),
            row_runs=pl.lit(None, pl.String),
            subject_id=events.run_subjects(frame["run_id"], "start"),
        )
    return events.encode(declared)


def _inputs(by_run: Sequence[Sequence[InputFile]]) -> dict[str, pl.Series]:
    """inputs, inputs_count and inputs_sha256 of runs; null digests where a run read no file."""
    listed = [sorted({(file.sha256, file.source) for file in files})[:MAX_INPUTS] for files in by_run]
    records = [[{"sha256": sha256, "source": source} for sha256, source in each] for each in listed]
    return {
        "inputs": pl.Series(records, dtype=pl.List(pl.Struct(events.INPUT))),
        "inputs_count": pl.Series([len(files) for files in by_run], dtype=pl.Int64),
        "inputs_sha256": pl.Series([inputs_digest(files) for files in by_run], dtype=pl.String),
    }


def inputs_digest(files: Sequence[InputFile]) -> str | None:
    """SHA-256 over the lines `sha256  source/name` of all files, sorted; None for no file."""
    lines = sorted(f"{file.sha256}  {file.source}/{file.name}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else None


def _salts(keys: pl.DataFrame | None) -> pl.DataFrame:
    if keys is None:
        return pl.DataFrame(schema={"output_id": pl.String, "salt": pl.Binary})
    return keys.select("output_id", salt=commitments.row_salts(keys["key"]))


def policies_field(policies: Sequence[Policy]) -> list[events.PolicyValues]:
    """Policies by value, for a configuration event."""
    return [
        {
            "policy": p.label,
            "policy_sha256": p.sha256,
            "threshold_contradicted_u6": round(p.threshold_contradicted * 1_000_000),
            "threshold_supported_u6": round(p.threshold_supported * 1_000_000),
        }
        for p in policies
    ]
