"""The commands about verifiers: `score`, `train`, `evaluate`, `calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, Common, table
from flows.progress import counter, shares
from tasks.errors import DONE, ConfigError

if TYPE_CHECKING:
    import polars as pl

    from tasks.verify.calibrate import Fitted


def score(
    pairs: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="Parquet or JSON Lines file to write.")],
    common: Common = DEFAULTS,
) -> int:
    """Score pairs of claim and evidence with the verifier alone.

    Reads Parquet or JSON Lines with `claim` (string) and `evidence` (string or list of strings). Writes every
    input column plus verdict, probabilities and best_evidence, in input order. addresses_judge is true
    where claim or evidence tells the verifier what to decide; it changes no verdict.

    Example: claimledger score pairs.jsonl -o scored.parquet
    """
    from tasks.verify.score import score_file

    with counter(common.shows_progress, "scoring") as progress:
        scored = score_file(pairs, output, common.settings(or_defaults=True).scoring, progress=progress)
    lines = [f"{scored.rows_out} pairs scored, written to {scored.output}"]
    if scored.quarantine:
        refused = f"{scored.quarantined} of {scored.rows_in} rows refused"
        lines.append(f"{refused}, each with its reason, in {scored.quarantine}")
    lines += _asked(asdict(scored)["usage"])
    rows = [[name, count] for name, count in sorted(scored.verdicts.items())]
    common.answer(asdict(scored), [*lines, "", *table(["verdict", "pairs"], rows)])
    return DONE


def train(
    *pairs: Path,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="Folder of the new verifier.")],
    base: Annotated[
        Path | None, Parameter(help="Encoder or verifier to start from; default: the embedded encoder.")
    ] = None,
    epochs: float = 1.0,
    max_minutes: Annotated[float | None, Parameter(help="Anneal and stop within this time.")] = None,
    seed: int = 7,
    device: Annotated[str, Parameter(help="auto, cpu or cuda.")] = "auto",
    common: Common = DEFAULTS,
) -> int:
    """Fine-tune a verifier on labelled pairs: the input of `score`, plus `label`.

    Labels are supported, contradicted and insufficient, or not_supported. Run the same command again to
    resume from the last checkpoint. Some rows are held out for a report and for calibration.

    Example: claimledger train reviews.parquet -o models/ours
    """
    from tasks.evidence.models import embedded_folder

    _check_named(pairs)
    try:
        from training.train import train as train_network
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"claimledger train needs the training extra ({error.name} is missing): pip install "
            "'claimledger[train]'"
        ) from None
    settings = common.settings(or_defaults=True)
    with shares(common.shows_progress, "training") as progress:
        report = train_network(
            pairs,
            output,
            base=base or embedded_folder(),
            epochs=epochs,
            max_minutes=max_minutes,
            seed=seed,
            device=device,
            threads=settings.runner.threads,
            progress=progress,
        ).report
    common.answer(report, [f"{key}: {value}" for key, value in report.items()] + [f"verifier: {output}"])
    return DONE


def evaluate(
    *pairs: Path,
    verifier: Annotated[
        list[str] | None, Parameter(help="Name, folder or hub id; give several to compare them.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Print balanced accuracy, recall per class and calibration of verifiers, by data set.

    With 95% bootstrap intervals, beside plain cosine similarity. Default: the configured verifier.

    Example: claimledger evaluate labelled.parquet --verifier default --verifier models/ours
    """
    from tasks.verify.evaluate import evaluate_files, load_named, side_by_side

    _check_named(pairs)
    with counter(common.shows_progress, "evaluating") as progress:
        settings = common.settings(or_defaults=True).scoring
        figures = evaluate_files(pairs, settings, progress, verifiers=load_named(verifier or [], settings))
    beside = side_by_side(figures)
    lines = table(beside.columns, [list(row) for row in beside.rows()])
    each = [[_short(value) for value in row] for row in figures.rows()]
    common.answer(figures.to_dicts(), [*lines, "", *table(figures.columns, each)])
    return DONE


def calibrate(
    *pairs: Path,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="Calibration file to write (JSON).")],
    risk: Annotated[
        float, Parameter(help="Largest share of wrong verdicts that a proposed threshold may admit.")
    ] = 0.05,
    confidence: Annotated[float, Parameter(help="Confidence of that guarantee.")] = 0.95,
    seed: Annotated[int, Parameter(help="Fixes the split of the evidence into fitting and testing.")] = 7,
    policy: Annotated[
        Path | None, Parameter(help="File for the proposed policy; default: beside the calibration.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Fit calibration to reviewed verdicts and propose thresholds, with the risk they guarantee.

    Uses labelled PAIRS, as `evaluate` does, or by default the reviews in the lake, each weighted by the
    verdicts it stands for (column `weight` of PAIRS). Prints calibration before and after, on evidence that
    the fit did not see, and precision and recall by agent and use case. Apply it with
    `verifier.calibration = "FILE"` in the configuration. Guaranteed thresholds are written as the next
    version of the policy for `*`, with the guarantee as its rationale.

    Example: claimledger calibrate -o calibration.json --risk 0.05
    """
    from flows.calibrate import calibrate as calibrate_to_file
    from tasks.verify.risk import RiskParameters, least_rows, sentence

    parameters = RiskParameters(risk=_share("--risk", risk), confidence=_share("--confidence", confidence))
    settings = common.settings(or_defaults=bool(pairs))
    with counter(common.shows_progress, "scoring") as progress:
        fitted, document = calibrate_to_file(
            pairs,
            output,
            settings.scoring,
            parameters,
            lake=settings.lake,
            seed=seed,
            progress=progress,
            policy=policy,
        )
    parts = fitted.calibration
    lines = [
        f"{fitted.rows} pairs scored; calibration fitted on {fitted.fitted_rows} of them: temperature "
        f"{parts.temperature:.2f} and bias {parts.bias:+.2f} of supported, {parts.rest_temperature:.2f} and "
        f"{parts.rest_bias:+.2f} of contradicted among the rest",
        *(
            [f"{fitted.unread} of them could not be read by the verifier and stay insufficient"]
            if fitted.unread
            else []
        ),
        *([_weighted(fitted)] if fitted.is_weighted else []),
        *(
            [f"{refused} lines are not pairs and were skipped"]
            if (refused := document["lines_refused"])
            else []
        ),
        *_asked(document["usage"]),
        "",
        *table(*_before_and_after(fitted.figures)),
        "after: each pair by a calibration that never saw its evidence; by chance: the error of "
        "a perfect one",
        "",
        *table(*_accuracy(fitted.accuracy)),
        f"of claims not called supported at {_limits(fitted.used)}, with 95% intervals",
        "",
        *(sentence(name, threshold, parameters) for name, threshold in fitted.thresholds.items()),
        f"a threshold needs {least_rows(parameters)} pairs or more that reach it; each holds by itself, and "
        f"for claims {'that these pairs stand for' if fitted.is_weighted else 'like these pairs'}: a review "
        "queue is not a random sample, `claimledger sample` draws one",
        *([f"proposed policy: {document['policy']}, to be approved"] if document["policy"] else []),
        f'next: set calibration = "{output}" under [verifier], and the thresholds in a new policy version',
    ]
    common.answer(document, lines)
    return DONE


def _check_named(pairs: tuple[Path, ...]) -> None:
    if not pairs:
        from tasks.errors import InputError

        raise InputError("no file of labelled pairs given; name one or more Parquet or JSON Lines files")


def _share(option: str, value: float) -> float:
    if not 0 < value < 1:
        from tasks.errors import InputError

        raise InputError(f"{option} is {value}, expected a number between 0 and 1")
    return value


def _asked(usage: dict[str, Any] | None) -> list[str]:
    """What a remote judge was asked, if there was one."""
    spent = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in (usage or {}).items())
    return [f"judge usage: {spent}"] if usage else []


def _before_and_after(figures: pl.DataFrame) -> tuple[list[str], list[list[object]]]:
    measures = {
        "calibration error": "calibration_error",
        "by chance": "calibration_error_by_chance",
        "balanced": "balanced_calibration_error",
        "Brier": "brier",
        "log loss": "log_loss",
        "balanced accuracy": "balanced_accuracy",
    }
    rows = [
        [
            _short(row["dataset"]),
            row["rows"],
            *(
                " → ".join(_three(row[f"{name}_{when}"]) for when in ("before", "after"))
                for name in measures.values()
            ),
        ]
        for row in figures.iter_rows(named=True)
    ]
    return ["dataset", "rows", *measures], rows


def _weighted(fitted: Fitted) -> str:
    return (
        f"each pair weighs as many verdicts as it stands for: they are worth {fitted.effective_rows:.0f} "
        "pairs of equal weight, and thresholds are held to a bound for weighted rows"
    )


def _limits(used: dict[str, float]) -> str:
    return ", ".join(f"threshold_{name} {value:.2f}" for name, value in used.items())


def _accuracy(figures: pl.DataFrame) -> tuple[list[str], list[list[object]]]:
    names = ("precision", "recall")
    rows = [
        [
            f"{row['slice']} {_short(row['value'])}" if row["slice"] != "all" else row["value"],
            row["rows"],
            *(
                f"{_three(row[name])} ({_three(row[f'{name}_low'])} to {_three(row[f'{name}_high'])})"
                for name in names
            ),
        ]
        for row in figures.iter_rows(named=True)
    ]
    return ["slice", "rows", *names], rows


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _short(value: object) -> object:
    if value is None:
        return ""
    return round(value, 3) if isinstance(value, float) else value
