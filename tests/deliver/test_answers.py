"""What an endpoint's answer means, and how long the next attempt waits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.deliver import answers
from tasks.deliver.answers import Reply

NOW = datetime(2026, 11, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "accepted"),
        (202, "accepted"),
        (204, "accepted"),
        (301, "stop"),
        (307, "stop"),
        (400, "refused"),
        (401, "stop"),
        (403, "stop"),
        (404, "stop"),
        (408, "later"),
        (410, "gone"),
        (413, "refused"),
        (422, "refused"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ],
)
def test_a_status_says_what_is_to_be_done(status: int, state: str) -> None:
    answer = answers.by_status(Reply(status, {}, b"anything at all"), NOW)
    assert answer.state == state
    assert state == "accepted" or str(status) in answer.reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 02 Nov 2026 03:01:00 GMT", 60.0),
        ("Mon, 02 Nov 2026 02:00:00 GMT", 0.0),
        ("999999999999", answers.LONGEST_RETRY_AFTER_S),
        ("soon", None),
        ("-5", None),
        ("Mon, 99 Nov 2026 03:01:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert answers.retry_after_s(header, NOW) == seconds


def test_waits_grow_twofold_with_full_jitter_and_never_go_below_what_was_asked() -> None:
    assert [answers.wait_s(attempt, 1.0) for attempt in (1, 2, 3, 9)] == [1, 2, 4, 60]
    assert answers.wait_s(5, 0.0) == 0
    assert answers.wait_s(1, 0.5, 30.0) == 30.5
