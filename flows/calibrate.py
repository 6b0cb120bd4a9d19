"""The job behind `claimledger calibrate`: labelled pairs, of files or of reviews, to a calibration file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks.decide import policy_text
from tasks.decide.policies import Policy
from tasks.errors import InputError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.review import reviews
from tasks.verify import calibrate as fitting
from tasks.verify import calibration
from tasks.verify.load import load
from tasks.verify.pair_files import labelled, read_pairs
from tasks.verify.parameters import ScoringParameters
from tasks.verify.protocol import Verifier, usage_of
from tasks.verify.risk import RiskParameters, sentence
from tasks.visible import shortened


def calibrate(
    paths: Sequence[Path],
    output: Path,
    scoring: ScoringParameters,
    parameters: RiskParameters,
    *,
    lake: str,
    seed: int = 7,
    progress: Callable[[int], None] | None = None,
    policy: Path | None = None,
) -> tuple[fitting.Fitted, dict[str, Any]]:
    """Fits on the files, or without any on what people decided in the lake; writes the calibration.

    Where a threshold is guaranteed, the policy of `scoring` with that threshold is written too, as the next
    version: to `policy`, by default beside the calibration.

    Returns what was fitted, and the same as a JSON-able document.

    Raises:
        InputError: pairs that cannot be read or do not suffice.
        ModelError: the verifier cannot be loaded.
        LakeError: the file cannot be written.
    """
    decided = pl.DataFrame() if paths else reviewed(lake)
    # A calibration is fitted to the verifier's own scores, not to those of an earlier calibration.
    verifier = load(replace(scoring.verifier, calibration=""), threads=scoring.threads)
    if paths:
        scored, refused = scores_of_files(paths, verifier, scoring.max_record_bytes, progress)
    else:
        scored, refused = fitting.scores_of(decided, verifier), 0
    now = scoring.policy
    limits = {"supported": now.threshold_supported, "contradicted": now.threshold_contradicted}
    fitted = fitting.calibrate(scored, parameters, seed=seed, thresholds=limits)
    about = {
        **fitted.about(),
        "lines_refused": refused,
        "risk": parameters.risk,
        "confidence": parameters.confidence,
        "seed": seed,
    }
    calibration.write(output, fitted.calibration, verifier, about)
    today = datetime.now(UTC).date()
    proposal = proposed_policy(now, fitted, parameters, verifier.fingerprint, today)
    place = policy or output.with_suffix(".policy.toml")
    if proposal:
        durable.replace(place.resolve(), policy_text.toml(proposal, _TO_APPROVE).encode())
    usage = usage_of(verifier)
    document = {
        "output": str(output),
        "policy": str(place) if proposal else None,
        "usage": asdict(usage) if usage else None,
        "verifier": verifier.fingerprint,
        **fitted.calibration.as_dict(),
        **about,
    }
    return fitted, document


_TO_APPROVE = (
    "Proposed by `claimledger calibrate`: set approver and approved_on, let effective_until of the version\n"
    "before end the day before effective_from, and move this file to policies_path."
)


def proposed_policy(
    now: Policy, fitted: fitting.Fitted, parameters: RiskParameters, verifier: str, today: date
) -> Policy | None:
    """The next version of a policy, with the thresholds that hold what they promise; None without any."""
    held = {name: each.threshold for name, each in fitted.thresholds.items() if each.threshold is not None}
    if not held:
        return None
    sentences = [sentence(name, fitted.thresholds[name], parameters) for name in held]
    rationale = (
        f"{'; '.join(sentences)}. {_holds(fitted)}, and for verifier {verifier} with this calibration alone. "
        f"{' '.join(accuracy_sentences(fitted))}"
    )
    values: dict[str, Any] = {f"threshold_{name}": value for name, value in held.items()}
    return replace(
        now,
        version=f"{now.version}-calibrated-{today.isoformat()}",
        approver="",
        approved_on=None,
        effective_from=today + timedelta(days=1),
        effective_until=None,
        reason_of_change=f"thresholds by calibration on {fitted.rows} labelled pairs, {today.isoformat()}",
        rationale=rationale,
        **values,
    )


def _holds(fitted: fitting.Fitted) -> str:
    """What a guarantee is of, as far as it reaches."""
    if not fitted.is_weighted:
        return f"Holds for claims like the {fitted.rows} labelled pairs of the fit"
    return (
        f"Holds for the claims that the {fitted.rows} labelled pairs stand for by their weights (worth "
        f"{fitted.effective_rows:.0f} pairs of equal weight), by a bound for weighted rows, if each pair was "
        "chosen by chance from those it stands for"
    )


def accuracy_sentences(fitted: fitting.Fitted) -> list[str]:
    """Precision and recall of what would not be called supported, by slice, with 95% intervals."""
    limits = ", ".join(f"threshold_{name} {value:.2f}" for name, value in fitted.used.items())
    lines = [f"With {limits}, pairs judged by calibrations that never saw their evidence:"]
    for row in fitted.accuracy.iter_rows(named=True):
        name = row["value"] if row["slice"] == "all" else f"{row['slice']} {shortened(row['value'], 60)}"
        shares = (f"{share} {_with_interval(row, share)}" for share in ("precision", "recall"))
        lines.append(f"{name}: {', '.join(shares)} on {row['rows']} pairs.")
    return lines


def _with_interval(row: dict[str, Any], share: str) -> str:
    if row[share] is None:
        return "not known"
    return f"{row[share]:.3f} ({row[f'{share}_low']:.3f} to {row[f'{share}_high']:.3f})"


def reviewed(lake: str) -> pl.DataFrame:
    """Pairs that people's reviews give a label.

    Raises:
        InputError: no review does.
    """
    opened = Lake.open(lake)
    decided = reviews.labelled(opened)
    if decided.is_empty():
        raise InputError(
            f"{opened.root}: no review yields a label yet; `claimledger review list` shows what waits, or "
            "name files of labelled PAIRS"
        )
    return decided


def scores_of_files(
    paths: Sequence[Path],
    verifier: Verifier,
    max_record_bytes: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[pl.DataFrame, int]:
    """(scores of all pairs of the files as `fitting.scores_of` gives them, lines that are not pairs).

    Raises:
        InputError: a file cannot be read or has no `label`, or a label is unknown.
    """
    parts, refused = [], 0
    for path in paths:
        for chunk in read_pairs(path, max_record_bytes):
            refused += len(chunk.refused)
            parts.append(fitting.scores_of(labelled(chunk.frame, path), verifier))
            if progress:
                progress(chunk.frame.height)
    if not parts:
        raise InputError(
            f"{', '.join(map(str, paths))[:200]}: holds no usable pair; expected columns claim, "
            "evidence and label"
        )
    return pl.concat(parts), refused
