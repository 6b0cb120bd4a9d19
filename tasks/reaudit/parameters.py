"""How historical claims are judged again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tasks.reaudit.flips import SampleParameters
from tasks.verify.parameters import VerifierSettings


@dataclass(frozen=True, kw_only=True)
class ReauditSettings:
    """How historical claims are judged again."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    sample: SampleParameters = SampleParameters()
    earlier_verifiers: tuple[VerifierSettings, ...] = ()
    """Verifiers of the past that the lake does not remember, or that moved: written as [verifier] is."""
