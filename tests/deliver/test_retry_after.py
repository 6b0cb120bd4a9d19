"""When a server wants to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.files.retry_after import retry_after_s

NOW = datetime(2026, 11, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 02 Nov 2026 03:01:00 GMT", 60.0),
        ("Mon, 02 Nov 2026 02:00:00 GMT", 0.0),
        ("999999999999", 999_999_999.0),
        ("soon", None),
        ("-5", None),
        ("Mon, 99 Nov 2026 03:01:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds
