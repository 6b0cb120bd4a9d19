"""What is wrong with this installation, and what to do about it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import settings as settings_module
from tasks.errors import ClaimledgerError, IntegrityError, SourceError
from tasks.files.limits import LimitSettings
from tasks.lake.store import Lake
from tasks.models import processor
from tasks.settings import Settings
from tasks.sources.base import Scope
from tasks.sources.parameters import FilesSettings

if TYPE_CHECKING:
    from tasks.lake.leftovers import Leftover

INSTALL_AGAIN = "reinstall it (`make install` in a checkout)"
LEFTOVERS_SHOWN = 10
SPACE_BYTES = 2 * 2**30
"""A night on the sample writes some megabytes; less than this free is a night that may stop."""


MEND_SECTION = "correct its section of the configuration, or fix what the message describes"


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is well, what was seen, and what to do if it is not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    damaged: bool = False
    """Whether what is wrong is that the lake or the ledger does not verify."""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def examine(config: str | None, lake: str | None) -> list[Check]:
    """Every check, in the order in which trouble is best mended."""
    checks = [_python(), _processor(), *_packages(), _torch()]
    try:
        settings = settings_module.load(config, lake=lake)
    except ClaimledgerError as error:
        return [
            *checks,
            Check("configuration", False, str(error), "correct the file or run `claimledger init`"),
        ]
    checks.append(Check("configuration", True, config or "found"))
    checks += list(_sources(settings))
    if settings.validation.suites:
        checks.append(validation_suites(settings))
    checks += list(_lake(settings))
    checks += [_attempt("embedding model", lambda: _embedder(settings))]
    checks += [_attempt("verifier", lambda: _verifier(settings)), _prefect()]
    return checks


def _python() -> Check:
    ok = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Check(
        "python", ok, sys.version.split()[0], "" if ok else "install Python 3.11, 3.12, 3.13 or 3.14"
    )


def _processor() -> Check:
    if processor.lacks_avx2():
        return Check("processor", False, "no AVX2, which Polars requires", "use a machine from 2015 or later")
    bf16 = "multiplies bf16" if processor.has_bf16() else "no bf16: computes in float32 or int8"
    return Check("processor", True, bf16)


def _packages() -> Iterator[Check]:
    wrong = []
    for requirement in requires("claimledger") or []:
        if "extra ==" in requirement or "==" not in requirement:
            continue
        name, pinned = requirement.split(";")[0].strip().split("==")
        try:
            installed = version(name).split("+")[0]
        except PackageNotFoundError:
            installed = "missing"
        if installed != pinned:
            wrong.append(f"{name} is {installed}, expected {pinned}")
    yield Check("packages", not wrong, "; ".join(wrong) or "as pinned", INSTALL_AGAIN if wrong else "")


def _torch() -> Check:
    try:
        installed = distribution("torch")
    except PackageNotFoundError:
        return Check("pytorch", False, "missing", INSTALL_AGAIN)
    # Read, not imported: a broken build must not take the other checks with it.
    try:
        built = Path(str(installed.locate_file("torch/version.py"))).read_text("utf-8")
    except OSError as error:
        return Check("pytorch", False, f"{installed.version}, {error.strerror}", INSTALL_AGAIN)
    cuda = re.search(r"^cuda\b.*= *['\"]([\d.]+)['\"]", built, re.MULTILINE)
    kind = f"built for CUDA {cuda[1]}; the CPU build is smaller and enough" if cuda else "CPU build"
    return Check("pytorch", True, f"{installed.version}, {kind}")


def _sources(settings: Settings) -> Iterator[Check]:
    from tasks.evidence import corpus
    from tasks.sources import kinds

    if not settings.sources:
        yield Check("sources", False, "none configured", "add a [[sources]] block")
    for source in settings.sources:
        check = _reached(f"source {source.name}", partial(kinds.reach, source))
        yield check
        if check.ok and isinstance(source, FilesSettings):
            yield from _mapping(source, settings.limits)
    if settings.corpus.path:
        yield _reached("corpus", partial(corpus.reach, settings.corpus))
        yield _attempt("corpus index", lambda: _index(settings))


def _index(settings: Settings) -> str:
    """How the published snapshot is searched by meaning, and how near to exact that was measured to be."""
    from tasks.evidence import shards, snapshots

    state = Lake.open(settings.lake).read_state(snapshots.state_name(settings.corpus.name))
    if "index" not in state:
        return "none yet; the next audit builds it"
    return f"snapshot {state['snapshot'][:12]}: {shards.Method(**state['index']).in_words()}"


def _mapping(source: FilesSettings, limits: LimitSettings) -> Iterator[Check]:
    """What the first records say against the mapping; nothing where they say nothing."""
    from tasks.sources import files

    with tempfile.TemporaryDirectory() as work:
        scope = Scope(limits=limits, marks={}, run_id="0" * 64, now=datetime.now(UTC), work=Path(work))
        try:
            problems, warnings = files.doubts(source, scope)
        except SourceError as error:
            problems, warnings = [str(error)], []
    advice = "correct [sources.fields]; `claimledger init --from-source files` proposes a mapping"
    for sentence in (*problems, *warnings):
        yield Check(
            f"mapping {source.name}", sentence in warnings, sentence, "" if sentence in warnings else advice
        )


def _reached(name: str, reach: Callable[[], str]) -> Check:
    try:
        return Check(name, True, reach())
    except (SourceError, OSError) as error:
        return Check(name, False, str(error), MEND_SECTION)


def _lake(settings: Settings) -> Iterator[Check]:
    try:
        lake = Lake.open(settings.lake)
    except ClaimledgerError as error:
        yield Check("lake", False, str(error), "correct `lake` in the configuration")
        return
    yield _space(lake.root)
    if lake.root.exists():
        yield _attempt("lake files", lambda: _verified(lake.verify_files()))
        yield from runs(lake)
        yield from left_behind(lake)
    else:
        yield Check("lake files", True, "no lake yet")


def runs(lake: Lake) -> Iterator[Check]:
    """Runs that are at work or died, else how the last one ended."""
    from tasks.lake import runs as run_records

    name, advice = "runs", "run `claimledger audit`: it resumes from what was published"
    holder = lake.holder()
    if holder is not None:
        yield Check(name, True, f"{holder} is running")
        return
    died = run_records.open_runs(lake)
    for sentence in died:
        yield Check(name, False, sentence, advice)
    last = lake.scan("runs").sort("started_at").tail(1).collect().to_dicts()
    if last and not died:
        (run,) = last
        said = f"the last, {run['flow']}, {run['status']} at {run['finished_at']:%Y-%m-%d %H:%M}Z"
        is_well = run["status"] == "completed"
        yield Check(
            name, is_well, f"{said}: {run['reason']}" if run["reason"] else said, "" if is_well else advice
        )


def left_behind(lake: Lake) -> Iterator[Check]:
    """What interrupted work left, each with what becomes of it; none of it is wrong."""
    from tasks.lake.leftovers import leftovers

    found = [*leftovers(lake), *_of_ledger(lake)]
    size = sum(each.bytes for each in found) / 1e6
    shown = "; ".join(str(each) for each in found[:LEFTOVERS_SHOWN])
    more = f"; and {len(found) - LEFTOVERS_SHOWN} more" if len(found) > LEFTOVERS_SHOWN else ""
    detail = f"{len(found)} leftovers, {size:.1f} MB: {shown}{more}" if found else "none"
    yield Check("leftovers", True, detail)


def _of_ledger(lake: Lake) -> list[Leftover]:
    """What an interrupted join of the ledger's segments, or an erasure under a rule, left."""
    from tasks.lake.leftovers import NEXT_RUN, Leftover
    from tasks.ledger import joining

    if lake.holder() is not None:
        return []
    segments = lake.root / "ledger" / "segments"
    found = [
        Leftover(path.relative_to(lake.root), what, NEXT_RUN, path.stat().st_size)
        for path, what in joining.left(segments).items()
        if path.exists()
    ]
    unfinished = lake.read_state("retention").get("output_ids", [])
    if unfinished:
        path = Path("state") / "retention.json"
        what = f"an erasure of {len(unfinished)} outputs under a rule that was interrupted"
        fate = "run `claimledger retention apply` to finish it"
        found.append(Leftover(path, what, fate, (lake.root / path).stat().st_size))
    return found


def _space(root: Path) -> Check:
    place = root
    while not place.exists() and place != place.parent:
        place = place.parent
    if not os.access(place, os.W_OK):
        return Check(
            "lake", False, f"{root} cannot be written", "give this user write access, or move the lake"
        )
    free = shutil.disk_usage(place).free
    advice = "" if free >= SPACE_BYTES else "free some space"
    return Check("lake", free >= SPACE_BYTES, f"{root}, {free / 2**30:.1f} GiB free", advice)


def _verified(wrong: list[str]) -> str:
    if wrong:
        raise IntegrityError(f"damaged files: {len(wrong)}, first {wrong[0]}; restore them from a copy")
    return "every file has the digest it was written with"


def validation_suites(settings: Settings) -> Check:
    """Whether a team's own suites can run."""
    from tasks.gate.validate import load_team_suites

    folder = settings.validation.suites
    return _attempt("validation suites", lambda: f"{folder}: {', '.join(load_team_suites(folder))}")


def _embedder(settings: Settings) -> str:
    from tasks.evidence.models import load_chosen

    return load_chosen(settings.retrieve, threads=1).fingerprint[:12]


def _verifier(settings: Settings) -> str:
    from tasks.verify.load import load

    return load(settings.verifier, threads=1).fingerprint[:12]


def _prefect() -> Check:
    server = os.environ.get("PREFECT_API_URL")
    if not server:
        return Check("prefect server", True, "none configured; runs need none")
    import httpx

    try:
        ok = httpx.get(f"{server.rstrip('/')}/health", timeout=3).is_success
    except httpx.HTTPError:
        ok = False
    return Check("prefect server", ok, server, "" if ok else "start it or correct PREFECT_API_URL")


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except IntegrityError as error:
        return Check(name, False, str(error), damaged=True)
    except ClaimledgerError as error:
        return Check(name, False, str(error), MEND_SECTION)
    except Exception as error:  # noqa: BLE001 - one broken part must not hide the others
        message = " ".join(str(error).split())
        return Check(
            name, False, f"{type(error).__name__}: {message}", f"{INSTALL_AGAIN}, or report it as a bug"
        )
