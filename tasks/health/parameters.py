"""What is asked of a source's availability, and what counts as unusual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from tasks.knobs import Section


@dataclass(frozen=True, kw_only=True)
class HealthSettings(Section):
    """What is expected of sources, and what counts as unusual."""

    availability_target: Annotated[float, Gt(0), Le(1)] = 0.95
    """Share of the last 30 days on which a source must have been reached. Of thirty nights 0.95 lets one
    fail and no second; audits that run hourly can ask for more."""
    volume_deviations: Annotated[float, Gt(0), Le(100)] = 3.5
    """A day's answers are unusual where they are so many robust deviations (1.4826 times the median absolute
    deviation) from the median of the same weekday; 3.5 is the customary bound for outliers."""
    volume_share: Annotated[float, Gt(0), Le(10)] = 0.25
    """And differ by at least such a share of that median, however steady the weekday is."""
    weeks: Annotated[int, Ge(4), Le(52)] = 8
    """Weeks that are usual; fewer than four such weekdays say nothing."""
    null_share: Annotated[float, Gt(0), Le(1)] = 0.1
    """A share of empty fields jumped where it rose by at least so much, beyond chance (p below 0.001)."""
    slow_factor: Annotated[float, Gt(1), Le(1000)] = 5.0
    """A source is slow where it took so many times its usual time to answer, and more than a second."""
