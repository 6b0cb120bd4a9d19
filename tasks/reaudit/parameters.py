"""How past claims are judged again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tasks.knobs import Example, Section
from tasks.reaudit.flips import SampleParameters
from tasks.verify.parameters import VerifierSettings


@dataclass(frozen=True, kw_only=True)
class ReauditSettings(Section):
    """How past claims are judged again."""

    sample: SampleParameters = SampleParameters()
    earlier_verifiers: Annotated[
        tuple[VerifierSettings, ...], Example((VerifierSettings(model="models/of-last-year"),))
    ] = ()
    """Verifiers of the past that the lake does not remember, or that moved: written as [verifier] is."""
