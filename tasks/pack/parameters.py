"""What a team says about its controls: who owns each, how available the audit shall be, what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class Response(Section):
    """What people did about one exception of a pack."""

    exception: Annotated[str, Example("PI1.4-0a1b2c3d4e")]
    """Id of the exception, as `populations/exceptions.csv` has it."""
    done: Annotated[str, Example("policy 2 escalates such answers since 3 August")]
    """What was done, in a sentence without names of customers."""
    by: Annotated[str, Example("Head of Support")]
    """Who did or accepted it: a role."""

    def __post_init__(self) -> None:
        for name in ("exception", "done", "by"):
            if not getattr(self, name).strip():
                raise ValueError(
                    f"{name} is empty; state which exception, what was done about it, and by whom"
                )


@dataclass(frozen=True, kw_only=True)
class PackSettings(Section):
    """The evidence pack."""

    owners: Annotated[Mapping[str, str], Example({"default": "Audit team"})] = field(default_factory=dict)
    """Owner of each control by criterion, such as `"PI1.4" = "Head of Support"`; `default` for the rest."""
    availability_target: Annotated[float, Gt(0), Le(1)] = 0.99
    """Target share of the expected nights that complete."""
    confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    """Confidence of the sample in the pack."""
    tolerable: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Deviation rate that the sample in the pack would not miss, with that confidence."""
    exceptions_shown: Annotated[int, Ge(1)] = 200
    """Number of exceptions on the page; all of them are in `populations/exceptions.csv`."""
    responses: tuple[Response, ...] = ()
    """What was done about exceptions that the lake itself does not show as settled."""

    def owner(self, criterion: str) -> str | None:
        """Who answers for a control; None where nobody is named."""
        return self.owners.get(criterion) or self.owners.get("default")
