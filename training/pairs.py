"""Labelled pairs for training: read, divided into learned and kept back, and turned into word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.errors import InputError
from tasks.verify import pair_files, weighted
from tasks.verify.pair_files import labelled

if TYPE_CHECKING:
    from transformers import BertTokenizerFast

Encoded = tuple[list[int], list[int]]
"""Word pieces of a pair, and the segment of each."""


def read_pairs(files: Sequence[Path]) -> pl.DataFrame:
    """Labelled pairs: `dataset`, `claim`, `evidence` (one string), `label`, `weight`, as the files have them.

    Weights have the mean 1 in each data set.
    """
    frames = []
    for file in files:
        chunks = list(pair_files.read_pairs(file))
        refused = [row["reason"] for chunk in chunks for row in chunk.refused]
        if refused:
            raise InputError(f"{file}: {len(refused)} rows cannot be read as pairs, first {refused[0]}")
        frame = labelled(pl.concat(chunk.frame for chunk in chunks), file)
        evidence = pl.col("evidence")
        if isinstance(frame.schema["evidence"], pl.List):
            evidence = evidence.list.join(" ", ignore_nulls=True)
        frame = frame.select("dataset", pl.col("claim").cast(pl.String), evidence, "label", "weight")
        frames.append(frame.drop_nulls(["claim", "evidence"]))
    result = pl.concat(frames) if frames else pl.DataFrame()
    if result.height < 8:
        raise InputError(f"{result.height} labelled pairs are too few to train from, give at least 8")
    return result.with_columns(weight=weighted.evened(pl.col("weight")))


def capped(weights: pl.Series, largest: float) -> np.ndarray:
    """Weights of at most `largest`, scaled to the mean 1: equal ones stay exactly 1."""
    kept = weights.clip(upper_bound=largest).to_numpy()
    return np.asarray(kept / kept.mean())


def split(frame: pl.DataFrame, share: float, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(learned, kept back) by evidence, so that no held-out pair shares its evidence with a learned one."""
    drawn = pl.col("evidence").hash(seed) % 10_000 < int(share * 10_000)
    return frame.filter(~drawn), frame.filter(drawn)


def encode(tokenizer: BertTokenizerFast, frame: pl.DataFrame, longest: int) -> list[Encoded]:
    """Word pieces and segment of every pair; the end of the evidence is cut, then that of the claim."""
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    claims = tokenizer(frame["claim"].to_list(), add_special_tokens=False)["input_ids"]
    texts = tokenizer(frame["evidence"].to_list(), add_special_tokens=False)["input_ids"]
    encoded = []
    for claim, text in zip(claims, texts, strict=True):
        head = claim[: longest // 2]
        tail = text[: longest - 3 - len(head)]
        encoded.append(([first, *head, last, *tail, last], [0] * (len(head) + 2) + [1] * (len(tail) + 1)))
    return encoded
