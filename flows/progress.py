"""Progress on standard error, and only to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

_is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 output, 14 outputs."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def shown(is_shown: bool) -> Iterator[None]:
    """Whether the flows that run inside show their progress; they show none by themselves."""
    before = _is_shown.set(is_shown)
    try:
        yield
    finally:
        _is_shown.reset(before)


def progress(items: Sequence[T], what: str, unit: str) -> Iterable[T]:
    """The same items, counted in a bar as they pass where progress is shown."""
    if not (_is_shown.get() and sys.stderr.isatty() and items):
        yield from items
        return
    with _bar("{task.completed} of {task.total} " + f"{unit}s") as bar:
        yield from bar.track(items, total=len(items), description=what)


@contextmanager
def counter(is_shown: bool, what: str) -> Iterator[Callable[[int], None] | None]:
    """A running count of rows on standard error, or nothing where it is no terminal."""
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return
    with _bar("{task.completed:,.0f} rows") as bar:
        task = bar.add_task(what, total=None)
        yield lambda rows: bar.advance(task, rows)


@contextmanager
def shares(is_shown: bool, what: str) -> Iterator[Callable[[float, str], None] | None]:
    """A bar over a share of 1 with a short text, or nothing where standard error is no terminal."""
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return
    with _bar("{task.percentage:.0f}%") as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share, text: bar.update(task, completed=share, description=f"{what} {text}")


def _bar(amount: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(amount),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
