"""Door to the pack's pages: the report's style and blocks, around the pack's own template."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.pack.criteria import CANNOT
from tasks.pack.maps import FRAMEWORKS
from tasks.pack.page import PackPage
from tasks.pack.populations import Period
from tasks.pack.summary import Line
from tasks.report import markup


def render(page: PackPage) -> str:
    """`index.html`."""
    facts = {"page": page, "cannot": CANNOT, "frameworks": FRAMEWORKS}
    return markup.render("pack.html.j2", facts, data={}, package="tasks.pack")


def render_summary(page: PackPage, lines: Sequence[Line], before: Period) -> str:
    """`summary.html`."""
    facts = {"page": page, "lines": lines, "before": before}
    return markup.render("summary.html.j2", facts, data={}, package="tasks.pack")
