"""How the console command speaks: one JSON document, or a few readable lines; never both.

Standard output carries the answer, standard error carries progress and failures. Everything that came
from a trace is printed with control characters shown as escapes.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

if TYPE_CHECKING:
    from tasks.lake.store import Lake
    from tasks.settings import Settings

SINCE = ("--from", "--since")
UNTIL = ("--to", "--until")
"""Names of a range's ends, the same for every command that takes a range of UTC days."""
FromDay = Annotated[date | None, Parameter(name=SINCE, help="First UTC day; default: the earliest.")]
ToDay = Annotated[date | None, Parameter(name=UNTIL, help="Last UTC day, inclusive; default: the latest.")]
"""Options that several commands take."""


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options that every command takes."""

    config: Annotated[str | None, Parameter(help="Configuration file; default: claimledger.toml here.")] = (
        None
    )
    lake: Annotated[str | None, Parameter(help="Lake to use in place of the configured one.")] = None
    json: Annotated[bool, Parameter(negative="", help="Print one JSON document and nothing else.")] = False
    quiet: Annotated[bool, Parameter(negative="", help="Print only failures.")] = False
    debug: Annotated[bool, Parameter(negative="", help="Show the traceback when a command fails.")] = False
    verbose: Annotated[bool, Parameter(negative="", help="Log each step to standard error.")] = False

    def settings(self, *, or_defaults: bool = False) -> Settings:
        """The configuration these options name; `or_defaults` for a command that can do without one."""
        from tasks.settings import load

        return load(self.config, lake=self.lake, or_defaults=or_defaults)

    def reading(self) -> Settings:
        """The same for a command that only reads a lake: whoever names that needs no configuration."""
        return self.settings(or_defaults=self.lake is not None)

    @property
    def places(self) -> list[str]:
        """The options that say which configuration and which lake, as they were given."""
        given = {"--config": self.config, "--lake": self.lake}
        return [word for option, value in given.items() if value for word in (option, value)]

    def open_lake(self, settings: Settings) -> Lake:
        """The lake, for which a command that writes waits as long as a run does."""
        from tasks.lake.store import Lake

        return Lake.open(settings.lake, wait_s=settings.runner.lock_wait_s)

    @property
    def shows_progress(self) -> bool:
        """Unless quiet or JSON is asked for."""
        return not (self.quiet or self.json)

    def answer(self, document: Mapping[str, Any] | Sequence[Any], lines: Sequence[str] = ()) -> None:
        """Prints the answer in the form that was asked for."""
        if self.json:
            # In ASCII, because a file name may hold bytes that no encoding of standard output takes.
            sys.stdout.write(json.dumps(document, indent=2, default=str, ensure_ascii=True) + "\n")
        elif not self.quiet:
            sys.stdout.write("".join(f"{plain(line)}\n" for line in lines))


DEFAULTS = Common()


def fail(sentence: str) -> None:
    """A failure, as one sentence on standard error."""
    sys.stderr.write(f"claimledger: {one_line(sentence)}\n")


def new_run(purpose: str) -> tuple[str, datetime]:
    """An id and a moment for a command that is not a scheduled run."""
    import os
    from datetime import UTC

    from tasks import ids

    now = datetime.now(UTC)
    return ids.digest("run", purpose, now.isoformat(), os.getpid()), now


def plain(text: str) -> str:
    """Text with control, bidirectional and zero-width characters shown as escapes."""
    return "".join(c if c.isprintable() or c in "\t" else f"\\u{ord(c):04x}" for c in text)


def one_line(text: str) -> str:
    """`plain` text without line breaks or runs of blanks: what a failure or a warning says."""
    return plain(" ".join(text.split()))


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"claimledger: {one_line(record.getMessage())}"


class _ToStandardError(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what standard error is now: a live line puts itself in its place, and stays below."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


@contextmanager
def warnings_shown(*, verbose: bool = False) -> Iterator[None]:
    """The product's log on standard error while a command runs: warnings, and with `verbose` the steps.

    Undone at the end, because tests and notebooks that call the command have handlers of their own.
    """
    log = logging.getLogger("claimledger")
    before = log.level, log.propagate
    handler = _ToStandardError()
    handler.setFormatter(_OneLine())
    log.addHandler(handler)
    log.setLevel(logging.INFO if verbose else logging.WARNING)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Aligned text lines: words to the left, numbers to the right."""
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(headings), *cells]) for i in range(len(headings))]
    numeric = [bool(rows) and all(isinstance(r[i], int | float) for r in rows) for i in range(len(headings))]

    def line(parts: Sequence[str]) -> str:
        padded = (
            p.rjust(w) if right else p.ljust(w) for p, w, right in zip(parts, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return [line(headings), line(["─" * w for w in widths]), *(line(row) for row in cells)]
