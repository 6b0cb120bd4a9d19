"""Numbering plans of all countries, by `phonenumberslite` (the data of Google's libphonenumber).

Whether digits are a number somewhere, and where people of that country put the gaps. The library computes
only: no disk but its own modules, no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

_TYPES = [
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
]
"""Descriptions of the library's metadata: what a plan gives out numbers for."""


@dataclass(frozen=True)
class Plan:
    """One country's plan: prefix within the country, lengths in use, numbers given out, gaps."""

    region: str
    trunk: str
    lengths: frozenset[int]
    general: re.Pattern[str]
    numbers: re.Pattern[str]
    formats: tuple[tuple[re.Pattern[str], re.Pattern[str] | None, bool], ...]
    """Groups of a number; how numbers of the format begin; whether the trunk prefix is written."""


@cache
def plans() -> tuple[Plan, ...]:
    """Plans of all regions (0.2 s of processor time, once)."""
    import phonenumbers

    return tuple(_plan(region) for region in sorted(phonenumbers.SUPPORTED_REGIONS))


def _plan(region: str) -> Plan:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    data: Any = PhoneMetadata.metadata_for_region(region)
    main: Any = PhoneMetadata.metadata_for_region(COUNTRY_CODE_TO_REGION_CODE[data.country_code][0])
    used = [getattr(data, name) for name in _TYPES]
    patterns = [one.national_number_pattern for one in used if one and one.national_number_pattern]
    formats = tuple(
        (
            re.compile(one.pattern),
            re.compile(one.leading_digits_pattern[-1]) if one.leading_digits_pattern else None,
            bool(one.national_prefix_formatting_rule and "$NP" not in one.national_prefix_formatting_rule)
            and bool(re.match(r"\(?\d", one.national_prefix_formatting_rule)),
        )
        for one in data.number_format or main.number_format
    )
    return Plan(
        region=region,
        trunk=data.national_prefix or "",
        lengths=frozenset(data.general_desc.possible_length),
        general=re.compile(data.general_desc.national_number_pattern),
        numbers=re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)"),
        formats=formats,
    )


@lru_cache(4096)
def is_international(digits: str) -> bool:
    """Whether these digits after a plus sign have a country's code and a length that its plan knows."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    for size in (1, 2, 3):
        code = int(digits[:size])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            region = COUNTRY_CODE_TO_REGION_CODE[code][0]
            data: Any = (
                PhoneMetadata.metadata_for_nongeo_region(code)
                if region == "001"
                else PhoneMetadata.metadata_for_region(region)
            )
            lengths = data.general_desc.possible_length
            return len(digits) - size in lengths or len(digits[size:].lstrip("0")) in lengths
    return False


@cache
def _by_length() -> dict[int, list[Plan]]:
    """Plans that have numbers of so many digits, the trunk prefix among them or not."""
    some: dict[int, list[Plan]] = {}
    for plan in plans():
        for length in plan.lengths | {length + len(plan.trunk) for length in plan.lengths}:
            some.setdefault(length, []).append(plan)
    return some


@lru_cache(4096)
def is_national(digits: str) -> bool:
    """Whether a plan of any country gives out this number, with its trunk prefix where that is written."""
    return next(_valid(digits), None) is not None


@lru_cache(4096)
def is_written_so(digits: str, sizes: tuple[int, ...], *, exactly: bool) -> bool:
    """Whether a plan gives out the number and its country puts the gaps there.

    Args:
        digits: as written, the trunk prefix with them.
        sizes: digits of each group, in their order.
        exactly: all gaps; otherwise the first is enough, which separates the area.
    """
    written = list(accumulate(sizes))[:-1]
    for plan, national in _valid(digits):
        trunk = len(digits) - len(national)
        own = written[1:] if written and written[0] == trunk else written
        for gaps in _gaps(plan, national, has_trunk=bool(trunk) or not exactly):
            usual = [trunk + gap for gap in gaps]
            if own == usual if exactly else (own and own[0] in usual):
                return True
    return False


@lru_cache(4096)
def is_north_american(digits: str) -> bool:
    """Whether ten digits are a number of a country of +1."""
    return any(plan.trunk == "1" and plan.general.fullmatch(digits) for plan in plans())


def _valid(digits: str) -> Iterator[tuple[Plan, str]]:
    for plan in _by_length().get(len(digits), ()):
        if plan.trunk and digits.startswith(plan.trunk):
            national = digits.removeprefix(plan.trunk)
            if len(national) in plan.lengths and plan.numbers.fullmatch(national):
                yield plan, national
        if len(digits) in plan.lengths and plan.numbers.fullmatch(digits):
            yield plan, digits


def _gaps(plan: Plan, national: str, *, has_trunk: bool) -> Iterator[list[int]]:
    for pattern, leading, needs_trunk in plan.formats:
        if needs_trunk and not has_trunk:
            continue
        if leading is not None and not leading.match(national):
            continue
        match = pattern.fullmatch(national)
        if match is not None:
            yield [match.end(group) for group in range(1, (pattern.groups or 0))]
            return
