"""Trains the network of the embedded verifier: three passes, each with pairs of its own.

    python -m training.train_default FIRST.parquet MORE.parquet WIDE.parquet OUT

FIRST and MORE are of `make_training_pairs.py` with seeds 7 and 11, WIDE is of `make_wide_pairs.py`.
OUT/first, OUT/more and OUT/wide become trained folders, OUT/trained what lies between the last two; the same
command goes on from the last checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.evidence.models import embedded_folder
from training.interpolate import interpolate
from training.loop import TrainParameters
from training.train import train

MAX_TOKENS = 160
FIRST = TrainParameters(max_tokens=MAX_TOKENS)
FIRST_MINUTES = 76
MORE = TrainParameters(max_tokens=MAX_TOKENS, learning_rate=6e-5, head_factor=2.0)
"""Gentler: what the first pass learned is to be kept."""
MORE_MINUTES = 34
WIDE_MINUTES = 45
WIDE_SHARE = 0.7
"""Weight of the third pass: half and 0.7 rank alike on held-out sources, and 0.7 reads edits better."""
SEED = 7


def main(first: Path, more: Path, wide: Path, out: Path) -> None:
    """All passes on one core; the time limits end and anneal them."""
    base = embedded_folder()
    for pairs, name, minutes, parameters in (
        (first, "first", FIRST_MINUTES, FIRST),
        (more, "more", MORE_MINUTES, MORE),
        (wide, "wide", WIDE_MINUTES, MORE),
    ):
        train(
            [pairs],
            out / name,
            base=base,
            max_minutes=minutes,
            seed=SEED,
            threads=1,
            pack=False,
            parameters=parameters,
        )
        base = out / name
    interpolate(out / "more", out / "wide", WIDE_SHARE, out / "trained")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:5]))
