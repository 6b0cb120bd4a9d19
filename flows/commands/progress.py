"""Progress on standard error, and only to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps a sequence of work and passes its items through."""

    def __call__(self, items: Sequence[T], what: str, unit: str) -> Iterable[T]:
        """The same items, shown as they pass."""
        ...


def silent(items: Sequence[T], what: str, unit: str) -> Iterable[T]:  # noqa: ARG001 - the Protocol's shape
    """No progress at all."""
    return items


def bar(items: Sequence[T], what: str, unit: str) -> Iterator[T]:
    """A progress bar, or nothing where standard error is no terminal."""
    if not sys.stderr.isatty() or not items:
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + "s"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield from shown.track(items, total=len(items), description=what)


@contextmanager
def counter(quiet: bool, what: str) -> Iterator[Callable[[int], None] | None]:
    """A running count of rows on standard error, or nothing where it is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description} {task.completed:,.0f} rows"), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda rows: shown.advance(task, rows)


@contextmanager
def shares(quiet: bool, what: str) -> Iterator[Callable[[float, str], None] | None]:
    """A bar over a share of 1 with a short text, or nothing where standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share, text: shown.update(task, completed=share, description=f"{what} {text}")
