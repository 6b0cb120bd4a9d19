"""What each kind of made pair is worth: trainings that differ in it alone, judged on files none has seen.

    python -m benchmarks.ablation FOLDER PAIRS.parquet WORK [--only NAME…] [--table]

PAIRS is of `training.make_training_pairs` (seed 17, framed 0.12), FOLDER holds the five files it never
reads. One network is trained on given pairs alone. Every row of the table goes on from it with as many more
pairs, of which a share is of one group of made kinds and the rest given ones, drawn so that the share of
*supported* is the same in every row: else a group that is all *insufficient* would move the threshold and
seem to teach.

WORK keeps the networks; a row that is there already is not trained again. Prints Markdown:

* ranking: area under the ROC curve of p_supported, supported against the rest, mean of the five files;
* accuracy: balanced accuracy at 0.5, mean of the five files; both as difference to the row of given pairs
  alone, with a 95% interval of paired bootstrap resamples of the rows;
* contrast: mean share of cases passed over the kinds that must lower support, and over those that must not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import rankdata

from tasks.evidence.models import embedded_folder
from tasks.verify import metrics, selection
from training import artefact, contrast
from training.fit_default import SEED
from training.loop import TrainParameters
from training.make_training_pairs import HELD_OUT
from training.pairs import read_pairs
from training.train import train
from training.train_default import FIRST, MORE

START_PAIRS, MORE_PAIRS, OF_GROUP = 14_000, 4_800, 2_000
SUPPORTED = 0.42
GROUPS = {
    "given pairs alone": r"^$",
    "changed fact in the claim": r"^changed_[a-qs-z]",
    "exchanged roles": r"^changed_roles|^voice_roles$",
    "harmless change": r"^harmless",
    "active voice": r"^voice$",
    "framed as in conversation": r"^framed",
    "several facts": r"^several_facts",
    "distractors": r"^distractors",
    "evidence of another claim": r"^swapped",
    "sentence of a document, kept": r"^document_kept",
    "sentence of a document, changed": r"^document_changed",
    "evidence changed": r"^document_evidence",
    "sentence that carries it removed": r"^document_removed",
    "all of them": r"^[a-fh-z]",
}
RESAMPLES, ROWS, PER_KIND = 300, 350, 100


def drawn(pairs: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """`MORE_PAIRS` rows: of the group as many as `OF_GROUP`, given ones so that SUPPORTED of all are so."""
    of_group = pairs.filter(pl.col("kind").str.contains(pattern))
    of_group = of_group.sample(min(OF_GROUP, of_group.height), seed=SEED)
    given = pairs.filter(pl.col("kind") == "given")
    supported = pl.col("label") == "supported"
    wanted = round(MORE_PAIRS * SUPPORTED) - of_group.filter(supported).height
    rest = MORE_PAIRS - of_group.height - wanted
    parts = [
        given.filter(supported).sample(wanted, seed=SEED),
        given.filter(~supported).sample(rest, seed=SEED),
    ]
    return pl.concat([of_group, *parts]).sample(fraction=1.0, shuffle=True, seed=SEED)


def trained(pairs: pl.DataFrame, out: Path, base: Path, parameters: TrainParameters) -> Path:
    if not (out / "report.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        pairs.write_parquet(out / "pairs.parquet")
        train(
            [out / "pairs.parquet"], out, base=base, seed=SEED, threads=1, pack=False, parameters=parameters
        )
        (out / "checkpoint.safetensors").unlink()
    return out


def judged(folder: Path, held_out: pl.DataFrame, made: pl.DataFrame) -> tuple[np.ndarray, dict[str, float]]:
    """((n,) p_supported of the held-out rows, mean contrast by effect) by the int8 network alone."""
    artefact.export_network(folder, folder / "int8")
    network = artefact.network_of(folder / "int8", threads=1)
    said = network.score(held_out["claim"].to_list(), held_out["evidence"].to_list()).probabilities[:, 0]
    claims, evidence = [*made["claim"], *made["edited"]], [*made["evidence"], *made["evidence"]]
    cases = network.score(claims, evidence).probabilities[:, 0]
    table = contrast.judge(made, cases[: made.height], cases[made.height :])
    means = table.group_by("effect").agg(pl.col("passed").mean())
    return said, dict(means.iter_rows())


def ranking(truth: np.ndarray, said: np.ndarray) -> float:
    """Area under the ROC curve, ties counting half (Mann and Whitney 1947)."""
    positive = int(truth.sum())
    ranks = rankdata(said)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


def accuracy(truth: np.ndarray, said: np.ndarray) -> float:
    """Balanced accuracy at one half."""
    return metrics.balanced_accuracy(truth * 1, (said >= 0.5) * 1, 2)


def differences(
    held_out: pl.DataFrame, said: np.ndarray, base: np.ndarray
) -> list[tuple[float, float, float, float]]:
    """(value, difference, low, high) of ranking and of accuracy, means over the files."""
    truth = held_out["label"].eq("supported").to_numpy()
    dataset = held_out["dataset"].to_numpy()
    rng = np.random.default_rng(SEED)
    files = [np.flatnonzero(dataset == name) for name in np.unique(dataset)]
    draws = [
        [
            np.concatenate(
                [rng.choice(rows[truth[rows] == side], (truth[rows] == side).sum()) for side in (False, True)]
            )
            for rows in files
        ]
        for _ in range(RESAMPLES)
    ]
    result = []
    for measure in (ranking, accuracy):
        value, before = (float(np.mean([measure(truth[r], p[r]) for r in files])) for p in (said, base))
        gaps = [
            np.mean([measure(truth[r], said[r]) - measure(truth[r], base[r]) for r in draw]) for draw in draws
        ]
        low, high = np.quantile(gaps, [0.025, 0.975])
        result.append((value, value - before, float(low), float(high)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="*", default=list(GROUPS))
    parser.add_argument("--table", action="store_true", help="judge what is trained, train nothing")
    arguments = parser.parse_args()
    pairs = pl.read_parquet(arguments.pairs)
    given = pairs.filter(pl.col("kind") == "given")
    start = trained(
        given.sample(START_PAIRS, seed=SEED + 1), arguments.work / "start", embedded_folder(), FIRST
    )
    folders = {name: arguments.work / f"row{number:02d}" for number, name in enumerate(GROUPS)}
    if not arguments.table:
        for name in arguments.only:
            trained(drawn(pairs, GROUPS[name]), folders[name], start, MORE)
        return
    held_out = read_pairs([arguments.folder / f"{name}.parquet" for name in HELD_OUT])
    made = contrast.cases(held_out, contrast.ContrastParameters(per_kind=PER_KIND))
    held_out = pl.concat(
        group.sample(min(ROWS, group.height), seed=SEED)
        for _, group in held_out.group_by("dataset", maintain_order=True)
    )
    chosen = selection.gather(held_out["claim"], held_out["evidence"], {}, 1.0)
    held_out = held_out.with_columns(evidence=chosen)
    print("| pairs added | ranking | difference | accuracy | difference | lowers | keeps |")
    print("|---|---|---|---|---|---|---|")
    base: np.ndarray | None = None
    for name, folder in {"(start)": start, **folders}.items():
        if not (folder / "report.json").exists():
            continue
        said, means = judged(folder, held_out, made)
        base = said if name == "given pairs alone" else base
        cells = [f"{means['lower']:.3f}", f"{means['keep']:.3f}"]
        compared = differences(held_out, said, said if base is None else base)
        shown = [
            cell
            for value, gap, low, high in compared
            for cell in (
                f"{value:.3f}",
                "" if base is None or said is base else f"{gap:+.3f} ({low:+.3f} to {high:+.3f})",
            )
        ]
        print(f"| {name} | {' | '.join([*shown, *cells])} |", flush=True)


if __name__ == "__main__":
    main()
