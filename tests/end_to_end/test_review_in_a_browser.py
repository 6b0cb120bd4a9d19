"""The review page as a person uses it: in Chromium, by keyboard, in light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.review_page import ReviewPage
from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.settings import Settings
from tests.support import ledger_lake, report_lake, review_pages
from tests.support.browsers import BROWSER_MS, NEEDS_CHROMIUM

ITEMS = 50
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Of hostile texts: every verdict waits."""
    return report_lake.write(tmp_path_factory.mktemp("hostile") / "lake")[0]


@pytest.fixture(scope="module")
def page(lake: Lake) -> Iterator[ReviewPage]:
    settings = Settings(
        lake=str(lake.root),
        ledger=ledger_lake.settings(lake.root.parent),
        policies=(Policy(review_supported_ratio=1.0),),
    )
    with review_pages.served(settings, "a", "b") as page:
        yield page


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 390), ("dark", 390), ("light", 1280), ("dark", 1280)]
)
def test_axe_finds_nothing_wrong_and_hostile_text_stays_text(
    browser: Any, page: ReviewPage, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    complaints: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    context.set_default_timeout(BROWSER_MS)
    tab = context.new_page()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    tab.on("request", lambda asked: None if asked.url.startswith(base) else complaints.append(asked.url))
    base = page.urls["a"].partition("/sign-in")[0]
    tab.goto(page.urls["a"])
    tab.goto(f"{base}/queue")
    links = tab.locator("tbody a")
    contradicted = tab.locator("tbody tr", has_text="Contradicted").first.locator("a").get_attribute("href")
    assert links.count() == 9
    for address in ("/", "/queue", contradicted):
        tab.goto(base + address)
        found = Axe().run(tab).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == [], address
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, address
    assert "<script>" in tab.locator("#claim").inner_text()
    assert tab.title() == "Review · claimledger"
    assert tab.locator(".decisive").count() == 1
    context.close()
    assert complaints == []


def test_fifty_claims_are_reviewed_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    review_pages.fill(tmp_path, outputs=ITEMS // 2)
    with review_pages.served(review_pages.settings(tmp_path), "a") as page:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(BROWSER_MS)
        tab = context.new_page()
        tab.goto(page.urls["a"])
        for number in range(ITEMS):
            before = tab.locator("#claim").inner_text()
            if number == 0:
                tab.keyboard.press("c")
                tab.keyboard.type("1 s u are letters here")
                tab.keyboard.press("Escape")
            with tab.expect_navigation():
                tab.keyboard.press("12345"[number % 5])
            if number == 1:
                with tab.expect_navigation():
                    tab.keyboard.press("u")
                assert tab.locator("#claim").inner_text() == before
                with tab.expect_navigation():
                    tab.keyboard.press("2")
        assert tab.locator("h1").inner_text() == "Nothing is waiting for you."
        context.close()
    rows = Lake.open(str(tmp_path / "lake")).scan("reviews").sort("reviewed_at").collect()
    assert rows["comment"].drop_nulls().to_list() == ["1 s u are letters here"]
    counts = dict(rows["outcome"].value_counts().iter_rows())
    assert counts == {"confirmed": 10, "overturned": 31, "unsure": 10, "withdrawn": 1}
    assert rows.filter(pl.col("outcome") == "withdrawn")["supersedes"].null_count() == 0
