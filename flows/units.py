"""A backfill's units: handed out one after the other, in this process or to workers, within what is allowed.

Between two units a run that waits for the lake goes first. A unit that fails is tried once more, after the
others; one that fails again is set aside with its reason. What says that no unit can succeed (the lake, the
configuration, a judge that does not answer) ends the run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from flows import progress
from flows.estimates import estimate
from flows.orchestrator import log, task, tell
from flows.run import Run, give_way
from flows.stages import judge, unit_title
from tasks.backfill import aside as set_aside
from tasks.backfill import caps, fingerprints
from tasks.backfill.bench import Answer, Order, Start, unforeseen
from tasks.backfill.caps import Limits, Spent
from tasks.backfill.cluster import Cluster, of_kind
from tasks.backfill.estimate import Estimate
from tasks.backfill.workers import Workers
from tasks.errors import (
    ClaimledgerError,
    ConfigError,
    GateError,
    IntegrityError,
    LakeError,
    ModelError,
    TimeLimitError,
    Unverifiable,
)
from tasks.gate.reconcile import Counts
from tasks.judge import judge as judging
from tasks.sources.units import Unit

HOPELESS = (LakeError, IntegrityError, ConfigError, Unverifiable)
"""What stops one unit stops all."""
SILENCES = 3
"""Units in a row for which a judge could not be had; more would be set aside for nothing."""


@dataclass
class Units:
    """What is to be judged, what is under way, and what became of the others."""

    run: Run
    waiting: deque[Order]
    limits: Limits
    foreseen: Estimate
    spent: Spent = field(default_factory=Spent)
    under_way: int = 0
    """Outputs."""
    done: int = 0
    """Units."""
    aside: list[tuple[Order, str]] = field(default_factory=list)
    """Units that failed twice, and why."""
    left: list[Order] = field(default_factory=list)
    """Units that were not begun."""
    limit: str = ""
    """The option that they were left for."""
    silences: int = 0
    is_night: bool = False

    def next(self, under_way: int) -> Order | None:
        """The next unit, once nobody urgent waits for the lake; None for none at present.

        Args:
            under_way: units that are being judged or published.
        """
        if self.waiting and not self.is_night and self.run.lake.is_wanted():
            if under_way:
                return None
            give_way(self.run)
        if not self.waiting or (under_way and not self._is_measured):
            return None
        order, elapsed = self.waiting[0], datetime.now(UTC) - self.run.record.started_at
        limit = caps.reason_to_stop(
            self.limits,
            self.spent,
            elapsed_s=elapsed.total_seconds(),
            under_way=self.under_way,
            outputs=order.unit.rows,
            price_before=self._price_before,
        )
        if limit:
            self.limit, self.left = limit, list(self.waiting)
            self.waiting.clear()
            return None
        self.under_way += order.unit.rows
        return self.waiting.popleft()

    @property
    def _is_measured(self) -> bool:
        return caps.is_measured(self.limits, self.spent, self._price_before)

    @property
    def _price_before(self) -> float | None:
        price = self.foreseen.price
        return None if price is None or not self.foreseen.outputs else price / self.foreseen.outputs

    def succeeded(self, order: Order, seconds: float, price: float) -> None:
        """A unit is published."""
        self.under_way -= order.unit.rows
        self.spent.add(order.unit.rows, seconds, price)
        self.done += 1
        self.silences = 0

    def failed(self, order: Order, error: Exception) -> None:
        """A unit is to be tried again, or set aside.

        Raises:
            ClaimledgerError: the error itself, where the others would fail as well.
        """
        self.under_way -= order.unit.rows
        explained = error if isinstance(error, ClaimledgerError) else unforeseen(error)
        self.silences = self.silences + 1 if isinstance(error, ModelError) else 0
        if isinstance(error, HOPELESS) or (self.silences and (not self.done or self.silences >= SILENCES)):
            raise error
        if order.attempt == 1 and not isinstance(error, TimeLimitError):
            log().warning("%s: %s; it is retried after the others", order.unit.title, explained)
            self.waiting.append(replace(order, attempt=2))
        else:
            self.aside.append((order, str(explained)))


def judge_all(
    run: Run,
    orders: Sequence[Order],
    *,
    workers: int | None,
    limits: Limits,
    foreseen: Estimate,
    is_night: bool = False,
) -> Units:
    """Judges and publishes units as far as the limits allow.

    Args:
        run: the run.
        orders: its units.
        workers: processes of this machine, or workers of the cluster at most; by default one here, all there.
        limits: of the whole.
        foreseen: what it will take.
        is_night: nobody is given way to, and here the first unit that cannot be judged ends the run.
    """
    units = Units(run, deque(orders), limits, foreseen, is_night=is_night)
    begun = time.monotonic()
    with progress.count("judging", sum(order.unit.rows for order in orders), "output") as done:
        if run.settings.runner.kind != "local":
            run.workers = _judge_on_cluster(run, units, workers, done) if orders else 1
        elif (workers or 1) == 1:
            _judge_here(run, units, done)
        else:
            run.workers = workers or 1
            with Workers(start(run), run.workers, limit_s=run.stage_limit_s) as processes:
                _take(run, units, processes.answers(units.next), done)
    run.judging_s = time.monotonic() - begun
    return units


def judge_night(
    run: Run, pulled: Sequence[Unit], waiting: Sequence[Order] = (), *, max_cost: float | None = None
) -> Units:
    """A night's units, here or on the cluster. One that cannot be judged ends the night.

    Args:
        run: the night.
        pulled: its outputs.
        waiting: published before, when a judge's answers were still to come.
        max_cost: no unit is begun that would take a judge that answers at once beyond this.
    """
    orders = [*waiting, *(Order(unit) for unit in pulled)]
    foreseen, limits = _nothing_foreseen(orders), Limits()
    if run.settings.verifier.endpoint is not None and orders:
        foreseen = estimate(run, orders, pulled=sum(unit.rows for unit in pulled), workers=1)
        limits = Limits(max_cost=None if run.bench.batch else max_cost)
    units = judge_all(run, orders, workers=None, limits=limits, foreseen=foreseen, is_night=True)
    for order, reason in units.aside:
        raise GateError(f"{order.unit.title}: {reason}; watermarks stay, the next night tries again")
    if units.left:
        put_aside(run, units)
    return units


def _nothing_foreseen(orders: Sequence[Order]) -> Estimate:
    outputs = sum(order.unit.rows for order in orders)
    return Estimate(outputs, len(orders), 0, None, None, None, 0, is_paid=False)


def _judge_here(run: Run, units: Units, done: Callable[[float], None]) -> None:
    while (order := units.next(0)) is not None:
        begun, stages, price = time.monotonic(), len(run.stages), run.price
        share = partial(progress.part, done, units.spent.outputs, order.unit.rows)
        try:
            judge(run, order.unit, share, reverify=order.reverify, is_pulled=order.is_pulled)
        except Exception as error:
            if units.is_night:
                raise
            del run.stages[stages:]
            units.failed(order, error)
        else:
            units.succeeded(order, time.monotonic() - begun, run.price - price)
        done(units.spent.outputs)


def _judge_on_cluster(run: Run, units: Units, most: int | None, done: Callable[[float], None]) -> int:
    """How many workers judged; those that were given nothing are warnings of the run."""
    runner, plan = run.settings.runner, start(run)
    here = fingerprints.models(plan, run.bench.identity)
    crew = of_kind(runner.kind, str(runner.address), plan, most=most)
    scratch = run.lake.work(run.run_id)
    with Cluster(crew, plan, here, scratch, most=most, limit_s=run.stage_limit_s) as cluster:
        try:
            _take(run, units, cluster.answers(units.next), done)
        finally:
            run.record.warnings += [
                f"worker {worker} was given no unit: {reason}" for worker, reason in cluster.refusals.items()
            ]
    return max(1, len(cluster.judged))


def _take(run: Run, units: Units, answers: Iterable[Answer], done: Callable[[float], None]) -> None:
    """Publishes what workers judged, as it comes."""
    for answer in answers:
        run.validator.add_results(answer.results)
        if answer.usage is not None:
            run.spent.append(answer.usage)
        stages = len(run.stages)
        try:
            if answer.error is not None:
                raise answer.error
            publish(run, answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other units go on
            del run.stages[stages:]
            units.failed(answer.order, error)
        else:
            price = answer.usage.cost if answer.usage else 0.0
            units.succeeded(answer.order, answer.seconds, price)
        done(units.spent.outputs)


def start(run: Run) -> Start:
    """What the workers of a run are started with."""
    validation = run.settings.validation
    return Start(
        parameters=run.bench.parameters,
        lake=str(run.lake.root),
        run_id=run.run_id,
        started_at=run.record.started_at,
        snapshot=run.record.snapshot or "",
        folder=run.lake.run_folder(run.run_id),
        suites=validation.suites,
        maximum_quarantine_ratio=validation.maximum_quarantine_ratio,
        data_docs=validation.data_docs,
    )


def _title(run: Run, answer: Answer) -> str:
    order = answer.order
    return unit_title(run, order.unit, reverify=order.reverify, is_pulled=order.is_pulled)


@task("judge", _title)
def publish(run: Run, answer: Answer) -> None:
    """What a worker judged, committed: there is one writer."""
    sealed, order = answer.sealed, answer.order
    assert sealed is not None  # noqa: S101 - an answer without an error has it
    judged = judging.publish(sealed, run.job(order.unit))
    run.count(order.unit, judged, is_pulled=order.is_pulled)


@task("set aside", lambda _, units: f"set aside {progress.counted(len(units.aside), 'unit')}")
def put_aside(run: Run, units: Units) -> None:
    """Quarantines the outputs of units that failed, and says what was left for another run."""
    for order, reason in units.aside:
        unit, outputs = order.unit, progress.counted(order.unit.rows, "output")
        run.record.problems.append(
            f"{unit.title}: a unit of {outputs} was set aside and the rest continued: {reason}; "
            "fix that and run the backfill again"
        )
        if order.is_pulled:
            rows = set_aside.quarantine(unit.outputs(), reason, run_id=run.run_id, now=run.record.started_at)
            run.lake.commit(run.run_id, f"aside-{unit.name}", {"quarantine": rows}, run_day=run.day)
            counts = {"outputs": Counts(rows_in=unit.rows, quarantined=unit.rows)}
            run.record.count(counts, of=str(unit.path))
    if units.left:
        run.record.records_in -= sum(order.unit.rows for order in units.left if order.is_pulled)
        rest = sum(order.unit.rows for order in units.left)
        run.record.problems.append(
            f"stopped at {units.limit}: {progress.counted(rest, 'output')} in "
            f"{progress.counted(len(units.left), 'unit')} left; run it again to resume from there"
        )
    tell(f"{len(units.aside)} set aside, {len(units.left)} left")
