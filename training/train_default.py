"""Trains the network of the embedded verifier: two passes, each with pairs of its own.

    python -m training.train_default FIRST.parquet MORE.parquet OUT

FIRST and MORE are of `make_training_pairs.py` with seeds 7 and 11. OUT/first and OUT/trained become trained
folders; the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.evidence.models import embedded_folder
from training.loop import TrainParameters
from training.train import train

MAX_TOKENS = 160
FIRST = TrainParameters(max_tokens=MAX_TOKENS)
FIRST_MINUTES = 76
MORE = TrainParameters(max_tokens=MAX_TOKENS, learning_rate=6e-5, head_factor=2.0)
"""Gentler: what the first pass learned is to be kept."""
MORE_MINUTES = 34
SEED = 7


def main(first: Path, more: Path, out: Path) -> None:
    """Both passes on one core; the time limits end and anneal them."""
    base = embedded_folder()
    for pairs, name, minutes, parameters in (
        (first, "first", FIRST_MINUTES, FIRST),
        (more, "trained", MORE_MINUTES, MORE),
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


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
