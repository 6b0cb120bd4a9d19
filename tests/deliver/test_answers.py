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


def test_no_server_is_waited_for_longer_than_a_day() -> None:
    answer = answers.by_status(Reply(503, {"retry-after": "999999999999"}, b""), NOW)
    assert answer.wait_s == answers.LONGEST_RETRY_AFTER_S


def test_waits_grow_twofold_with_full_jitter_and_never_go_below_what_was_asked() -> None:
    assert [answers.wait_s(attempt, 1.0) for attempt in (1, 2, 3, 11)] == [0.1, 0.2, 0.4, 60]
    assert answers.wait_s(5, 0.0) == 0
    assert answers.wait_s(1, 0.5, 30.0) == 30.5
