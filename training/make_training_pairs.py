"""Writes the pairs the embedded verifier learns from: permitted development files and what is made of them.

    python -m training.make_training_pairs FOLDER OUT.parquet [SEED [FRAMED]]

FOLDER holds the Parquet files named in `TRAINED` (sources and licences stand in the model card). The five
files of `HELD_OUT` are never read here: they judge, calibrate and fuse. FRAMED is the share of pairs that are
also told as in conversation; `benchmarks/ablation.py` wants some (0.12).
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import polars as pl

from tasks.verify import selection
from training import augment

TRAINED = {
    "nli_mnli_snli": 1.0,
    "fever_dev_pairs": 1.0,
    "ares_synthetic": 1.0,
    "conjnli": 0.08,
    "help": 0.08,
}
"""File and the share of it that is used: the last two are mostly made automatically and alike."""
HELD_OUT = ("wice_dev", "begin_dev", "expertqa_dev", "dialfact_small", "fever_symmetric_dev")
GIVEN_SHARE = {"nli_snli": 0.4}
"""Captions are short, alike and far from what agents say."""
MADE_SHARE = {"nli_mnli": 0.4, "nli_snli": 0.1, "fever": 1.0, "ares": 1.0, "conj": 0.2, "help": 0.1}
"""Share of the made pairs kept, by the start of the data set's name."""
REPEATED = {"voice": 8, "voice_roles": 8, "harmless_voice": 8}
"""Kinds that are too rare to be learned from one sight each."""
EVIDENCE_CHARACTERS = 480
LONGEST_CLAIM = 600


def main(folder: Path, out: Path, seed: int, framed: float = 0.0) -> None:
    """Reads, makes, writes."""
    frames = []
    for name, share in TRAINED.items():
        frame = pl.read_parquet(folder / f"{name}.parquet").select(
            "dataset", "claim", pl.col("evidence").list.join(" "), "label"
        )
        frames.append(frame.sample(fraction=share, seed=seed) if share < 1 else frame)
    pairs = pl.concat(frames).filter(pl.col("claim").str.len_chars() < LONGEST_CLAIM)
    made = augment.make(pairs, augment.AugmentParameters(framed_share=framed), seed=seed)
    rng = random.Random(seed)  # noqa: S311
    keep = [rng.random() < next(s for n, s in MADE_SHARE.items() if d.startswith(n)) for d in made["dataset"]]
    kept = [rng.random() < GIVEN_SHARE.get(d, 1.0) for d in pairs["dataset"]]
    given = pairs.filter(pl.Series(kept)).with_columns(kind=pl.lit("given"))
    everything = pl.concat([given, made.filter(pl.Series(keep))])
    times = pl.col("kind").replace_strict(REPEATED, default=1, return_dtype=pl.Int64)
    everything = everything.select(pl.all().repeat_by(times).explode())
    write(everything, out, seed)


def write(pairs: pl.DataFrame, out: Path, seed: int) -> None:
    """Selects sentences as the verifier does, shuffles, writes; prints how many there are of each kind."""
    chosen = selection.SelectionParameters(budget_characters=EVIDENCE_CHARACTERS)
    evidence = selection.gather(pairs["claim"], pairs["evidence"], {}, 1.0, chosen)
    shuffled = pairs.with_columns(evidence=evidence).sample(fraction=1.0, shuffle=True, seed=seed)
    shuffled.write_parquet(out)
    with pl.Config(tbl_rows=120, tbl_hide_dataframe_shape=True):
        print(shuffled.group_by("kind", "label").len().sort("kind", "label"))
        print(shuffled["claim"].str.len_chars().mean(), shuffled["evidence"].str.len_chars().mean())


if __name__ == "__main__":
    given = sys.argv[3:]
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        int(given[0]) if given else 7,
        float(given[1]) if len(given) > 1 else 0.0,
    )
