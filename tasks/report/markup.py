"""Door to Jinja2: an inert, self-contained page from a template and plain facts.

The page needs no network: style and script are inline, and its Content-Security-Policy admits exactly these
by hash, so that nothing a trace says can load or run anything. Every text passes `visible` and the engine's
escaping; nothing is marked safe but our own files and our own JSON.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import polars as pl

from tasks.report.summary import percentages
from tasks.visible import shortened, visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TAG = re.compile(r"<(tr|td|th)(?=[\s>])")
NAME_CHARACTERS = 120
"""Longest name of an agent, model or use case on a page; sources may send any length."""

COMMON_SCRIPT = "common.js"
"""What every page does: copy a query, and show on paper what the screen folds."""


def render(
    template: str,
    facts: Mapping[str, object],
    *,
    data: Mapping[str, object],
    script: str = "",
    package: str = "tasks.report",
) -> str:
    """The page's HTML.

    Args:
        template: file name below `templates` of the package, else of `tasks/report`.
        facts: what the template names; every text in it is escaped.
        data: what the page's script reads, as JSON in an element that does not run.
        script: file name of the page's own script in `tasks/report/templates`, run after the common one.
        package: whose template it is; the report's macros are at hand in every one.
    """
    from markupsafe import Markup

    folder = files("tasks.report") / "templates"
    style = (folder / "report.css").read_text("utf-8")
    code = "\n".join((folder / name).read_text("utf-8") for name in (COMMON_SCRIPT, script) if name)
    inline = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return (
        environment(package)
        .get_template(template)
        .render(
            facts,
            # `<` cannot end the element early, whatever a name holds.
            data_json=Markup(inline.replace("<", "\\u003c")),  # noqa: S704
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(code),  # noqa: S704 - our own file
            policy=_policy(style, code),
        )
    )


@cache
def environment(package: str) -> Environment:
    """The engine for the templates of a package and those of the report, every text of which it escapes."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader(
            [PackageLoader(each, "templates") for each in dict.fromkeys((package, "tasks.report"))]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters.update(_FILTERS)
    return made


def _policy(style: str, code: str) -> str:
    sources = [
        "default-src 'none'",
        f"style-src '{_source_hash(style)}'",
        f"script-src '{_source_hash(code)}'",
    ]
    return "; ".join([*sources, "base-uri 'none'", "form-action 'none'"])


def _finalize(value: object) -> object:
    """Every plain text that reaches the page loses its invisible characters, wherever it is printed."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def _source_hash(text: str) -> str:
    """CSP hash of an inline element (W3C Content Security Policy Level 3, section 2.3.1)."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def link(uri: str) -> str | None:
    """The URI if a reader may follow it: http or https with a host, and nothing invisible in it."""
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return uri if usable and uri.isprintable() and " " not in uri and visible(uri) == uri else None


def trace(address: str | None, row: Mapping[str, str | None]) -> str | None:
    """The address of an answer's trace, its values escaped for a URL; None without an address or a value."""
    if not address:
        return None
    filled = address
    for name in ("source_id", "output_id", "session_id"):
        place = "{" + name + "}"
        if place in filled:
            value = row.get(name)
            if not value:
                return None
            filled = filled.replace(place, quote(value, safe=""))
    return filled


def labelled(rows: Markup, columns: Sequence[str | tuple[str, str]], has_labels: bool = True) -> Markup:
    """Rows of a table with what they need to become cards: roles, and each cell's column in its `data-label`.

    `rows` is markup of our templates, in which every text is escaped. `has_labels` is false where the style
    sheet has the labels, because a thousand rows would repeat them.
    """
    from markupsafe import Markup, escape

    titles = [column if isinstance(column, str) else column[0] for column in columns]
    place = -1

    def opened(match: re.Match[str]) -> str:
        nonlocal place
        if match[1] == "tr":
            place = -1
            return '<tr role="row"'
        place += 1
        label = escape(visible(titles[place])) if place < len(titles) else ""
        role = "rowheader" if match[1] == "th" else "cell"
        return f'<{match[1]} role="{role}"' + (f' data-label="{label}"' if has_labels else "")

    return Markup(_TAG.sub(opened, rows))  # noqa: S704


def code(text: str) -> Markup:
    """A sentence with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = visible(text).split("`")
    shown = [
        escape(part) if at % 2 == 0 else Markup("<code>{}</code>").format(part)
        for at, part in enumerate(parts)
    ]
    return Markup("").join(shown) if len(parts) % 2 else escape(visible(text))


def duration(seconds: float | None) -> str:
    """A span of time in the unit a reader would choose."""
    if seconds is None:
        return "–"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if abs(seconds) < limit:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 86400:,.0f} days"


def level(value: float | None, sign: str = "") -> str:
    """A metric's value: shares with three digits, larger numbers with fewer; a dash where it is unknown."""
    if value is None:
        return "–"
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:{sign},.{digits}f}".replace("-", "−")


def _rows(frame: pl.DataFrame) -> list[dict[str, object]]:
    return frame.to_dicts()


def _percent(share: float | None, digits: int = 0) -> str:
    """A share as percent, without the sign; a dash where it is unknown."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


_FILTERS = {
    "count": lambda value: f"{value:,}",
    "probability": lambda value: f"{value:.2f}",
    "name": lambda value: shortened(visible(str(value)), NAME_CHARACTERS),
    "rows": _rows,
    "labelled": labelled,
    "code": code,
    "percent": _percent,
    "percentages": percentages,
    "link": link,
    "duration": duration,
    "instant": lambda value: f"{value:%Y-%m-%d %H:%M:%S} UTC",
    "day": lambda value: f"{value.day} {value:%b}",
    "level": level,
}
