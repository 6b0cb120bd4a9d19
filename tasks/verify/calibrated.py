"""A verifier under a calibration of one's own: the file that holds it, and the verifier that applies it.

Belongs here: reading, writing and applying a calibration file. Does not belong here: how one is fitted
(`calibrate.py`, `verify/local_calibration.py`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tasks.errors import ModelError
from tasks.files import durable
from tasks.verify.local_calibration import Calibration
from tasks.verify.protocol import ReadsTogether, Scores, Verifier, fingerprint

if TYPE_CHECKING:
    import polars as pl

KIND = "claimledger-calibration"
CODE_VERSION = 1
"""Bump with a change of `Calibration.apply` that can change a score."""
MAX_FILE_BYTES = 2**20
"""A calibration is a page of JSON; anything larger is not one and is not parsed."""


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
    def usage(self) -> Any:
        """What a remote judge was asked and cost; None of any other."""
        return getattr(self.inner, "usage", None)

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
        """(n,) as the other says it: what passages share with claims is no probability."""
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
        raise ModelError(f"{file}: verifier is no fingerprint; run `claimledger calibrate` again")
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
