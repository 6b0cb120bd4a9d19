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
from typing import Annotated, Any

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options that every command takes."""

    config: Annotated[
        str | None, Parameter(help="Configuration file; default claimledger.toml, else the sample.")
    ] = None
    lake: Annotated[str | None, Parameter(help="Lake to use instead of the configured one.")] = None
    json: Annotated[bool, Parameter(negative="", help="Print one JSON document and nothing else.")] = False
    quiet: Annotated[bool, Parameter(negative="", help="Print nothing but failures.")] = False
    debug: Annotated[bool, Parameter(negative="", help="Show the traceback of a failure.")] = False
    verbose: Annotated[bool, Parameter(negative="", help="Log each step on standard error.")] = False

    def settings(self) -> Any:
        """The configuration these options name."""
        from tasks.settings import load

        return load(self.config, lake=self.lake)

    def progress(self) -> Any:
        """A bar on a terminal, unless quiet or JSON is asked for."""
        from flows.commands.progress import bar, silent

        return silent if self.quiet or self.json else bar

    def answer(self, document: Mapping[str, Any] | Sequence[Any], lines: Sequence[str] = ()) -> None:
        """Prints the answer in the form that was asked for."""
        if self.json:
            # In ASCII, because a file name may hold bytes that no encoding of standard output takes.
            sys.stdout.write(json.dumps(document, indent=2, default=str, ensure_ascii=True) + "\n")
        elif not self.quiet:
            sys.stdout.write("".join(f"{plain(line)}\n" for line in lines))


DEFAULTS = Common()


def plain(text: str) -> str:
    """Text with control, bidirectional and zero-width characters shown as escapes."""
    return "".join(c if c.isprintable() or c in "\t" else f"\\u{ord(c):04x}" for c in text)


def one_line(text: str) -> str:
    """`plain` text without line breaks or runs of blanks: what a failure or a warning says."""
    return plain(" ".join(text.split()))


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"claimledger: {one_line(record.getMessage())}"


@contextmanager
def warnings_shown(*, verbose: bool = False) -> Iterator[None]:
    """The product's log on standard error while a command runs: warnings, and with `verbose` the steps.

    Undone at the end, because tests and notebooks that call the command have handlers of their own.
    """
    log = logging.getLogger("claimledger")
    before = log.level, log.propagate
    handler = logging.StreamHandler(sys.stderr)
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


def reaudited(outcome: Mapping[str, Any]) -> list[str]:
    """What a re-audit found, for people: the headline, a line per old verdict, what to do next."""
    said = outcome["extra"]
    days = f"{said['from'] or 'the first day'} to {said['to'] or 'the last'}"
    changed = ", ".join(said["changed"])
    lines = [
        f"reaudit {outcome['status']} in {outcome['seconds']} s: {said['judged']} of {said['population']} "
        f"claims from {days} judged again ({said['populated_strata']} strata, seed {said['seed']})",
        f"changed since: {changed}"
        if changed
        else "nothing changed since: the same verifier, policies and corpus snapshot",
        said["headline"],
        "",
    ]
    causes = [row["cause"] for row in said["shares"] if row["verdict_before"] == "any"]
    rows = []
    for verdict in dict.fromkeys(row["verdict_before"] for row in said["shares"]):
        of = {row["cause"]: row for row in said["shares"] if row["verdict_before"] == verdict}
        whole = of["any"]
        known = whole["share"] is not None
        rows.append(
            [
                verdict,
                whole["judged"],
                whole["flips"],
                f"{whole['share']:.1%}" if known else "-",
                f"{whole['ci_low']:.1%} to {whole['ci_high']:.1%}" if known else "-",
                *(of[cause]["flips"] for cause in causes if cause != "any"),
            ]
        )
    headings = [
        "first verdict",
        "judged",
        "flips",
        "share",
        "95% interval",
        *(c for c in causes if c != "any"),
    ]
    lines += [*table(headings, rows), ""]
    if said["delivered_flips"]:
        lines.append(
            f"{said['delivered_flips']} flips of delivered outputs: `claimledger review list` has them"
        )
    return [*lines, *outcome["warnings"], f"report: {outcome['report']}"]
