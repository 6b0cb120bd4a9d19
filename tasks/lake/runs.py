"""The life of a run: opened before anything is touched, closed whatever happens, reconciled.

A run that dies without closing leaves its open record behind, with the stage it had begun; the next run of
any flow finds it and closes it as died, so that no night is missing from the `runs` table.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

import polars as pl

from tasks import ids
from tasks.decide.policies import Policy, for_use_case, in_force
from tasks.errors import ConfigError
from tasks.files import durable
from tasks.gate.reconcile import Counts, add
from tasks.lake.store import Lake
from tasks.schema import conform
from tasks.tables import RUNS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OPEN_RUNS = "open_runs"
POLICIES = "policies"
POLICY_VALUES = "policy-values"
VERIFIERS = "verifiers"


class KnownVerifier(TypedDict):
    """What a verifier's identity meant: its fingerprint, and the VerifierSettings it was loaded with."""

    fingerprint: str
    settings: dict[str, Any]
    name: NotRequired[str]
    measured: NotRequired[Mapping[str, object] | None]
    """What its makers measured of it on foreign data (`tasks.verify.load.measured`)."""


@dataclass
class Run:
    """One run: identity, clock of its start, parameters, and the counts it adds up."""

    flow: str
    policy: str
    """Labels of the policies in force."""
    parameters: dict[str, object]
    started_at: datetime
    run_id: str
    counts: dict[str, Counts] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    """Parts of the run that are in them."""
    records_in: int = 0
    records_out: int = 0
    records_already_there: int = 0
    records_quarantined: int = 0
    records_filtered: int = 0
    records_joined: int = 0
    records_sampled_out: int = 0
    lacks: dict[str, dict[str, int]] = field(default_factory=dict)
    """By source that could not tell everything of its answers, counts of what it lacked, and of documents
    that were looked up in the corpus or are unknown to it."""
    scores: dict[str, dict[str, int]] = field(default_factory=dict)
    """By source whose people's scores become reviews, how many were read, and left for what reason."""
    minimised: dict[str, dict[str, int]] = field(default_factory=dict)
    """By source that is minimised, values dropped, hashed and masked at the door, by path."""
    index: dict[str, object] = field(default_factory=dict)
    """How the corpus was searched by meaning, and with what recall."""
    redaction: dict[str, int | float] = field(default_factory=dict)
    """Of answers that people read after a redactor: `reviewed`, `missed`, and `low` and `high`, the ends of
    the 95% interval of the share missed; empty where none were read."""
    judging: dict[str, float] = field(default_factory=dict)
    """What a remote judge was asked and cost, and how many claims wait for its answers."""
    verifier: str | None = None
    snapshot: str | None = None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    """UTC days that the run judged."""
    follows_interruption: bool = False
    stage: str | None = None
    """The last stage that began."""
    reason: str | None = None
    """Why it did not complete."""

    def count(self, counts: Mapping[str, Counts], *, of: str) -> bool:
        """Adds counts per table of a part of the run, once: a server may have a task done again.

        Args:
            of: names the part within the run: a unit, or a stage.

        Returns:
            False where that part was counted before.
        """
        if of in self.counted:
            return False
        self.counted.add(of)
        self.counts = add(self.counts, counts)
        return True

    def lack(self, lacks: Mapping[str, Mapping[str, int]]) -> None:
        """Adds what sources could not tell."""
        for source, more in lacks.items():
            so_far = self.lacks.setdefault(source, {})
            for name, number in more.items():
                so_far[name] = so_far.get(name, 0) + number

    def tables(self) -> dict[str, dict[str, Any]]:
        """Counts per table, for the `counts` column; those of outputs with what never came in."""
        counts: dict[str, dict[str, Any]] = {name: c.as_dict() for name, c in sorted(self.counts.items())}
        if self.index:
            counts.setdefault("passages", Counts().as_dict())["index"] = self.index
        if self.minimised:
            counts.setdefault("outputs", Counts().as_dict())["minimised"] = self.minimised
        if self.scores:
            counts.setdefault("reviews", Counts().as_dict())["scores"] = self.scores
        if self.judging:
            counts.setdefault("verdicts", Counts().as_dict())["judge"] = self.judging
        if self.lacks:
            counts.setdefault("outputs", Counts().as_dict())["lacks"] = self.lacks
        if self.redaction:
            counts.setdefault("findings", Counts().as_dict())["redaction"] = self.redaction
        return counts

    def row(self, status: str, finished_at: datetime) -> pl.DataFrame:
        """The run as one row of the `runs` table."""
        row = {
            "run_id": self.run_id,
            "flow": self.flow,
            "started_at": self.started_at,
            "finished_at": finished_at,
            "status": status,
            "parameters": json.dumps(self.parameters, sort_keys=True),
            "code_version": version("claimledger"),
            "verifier": self.verifier,
            "policy": self.policy,
            "snapshot": self.snapshot,
            "rows_in": self.records_in,
            "rows_out": self.records_out,
            "rows_already_there": self.records_already_there,
            "rows_quarantined": self.records_quarantined,
            "rows_filtered": self.records_filtered,
            "rows_joined": self.records_joined,
            "rows_sampled_out": self.records_sampled_out,
            "counts": json.dumps(self.tables()),
            "stage": None if status == "completed" else self.stage,
            "reason": self.reason,
        }
        return conform(RUNS, pl.DataFrame([row], schema=RUNS.schema))


def open_run(
    flow: str,
    lake: Lake,
    parameters: dict[str, object],
    policies: Sequence[Policy],
    sections: Mapping[str, str],
) -> Run:
    """Writes the open record and returns the run. The id names flow, start, host and process.

    Args:
        sections: the configuration, kept beside the run's results; the ledger has each one's SHA-256.

    Raises:
        ConfigError: a policy has other values than when one of its label last decided.
    """
    started_at = datetime.now(UTC)
    _remember_policies(policies, lake)
    run_id = ids.digest("run", flow, started_at.isoformat(), socket.gethostname(), os.getpid())
    today = in_force(policies, started_at.date()) or [Policy()]
    run = Run(flow, ",".join(p.label for p in today), parameters, started_at, run_id)
    record = {
        "flow": flow,
        "started_at": started_at.isoformat(),
        "parameters": parameters,
        "policy": run.policy,
    }
    lake.write_state(OPEN_RUNS, {**lake.read_state(OPEN_RUNS), run_id: record})
    path = lake.run_folder(run_id) / "settings.json"
    with durable.touching(path):
        durable.replace_json(path, dict(sections))
    return run


def enter_stage(run: Run, lake: Lake, stage: str) -> None:
    """Keeps which stage a run is in, for whoever finds it dead."""
    run.stage = stage
    records = lake.read_state(OPEN_RUNS)
    if run.run_id in records:
        now = datetime.now(UTC).isoformat()
        mine = {**records[run.run_id], "stage": stage, "stage_since": now}
        lake.write_state(OPEN_RUNS, {**records, run.run_id: mine})


def close_run(run: Run, lake: Lake, status: str) -> None:
    """Publishes the run's row. It stays among the open ones until `forget`."""
    row = run.row(status, datetime.now(UTC))
    lake.commit(run.run_id, "run", {"runs": row}, run_day=run.started_at.date())


def forget(run: Run, lake: Lake) -> None:
    """Removes the open record: the run is closed, recorded and reported, and nothing of it is left to do."""
    lake.write_state(OPEN_RUNS, {k: v for k, v in lake.read_state(OPEN_RUNS).items() if k != run.run_id})


def open_runs(lake: Lake) -> list[str]:
    """One sentence for each run that has begun and is not closed; it died, unless somebody holds the lock."""
    return [_obituary(run_id, record) for run_id, record in _dead(lake).items()]


def _dead(lake: Lake) -> dict[str, Any]:
    """Open records of runs that nobody goes on with; one that has given way to another will."""
    records = lake.read_state(OPEN_RUNS)
    return {run_id: record for run_id, record in records.items() if not lake.gives_way(run_id)}


def close_dead_runs(lake: Lake) -> list[str]:
    """Publishes a `died` row for every run whose process ended without a word, with what it had published.

    Only called under the lake's lock, so an open record belongs to nobody alive, unless a run gave way. One
    that died after its row was published keeps that row. Returns a sentence for each.
    """
    dead = _dead(lake)
    for run_id, record in dead.items():
        started_at = datetime.fromisoformat(record["started_at"])
        run = Run(record["flow"], record["policy"], record["parameters"], started_at, run_id)
        run.stage, run.reason = record.get("stage"), _obituary(run_id, record)
        run.count(_published_by(run_id, lake), of="published")
        outputs, refused = (run.counts.get(name, Counts()).published for name in ("outputs", "quarantine"))
        run.records_in, run.records_out, run.records_quarantined = outputs + refused, outputs, refused
        row = run.row("died", datetime.fromisoformat(record.get("stage_since", record["started_at"])))
        lake.commit(run_id, "run", {"runs": row}, run_day=started_at.date())
    if dead:
        lake.write_state(OPEN_RUNS, {k: v for k, v in lake.read_state(OPEN_RUNS).items() if k not in dead})
    return [_obituary(run_id, record) for run_id, record in dead.items()]


def _obituary(run_id: str, record: Mapping[str, Any]) -> str:
    where = "before its first stage"
    if "stage" in record:
        where = f"in stage {record['stage']}, which began at {record['stage_since'][:19]}Z"
    return f"run {run_id[:12]} ({record['flow']}, started at {record['started_at'][:19]}Z) died {where}"


def _published_by(run_id: str, lake: Lake) -> dict[str, Counts]:
    """Rows per table that a run's commit manifests name."""
    counts: dict[str, Counts] = {}
    for manifest in sorted((lake.run_folder(run_id) / "commits").glob("*.json")):
        record = json.loads(manifest.read_bytes())
        for file in record["files"] if "removes" not in record else []:  # joined rows were published before
            counts = add(counts, {file["table"]: Counts(rows_in=file["rows"], published=file["rows"])})
    return counts


def published_bytes(run_id: str, lake: Lake) -> int:
    """Bytes of the files that a run's commit manifests name."""
    manifests = (lake.run_folder(run_id) / "commits").glob("*.json")
    records = [json.loads(path.read_bytes()) for path in manifests]
    return sum(file["bytes"] for record in records if "removes" not in record for file in record["files"])


def known_policies(lake: Lake) -> list[Policy]:
    """Policies that ever decided in this lake, by value; those from before this was kept are missing."""
    return [Policy.of(values) for values in lake.read_state(POLICY_VALUES).values()]


def remember_verifier(
    lake: Lake,
    identity: str,
    fingerprint: str,
    settings: DataclassInstance,
    *,
    name: str,
    measured: Mapping[str, object] | None,
) -> None:
    """Keeps which artefact and settings a verifier's identity meant, so that it can be loaded again later,
    and what its makers measured of it, which pages say.
    """
    known = lake.read_state(VERIFIERS)
    about = KnownVerifier(fingerprint=fingerprint, settings=asdict(settings), name=name, measured=measured)
    if "name" not in known.get(identity, {}):
        lake.write_state(VERIFIERS, {**known, identity: about})


def known_verifiers(lake: Lake) -> dict[str, KnownVerifier]:
    """Every verifier that ever judged in this lake, by its identity."""
    return cast("dict[str, KnownVerifier]", lake.read_state(VERIFIERS))


def _remember_policies(policies: Sequence[Policy], lake: Lake) -> None:
    known = lake.read_state(POLICIES)
    for policy in policies:
        if known.get(policy.label, policy.sha256) != policy.sha256:
            raise ConfigError(
                f"policy {policy.label} has other values than when it last decided in this lake; "
                "give it another version, so that every verdict says which rule decided"
            )
    _refuse_retroactive(policies, known.keys(), lake)
    now = {policy.label: policy.sha256 for policy in policies}
    if not now.items() <= known.items():
        lake.write_state(POLICIES, {**known, **now})
    values = lake.read_state(POLICY_VALUES)
    by_value = {**values, **{policy.label: policy.values() for policy in policies}}
    if by_value != values:
        lake.write_state(POLICY_VALUES, by_value)


def decided(lake: Lake, since: date | None = None) -> pl.DataFrame:
    """Which policies decided what: use_case, day (Date), policy, claims, by day."""
    days = (
        lake.scan("verdicts", since=since)
        .group_by("use_case", "policy", day=pl.col("produced_at").dt.date())
        .agg(claims=pl.len())
    )
    return days.select("use_case", "day", "policy", "claims").sort("day", "use_case", "policy").collect()


def _refuse_retroactive(policies: Sequence[Policy], known: Collection[str], lake: Lake) -> None:
    """Raises ConfigError where a new policy would be in force on days that another has decided already."""
    fresh = {p.label: p.effective_from for p in policies if p.effective_from and p.label not in known}
    if not fresh:
        return
    for use_case, day, label, _ in (
        decided(lake, since=min(fresh.values())).sort("day", descending=True).rows()
    ):
        policy = for_use_case(policies, use_case, day)
        if policy.label in fresh and policy.label != label:
            raise ConfigError(
                f"policy {policy.label} is effective from {policy.effective_from}, and {label} has decided "
                f"outputs of {use_case!r} up to {day}; let it begin on {day + timedelta(days=1)} or later "
                "(`claimledger policy diff` says what it would have changed)"
            )
