"""What a backfill may take, and whether one more unit fits into it."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Hours from the start of the run, and the price of a remote judge; None is without limit."""

    max_hours: float | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--max-hours", self.max_hours), ("--max-cost", self.max_cost)):
            if value is not None and not value > 0:
                raise InputError(f"{option} is {value:g}, expected more than 0")


@dataclass
class Spent:
    """What units took so far."""

    outputs: int = 0
    seconds: float = 0.0
    """Of each unit, whatever ran beside it."""
    price: float = 0.0

    def add(self, outputs: int, seconds: float, price: float) -> None:
        """One more unit."""
        self.outputs += outputs
        self.seconds += seconds
        self.price += price


def is_measured(limits: Limits, spent: Spent, price_before: float | None) -> bool:
    """Whether the price of the next unit can be foreseen, where it matters."""
    return limits.max_cost is None or bool(spent.outputs) or price_before is not None


def reason_to_stop(
    limits: Limits,
    spent: Spent,
    *,
    elapsed_s: float,
    under_way: int,
    outputs: int,
    price_before: float | None,
) -> str | None:
    """Why no further unit of so many outputs is to be begun; None where it may be.

    Args:
        limits: what was allowed.
        spent: by the units that are done.
        elapsed_s: since the run began.
        under_way: outputs of the units that are being judged.
        outputs: of the next unit.
        price_before: of an output, by earlier runs; those of this run count more. None where none is known.
    """
    if limits.max_hours is not None:
        each_s = spent.seconds / spent.outputs if spent.outputs else 0.0
        if elapsed_s + each_s * outputs >= limits.max_hours * 3600:
            return f"--max-hours {limits.max_hours:g}"
    if limits.max_cost is not None:
        price = spent.price / spent.outputs if spent.outputs else price_before or 0.0
        if spent.price >= limits.max_cost or spent.price + price * (under_way + outputs) > limits.max_cost:
            return f"--max-cost {limits.max_cost:g}"
    return None
