"""Workers of a cluster that judge units side by side; only references travel.

1. Every worker that is there, or comes later, is asked for its program, its clock, and then, with the models
   loaded, for what it judges with; one that differs gets no unit, and why is kept in `refusals`.
2. A worker gets one unit at a time: the name of its staged outputs in the lake's scratch. It leaves the
   sealed unit there and answers with names and digests.
3. One that goes away, or takes longer than a unit may, costs that unit alone, as in `workers.py`.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tasks.backfill import remote
from tasks.backfill.bench import Answer, Order, Start
from tasks.backfill.crew import Crew, WorkerLostError
from tasks.backfill.fingerprints import Models, Program, unlike_models, unlike_programs, wrong_clock
from tasks.backfill.remote import Greeting, Preparation
from tasks.backfill.sealed_files import fetch
from tasks.backfill.workers import JOIN_S, is_paced, late, with_pace
from tasks.errors import ConfigError, GateError

LOOK_S = 1.0
"""Between two looks at which workers there are."""
WAIT_S = 120.0
"""For a first worker that may judge; models take a while to load, and so do processes to start."""


@dataclass
class _Seat:
    worker: str
    start: Start
    number: int
    call: Any = None
    """Under way."""
    is_ready: bool = False
    is_refused: bool = False
    order: Order | None = None
    folder: Path | None = None
    due: float = 0.0
    asked_at: float = field(default_factory=time.time)


class Cluster:
    """The interface of `workers.Workers`, over other machines; to be used as a context, which leaves them."""

    def __init__(
        self, crew: Crew, start: Start, here: Models, scratch: Path, *, most: int | None, limit_s: float
    ) -> None:
        """`most` workers, all of them by default; `limit_s` is how long a unit may take."""
        if is_paced(start):  # what each may ask a minute is fixed when it starts
            most = most or max(1, len(crew.workers()))
        self._crew, self._start, self._here = crew, with_pace(start, most or 1), here
        self._program = Program.here()
        self._scratch, self._most, self._limit_s = scratch / "sealed", most, limit_s
        self._seats: dict[str, _Seat] = {}
        self._made = 0
        self._looked = 0.0
        self._content = secrets.token_hex(16)
        self._proof = scratch / "shared-storage"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._proof.write_text(self._content, "utf-8")
        self.refusals: dict[str, str] = {}
        """Why a worker got no unit, by worker."""
        self.judged: set[str] = set()
        """Workers that sealed a unit."""

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del error, trace
        if kind is None:
            ready = [seat for seat in self._seats.values() if seat.is_ready and seat.call is None]
            with suppress(WorkerLostError, GateError):
                calls = [
                    self._crew.call(seat.worker, remote.finish, self._start.run_id, seat.number)
                    for seat in ready
                ]
                end = time.monotonic() + JOIN_S
                while calls and time.monotonic() < end:
                    over = self._crew.done(calls, end - time.monotonic())
                    calls = [call for call in calls if call not in over]
        self._crew.close()

    def answers(self, supply: Callable[[int], Order | None]) -> Iterator[Answer]:
        """Answers in the order in which they come, until nothing is under way and nothing is supplied.

        Args:
            supply: the next order, from the number of those under way; None for none at present.

        Raises:
            ConfigError: no worker that may judge is there.
            GateError: the cluster went away.
        """
        waiting: list[Answer] = []
        since = time.monotonic()
        while True:
            is_over = self._hand_out(supply, len(waiting))
            if waiting:
                yield self._fetched(waiting.pop(0))
                since = time.monotonic()
                continue
            if not self._busy:
                if is_over:
                    return
                self._require_hope(since)
            waiting += self._next()

    @property
    def _busy(self) -> list[_Seat]:
        return [seat for seat in self._seats.values() if seat.order is not None]

    @property
    def _judges(self) -> list[_Seat]:
        return [seat for seat in self._seats.values() if not seat.is_refused]

    def _hand_out(self, supply: Callable[[int], Order | None], unpublished: int) -> bool:
        """Whether somebody was free and nothing was to be had."""
        for seat in self._judges:
            if not seat.is_ready or seat.call is not None:
                continue
            order = supply(len(self._busy) + unpublished)
            if order is None:
                return True
            seat.order, seat.due = order, time.monotonic() + self._limit_s
            seat.folder = self._scratch / f"{order.unit.name}-{order.attempt}-{seat.number}"
            seat.folder.mkdir(parents=True, exist_ok=True)
            seat.call = self._crew.call(
                seat.worker, remote.answer, seat.start, seat.number, order, seat.folder
            )
        return False

    def _require_hope(self, since: float) -> None:
        """Raises ConfigError where no worker has become ready for too long."""
        if any(seat.is_ready for seat in self._judges) or time.monotonic() < since + WAIT_S:
            return
        why = "; ".join(f"{worker}: {reason}" for worker, reason in self.refusals.items())
        raise ConfigError(
            f"{self._crew.where} has no worker that may judge after {WAIT_S:g} s"
            + (f" ({why})" if why else "")
            + "; start workers with the same claimledger and models that see the lake"
        )

    def _next(self) -> list[Answer]:
        """What is said next: by workers under way, or of those that went away or are late."""
        lost = self._look() if time.monotonic() >= self._looked + LOOK_S else []
        under_way = {seat.worker: seat for seat in self._seats.values() if seat.call is not None}
        if not under_way:
            if not lost:
                time.sleep(LOOK_S / 5)
            return lost
        over = self._crew.done([seat.call for seat in under_way.values()], 0.0 if lost else LOOK_S)
        answers = [self._heard(seat) for seat in under_way.values() if seat.call in over]
        return lost + [answer for answer in answers if answer is not None] + self._late()

    def _look(self) -> list[Answer]:
        """Greets workers that are new; what was lost with those that are gone."""
        self._looked = time.monotonic()
        there = self._crew.workers()
        lost = [self._lose(seat) for seat in list(self._seats.values()) if seat.worker not in there]
        for worker, threads in there.items():
            if worker not in self._seats and (self._most is None or len(self._judges) < self._most):
                self._made += 1
                parameters = self._start.parameters
                own = replace(parameters, threads=parameters.threads or threads)
                seat = _Seat(worker, replace(self._start, parameters=own), self._made)
                seat.call = self._crew.call(worker, remote.greet)
                self._seats[worker] = seat
        return [answer for answer in lost if answer is not None]

    def _heard(self, seat: _Seat) -> Answer | None:
        """Takes in what a worker says; the answer, where it was asked for one."""
        call, seat.call = seat.call, None
        try:
            said = self._crew.result(call)
        except WorkerLostError:
            return self._lose(seat)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong there is that worker's alone
            if seat.order is None:
                self._refuse(seat, f"it cannot run this claimledger ({type(error).__name__})")
                return None
            order, seat.order = seat.order, None
            return Answer(order, error=GateError(f"{seat.worker}: {type(error).__name__}"))
        if isinstance(said, Answer):
            seat.order = None
            self.judged |= {seat.worker} if said.stored else set()
            return said
        self._take(seat, said)
        return None

    def _take(self, seat: _Seat, said: Greeting | Preparation) -> None:
        """A step further with a worker that is new."""
        if isinstance(said, Greeting):
            unlike = unlike_programs(self._program, said.program)
            unlike += wrong_clock(seat.asked_at, said.at, time.time())
            if not unlike:
                seat.call = self._crew.call(
                    seat.worker, remote.prepare, seat.start, seat.number, self._proof, self._content
                )
        elif said.models is None:
            unlike = [said.error]
        else:
            unlike = unlike_models(self._here, said.models)
            seat.is_ready = not unlike
        if unlike:
            self._refuse(seat, "; ".join(unlike))

    def _refuse(self, seat: _Seat, reason: str) -> None:
        seat.is_refused = True
        self.refusals[seat.worker] = reason

    def _lose(self, seat: _Seat) -> Answer | None:
        """Forgets a worker that is gone."""
        self._seats.pop(seat.worker, None)
        if seat.order is None:
            return None
        return Answer(
            seat.order,
            error=GateError(
                f"the worker that judged it ({seat.worker}) went away; it may have run out of memory or "
                "whose machine is gone"
            ),
        )

    def _late(self) -> list[Answer]:
        answers = []
        for seat in self._busy:
            if time.monotonic() >= seat.due and seat.order is not None:
                answers.append(Answer(seat.order, error=late(seat.order, self._limit_s)))
                seat.order = seat.call = None
                self._refuse(seat, "it took too long over a unit")
                self._crew.dismiss(seat.worker)
        return answers

    @staticmethod
    def _fetched(answer: Answer) -> Answer:
        """With the frames that its references name."""
        if answer.stored is None:
            return answer
        try:
            return replace(answer, sealed=fetch(answer.stored))
        except GateError as error:
            return replace(answer, error=error)
        finally:
            shutil.rmtree(answer.stored.folder, ignore_errors=True)


def of_kind(kind: str, address: str, start: Start, *, most: int | None) -> Crew:
    """The crew of a cluster.

    Raises:
        ConfigError: nothing answers at the address, or the library is not installed.
    """
    if kind == "dask":
        from tasks.backfill.dask_crew import DaskCrew

        return DaskCrew(address)
    from tasks.backfill.ray_crew import RayCrew

    return RayCrew(address, cores=start.parameters.threads or 1, most=most)
