"""What a Prefect server gives to a run and shows of it: secrets of its blocks, a bar, the lineage of tables.

None of it may fail a run: a server that does not answer in between is a line in the log.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flows.progress import Display
from tasks.errors import ClaimledgerError

BLOCK = "claimledger-"
"""Begins the names of Secret blocks that are read."""
SECRET = re.compile(r"CLAIMLEDGER_(SOURCE|WEBHOOK|JUDGE|NOTIFY|WITNESS)_[A-Z0-9_]*[A-Z0-9]")
"""Variables that a block may set: secrets, and no key of the configuration or name of who acts."""
BETWEEN_S = 10.0
"""Between two updates of a bar."""
LINEAGE: Mapping[str, tuple[str, ...]] = {
    "outputs": ("sources",),
    "claims": ("outputs",),
    "passages": ("outputs", "corpus"),
    "evidence": ("claims", "passages"),
    "verdicts": ("evidence",),
    "actions": ("verdicts",),
    "findings": ("outputs",),
    "caught": ("actions",),
    "actions_taken": ("sources", "actions"),
    "flips": ("verdicts",),
    "reaudits": ("verdicts",),
    "flip_shares": ("flips", "reaudits"),
    "drift": ("verdicts", "outputs"),
    "completeness": ("outputs", "sources"),
}
"""What each table is made from, as Prefect's assets say it."""


def names(blocks: Iterable[str], lake: str) -> dict[str, str]:
    """Variable by the name of its block; one that names the lake comes before one for all lakes.

    `claimledger-judge-key` is CLAIMLEDGER_JUDGE_KEY of every lake of the server,
    `claimledger-LAKE-judge-key` that of one.
    """
    found: dict[str, str] = {}
    own = f"{BLOCK}{lake}-"
    for block in sorted(blocks, key=lambda name: name.startswith(own)):
        rest = block.removeprefix(own) if block.startswith(own) else block.removeprefix(BLOCK)
        variable = f"CLAIMLEDGER_{rest.upper().replace('-', '_')}"
        if block.startswith(BLOCK) and SECRET.fullmatch(variable):
            found[variable] = block
    return found


def take_secrets(config: str | None, lake: str | None) -> None:
    """Puts secrets of the server's blocks into the environment of this run; what is set there stays."""
    from prefect.client.orchestration import get_client
    from prefect.logging import get_run_logger

    from tasks.lake.identity import identity
    from tasks.lake.store import Lake
    from tasks.settings import load

    try:
        here = load(config, lake=lake)
        name = here.schedule.name or identity(Lake.open(here.lake)).name
    except ClaimledgerError:
        return  # the flow itself says what is wrong
    try:
        with get_client(sync_client=True) as client:
            documents = client.read_block_documents_by_type("secret", include_secrets=True)
    except Exception as error:  # noqa: BLE001 - whatever the server says: the environment may do
        get_run_logger().warning("cannot read the server's secret blocks (%s)", type(error).__name__)
        return
    values = {str(each.name): each.data.get("value") for each in documents}
    for variable, block in names(list(values), name).items():
        value = values[block]
        if isinstance(value, str) and not os.environ.get(variable):
            os.environ[variable] = value
            get_run_logger().info("%s was read from the block %s", variable, block)


class Bar(Display):
    """A progress artifact for what is counted, which takes long enough to be looked at."""

    @contextmanager
    def count(self, what: str, total: int, noun: str) -> Iterator[Callable[[float], None]]:
        """Shows the share that is done, now and then and at the end."""
        from prefect.runtime import flow_run

        key = f"{what.replace(' ', '-')}-{str(flow_run.id)[:12]}"
        artifact: Any = None
        next_at = 0.0

        def done(number: float, *, is_last: bool = False) -> None:
            nonlocal artifact, next_at
            if not total or (time.monotonic() < next_at and not is_last):
                return
            next_at = time.monotonic() + BETWEEN_S
            text = f"{what}: {int(number):,} of {total:,} {noun}s"
            artifact = _show(artifact, key, min(100.0, 100 * number / total), text)

        latest = 0.0

        def told(number: float) -> None:
            nonlocal latest
            latest = number
            done(number)

        try:
            yield told
        finally:
            done(latest, is_last=True)


def _show(artifact: Any, key: str, progress: float, text: str) -> Any:
    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    try:
        if artifact is None:
            return create_progress_artifact(progress, key=key, description=text)
        update_progress_artifact(artifact, progress, description=text)
    except Exception:  # noqa: BLE001 - a bar that cannot be drawn costs no run
        return artifact
    return artifact


def show_lineage(lake: str, counts: Mapping[str, Mapping[str, Any]], run_id: str) -> None:
    """A materialisation for every table that a run added rows to, after what it is made from."""
    from prefect.logging import get_run_logger

    try:
        for table, made_from in LINEAGE.items():
            rows = int(counts.get(table, {}).get("published", 0))
            if rows:
                _materialize(f"claimledger://{lake}/", table, made_from, {"rows": rows, "run_id": run_id})
    except Exception as error:  # noqa: BLE001 - what is shown costs no run
        get_run_logger().warning("cannot show the lineage of the tables (%s)", type(error).__name__)


def _materialize(place: str, table: str, made_from: Iterable[str], about: dict[str, Any]) -> None:
    from prefect.assets import Asset, materialize

    target = Asset(key=f"{place}{table}")

    @materialize(
        target,
        asset_deps=[f"{place}{name}" for name in made_from],
        name=f"table {table}",
        persist_result=False,
    )
    def publish() -> None:
        target.add_metadata(about)

    publish()
