"""Which verdict is whose: people a policy asks for, disagreement, and the order of what waits."""

from __future__ import annotations

import polars as pl

from tasks.review.queue import QUEUE
from tasks.review_page.assignment import Opinion, Queue

RIGHT, WRONG, UNSURE = (Opinion(outcome, "", "") for outcome in ("confirmed", "overturned", "unsure"))


def queue(names: str, people: int = 1, **said: dict[str, Opinion]) -> Queue:
    rows = pl.DataFrame([{"verdict_id": name, "policy": "p@1"} for name in names])
    rows = rows.with_columns(
        pl.lit(None, dtype).alias(n) for n, dtype in QUEUE.items() if n not in rows.columns
    )
    return Queue(rows.select(*QUEUE), said, {"p@1": people})


def offered(queue: Queue, reviewer: str, mine: str = "", skipped: str = "", **others: int) -> str:
    return "".join(queue.candidates(reviewer, set(mine), set(skipped), others))


def test_what_a_reviewer_looks_at_comes_first_and_what_they_skipped_last() -> None:
    assert offered(queue("abcd"), "x", mine="c", skipped="a") == "cbda"


def test_what_others_look_at_or_decided_is_not_offered() -> None:
    three = queue("abc")
    assert offered(three, "x", a=1) == "bc"
    three.say("b", "y", RIGHT)
    assert offered(three, "x", a=1) == "c"
    assert three.count("x") == 2
    assert three.head("x", 1)["verdict_id"].to_list() == ["a"]


def test_who_is_unsure_leaves_the_verdict_to_others() -> None:
    one = queue("a")
    one.say("a", "x", UNSURE)
    assert offered(one, "x") == ""
    assert offered(one, "y") == "a"


def test_two_people_decide_where_the_policy_asks_for_two() -> None:
    two = queue("a", people=2)
    assert two.room("a") == 2
    assert offered(two, "x", a=1) == "a"
    two.say("a", "x", RIGHT)
    assert (offered(two, "x"), offered(two, "y"), offered(two, "y", a=1)) == ("", "a", "")
    two.say("a", "y", RIGHT)
    assert two.room("a") == 0


def test_a_third_person_adjudicates_and_sees_what_was_said_but_not_by_whom() -> None:
    split = queue("a", people=2, a={"x": RIGHT, "y": WRONG})
    assert offered(split, "x") == ""
    assert offered(split, "z") == "a"
    assert split.disputed("a", "z") == [RIGHT, WRONG]
    assert split.disputed("a", "x") == []
    split.say("a", "z", WRONG)
    assert split.room("a") == 0


def test_a_decision_taken_back_or_refused_is_none() -> None:
    one = queue("a")
    one.say("a", "x", RIGHT)
    one.say("a", "x", Opinion("withdrawn", "", ""))
    assert offered(one, "x") == "a"
    one.say("a", "x", RIGHT)
    one.forget("a", "x")
    assert offered(one, "x") == "a"
