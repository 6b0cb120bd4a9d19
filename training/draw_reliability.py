"""Draws the reliability diagram of the model card as SVG.

    python -m training.draw_reliability ROWS.parquet PROBABILITIES.npy OUT.svg

One line per data set: stated probability of *supported* against how often it is, ten equal-width bins, the
point's area by its rows. Each row was judged by a fusion that never saw its data set.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

SIZE, EDGE, BINS, FEWEST = 360, 44, 10, 8
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777", "#000000", "#dd8844")


def point(stated: float, happened: float) -> tuple[float, float]:
    """Pixels of a pair of shares."""
    return EDGE + stated * SIZE, EDGE / 2 + (1 - happened) * SIZE


def draw(rows: pl.DataFrame, supported: np.ndarray) -> str:
    """The diagram; bins of fewer than eight rows are left out."""
    truth = rows["label"].eq("supported").to_numpy()
    dataset = rows["dataset"].to_numpy()
    (x0, y0), (x1, y1) = point(0, 0), point(1, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE + EDGE + 190}" height="{SIZE + 2 * EDGE}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect x="{x0}" y="{y1}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>',
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#999" stroke-dasharray="4 4"/>',
        f'<text x="{x0 + SIZE / 2 - 90}" y="{y0 + 34}">stated probability of supported</text>',
        f'<text transform="translate(14 {y1 + SIZE / 2 + 70}) rotate(-90)">share that is supported</text>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = point(tick, tick)
        parts += [
            f'<text x="{x - 8:.1f}" y="{y0 + 16:.1f}">{tick:g}</text>',
            f'<text x="{x0 - 28:.1f}" y="{y + 4:.1f}">{tick:g}</text>',
        ]
    for number, name in enumerate(np.unique(dataset)):
        of_set = dataset == name
        at = np.minimum((supported * BINS).astype(int), BINS - 1)
        drawn = []
        for index in range(BINS):
            chosen = of_set & (at == index)
            if chosen.sum() >= FEWEST:
                drawn.append((*point(supported[chosen].mean(), truth[chosen].mean()), int(chosen.sum())))
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in drawn)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{min(9.0, 1.5 + count**0.5 / 3):.1f}" fill="{colour}"/>'
            for x, y, count in drawn
        ]
        x, y = x1 + 14, y1 + 14 + 18 * number
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="{y}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    scored = np.load(sys.argv[2], allow_pickle=False)
    Path(sys.argv[3]).write_text(draw(pl.read_parquet(sys.argv[1]), scored[:, 0]), "utf-8")
