"""Which detectors of confidential data run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class LeakSettings(Section):
    """Somebody else's text in answers: another session's or tenant's context, a system prompt, a list."""

    enabled: bool = True
    """Whether answers are compared with what other sessions were given."""
    days: Annotated[int, Interval(ge=0, le=366)] = 7
    """UTC days before and after an answer whose contexts and questions it is compared with; 0 is its own."""
    minimum_words: Annotated[int, Interval(ge=5, le=1000)] = 8
    """Words that an answer must share with a text of another session; fewer are everybody's language."""
    minimum_ratio: Annotated[float, Interval(gt=0, le=1)] = 0.6
    """Share of a copy's words that must be the text's own; 1 finds copies word for word only."""
    shared_by: Annotated[int, Interval(ge=2)] = 3
    """Sessions or tenants from which on a text is everybody's: documents, greetings, templates."""
    public_ratio: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of what was given out of a folder (documents' addresses up to the last /) that several sessions
    or tenants were given, from which on the folder is everybody's, once `shared_by` have got some of it. 1:
    only where everything was. What tools returned is never everybody's by this rule."""
    tenant: Annotated[str, Example("tenant.id")] = ""
    """Dotted path in `outputs.metadata` that names the tenant; where there is one, tenants are compared and
    not sessions."""
    system_prompt: Annotated[str, Example("system")] = ""
    """Dotted path in `outputs.metadata` that holds the system prompt of an answer."""
    system_prompts: Annotated[str, Example("prompts")] = ""
    """Text file, or folder of text files, with system prompts."""
    confidential: Annotated[str, Example("confidential.txt")] = ""
    """Text file with one confidential string a line; each is found in any case and with any gaps."""


@dataclass(frozen=True, kw_only=True)
class RedactionSettings(Section):
    """Checks a redactor that processed the answers before they came here."""

    kinds: Annotated[tuple[str, ...], Example(["email", "phone"])] = ()
    """Kinds of findings that it should have caught; one that remains is a warning of the run."""
    reviewed: Annotated[str, Example("redaction-review.csv")] = ""
    """CSV file of a person who read answers drawn at random: output_id, left (values that were left)."""
    maximum_missed_ratio: Annotated[float, Interval(ge=0, le=1)] = 0.05
    """Share of answers with something left that is tolerated; the upper end of its interval is compared."""


@dataclass(frozen=True, kw_only=True)
class PrivacySettings(Section):
    """Detectors of confidential data."""

    enabled: bool = True
    """Whether answers are searched for confidential data."""
    detectors: tuple[str, ...] = ("email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret")
    """What is looked for; beside these `national_id`: identity numbers of persons of over forty countries,
    with the extra `privacy`."""
    lake: Literal["clear", "masked", "hashed"] = "clear"
    """What the lake holds where a detector or `leaks.confidential` finds something: the text as it is, its
    outline, or a token of its keyed hash (CLAIMLEDGER_PRIVACY_HASH_KEY)."""
    names_model: Annotated[str, Example("models/names")] = ""
    """Folder of a token classifier (safetensors, fast tokeniser) that labels names and addresses; what it
    finds are findings `person` and `address`. Without it neither is looked for."""
    names_minimum: Annotated[float, Interval(ge=0, le=1)] = 0.8
    """Probability of the model from which a name or an address is a finding."""
    leaks: LeakSettings = LeakSettings()
    redaction: RedactionSettings = RedactionSettings()

    def __post_init__(self) -> None:
        if self.lake != "clear" and not self.active:
            raise ValueError(
                f"lake is {self.lake!r}, but nothing is looked for; set enabled = true and name detectors"
            )

    @property
    def active(self) -> tuple[str, ...]:
        """Detectors to run: none where the check is switched off."""
        return self.detectors if self.enabled else ()
