"""What is seen of a run while it goes on, on standard error.

On a terminal one live line: the stage, how much of how much is done, the time so far and the time left.
Elsewhere, as in the log of cron, a line with the UTC time for every stage that is over. Neither with --quiet
or --json, nor under a Prefect server, whose own page shows the stages.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from flows.commands.console import one_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tasks.sources.units import Unit

SPEED_OF_S = 120.0
"""The time left follows from the speed of the last two minutes: units differ."""


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """A number with its noun: 1 output, 14 outputs; `nouns` where the plural is more than an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {nouns or noun + 's'}"


def in_words(counts: Mapping[str, int]) -> str:
    """Counts of one word each: 3 contradicted, 12 supported."""
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items() if number)


class Display:
    """Shows nothing; the others show the same events."""

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """A stage, until it ends; stages may be nested."""
        del title
        yield

    def note(self, text: str) -> None:
        """What the present stage came to, in a few words."""

    def say(self, sentence: str) -> None:
        """Something to be read before a long stage begins, which stays."""

    @contextmanager
    def count(self, what: str, total: int, noun: str) -> Iterator[Callable[[float], None]]:
        """A count of `total` things done; the function is given how many are done so far, parts included."""
        del what, total, noun
        yield lambda _: None


class Lines(Display):
    """A line for each stage, once it is over; nested ones are part of the outer one."""

    def __init__(self) -> None:
        self._depth, self._note = 0, ""

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """One line at its end, with what it came to and its seconds; one that fails says so by itself."""
        start = time.monotonic()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._depth == 0:
            came_to = f": {self._note}" if self._note else ""
            seconds = time.monotonic() - start
            clock = datetime.now(UTC).strftime("%H:%M:%SZ")
            sys.stderr.write(f"{clock} {one_line(title + came_to)} ({seconds:.1f} s)\n")
            self._note = ""

    def note(self, text: str) -> None:
        """Part of the stage's line."""
        self._note = text

    def say(self, sentence: str) -> None:
        """A line of its own."""
        sys.stderr.write(f"{one_line(sentence)}\n")


class Live(Display):
    """One line that moves: the stage, and a bar where something is counted."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._titles: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Its title, until it ends."""
        self._titles.append(one_line(title))
        self._bar.update(self._task, description=self._titles[-1])
        try:
            yield
        finally:
            self._titles.pop()
            self._bar.update(self._task, description=self._titles[-1] if self._titles else "")

    def say(self, sentence: str) -> None:
        """A line above the one that moves."""
        self._bar.console.print(one_line(sentence), markup=False, highlight=False)

    @contextmanager
    def count(self, what: str, total: int, noun: str) -> Iterator[Callable[[float], None]]:
        """A bar with the count and the time left."""
        self._bar.reset(self._task, total=total, description=what, amount="")

        def done(number: float) -> None:
            self._bar.update(
                self._task, completed=number, amount=f"{int(number):,} of {counted(total, noun)}"
            )

        done(0)
        try:
            yield done
        finally:
            self._bar.reset(self._task, total=None, description="", amount="")


_display: ContextVar[Display] = ContextVar("display", default=Display())  # noqa: B039 - it holds no state


@contextmanager
def shown(is_shown: bool) -> Iterator[None]:
    """Whether the flows that run inside show their progress; they show none by themselves."""
    if not (is_shown and sys.stderr.isatty()):
        with shown_on(Lines() if is_shown else Display()):
            yield
        return
    with _bar("{task.fields[amount]}") as bar:
        task = bar.add_task("starting", total=None, amount="")
        with shown_on(Live(bar, task)):
            yield


@contextmanager
def shown_on(display: Display) -> Iterator[None]:
    """The flows that run inside show their progress there."""
    before = _display.set(display)
    try:
        yield
    finally:
        _display.reset(before)


def stage(title: str) -> AbstractContextManager[None]:
    """A stage of what is shown."""
    return _display.get().stage(title)


def note(text: str) -> None:
    """What the present stage came to, in a few words."""
    _display.get().note(text)


def say(sentence: str) -> None:
    """Something to be read before a long stage begins."""
    _display.get().say(sentence)


def count(what: str, total: int, noun: str) -> AbstractContextManager[Callable[[float], None]]:
    """A count of `total` things done; the function is given how many are done so far, parts included."""
    return _display.get().count(what, total, noun)


def in_turn(items: Sequence[Unit], what: str) -> Iterator[tuple[Unit, Callable[[float], None]]]:
    """Units one after the other, each with a function that is told the share of it that is done."""
    with _display.get().count(what, sum(unit.rows for unit in items), "output") as done:
        before = 0
        for unit in items:
            yield unit, partial(part, done, before, unit.rows)
            before += unit.rows
            done(before)


def part(done: Callable[[float], None], before: int, rows: int, share: float) -> None:
    """Tells how much is done in all, from the share of a unit."""
    done(before + share * rows)


@contextmanager
def counter(is_shown: bool, what: str) -> Iterator[Callable[[int], None] | None]:
    """A running count of rows on standard error, or nothing where it is not a terminal."""
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return
    with _bar("{task.completed:,.0f} rows") as bar:
        task = bar.add_task(what, total=None)
        yield lambda rows: bar.advance(task, rows)


@contextmanager
def shares(is_shown: bool, what: str) -> Iterator[Callable[[float, str], None] | None]:
    """A bar over a share of 1 with a short text, or nothing where standard error is not a terminal."""
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return
    with _bar("{task.percentage:.0f}%") as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=f"{what} {text}")


def _bar(amount: str) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn(amount, markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=SPEED_OF_S)
