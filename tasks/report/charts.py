"""Door to Altair and vl-convert: charts as inline SVG that follows the page's light or dark theme.

Colours are the page's CSS variables, fonts the page's own, so one drawing serves both themes and paper.
Nothing is fetched: Vega runs inside vl-convert, data is inline, and URLs are refused. What comes out is
parsed and rebuilt from a list of allowed elements and attributes, because labels come from traces.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from xml.etree import ElementTree

import polars as pl

from tasks.tables import VERDICTS

_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = {"svg", "g", "path", "line", "rect", "text", "tspan"}
_ATTRIBUTES = {
    "d", "fill", "fill-opacity", "font-size", "font-weight", "height", "opacity", "stroke",
    "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width",
    "text-anchor", "transform",
    "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
_COLOURS = [f"var(--{verdict})" for verdict in VERDICTS]
_LABELS = {"supported": "Supported", "contradicted": "Contradicted", "insufficient": "Insufficient"}


def over_time(
    series: pl.DataFrame,
    shares: pl.DataFrame,
    unit: str,
    width: int,
    *,
    changed: date | None = None,
    reach: tuple[float, float] = (0.0, 1.0),
) -> str:
    """Two charts, one above the other: daily share supported with its interval, and claims by verdict.

    Args:
        series: as `summary.over_time` gives it; `unit` is its unit.
        shares: `drift.daily_series` of one slice: date, value, ci_low, ci_high.
        width: CSS pixels.
        changed: first day of the share's new level, drawn as a line.
        reach: lowest and highest share on the axis.
    """
    import altair as alt

    ends = {"day": "1d", "week": "1w", "month": "1mo"}[unit]
    rows = series.with_columns(end=pl.col("period").dt.offset_by(ends))
    x = alt.X(
        "period:T",
        title=None,
        # `utc` because periods are UTC days and the machine's own zone must not move them.
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%-d %b", tickCount=8 if width > 480 else 4, labelFlush=False, grid=False),
    )
    # Days without claims are gaps, not lines: runs of consecutive days are drawn one by one.
    points = shares.select(
        pl.col("date").alias("period"),
        "value",
        "ci_low",
        "ci_high",
        run=(pl.col("date").diff().dt.total_days().fill_null(1) > 1).cum_sum().cast(pl.Int64),
    )
    scale = alt.Scale(domain=list(reach))
    y = alt.Y("value:Q", title="Share supported", scale=scale, axis=alt.Axis(format="%", tickCount=4))
    base = alt.Chart(_data(points))
    band = base.mark_area(color="var(--supported)", opacity=0.18).encode(
        x=x.copy(), y=alt.Y("ci_low:Q", title="Share supported", scale=scale), y2="ci_high:Q", detail="run:N"
    )
    line = base.mark_line(color="var(--supported)", strokeWidth=2).encode(x=x.copy(), y=y, detail="run:N")
    dots = base.mark_point(color="var(--supported)", filled=True, size=22, opacity=1).encode(
        x=x.copy(), y=y.copy()
    )
    layers = [band, line, dots]
    if changed is not None:
        mark = alt.Chart(_data(pl.DataFrame({"period": [changed]})))
        layers.append(
            mark.mark_rule(color="var(--contradicted)", strokeDash=[4, 3], strokeWidth=1.5).encode(x=x.copy())
        )
    stacked = (
        alt.Chart(_data(_long(rows, ["period", "end"])))
        .mark_rect(stroke="var(--surface)", strokeWidth=1)
        .encode(
            x=x.copy(),
            x2="end:T",
            y=alt.Y("low:Q", title="Claims", axis=alt.Axis(tickCount=4, format="~s")),
            y2="high:Q",
            color=_colour(),
        )
    )
    inner = width - 52
    chart = alt.vconcat(
        alt.layer(*layers).properties(width=inner, height=130),
        stacked.properties(width=inner, height=110),
        spacing=18,
    )
    return _svg(chart.resolve_scale(x="shared"))


def share_by_run(rows: pl.DataFrame, width: int) -> str:
    """Share of claims with support, a point per run. `rows` has started_at (UTC) and share."""
    import altair as alt

    points = rows.select(pl.col("started_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("at"), "share")
    base = alt.Chart(_data(points)).encode(
        x=alt.X(
            "at:T",
            title=None,
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(format="%-d %b", tickCount=8 if width > 480 else 4, labelFlush=False, grid=False),
        ),
        y=alt.Y(
            "share:Q",
            title="Share supported",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=4),
        ),
    )
    line = base.mark_line(color="var(--supported)", strokeWidth=2)
    dots = base.mark_point(
        color="var(--supported)", filled=True, size=18 if rows.height > 60 else 30, opacity=1
    )
    return _svg(alt.layer(line, dots).properties(width=width - 52, height=150))


def scores(tenths: pl.DataFrame, width: int) -> str:
    """Histogram of `p_supported`, stacked by verdict. `tenths` as `summary.scores` gives it."""
    import altair as alt

    chart = (
        alt.Chart(_data(_long(tenths, ["low", "high"], low="from", high="to")))
        .mark_rect(stroke="var(--surface)", strokeWidth=1)
        .encode(
            x=alt.X(
                "from:Q",
                title="Calibrated probability that the evidence supports the claim",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".1f", grid=False, tickCount=10 if width > 480 else 5),
            ),
            x2="to:Q",
            y=alt.Y("low:Q", title="Claims", axis=alt.Axis(tickCount=4, format="~s")),
            y2="high:Q",
            color=_colour(),
        )
        .properties(width=width - 52, height=150)
    )
    return _svg(chart)


def _long(frame: pl.DataFrame, keys: list[str], **renamed: str) -> pl.DataFrame:
    """One row per key and verdict with its stacked interval [low, high)."""
    frame = frame.rename(renamed) if renamed else frame
    keys = [renamed.get(key, key) for key in keys]
    return pl.concat(
        frame.select(
            *keys,
            verdict=pl.lit(verdict),
            low=pl.sum_horizontal([pl.lit(0, dtype=pl.Int64), *VERDICTS[:index]]),
            high=pl.sum_horizontal([pl.lit(0, dtype=pl.Int64), *VERDICTS[: index + 1]]),
        )
        for index, verdict in enumerate(VERDICTS)
    ).filter(pl.col("high") > pl.col("low"))


def _colour() -> Any:
    import altair as alt

    # The page's legend is HTML, where it is text and wraps.
    return alt.Color("verdict:N", scale=alt.Scale(domain=list(VERDICTS), range=_COLOURS), legend=None)


def _data(frame: pl.DataFrame) -> Any:
    import altair as alt

    dates = [
        pl.col(name).dt.strftime("%Y-%m-%dT00:00:00Z")
        for name in frame.columns
        if frame[name].dtype == pl.Date
    ]
    return alt.Data(values=frame.with_columns(dates).to_dicts())


def _svg(chart: Any) -> str:
    import vl_convert

    spec = chart.configure(
        background="transparent",
        font="sans-serif",
        padding={"left": 0, "right": 12, "top": 6, "bottom": 4},
        autosize={"type": "pad", "contains": "padding"},
        view={"stroke": None},
        axis={
            "domainColor": "var(--line-strong)",
            "gridColor": "var(--line)",
            "tickColor": "var(--line-strong)",
            "labelColor": "var(--muted)",
            "titleColor": "var(--muted)",
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelLimit": 140,
            "domain": False,
        },
        # Equal room for the labels, so that charts one above the other share their left edge.
        axisY={"minExtent": 38, "maxExtent": 38},
    ).to_dict()
    return clean(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def clean(svg: str) -> str:
    """The drawing with only allowed elements and attributes, without names, links, styles or scripts.

    Raises:
        ValueError: not an SVG document, or one that declares entities.
    """
    if "<!" in svg:
        raise ValueError("the chart holds a declaration or comment, which no drawing needs")
    root = ElementTree.fromstring(svg)  # noqa: S314 - no declaration, so no entity to expand
    if root.tag != f"{{{_SVG}}}svg":
        raise ValueError(f"the chart is {root.tag!r}, expected an SVG element")
    return ElementTree.tostring(_rebuilt(root, is_root=True), encoding="unicode")


def _rebuilt(element: ElementTree.Element, *, is_root: bool = False) -> ElementTree.Element:
    attributes = {
        name: value
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and not re.search(r"url\s*\(", value, re.IGNORECASE)
    }
    if is_root:  # the page decides the size, the drawing keeps its proportions
        attributes = {"viewBox": attributes["viewBox"], "aria-hidden": "true", "focusable": "false"}
    built = ElementTree.Element(element.tag.removeprefix(f"{{{_SVG}}}"), attributes)
    built.text = element.text
    for child in element:
        name = child.tag.removeprefix(f"{{{_SVG}}}") if isinstance(child.tag, str) else ""
        if name in _ELEMENTS and child.get("display") != "none" and child.get("d") not in ("", "M0,0h0v0h0Z"):
            built.append(_rebuilt(child))
    return built
