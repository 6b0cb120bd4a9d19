"""What a worker on another machine judges with, and whether that is what this run judges with.

Two machines with unlike programs, models or settings would give two verdicts to one claim under one name. So
a worker is asked before it is given a unit, and one that differs gets none; what differs is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

from tasks.backfill.bench import Start
from tasks.errors import ModelError
from tasks.verify.endpoint import KEY
from tasks.workbench import JudgeParameters

LIBRARIES = (
    "polars",
    "numpy",
    "pyarrow",
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "bm25s",
    "sentencex",
    "great-expectations",
)
"""Those whose version may move a verdict, or what the gate makes of it."""
CLOCK_TOLERANCE_S = 60.0
"""Verdicts bear the time of the worker that reached them."""
_SHOWN = 12


@dataclass(frozen=True)
class Program:
    """What judges, before any model is loaded."""

    version: str
    code: str
    """SHA-256 of this product's sources and suites."""
    libraries: Mapping[str, str]

    @classmethod
    def here(cls) -> Program:
        """Of this process."""
        return cls(metadata.version("claimledger"), _code(), _versions())


@dataclass(frozen=True)
class Models:
    """What it judges with."""

    configuration: str
    identity: str
    """Of the verifier and of everything that chooses what it is shown, as tables name it."""
    has_key: bool
    """Whether it has a key for the judge behind an endpoint."""


def models(start: Start, identity: str) -> Models:
    """Of a process that was started so, and whose verifier is that."""
    is_remote = start.parameters.verifier.endpoint is not None
    return Models(configuration(start), identity, is_remote and bool(os.environ.get(KEY)))


def configuration(start: Start) -> str:
    """SHA-256 of what a judgement depends on, the files of a team's own suites included."""
    values = asdict(_without_share(start.parameters))
    told = json.dumps(values, sort_keys=True, default=str)
    suites = {name: _sha256(path) for name, path in _files(start.suites)}
    return hashlib.sha256(json.dumps([told, suites, start.maximum_quarantine_ratio]).encode()).hexdigest()


def unlike_programs(here: Program, there: Program) -> list[str]:
    """How a worker's program differs, in a few words each; nothing where it does not."""
    unlike = []
    if here.code != there.code:
        unlike.append(
            f"its code differs ({there.version}, {there.code[:_SHOWN]}; this run's is {here.version}, "
            f"{here.code[:_SHOWN]})"
        )
    names = sorted({*here.libraries, *there.libraries})
    pairs = [(name, here.libraries.get(name), there.libraries.get(name)) for name in names]
    unlike += [f"its {name} is {theirs}, here {ours}" for name, ours, theirs in pairs if ours != theirs]
    return unlike


def unlike_models(here: Models, there: Models) -> list[str]:
    """How what a worker judges with differs; nothing where it does not."""
    unlike = []
    if here.configuration != there.configuration:
        unlike.append(
            f"its configuration differs ({there.configuration[:_SHOWN]}, here "
            f"{here.configuration[:_SHOWN]}: see the files that validation.suites names)"
        )
    if here.identity != there.identity:
        unlike.append(
            f"its model differs ({there.identity[:_SHOWN]}, here {here.identity[:_SHOWN]}: other weights, "
            "another calibration or a processor that computes in another precision)"
        )
    if here.has_key and not there.has_key:
        unlike.append(f"{KEY} is not in its environment")
    return unlike


def wrong_clock(asked_at: float, there: float, heard_at: float) -> list[str]:
    """Says that a worker's clock is too far off what it was here when it was asked and heard."""
    ahead_s = there - heard_at if there > heard_at else min(there - asked_at, 0.0)
    if abs(ahead_s) <= CLOCK_TOLERANCE_S:
        return []
    return [f"its clock is {abs(ahead_s):,.0f} s {'ahead' if ahead_s > 0 else 'behind'}"]


def _without_share(parameters: JudgeParameters) -> JudgeParameters:
    """What each worker has its own part of changes no verdict."""
    verifier = parameters.verifier
    if verifier.endpoint is not None:
        verifier = replace(verifier, endpoint=replace(verifier.endpoint, requests_per_minute=0.0))
    return replace(parameters, threads=0, verifier=verifier)


@cache
def _code() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted({*root.rglob("*.py"), *root.glob("gate/expectations/*.json")}):
        digest.update(f"{path.relative_to(root).as_posix()}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    versions = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions


def _files(folder: str) -> list[tuple[str, Path]]:
    if not folder:
        return []
    root = Path(folder)
    return [(path.relative_to(root).as_posix(), path) for path in sorted(root.rglob("*")) if path.is_file()]


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); reinstall claimledger") from None
