"""How good verdicts are on whole sources that neither network nor fusion saw, beside cosine and word counts.

    python -m benchmarks.verdicts FOLDER CACHE [--rows 350] [--save SCORES] [--before SCORES] [--json FILE]

FOLDER holds the held-out files of `training.fit_default`; CACHE, outside the repository, keeps the network's
scores, so that a second run takes seconds. `--save` writes the scores of this code, `--before` prints
those of another checkout beside them.

Per source, at the threshold 0.5: balanced accuracy of supported against the rest and area under the curve,
with 95% intervals by bootstrap over evidence (pairs of one text are drawn together); recall of
*contradicted* where 10% of the others are taken for it; calibration error as it is and at equal shares. The
fusion of a source is fitted on the other sources; the rules act on top, as shipped. Beside it, each fitted on
the other sources as well: cosine alone (claim and nearest piece), and a logistic model on cosine, coverage,
numbers and names.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.network_scores import Remembered
from tasks.evidence.models import load_embedder
from tasks.text import forms, numbers, pairs
from tasks.verify import guards, metrics, selection
from tasks.verify.crossencoder import INPUTS, READS
from tasks.verify.labels import CODES
from training import artefact, fit_default, fusion
from training.fusion import VARIANT
from training.regression import SoftmaxParameters, fit

MODEL = Path(__file__).resolve().parent.parent / "data" / "models" / "minilm-l6-claims"
FALSE_ALARMS = 0.1
DRAWS = 400
VOCABULARY = 6000
MADE = ("edits",)
"""Made by rule from documents; shown and left out of the mean."""


@dataclass(frozen=True)
class Measured:
    """One way of judging: its name and (n, 3) probabilities."""

    name: str
    probabilities: np.ndarray


def held_out(frame: pl.DataFrame, network: Remembered) -> tuple[np.ndarray, np.ndarray]:
    """((n, len(INPUTS)) inputs, (n, 3) by fusion and rules, each row by a fusion without its source)."""
    weights = fusion.vocabulary(frame, VOCABULARY)
    chosen = selection.SelectionParameters()
    claims = forms.aligned(frame["claim"], frame["evidence"])
    values = artefact.inputs(frame.with_columns(claim=claims), network, weights, chosen)
    _, fused = fusion.fit_fusion(frame, values, weights, chosen)
    return values, guards.guarded(fused, frame["claim"], frame["evidence"], READS)


def cosine(frame: pl.DataFrame, cache: Path) -> np.ndarray:
    """(n,) cosine of claim and the piece of its evidence that is nearest by meaning."""
    file = cache / "cosine.parquet"
    rows = frame.select("claim", "evidence").unique()
    known = pl.read_parquet(file) if file.exists() else rows.clear().with_columns(cosine=pl.lit(0.0))
    new = rows.join(known, on=["claim", "evidence"], how="anti")
    if new.height:
        embedder = load_embedder()
        cut = pairs.pieces(new["evidence"])
        texts = cut["text"].unique(maintain_order=True)
        place = cut.join(texts.to_frame().with_row_index("at"), on="text", maintain_order="left")
        vectors = embedder.encode(texts.to_list())
        claims = embedder.encode(new["claim"].to_list())
        near = np.full(new.height, -1.0)
        owner = place["passage"].to_numpy()
        np.maximum.at(near, owner, np.einsum("ij,ij->i", claims[owner], vectors[place["at"].to_numpy()]))
        known = pl.concat([known, new.with_columns(cosine=pl.Series(near))])
        known.write_parquet(file)
    joined = frame.join(known, on=["claim", "evidence"], how="left", maintain_order="left")
    return joined["cosine"].to_numpy()


def features(frame: pl.DataFrame, values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(n, 4) cosine, coverage, whether a number differs and whether a name is lacking."""
    rest = numbers.unmatched(frame["claim"], frame["evidence"])["row"].unique().to_numpy()
    differs = np.zeros(frame.height)
    differs[rest] = 1.0
    lacking = pairs.name_missing(frame["claim"], frame["evidence"]).is_not_null().to_numpy() * 1.0
    return np.column_stack([near, values[:, INPUTS.index("coverage")], differs, lacking])


def fitted(frame: pl.DataFrame, inputs: np.ndarray) -> np.ndarray:
    """(n, 3) by a logistic model on the inputs that never saw the row's source."""
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    rows = fusion.evened(fusion.balanced_weights(frame), frame["label"])
    source = frame["dataset"].str.replace(VARIANT, "").to_numpy()
    result = np.zeros((frame.height, 3))
    for name in np.unique(source):
        held = source == name
        model = fit(inputs[~held], codes[~held], rows[~held], SoftmaxParameters(l2=3e-3))
        logits = model.logits(inputs[held])
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        result[held] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def area(score: np.ndarray, hit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draws,) area under the ROC curve for (draws, n) row weights; ties count half."""
    values, place = np.unique(score, return_inverse=True)
    positive = np.zeros((len(weights), len(values)))
    negative = np.zeros_like(positive)
    rows = np.arange(len(weights))[:, None]
    np.add.at(positive, (rows, place[None, :]), weights * hit)
    np.add.at(negative, (rows, place[None, :]), weights * ~hit)
    below = negative.cumsum(axis=1) - negative / 2
    total = positive.sum(axis=1) * negative.sum(axis=1)
    return np.asarray(np.divide((positive * below).sum(axis=1), total, out=np.full(len(weights), np.nan),
                                where=total > 0))  # fmt: skip


def accuracy(said: np.ndarray, hit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draws,) balanced accuracy for (draws, n) row weights."""
    with np.errstate(invalid="ignore", divide="ignore"):
        right = (weights * (said & hit)).sum(axis=1) / (weights * hit).sum(axis=1)
        rest = (weights * (~said & ~hit)).sum(axis=1) / (weights * ~hit).sum(axis=1)
    return np.asarray((right + rest) / 2)


def draws(evidence: pl.Series, count: int, seed: int = 0) -> np.ndarray:
    """(count + 1, n) row weights: the first all ones, then resamples in which a text's rows stay together."""
    _, place = np.unique(evidence.to_numpy(), return_inverse=True)
    texts = int(place.max()) + 1
    random = np.random.default_rng(seed)
    drawn = random.multinomial(texts, np.full(texts, 1 / texts), size=count)
    return np.vstack([np.ones((1, len(place))), drawn[:, place]])


def contradicted(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Recall of contradicted where 10% of the supported and insufficient are taken for it; NaN without."""
    against = codes == CODES["contradicted"]
    others = probabilities[(codes != CODES["not_supported"]) & ~against, 1]
    if not against.any() or not len(others):
        return float("nan")
    least = np.quantile(others, 1.0 - FALSE_ALARMS, method="higher")
    return float((probabilities[against, 1] > least).mean())


def figures(frame: pl.DataFrame, measured: Measured) -> pl.DataFrame:
    """A row per source and one for the mean of all but `MADE`: figures, and the ends of their intervals."""
    supported = frame["label"].eq("supported").to_numpy()
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    source, p = frame["dataset"].to_numpy(), measured.probabilities
    result, drawn = [], {}
    for name in sorted(set(source)):
        rows = source == name
        weights = draws(frame["evidence"].filter(pl.Series(rows)), DRAWS)
        hit, score = supported[rows], p[rows, 0]
        right, ranks = accuracy(score >= 0.5, hit, weights), area(score, hit, weights)
        drawn[name] = np.vstack([right, ranks])
        result.append(
            {
                "source": name,
                "rows": int(rows.sum()),
                **_intervals(drawn[name]),
                "contradicted": contradicted(p[rows], codes[rows]),
                "calibration": metrics.expected_calibration_error(score, hit),
                "equal_shares": metrics.balanced_calibration_error(score, hit),
            }
        )
    frame = pl.DataFrame(result)
    natural = frame.filter(~pl.col("source").is_in(MADE))
    together = np.mean([drawn[name] for name in natural["source"]], axis=0)
    means = natural.select(pl.col("contradicted", "calibration", "equal_shares").fill_nan(None).mean())
    mean = {
        "source": "mean",
        "rows": natural["rows"].sum(),
        **_intervals(together),
        **means.row(0, named=True),
    }
    return pl.concat([frame, pl.DataFrame([mean])]).with_columns(by=pl.lit(measured.name))


def _intervals(drawn: np.ndarray) -> dict[str, float]:
    """Of (2, draws + 1) balanced accuracies and areas, the first column as measured."""
    low, high = np.nanquantile(drawn[:, 1:], [0.025, 0.975], axis=1)
    return {
        "balanced_accuracy": float(drawn[0, 0]), "low": float(low[0]), "high": float(high[0]),
        "area": float(drawn[1, 0]), "area_low": float(low[1]), "area_high": float(high[1]),
    }  # fmt: skip


def shown(table: pl.DataFrame) -> str:
    """A Markdown table: this code with its intervals, the others' balanced accuracy and area beside it."""
    own = table.filter(pl.col("by") == "now")
    others = [name for name in table["by"].unique(maintain_order=True) if name != "now"]
    head = [
        "source",
        "rows",
        "balanced accuracy",
        "area",
        *others,
        "contradicted",
        "calibration error",
        "equal",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in own.iter_rows(named=True):
        of_source = table.filter(pl.col("source") == row["source"]).select("by", "balanced_accuracy", "area")
        by_name = {name: f"{right:.3f}, {ranks:.3f}" for name, right, ranks in of_source.iter_rows()}
        beside = [by_name[name] for name in others]
        against = (
            ""
            if row["contradicted"] is None or np.isnan(row["contradicted"])
            else f"{row['contradicted']:.2f}"
        )
        cells = [
            row["source"], str(row["rows"]),
            f"{row['balanced_accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f})",
            f"{row['area']:.3f} ({row['area_low']:.3f} to {row['area_high']:.3f})",
            *beside, against, f"{row['calibration']:.3f}", f"{row['equal_shares']:.3f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--rows", type=int, default=350)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    frame = fusion.chosen_rows(fit_default.rows(asked.folder), asked.rows)
    values, own = held_out(frame, Remembered(artefact.network_of(MODEL), asked.cache))
    near = cosine(frame, asked.cache)
    ways = [
        Measured("now", own),
        Measured("cosine", fitted(frame, near[:, None])),
        Measured("features", fitted(frame, features(frame, values, near))),
    ]
    scored = frame.with_columns(pl.Series(f"p{place}", own[:, place]) for place in range(3))
    if asked.save:
        scored.write_parquet(asked.save)
    if asked.before:
        earlier = frame.join(
            pl.read_parquet(asked.before), on=frame.columns, how="left", maintain_order="left"
        )
        ways.append(Measured("before", earlier.select("p0", "p1", "p2").to_numpy()))
    table = pl.concat([figures(frame, way) for way in ways])
    print(shown(table))
    if asked.json:
        asked.json.write_text(json.dumps(table.to_dicts(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
