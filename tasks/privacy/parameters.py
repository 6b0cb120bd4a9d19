"""Which detectors of confidential data run."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.knobs import Section


@dataclass(frozen=True, kw_only=True)
class PrivacySettings(Section):
    """Detectors of confidential data."""

    enabled: bool = True
    """Whether answers are searched for confidential data."""
    detectors: tuple[str, ...] = ("email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret")
    """What is looked for; beside these `national_id`: identity numbers of persons of over forty countries, with
    the extra `privacy`."""

    @property
    def active(self) -> tuple[str, ...]:
        """Detectors to run: none where the check is switched off."""
        return self.detectors if self.enabled else ()
