"""Events: what each meaningful act says in the log, and which rows it binds.

Belongs here: the fields of every kind of event, and frames of rows turned into frames of events. Does not
belong here: the log (`tasks/ledger/recording.py`), canonical bytes (`canonical.py`), row digests (`rows.py`).

An event says by value what an auditor checks first (verdict, probabilities, thresholds, times, fingerprints)
and binds everything else by digest: texts as salted commitments, rows of tables as salted digests. No field
holds free text, so nothing enters the log that would have to leave it. The first field, `_schema`, is the
digest of the kind's declaration below; a reader that does not know it cannot verify, which is not the same as
finding something wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import polars as pl

from tasks import ids
from tasks.decide.policies import Policy
from tasks.ledger import canonical, commitments, rows
from tasks.tables import PROBABILITIES, TABLES, UTC

MAX_PASSAGES = 128
"""Passages an event lists one by one, best first: 65,535 bytes hold some 200. The row digest binds all."""

Frames = Mapping[str, pl.DataFrame]

FRAME: dict[str, Any] = {
    "kind": pl.String,
    "occurred_at": UTC,
    "subject_id": pl.String,
    "run_id": pl.String,
    "claim_id": pl.String,
    "event": pl.Binary,
}
"""What builders return: the typed columns of the log, the claim for look-ups, and the canonical bytes."""

_PASSAGE = pl.Struct(
    {
        "commitment": pl.String,
        "p_contradicted_u6": pl.Int64,
        "p_insufficient_u6": pl.Int64,
        "p_supported_u6": pl.Int64,
        "rank": pl.Int64,
    }
)
_POLICY = pl.Struct(
    {
        "policy": pl.String,
        "policy_sha256": pl.String,
        "threshold_contradicted_u6": pl.Int64,
        "threshold_supported_u6": pl.Int64,
    }
)
_COMMON: dict[str, Any] = {
    "_schema": pl.String,
    "kind": pl.String,
    "occurred_at_us": pl.Int64,
    "run_id": pl.String,
    "subject_id": pl.String,
}
_JUDGED: dict[str, Any] = {
    "action": pl.String,
    "action_id": pl.String,
    "claim": pl.String,
    "claim_id": pl.String,
    "earlier_index": pl.Int64,
    "evidence": pl.List(_PASSAGE),
    "evidence_count": pl.Int64,
    "is_conflict": pl.Boolean,
    "output_id": pl.String,
    "p_contradicted_u6": pl.Int64,
    "p_insufficient_u6": pl.Int64,
    "p_supported_u6": pl.Int64,
    "policy": pl.String,
    "policy_sha256": pl.String,
    "produced_at_us": pl.Int64,
    "row_actions": pl.String,
    "row_claims": pl.String,
    "row_evidence": pl.String,
    "row_passages": pl.String,
    "row_verdicts": pl.String,
    "snapshot": pl.String,
    "threshold_contradicted_u6": pl.Int64,
    "threshold_supported_u6": pl.Int64,
    "verdict": pl.String,
    "verifier": pl.String,
}
_KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "verification": (_JUDGED, ("actions", "claims", "evidence", "passages", "verdicts")),
    "re-verification": (_JUDGED, ("actions", "claims", "evidence", "passages", "verdicts")),
    "action": (
        {
            "action": pl.String,
            "output_id": pl.String,
            "policy": pl.String,
            "produced_at_us": pl.Int64,
            "row_actions": pl.String,
            "row_outputs": pl.String,
            "verdict_count": pl.Int64,
            "verdicts_sha256": pl.String,
        },
        ("actions", "outputs"),
    ),
    "finding": (
        {
            "confidence_u6": pl.Int64,
            "detector": pl.String,
            "end": pl.Int64,
            "finding": pl.String,
            "output_id": pl.String,
            "row_findings": pl.String,
            "start": pl.Int64,
        },
        ("findings",),
    ),
    "review": (
        {
            "claim_id": pl.String,
            "corrected_verdict": pl.String,
            "earlier_index": pl.Int64,
            "outcome": pl.String,
            "output_id": pl.String,
            "reviewer": pl.String,
            "row_reviews": pl.String,
            "verdict_id": pl.String,
        },
        ("reviews",),
    ),
    "flip": (
        {
            "cause": pl.String,
            "claim_id": pl.String,
            "earlier_index": pl.Int64,
            "is_delivered": pl.Boolean,
            "output_id": pl.String,
            "produced_at_us": pl.Int64,
            "row_flips": pl.String,
            "verdict": pl.String,
            "verdict_before": pl.String,
            "verdict_id": pl.String,
            "verdict_id_before": pl.String,
        },
        ("flips",),
    ),
    "erasure": ({"output_id": pl.String, "reason": pl.String, "rows_erased": pl.Int64}, ()),
    "configuration": (
        {
            "after": pl.String,
            "before": pl.String,
            "change": pl.String,
            "policies": pl.List(_POLICY),
        },
        (),
    ),
    "run": (
        {
            "code_version": pl.String,
            "commits_sha256": pl.String,
            "flow": pl.String,
            "phase": pl.String,
            "policy": pl.String,
            "row_runs": pl.String,
            "rows_in": pl.Int64,
            "rows_out": pl.Int64,
            "rows_quarantined": pl.Int64,
            "snapshot": pl.String,
            "status": pl.String,
            "verifier": pl.String,
        },
        ("runs",),
    ),
    "health": ({"row_health": pl.String, "target_kind": pl.String}, ("health",)),
}

_UNBOUND = {"passages": ("snapshot_last_seen",)}
"""Columns that later runs may change; everything else in a bound table is bound."""


def bound_columns(table: str) -> tuple[str, ...]:
    """Columns of a table that its row digest covers, in order."""
    return tuple(name for name in TABLES[table].schema.names() if name not in _UNBOUND.get(table, ()))


def fields(kind: str) -> dict[str, Any]:
    """Name and type of every field of a kind of event, sorted by name."""
    own, _ = _KINDS[kind]
    return dict(sorted((_COMMON | own).items()))


@cache
def declaration(kind: str) -> bytes:
    """The kind's fields and bound columns as canonical JSON: what `_schema` is the digest of."""
    _, bound = _KINDS[kind]
    return canonical.dumps(
        {
            "fields": [[name, str(dtype)] for name, dtype in fields(kind).items()],
            "kind": kind,
            "rows": {table: list(bound_columns(table)) for table in bound},
        }
    )


@cache
def schema_id(kind: str) -> str:
    """Value of `_schema`."""
    return hashlib.sha256(declaration(kind)).hexdigest()


def known_schemas() -> dict[str, str]:
    """`_schema` to kind, for every kind that this release writes."""
    return {schema_id(kind): kind for kind in _KINDS}


def verifications(
    frames: Frames,
    keys: pl.DataFrame,
    earlier: pl.DataFrame,
    policies: Sequence[Policy],
    *,
    binds_rows: bool = True,
) -> pl.DataFrame:
    """One event per row of `verdicts`.

    Args:
        frames: published rows of verdicts, and of claims, evidence, passages and actions that belong to them.
        keys: output_id and key (Binary) of every output concerned.
        earlier: claim_id and earlier_index of claims that the log has judged before; those become
            re-verifications.
        policies: those in force, which the label in a verdict is looked up in.
        binds_rows: False where the verdicts are not rows of the tables: judged again with the same result.
    """
    verdicts = frames["verdicts"].join(keys, on="output_id", how="left", maintain_order="left")
    salts = keys.select("output_id", salt=commitments.row_salts(keys["key"]))
    claims = frames["claims"].join(verdicts.select("claim_id", "key").unique("claim_id"), on="claim_id")
    claims = claims.select(
        "claim_id", claim=commitments.commit(claims["key"], "claim:" + claims["claim_id"], claims["text"])
    )
    labels = pl.DataFrame(
        [{"policy": p.label, "policy_sha256": p.sha256} for p in policies],
        schema={"policy": pl.String, "policy_sha256": pl.String},
    ).unique("policy")
    joined = (
        verdicts.join(claims, on="claim_id", how="left", maintain_order="left")
        .join(_listed(frames, verdicts), on=_JUDGEMENT, how="left", maintain_order="left")
        .join(verification_rows(frames, salts), on="verdict_id", how="left", maintain_order="left")
        .join(labels, on="policy", how="left", maintain_order="left")
        .join(earlier, on="claim_id", how="left", maintain_order="left")
    )
    if not binds_rows:
        bound = [f"row_{table}" for table in ("verdicts", "claims", "evidence", "passages", "actions")]
        joined = joined.with_columns(pl.lit(None, pl.String).alias(name) for name in bound)
    again = pl.col("earlier_index").is_not_null()
    kind = pl.when(again).then(pl.lit("re-verification")).otherwise(pl.lit("verification"))
    schema = (
        pl.when(again).then(pl.lit(schema_id("re-verification"))).otherwise(pl.lit(schema_id("verification")))
    )
    prepared = joined.with_columns(
        kind.alias("kind"),
        schema.alias("_schema"),
        canonical.microseconds("verified_at", "occurred_at_us"),
        canonical.microseconds("produced_at"),
        *(canonical.millionths(c) for c in PROBABILITIES),
        canonical.millionths("threshold_supported"),
        canonical.millionths("threshold_contradicted"),
        pl.col("evidence").fill_null([]),
        pl.col("evidence_count").fill_null(0).cast(pl.Int64),
        subject_id="verdict_id",
    )
    return _finish("verification", prepared, "verified_at")


_JUDGEMENT = ["claim_id", "verifier", "snapshot"]


def _listed(frames: Frames, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Per claim, verifier and snapshot: the passages shown, best first, with scores and commitments."""
    keyed = verdicts.select(*_JUDGEMENT, "key").unique(_JUDGEMENT, maintain_order=True)
    shown = (
        keyed.join(frames["evidence"], on=_JUDGEMENT, how="inner")
        .join(
            frames["passages"].select("passage_id", "text").unique("passage_id"), on="passage_id", how="left"
        )
        .sort(*_JUDGEMENT, "rank")
    )
    names = "passage:" + shown["claim_id"] + ":" + shown["passage_id"]
    listed = shown.with_columns(
        commitment=commitments.commit(shown["key"], names, shown["text"]),
        rank=pl.col("rank").cast(pl.Int64),
    ).with_columns(canonical.millionths(c) for c in PROBABILITIES)
    return listed.group_by(_JUDGEMENT, maintain_order=True).agg(
        pl.struct(f.name for f in _PASSAGE.fields).head(MAX_PASSAGES).alias("evidence"),
        pl.len().alias("evidence_count"),
    )


def verification_rows(frames: Frames, salts: pl.DataFrame) -> pl.DataFrame:
    """Digests of the rows that each verdict's event binds, out of the rows themselves.

    Args:
        frames: rows of verdicts, claims, evidence, passages and actions; what is missing has no digest.
        salts: output_id and salt (Binary) of the outputs.

    Returns:
        verdict_id, action, action_id, row_verdicts, row_claims, row_evidence, row_passages, row_actions
        (hex; null where a row or the salt is missing). A verification and its check both come through here.
    """
    verdicts = frames["verdicts"].join(
        salts.with_row_index("salt_at"), on="output_id", how="left", maintain_order="left"
    )
    judged = verdicts.select(
        "verdict_id",
        *_JUDGEMENT,
        row_verdicts=_hex(rows.digests(verdicts, bound_columns("verdicts"), verdicts["salt"])),
    )
    own = verdicts.select("claim_id", "salt").unique("claim_id", maintain_order=True)
    claims = rows.beside(own, frames["claims"].unique("claim_id", maintain_order=True), "claim_id")
    there = claims["output_id"].is_not_null()
    made = _hex(rows.digests(claims, bound_columns("claims"), claims["salt"]))
    claims = claims.select("claim_id", row_claims=_where(there, made))
    found = rows.beside(_with_evidence_rows(judged, frames, verdicts), claims, "claim_id")
    return rows.beside(found, _actions_of(frames["actions"], verdicts), "verdict_id").drop(_JUDGEMENT)


def _with_evidence_rows(judged: pl.DataFrame, frames: Frames, verdicts: pl.DataFrame) -> pl.DataFrame:
    """`judged` with one digest over the evidence rows of its judgement and one over their passages' rows."""
    own = verdicts.select(*_JUDGEMENT, "salt", "salt_at").unique(_JUDGEMENT, maintain_order=True)
    own = own.with_row_index("judgement")
    shown = (
        own.join(frames["evidence"], on=_judgement_key(own, frames["evidence"]), how="inner")
        .sort("judgement", "rank")
        .with_columns(pl.col(c).cast(frames["evidence"].schema[c]) for c in _JUDGEMENT)
    )
    columns = bound_columns("passages")
    passages = frames["passages"].unique("passage_id", maintain_order=True).with_row_index("passage_at")
    places = shown.select("passage_id", "salt", "salt_at").join(
        passages.select("passage_id", "passage_at"), on="passage_id", how="left", maintain_order="left"
    )
    digests = {
        "row_evidence": rows.digests(shown, bound_columns("evidence"), shown["salt"]),
        "row_passages": rows.shared_digests(passages, columns, places),
    }
    groups = rows.combined(shown["judgement"], digests, own.height)
    combined = pl.concat(
        [own.select(*_JUDGEMENT), groups.select(_hex(groups[n]) for n in digests)], how="horizontal"
    )
    if own.height == judged.height:
        return pl.concat([judged, combined.drop(_JUDGEMENT)], how="horizontal")
    return judged.join(combined, on=_JUDGEMENT, how="left", maintain_order="left")


def _judgement_key(judgements: pl.DataFrame, evidence: pl.DataFrame) -> list[str]:
    """What evidence is joined on: the claim suffices where a single verifier and snapshot judged it all."""
    others = [c for c in _JUDGEMENT if c != "claim_id"]
    for column in others:
        values = pl.concat([judgements[column].unique(), evidence[column].unique()]).unique()
        if values.len() != 1 or values.null_count():
            return _JUDGEMENT
    return ["claim_id"]


def _actions_of(actions: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """verdict_id, action, action_id, row_actions: the first action that rests on the verdict."""
    salts = verdicts.select("output_id", "salt").unique("output_id", maintain_order=True)
    found = salts.join(actions, on="output_id", how="inner", maintain_order="left")
    found = found.with_columns(
        row_actions=_hex(rows.digests(found, bound_columns("actions"), found["salt"]))
    ).sort("decided_at", "action_id")
    exploded = found.select("action", "action_id", "row_actions", verdict_id="verdict_ids")
    return (
        exploded.explode("verdict_id")
        .drop_nulls("verdict_id")
        .unique("verdict_id", keep="first", maintain_order=True)
    )


def actions(frames: Frames, keys: pl.DataFrame) -> pl.DataFrame:
    """One event per row of `actions`, binding that row and its output's."""
    found = frames["actions"]
    salts = keys.select("output_id", salt=commitments.row_salts(keys["key"]))
    prepared = found.join(
        action_rows(frames, salts), on="action_id", how="left", maintain_order="left"
    ).with_columns(
        canonical.microseconds("decided_at", "occurred_at_us"),
        canonical.microseconds("produced_at"),
        *verdicts_digest(found["verdict_ids"]),
        subject_id="action_id",
    )
    return _finish("action", prepared, "decided_at")


def verdicts_digest(verdict_ids: pl.Series) -> list[pl.Series]:
    """verdict_count and verdicts_sha256: over the ids of the verdicts that an action rests on, in order."""
    joined = verdict_ids.list.join("").fill_null("").to_list()
    return [
        verdict_ids.list.len().cast(pl.Int64).alias("verdict_count"),
        pl.Series(
            "verdicts_sha256", [hashlib.sha256(j.encode()).hexdigest() for j in joined], dtype=pl.String
        ),
    ]


def action_rows(frames: Frames, salts: pl.DataFrame) -> pl.DataFrame:
    """action_id, row_actions, row_outputs (hex): digests of what each action's event binds."""
    found = frames["actions"].join(salts, on="output_id", how="left", maintain_order="left")
    outputs = found.select("output_id").join(
        frames["outputs"], on="output_id", how="left", maintain_order="left"
    )
    digests = rows.digests(outputs, bound_columns("outputs"), found["salt"])
    return found.select(
        "action_id",
        row_actions=_hex(rows.digests(found, bound_columns("actions"), found["salt"])),
        row_outputs=_hex(_where(outputs["content_sha256"].is_not_null(), digests)),
    )


def single_rows(table: str, frame: pl.DataFrame, salts: pl.DataFrame | None) -> pl.Series:
    """Digests (hex) of rows that an event binds by themselves; without salts for rows about no output."""
    if salts is None:
        return _hex(rows.digests(frame, bound_columns(table)))
    salted = frame.join(salts, on="output_id", how="left", maintain_order="left")
    return _hex(rows.digests(salted, bound_columns(table), salted["salt"]))


def findings(frames: Frames, keys: pl.DataFrame) -> pl.DataFrame:
    """One event per row of `findings`; what was found stays out of the log."""
    found = frames["findings"].join(keys, on="output_id", how="left", maintain_order="left")
    salts = commitments.row_salts(found["key"])
    prepared = found.with_columns(
        canonical.microseconds("found_at", "occurred_at_us"),
        canonical.millionths("confidence"),
        subject_id="finding_id",
        finding="kind",
        row_findings=_hex(rows.digests(found, bound_columns("findings"), salts)),
    ).with_columns(kind=pl.lit("finding"))
    return _finish("finding", prepared, "found_at")


def flips(frames: Frames, keys: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """One event per row of `flips`: a historical verdict that no longer holds, and why.

    Args:
        judged: verdict_id_before and earlier_index of the event of each verdict as it was first given.
    """
    salts = keys.select("output_id", salt=commitments.row_salts(keys["key"]))
    found = frames["flips"].join(judged, on="verdict_id_before", how="left", maintain_order="left")
    prepared = found.with_columns(
        canonical.microseconds("found_at", "occurred_at_us"),
        canonical.microseconds("produced_at"),
        subject_id="flip_id",
        row_flips=single_rows("flips", frames["flips"], salts),
    )
    return _finish("flip", prepared, "found_at")


def reviews(frames: Frames, keys: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """One event per row of `reviews`; the reviewer's name goes in as a commitment.

    Args:
        judged: verdict_id, output_id and earlier_index of the event that the review is about.
    """
    found = (
        frames["reviews"]
        .join(judged, on="verdict_id", how="left", maintain_order="left")
        .join(keys, on="output_id", how="left", maintain_order="left")
    )
    salts = commitments.row_salts(found["key"])
    field = "reviewer:" + found["review_id"]
    prepared = found.with_columns(
        canonical.microseconds("reviewed_at", "occurred_at_us"),
        subject_id="review_id",
        reviewer=commitments.commit(found["key"], field, found["reviewer"]),
        row_reviews=_hex(rows.digests(found, bound_columns("reviews"), salts)),
    )
    return _finish("review", prepared, "reviewed_at")


def health_alarms(frames: Frames) -> pl.DataFrame:
    """One event per row of `health` that is not ok."""
    found = frames["health"].filter(~pl.col("ok"))
    prepared = found.with_columns(
        canonical.microseconds("checked_at", "occurred_at_us"),
        subject_id=health_subjects(found),
        target_kind="kind",
        row_health=_hex(rows.digests(found, bound_columns("health"))),
    ).with_columns(kind=pl.lit("health"))
    return _finish("health", prepared, "checked_at")


def runs(frame: pl.DataFrame, phase: str, commits_sha256: Mapping[str, str]) -> pl.DataFrame:
    """One event per row of `runs` for its start or its end; only the end binds the row.

    Args:
        commits_sha256: run_id to the digest over its commit manifests, which name every file it published.
    """
    is_end = phase == "end"
    digests = _hex(rows.digests(frame, bound_columns("runs")))
    prepared = frame.with_columns(
        canonical.microseconds("finished_at" if is_end else "started_at", "occurred_at_us"),
        subject_id=run_subjects(frame["run_id"], phase),
        phase=pl.lit(phase),
        row_runs=digests if is_end else pl.lit(None, pl.String),
        commits_sha256=pl.Series([commits_sha256.get(r) for r in frame["run_id"]], dtype=pl.String),
    )
    return _finish("run", prepared, "finished_at" if is_end else "started_at")


def health_subjects(health: pl.DataFrame) -> pl.Series:
    """Ids of health checks: the target and the moment."""
    return ids.digest_rows("health", [health["target"], health["checked_at"].dt.epoch("us")])


def read(data: bytes) -> dict[str, Any]:
    """An event's fields out of its canonical bytes.

    Raises:
        CanonicalError: the bytes are not the canonical form of an object.
    """
    return canonical.loads(data)


def run_subjects(run_ids: pl.Series, phase: str) -> pl.Series:
    """Ids of the starts or ends of runs, so that each has one event."""
    return ids.digest_rows(f"run {phase}", [run_ids])


def one(kind: str, *, occurred_at: Any, subject_id: str, run_id: str, **values: Any) -> pl.DataFrame:
    """A single event: an erasure or a configuration change."""
    own = {name: dtype for name, dtype in fields(kind).items() if name not in _COMMON}
    row = {"kind": kind, "subject_id": subject_id, "run_id": run_id, "occurred_at": occurred_at, **values}
    frame = pl.DataFrame(
        [row],
        schema={"kind": pl.String, "subject_id": pl.String, "run_id": pl.String, "occurred_at": UTC, **own},
    )
    return _finish(kind, frame.with_columns(canonical.microseconds("occurred_at")), "occurred_at")


def policies_field(policies: Sequence[Policy]) -> list[dict[str, Any]]:
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


def _where(there: pl.Series, values: pl.Series) -> pl.Series:
    return values.zip_with(there, pl.Series([None], dtype=values.dtype))


def _hex(digests: pl.Series) -> pl.Series:
    return digests.bin.encode("hex")


def _finish(kind: str, prepared: pl.DataFrame, occurred_at: str) -> pl.DataFrame:
    """Selects the kind's fields exactly, encodes them, and keeps the typed columns beside the bytes."""
    if "_schema" not in prepared.columns:
        prepared = prepared.with_columns(_schema=pl.lit(schema_id(kind)), kind=pl.lit(kind))
    body = prepared.select(pl.col(name).cast(dtype) for name, dtype in fields(kind).items())
    claim_id = "claim_id" if "claim_id" in prepared.columns else pl.lit(None, pl.String).alias("claim_id")
    return prepared.select(
        "kind", pl.col(occurred_at).cast(UTC).alias("occurred_at"), "subject_id", "run_id", claim_id
    ).with_columns(event=canonical.encode(body))
