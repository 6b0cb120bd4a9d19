"""Which detectors of confidential data run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class PrivacySettings:
    """Detectors of confidential data."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    enabled: bool = True
    detectors: tuple[str, ...] = ("email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret")

    @property
    def active(self) -> tuple[str, ...]:
        """Detectors to run: none where the check is switched off."""
        return self.detectors if self.enabled else ()
