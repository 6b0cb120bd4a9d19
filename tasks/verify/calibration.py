"""A verifier under a team's own calibration: temperatures and biases, the file of them, applying them.

How they are fitted: `calibrate.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np
from scipy.special import expit, logit

from tasks.errors import ModelError
from tasks.files import durable
from tasks.verify.protocol import ReadsTogether, Scores, Usage, Verifier, fingerprint, languages_of, usage_of

if TYPE_CHECKING:
    import polars as pl

KIND = "claimledger-calibration"
CODE_VERSION = 1
"""Bump with a change of `Calibration.apply` that can change a score."""
MAX_FILE_BYTES = 2**20
"""A calibration is a page of JSON; anything larger is not one and is not parsed."""
TEMPERATURE_RANGE = (0.05, 20.0)
"""A fit at either end says that the scores carry no information; nothing useful lies beyond."""
FLOOR = 1e-6
"""Support closer to 0 or 1 counts as this close, the precision of the tables: nothing moves a certainty."""
BIAS_LIMIT = 20.0
"""A bias beyond it moves every probability that the floor allows to an end; nothing useful lies there."""


@dataclass(frozen=True)
class Calibration:
    """Two questions, each with `σ(logit(p) / temperature + bias)`; the default changes nothing.

    Is the claim supported? If not, is it contradicted? Each is bias-corrected temperature scaling of two
    classes, so the order of p_supported stays, whatever the other classes do.
    """

    temperature: float = 1.0
    bias: float = 0.0
    rest_temperature: float = 1.0
    rest_bias: float = 0.0

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, 3) rows that sum to 1, calibrated.

        A row of exactly (0, 0, 1) was not judged and stays. A verifier that gives contradiction (or its
        absence) no probability at all says nothing of it, and is not made to.
        """
        rows = np.asarray(probabilities, np.float64).reshape(-1, 3)
        support = expit(support_logit(rows[:, 0]) / self.temperature + self.bias)
        share = contradicted_share(rows)
        with np.errstate(divide="ignore"):  # certainty is infinite, and stays certain
            share = expit(logit(share) / self.rest_temperature + self.rest_bias)
        contradicted = (1.0 - support) * share
        moved = np.column_stack([support, contradicted, 1.0 - support - contradicted])
        return np.where(is_read(rows)[:, None], np.maximum(moved, 0.0), rows)

    def as_dict(self) -> dict[str, float]:
        """JSON-able parameters; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Raises ValueError, in words, for anything that no fit gives."""
        parameters = {}
        for name in cls.__dataclass_fields__:
            low, high = TEMPERATURE_RANGE if "temperature" in name else (-BIAS_LIMIT, BIAS_LIMIT)
            value = values.get(name)
            if not _is_number(value) or not low <= value <= high:
                raise ValueError(f"{name} is {repr(value)[:60]}, expected a number from {low} to {high}")
            parameters[name] = float(value)
        return cls(**parameters)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_read(probabilities: np.ndarray) -> np.ndarray:
    """(n,) bool: not exactly (0, 0, 1), which is what a pair gets that was not read."""
    return np.asarray((probabilities != (0.0, 0.0, 1.0)).any(axis=1))


def support_logit(support: np.ndarray) -> np.ndarray:
    """(n,) log odds of p_supported, as far as the floor lets it go."""
    return np.asarray(logit(np.clip(support, FLOOR, 1.0 - FLOOR)))


def contradicted_share(rows: np.ndarray) -> np.ndarray:
    """(n,) contradicted within contradicted and insufficient; 0 where neither has any probability."""
    rest = rows[:, 1] + rows[:, 2]
    return np.asarray(np.divide(rows[:, 1], rest, out=np.zeros(len(rows)), where=rest > 0))


class CalibratedVerifier:
    """Verifier Protocol over another verifier, whose probabilities it calibrates."""

    def __init__(self, inner: Verifier, calibration: Calibration) -> None:
        self.inner = inner
        self._calibration = calibration
        self.name = f"{inner.name}, calibrated"
        self.fingerprint = fingerprint(
            kind=KIND, verifier=inner.fingerprint, code=CODE_VERSION, **calibration.as_dict()
        )

    @property
    def usage(self) -> Usage | None:
        """What a remote judge was asked and what it cost; None of any other verifier."""
        return usage_of(self.inner)

    @property
    def reads(self) -> frozenset[str] | None:
        """The other's languages."""
        return languages_of(self.inner)

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """The other's scores with calibrated probabilities; what was not read stays (0, 0, 1)."""
        scores = self.inner.score(claims, passages, progress)
        return dataclasses.replace(scores, probabilities=self._calibration.apply(scores.probabilities))


class CalibratedTogether(CalibratedVerifier):
    """The same of a verifier that reads a claim's passages together."""

    def shared(self, claims: pl.Series, passages: pl.Series) -> np.ndarray:
        """(n,) as the other says it: what passages share with claims is not a probability."""
        return cast(ReadsTogether, self.inner).shared(claims, passages)


def calibrated(inner: Verifier, file: Path) -> CalibratedVerifier:
    """The verifier under the calibration of a file that was made for it.

    Raises:
        ModelError: the file is missing, malformed, or made for another verifier (names both).
    """
    calibration, made_for = read(file)
    if made_for != inner.fingerprint:
        raise ModelError(
            f"{file}: calibrates the verifier {made_for[:12]}, the configured one is "
            f"{inner.fingerprint[:12]}; run `claimledger calibrate` with this one, or take "
            "verifier.calibration out of the configuration"
        )
    wrapper = CalibratedTogether if isinstance(inner, ReadsTogether) else CalibratedVerifier
    return wrapper(inner, calibration)


def read(file: Path) -> tuple[Calibration, str]:
    """(calibration, fingerprint of the verifier it was fitted for).

    Raises:
        ModelError: missing or malformed, in one sentence that says what it has instead.
    """
    if "\x00" in str(file):
        raise ModelError("verifier.calibration holds a NUL; name what `claimledger calibrate` wrote")
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{file}: larger than {MAX_FILE_BYTES} bytes, so not a calibration")
        values = json.loads(file.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{file}: cannot be read ({error.strerror}); `claimledger calibrate -o FILE` writes one"
        ) from None
    except (ValueError, RecursionError):
        raise ModelError(f"{file}: not JSON; run `claimledger calibrate` again") from None
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise ModelError(f"{file}: not a calibration, which has kind {KIND!r}; name what `calibrate` wrote")
    made_for = values.get("verifier")
    if not isinstance(made_for, str) or len(made_for) != 64:
        raise ModelError(f"{file}: verifier is not a fingerprint; run `claimledger calibrate` again")
    try:
        return Calibration.from_dict(values), made_for
    except ValueError as error:
        raise ModelError(f"{file}: {error}; run `claimledger calibrate` again") from None


def write(file: Path, calibration: Calibration, verifier: Verifier, about: Mapping[str, Any]) -> None:
    """Writes the file whole or not at all; `about` is JSON-able and beside what is applied.

    Raises:
        LakeError: it cannot be written.
    """
    with durable.touching(file):
        durable.make_folder(file.resolve().parent)
        values = {**about, "kind": KIND, "verifier": verifier.fingerprint, **calibration.as_dict()}
        durable.replace_json(file.resolve(), values)
