"""The page as a reader meets it: opened in Chromium from the disk, looked at, filtered, printed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pypdf
import pytest
from PIL import Image
from playwright.sync_api import expect

from tasks import ids
from tasks.lake.store import Lake
from tasks.report import numbers, report, site
from tasks.tables import REPORT, RUNS
from tests.support import report_lake
from tests.support.browsers import BROWSER_MS, NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_lake.write(tmp_path_factory.mktemp("page") / "lake")[1]


@pytest.fixture(scope="module")
def site_file(page_file: Path) -> Path:
    return page_file.parent.parent / "index.html"


@pytest.fixture(scope="module")
def unmeasured_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a lake without a drift report and without a re-audit."""
    lake, run = report_lake.build(tmp_path_factory.mktemp("unmeasured") / "lake", measured=False)
    checkpoint = {"size": 12, "root": "ab" * 32}
    return report.write(lake, report.gather(lake, run["run_id"], checkpoint=checkpoint, now=report_lake.NOW))


@pytest.fixture
def visit(browser: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page; afterwards nothing may have complained, asked, popped up or left the page."""
    complaints: list[str] = []
    contexts = []

    def open_page(*, file: Path = page_file, width: int = 1280, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(BROWSER_MS)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("popup", lambda popup: complaints.append(f"popup: {popup.url}"))
        tab.on("request", lambda request: complaints.append(f"request: {request.url}"))
        tab.goto(file.as_uri())
        assert complaints == [f"request: {file.as_uri()}"]
        complaints.clear()
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def number(tab: Any, figure: str) -> int:
    return int(tab.locator(f"[data-figure={figure}]").inner_text().replace(",", ""))


def visible_claims(tab: Any) -> int:
    return int(tab.locator(".claim:not(.whole):visible").count())


LISTED = 12
"""Claims listed on the page: all of the small lake's."""


def test_the_headline_and_the_cards_say_what_the_lake_holds(visit: Callable[..., Any]) -> None:
    tab = visit()
    assert tab.locator("h1").inner_text() == (
        "6 of the 10 claims that could be checked are supported, 2 are contradicted by the evidence; 2 more "
        "could not be checked (no evidence recorded, mostly bob and cleo)."
    )
    assert "12 claims in 11 answers, of which 10 could be checked" in tab.locator("#overview").inner_text()
    figures = ("answers", "checked", "supported", "contradicted", "unsettled", "unchecked", "conflicts")
    assert [number(tab, figure) for figure in figures] == [11, 10, 6, 2, 2, 2, 1]
    assert (
        tab.locator("#action-counts").inner_text()
        == "Delivered 7 (64%), Rephrased 2 (18%), Escalated 2 (18%)."
    )


def test_the_worst_claim_stands_open_beside_its_evidence(visit: Callable[..., Any]) -> None:
    tab = visit()
    first = tab.locator(".claim").first
    assert first.locator(".said").inner_text() == "The warranty lasts 24 months."
    assert (
        first.locator(".passage blockquote").first.inner_text()
        == "The warranty lasts 12 months from delivery."
    )
    assert first.locator(".said mark.missing").inner_text() == "24"
    assert first.locator(".badge").inner_text().strip().endswith("Contradicted")
    claim, evidence = first.locator(".said").bounding_box(), first.locator(".passage").first.bounding_box()
    assert evidence["x"] > claim["x"] + claim["width"] - 1
    link = first.locator(".link a").first
    assert link.get_attribute("href") == "https://handbook.example/warranty"
    assert "noopener" in link.get_attribute("rel")


SECTIONS = (
    "overview time drift slices scores actions flips worst findings validation quarantine health ledger"
)


def test_every_section_of_the_contract_is_on_the_page(visit: Callable[..., Any]) -> None:
    tab = visit()
    for section in SECTIONS.split():
        assert tab.locator(f"#{section} h2").is_visible(), section
    assert tab.locator("#ledger .empty").inner_text().startswith("No checkpoint")
    assert "j***@e***.org" in tab.locator("#findings").inner_text()
    assert "✕ no" not in tab.locator("#reconciliation").inner_text()
    assert "of 5 comparisons" in tab.locator("#drift").inner_text()
    assert "5.0%" in tab.locator("#flips table").inner_text()


QUESTIONS = {
    "What is wrong?": (
        "2 claims say otherwise than the evidence (agents ",
        "2 claims go beyond what the evidence says; on 1 the evidence contradicts itself.",
        "Not reached: desk, so its records are missing.",
        "1 record was refused and is not audited.",
    ),
    "How bad is it?": (
        "Policy default@1, of the checked claims: 60% supported (90% asked: missed by 30 points), "
        "20% contradicted (5.0% allowed: exceeded by 15 points).",
    ),
    "Since when?": (
        "Supported share of agent ada fell from 0.93 to 0.81 on 2 March 2026, the day model M2 first appears",
    ),
    "What should be done?": (
        "By policy 2 answers should have gone to a person and 2 should have been rephrased; 7 "
        "needed no action",
        "Start with the ten worst claims below, each beside its evidence.",
    ),
    "What changed since the run before?": (
        "There is no earlier run of this kind; this one judged 13 claims.",
    ),
}
"""What a manager asks, and what the first screen has to answer by itself."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_five_questions_of_a_manager_are_answered_on_the_first_screen(
    visit: Callable[..., Any], question: str
) -> None:
    tab = visit(height=800)
    answer = tab.locator(".answer", has=tab.get_by_role("heading", name=question))
    box = answer.bounding_box()
    assert box["y"] + box["height"] < 800
    text = " ".join(answer.inner_text().split())
    assert all(sentence in text for sentence in QUESTIONS[question])


def test_the_first_screen_says_how_far_to_trust_it(visit: Callable[..., Any]) -> None:
    tab = visit(height=720)
    trust = tab.locator("#trust-first")
    assert trust.bounding_box()["y"] + trust.bounding_box()["height"] < 720
    text = " ".join(trust.inner_text().split())
    assert "Verifier small was right on 72 of 100 claims" in text
    assert (
        "On your own answers people confirmed 1 of 2 reviewed verdicts (50%, 95% interval 9% to 91%)" in text
    )
    assert "Fewer than 60 reviews are only a hint" in text
    assert "A probability is the verifier's own estimate" in tab.locator("#worst .lead").inner_text()


def test_the_states_link_to_what_they_are_about_and_are_green_only_for_what_was_checked(
    visit: Callable[..., Any],
) -> None:
    tab = visit()
    first = tab.locator(".first")
    assert first.bounding_box()["y"] + first.bounding_box()["height"] < 720
    states = tab.locator(".states").inner_text()
    for state in (
        "▼ 1 worse of 3; 1 too small to tell",
        "2 delivered, no longer hold",
        "1 row refused",
        "1 of 1 down",
        "no checkpoint",
    ):
        assert state in states
    for link in tab.locator(".states a").all():
        assert tab.locator(str(link.get_attribute("href"))).count() == 1


def test_what_was_not_measured_is_not_shown_as_zero(visit: Callable[..., Any], unmeasured_file: Path) -> None:
    tab = visit(file=unmeasured_file)
    assert tab.locator("h1").inner_text().startswith("6 of the 10 claims that could be checked are supported")
    states = tab.locator(".states").inner_text().split("\n")
    assert states[states.index("Drift") + 1] == "not measured"
    assert states[states.index("Re-audit") + 1] == "not measured"
    assert "signed, not verified here" in states
    assert tab.locator("#drift .empty").inner_text().startswith("Not measured yet.")
    assert tab.locator("#flips .empty").inner_text().startswith("Not measured yet.")


def test_hostile_text_is_shown_and_does_nothing(visit: Callable[..., Any]) -> None:
    tab = visit()
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    text = tab.locator("main").inner_text()
    for shown in (
        "<script>document.title='owned'</script>",
        "{{ 7 * 7 }}",
        "⟨U+202E⟩gnp.exe",
        "zero⟨U+200B⟩width",
    ):
        assert shown in text
    assert "![x](http://evil.example/pixel.png)" in text
    assert "javascript:alert" in text
    assert "claimledger" in tab.title()
    assert tab.locator("script").count() == 2
    assert (
        tab.locator("img, iframe, object, embed, link, base, [onload], [onerror], [onmouseover]").count() == 0
    )
    hrefs = tab.evaluate("Array.from(document.links, link => link.getAttribute('href'))")
    assert hrefs
    beside = (
        r"\.\./index\.html|claims\.html|report\.(json|parquet)|\.\./\.\./runs/[0-9a-f]{64}/validation\.json"
    )
    assert all(re.fullmatch(rf"#.*|https?://.*|{beside}", href) for href in hrefs)
    assert not any("evil.example" in href for href in hrefs)


def test_a_script_that_got_into_the_page_would_not_run(page_file: Path, browser: Any) -> None:
    broken = page_file.with_name("injected.html")
    owned = "document.title='owned'"
    injected = f"<script>{owned}</script><img src='http://127.0.0.1:9/x' onerror=\"{owned}\">"
    broken.write_text(page_file.read_text("utf-8").replace("<footer>", injected + "<footer>"), "utf-8")
    context = browser.new_context()
    tab = context.new_page()
    refused: list[tuple[str, str]] = []
    tab.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    tab.goto(broken.as_uri())
    assert "owned" not in tab.title()
    assert refused == [("http://127.0.0.1:9/x", "csp")]
    context.close()


def test_the_filter_works_with_the_keyboard_alone(visit: Callable[..., Any]) -> None:
    tab = visit()
    everything = visible_claims(tab)
    assert everything == LISTED
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "f-search"
    tab.keyboard.type("ghent")
    assert visible_claims(tab) == 1
    assert tab.locator("#shown").inner_text() == f"1 of {LISTED} listed claims shown."
    tab.keyboard.press("Escape")
    expect(tab.locator(".claim:not(.whole):not([hidden])")).to_have_count(LISTED)
    for _ in range(4):
        tab.keyboard.press("Shift+Tab")
    assert tab.evaluate("document.activeElement.id") == "f-agent"
    tab.keyboard.type("bob")
    tab.keyboard.press("Enter")
    expect(tab.locator(".claim:not(.whole):not([hidden])")).to_have_count(3)
    assert tab.locator("#slice-text").inner_text() == (
        "3 claims in 3 answers, of which 2 could be checked: 50% supported, 0% contradicted, 50% not settled."
    )


def test_the_filter_retells_tables_and_hides_what_speaks_of_other_slices(visit: Callable[..., Any]) -> None:
    tab = visit()
    rows = "document.querySelectorAll('#drift tr[data-slice]:not([hidden])')"
    told_of = f"Array.from({rows}, row => row.cells[0].textContent)"
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert tab.locator("#table-agent tbody tr:visible").count() == 4
    tab.select_option("#f-agent", label="bob")
    assert tab.locator("#table-agent tbody tr:visible").count() == 1
    assert tab.locator("#table-agent tbody tr:visible td").all_inner_texts()[:2] == ["3", "3"]
    # Use cases of bob alone: three claims of one use case, of which the page counts six.
    assert tab.locator("#table-use_case tbody tr:visible td").all_inner_texts()[1] == "3"
    slices = tab.evaluate(told_of)
    assert any("agent bob" in slice_ for slice_ in slices)
    assert not any("agent ada" in slice_ for slice_ in slices)
    assert any("all answers" in slice_ for slice_ in slices)
    assert tab.locator(".unfiltered:visible").count() == 3
    tab.locator("#filter button[type=reset]").click()
    expect(tab.locator("#table-agent tbody tr:not([hidden])")).to_have_count(4)
    assert tab.locator(".unfiltered:visible").count() == 0


def test_the_filter_and_the_tables_agree_before_anything_is_chosen(visit: Callable[..., Any]) -> None:
    """The script sums the cube; what it writes must be what the page already said."""
    written = visit(java_script_enabled=False).locator("table.shares").all_inner_texts()
    assert visit().locator("table.shares").all_inner_texts() == written


def test_every_number_s_query_can_be_reached_and_copied(visit: Callable[..., Any]) -> None:
    tab = visit(permissions=["clipboard-read", "clipboard-write"])
    anchors = tab.evaluate("Array.from(document.querySelectorAll('.query a'), a => a.getAttribute('href'))")
    anchors += tab.evaluate("Array.from(document.querySelectorAll('a.source'), a => a.getAttribute('href'))")
    assert len(anchors) >= 25
    queries = tab.locator("#queries .sql").count()
    assert len(set(anchors)) == queries  # each query is reached from the numbers it gives
    assert all(tab.locator(anchor).count() == 1 for anchor in anchors)
    tab.locator("#overview .copy").nth(1).click()
    expect(tab.locator("#copied")).not_to_be_empty()
    assert tab.evaluate("navigator.clipboard.readText()") == tab.locator("#sql-verdicts").text_content()


@pytest.mark.parametrize("width", [375, 390, 640, 800, 1280])
def test_no_width_scrolls_sideways(visit: Callable[..., Any], width: int) -> None:
    tab = visit(width=width)
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    shown = "narrow" if width <= 640 else "wide"
    assert tab.locator(f".plot .{shown}").first.is_visible()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 390), ("dark", 390), ("light", 1280), ("dark", 1280)]
)
def test_axe_finds_nothing_wrong(visit: Callable[..., Any], scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = visit(width=width, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = Axe().run(tab).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []


@pytest.mark.parametrize("media", ["screen", "print"])
def test_no_column_is_read_letter_by_letter_on_a_phone_or_on_paper(
    visit: Callable[..., Any], media: str
) -> None:
    """The narrowest cell with words in it holds a whole word of ten letters."""
    tab = visit(width=390 if media == "screen" else 688)
    tab.emulate_media(media=media)
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    narrow = tab.evaluate(
        """Array.from(document.querySelectorAll('td, tbody th'))
          .filter(cell => cell.offsetParent && /[a-z]{6}/i.test(cell.textContent))
          .filter(cell => cell.getBoundingClientRect().width < 60)
          .map(cell => cell.textContent.trim().slice(0, 40))"""
    )
    assert narrow == []
    if media == "screen":
        label = tab.evaluate(
            "getComputedStyle(document.querySelector('#reconciliation td'), '::before').content"
        )
        assert label == '"In"'


def test_a_claim_leads_to_its_whole_answer_with_all_its_claims_and_to_its_trace(
    visit: Callable[..., Any],
) -> None:
    tab = visit()
    claim = tab.locator(".claim", has_text="Returns are free of charge.").first
    claim.evaluate("each => { each.open = true; }")
    claim.get_by_role("link", name="The whole answer").click()
    answer = tab.locator(".whole[open]")
    expect(answer).to_have_count(1)
    marked = answer.locator("blockquote .in-answer").all_inner_texts()
    assert marked == ["Returns are free of charge.", "The refund takes 5 days."]
    trace = answer.get_by_role("link", name="Trace at the source")
    assert trace.get_attribute("href") == "https://traces.example/t/bob-conflict"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_claim_can_be_found_and_leads_to_its_whole_answer(
    visit: Callable[..., Any], page_file: Path, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = visit(file=page_file.with_name("claims.html"), width=width, color_scheme=scheme)
    assert tab.locator(".listing tbody tr").count() == 12
    assert tab.locator("#shown").inner_text() == "12 claims of 12."
    tab.select_option("#f-standing", label="Supported")
    assert tab.locator(".listing tbody tr:visible").count() == 6
    tab.select_option("#f-standing", label="All of this page")
    tab.keyboard.press("Escape")
    tab.locator("#f-search").fill("free of charge")
    row = tab.locator(".listing tbody tr:visible")
    assert row.count() == 1
    row.locator("a").click()
    answer = tab.locator(".whole[open]")
    assert answer.locator(".in-answer").all_inner_texts() == [
        "Returns are free of charge.", "The refund takes 5 days."
    ]  # fmt: skip
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []


def test_a_conflict_shows_both_sides(visit: Callable[..., Any]) -> None:
    tab = visit()
    claim = tab.locator('.claim[data-standing="conflict"]').first
    claim.evaluate("each => { each.open = true; }")
    assert "0.45 for and 0.44 against" in claim.locator(".meta").inner_text()
    sides = claim.locator(".side h3").all_inner_texts()
    assert sides == ["The agent claims", "Evidence for it", "Evidence against it"]
    assert claim.locator(".passage blockquote").all_inner_texts() == [
        "Returns are free of charge.", "Returns cost 4 euros."
    ]  # fmt: skip


def test_supported_claims_can_be_looked_at(visit: Callable[..., Any]) -> None:
    tab = visit()
    tab.select_option("#f-standing", label="Supported")
    assert visible_claims(tab) > 0
    assert "The refund takes 5 days." in tab.locator(".claim:visible .line").all_inner_texts()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_the_first_screen_has_a_picture_that_is_not_blank(
    visit: Callable[..., Any], tmp_path: Path, width: int, scheme: str
) -> None:
    picture = tmp_path / f"{width}-{scheme}.png"
    visit(width=width, color_scheme=scheme).screenshot(path=str(picture))
    with Image.open(picture) as image:
        assert image.width == width
        colours = image.convert("RGB").getcolors(maxcolors=1 << 20)
    assert colours is not None
    assert len(colours) > 200
    assert max(count for count, _ in colours) < 0.93 * image.width * image.height


def test_dark_and_light_differ_and_charts_follow(visit: Callable[..., Any]) -> None:
    def colours(scheme: str) -> list[str]:
        paint = "name => getComputedStyle(document.querySelector(name))"
        tab = visit(color_scheme=scheme)
        return [
            tab.evaluate(paint, "body").get("backgroundColor"),
            tab.evaluate(paint, ".plot text").get("fill"),
        ]

    light, dark = colours("light"), colours("dark")
    assert light[0] != dark[0]
    assert light[1] != dark[1]


def test_every_plot_has_words_and_a_table_behind_it(visit: Callable[..., Any]) -> None:
    tab = visit()
    plots = tab.locator("figure")
    assert plots.count() == 3
    for index in range(plots.count()):
        assert len(plots.nth(index).locator("[role=img]").get_attribute("aria-label")) > 60
        table = plots.nth(index).locator("xpath=following-sibling::details")
        table.locator("summary").click()
        assert table.locator("tbody tr").first.is_visible()


def test_paper_shows_the_claims_and_tables_that_the_screen_folds(visit: Callable[..., Any]) -> None:
    tab = visit(color_scheme="dark")
    text = "".join(sheet.extract_text() for sheet in pypdf.PdfReader(BytesIO(tab.pdf(format="A4"))).pages)
    words = " ".join(unicodedata.normalize("NFKC", text).split())  # some fonts write "ffi" as one glyph
    assert "12 claims in 11 answers" in words
    assert "The warranty lasts 24 months." in words
    assert "SELECT" not in words
    assert "0.9 to 1.0" in words  # the table behind a chart
    assert "Copy" not in words
    assert "stable" in words  # comparisons that the screen folds
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_without_javascript_everything_but_the_filter_is_there(visit: Callable[..., Any]) -> None:
    tab = visit(java_script_enabled=False)
    assert tab.locator(".claim:not(.whole)").count() == LISTED
    assert not tab.locator("#filter").is_visible()
    assert not tab.locator(".copy").first.is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_the_site_lists_runs_links_to_them_and_has_no_violation(
    visit: Callable[..., Any], site_file: Path, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = visit(file=site_file, width=width, color_scheme=scheme)
    assert tab.locator("h1").inner_text().startswith("6 of the 10 claims that could be checked are supported")
    row = tab.locator(".runs tbody tr").first
    assert row.locator("a").get_attribute("href") == f"{report_lake.RUN_ID}/index.html"
    assert "▼ 1 worse" in row.inner_text()
    tab.keyboard.press("/")
    tab.keyboard.type("no such run")
    assert tab.locator("#shown").inner_text() == "0 of 1 runs shown."
    tab.keyboard.press("Control+A")
    tab.keyboard.type("2026-03-20")
    assert tab.locator("#shown").inner_text() == "1 of 1 runs shown."
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []


def test_the_site_can_be_read_without_javascript(visit: Callable[..., Any], site_file: Path) -> None:
    tab = visit(file=site_file, java_script_enabled=False)
    assert tab.locator(".runs tbody tr").first.is_visible()
    assert not tab.locator("#filter").is_visible()


def test_a_thousand_runs_are_one_small_page_that_still_answers(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    runs = pl.DataFrame(
        [
            report_lake.run_row(
                {}, run_id=ids.digest("run", n), started_at=report_lake.NOW - timedelta(days=n)
            )
            for n in range(1000)
        ],
        schema=RUNS.schema,
    )
    said = [
        {
            "query": "verdicts",
            "key": "headline",
            "column": "text",
            "text": "31 of the 40 claims are supported.",
        }
    ]
    said += [
        {"query": "of-run", "key": numbers.key([verdict]), "column": "claims", "value": count}
        for verdict, count in (("supported", 31.0), ("contradicted", 2.0), ("unsettled", 7.0))
    ]
    rows = runs.select("run_id").join(
        pl.DataFrame(said).with_row_index("ordinal").cast({"ordinal": pl.Int32}), how="cross"
    )
    file = tmp_path / "index.html"
    lake = Lake.open(str(tmp_path / "lake"))
    results = site.lines(lake, runs, rows.select(REPORT.schema.names()))
    page = site.render(results, now=report_lake.NOW)
    file.write_text(page, "utf-8")
    assert file.stat().st_size < 600_000
    tab = visit(file=file)
    assert tab.locator(".runs tbody tr").count() == 1000
    tab.keyboard.press("/")
    tab.keyboard.type("2025-11-0")
    assert tab.locator("#shown").inner_text() == "9 of 1000 runs shown."
    assert tab.locator(".month:visible").count() == 1
    tab.keyboard.press("Control+A")
    tab.keyboard.press("Backspace")
    assert tab.locator("#shown").inner_text() == "1000 runs."
    assert tab.locator(".month[open]").count() == 2
