"""A thousand quick clicks, from two tabs and two people at once: one decision each, and no error."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path

import polars as pl
import pytest

from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.ledger import verify
from tests.support import review_pages
from tests.support.review_pages import Visitor

CLICKS, ITEMS, AT_ONCE = 1_000, 5, 16
TWO = Policy(review_supported_ratio=1.0, review_people=2)


@pytest.mark.slow  # a thousand requests and ten decisions that are signed: a quarter of a minute on two cores
def test_a_thousand_clicks_from_two_tabs_are_one_decision_an_item_and_reviewer(tmp_path: Path) -> None:
    lake: Lake = review_pages.fill(tmp_path, outputs=8)
    wanted = review_pages.settings(tmp_path, TWO)
    statuses: Counter[int] = Counter()
    decided: set[tuple[str, str]] = set()
    with review_pages.served(wanted, "a", "b") as page:
        tabs = {name: [Visitor(page.urls[name]), Visitor(page.urls[name])] for name in "ab"}
        senders = {name: [Visitor(page.urls[name]) for _ in range(AT_ONCE)] for name in "ab"}
        each = CLICKS // ITEMS // 4
        with ThreadPoolExecutor(AT_ONCE) as people:
            for _ in range(ITEMS):
                forms = []
                for name, pair in tabs.items():
                    for tab in pair:
                        tab.get()
                        forms.append((name, tab.form("/decide", decision="supported")))
                        decided.add((name, tab.verdict_id))
                clicks = chain.from_iterable(repeat(forms, each))
                sent = people.map(
                    lambda click: senders[click[1][0]][click[0] % AT_ONCE].client.post(
                        "/decide",
                        data=click[1][1],
                        headers={"origin": tabs["a"][0].base},
                        follow_redirects=False,
                    ),
                    enumerate(clicks),
                )
                statuses.update(answer.status_code for answer in sent)
    assert sum(statuses.values()) == CLICKS
    assert set(statuses) == {303}
    rows = lake.scan("reviews").collect()
    said = Counter(rows.select("reviewer", "verdict_id").rows())
    assert set(said) == decided
    assert set(said.values()) == {1}
    assert rows["outcome"].unique().to_list() == ["confirmed"]
    events = lake.scan("events").filter(pl.col("kind") == "review").collect()
    assert events.height == rows.height
    found = verify.verify(lake, wanted.ledger)
    assert (found.findings, found.unverifiable) == ([], [])
