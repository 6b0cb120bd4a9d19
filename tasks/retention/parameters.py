"""After how many days which content goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class RetentionRule(Section):
    """One rule: content of a table, of a use case or of all that have no rule of their own, and days."""

    name: Annotated[str, MinLen(1), MaxLen(60), Example("support-answers")]
    """The rule's permanent name in the ledger: lower-case letters, digits and hyphens."""
    table: Literal["outputs", "quarantine"] = "outputs"
    """`outputs`: an answer with everything that was judged from it, as `claimledger erase` erases it;
    `quarantine`: refused records."""
    use_case: Annotated[str | None, Example("support")] = None
    """Use case; without it, every one that has no rule of its own."""
    days: Annotated[int, Ge(1), Le(36_500), Example(365)]
    """Days after which content is erased: since the answer was produced, or the record refused."""
    reviews: bool = False
    """Also the comments and names of those who reviewed it."""

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9-]+", self.name):
            raise ValueError(f"name is {self.name!r}, expected small letters, digits and hyphens")
        if self.table == "quarantine" and (self.use_case or self.reviews):
            raise ValueError(
                "a rule for `quarantine` takes neither use_case nor reviews: a refused record may not say "
                "its use case, and nobody reviews it"
            )


@dataclass(frozen=True, kw_only=True)
class RetentionSettings(Section):
    """How long content is kept; without rules, forever. Ids, verdicts and digests stay."""

    nightly: bool = False
    """Apply the rules at the end of each night; else only `claimledger retention apply` does."""
    most_outputs: Annotated[int, Ge(1), Le(1_000_000)] = 5_000
    """Most answers erased in one go, oldest first; the next run continues."""
    rules: tuple[RetentionRule, ...] = ()
    """What goes when."""

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        about = [(rule.table, rule.use_case) for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: two have the same name; the ledger could not show which one erased what")
        if len(set(about)) != len(about):
            raise ValueError("rules: two are about one table and use case; keep one")
