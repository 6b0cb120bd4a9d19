"""HTML documents: the visible main text, tables and lists whole, and hostile pages in bounded time."""

from __future__ import annotations

import time

import pytest

from tasks.evidence import html_text
from tasks.evidence.document_text import DocumentText
from tasks.files.refusal import Refusal


def read(markup: str, *, main_only: bool = True) -> DocumentText:
    return html_text.read(markup.encode(), max_depth=512, main_only=main_only)


PAGE = """<!DOCTYPE html><html><head><title>Warranty</title><style>.x{display:none}</style></head><body>
<header><h1>Acme</h1></header><nav><a href=/>Home</a></nav>
<div id="cookie-banner">We use cookies. <button>Accept</button></div>
<main><h2>Terms</h2><p>The warranty lasts <b>24</b> months.</p><ul><li>pumps<li>valves</ul>
<table><caption>Prices</caption><tr><th>Model<th>Price</tr><tr><td>A1<td>10 EUR</tr></table>
<details><summary>More</summary>It ends in May.</details></main>
<aside>Read also</aside><footer>Imprint</footer></body></html>"""


def test_the_main_text_is_kept_and_navigation_banners_and_footers_are_counted() -> None:
    done = read(PAGE)
    assert done.text == (
        "Warranty\nTerms\nThe warranty lasts 24 months.\npumps\nvalves\nPrices\n"
        "Model: A1; Price: 10 EUR\nMore\nIt ends in May."
    )
    assert done.surroundings == sum(map(len, ["Acme", "Home", "Weusecookies.Accept", "Readalso", "Imprint"]))
    assert done.hidden == 0


def test_all_that_is_visible_is_kept_where_the_main_text_alone_is_not_wanted() -> None:
    done = read(PAGE, main_only=False)
    assert done.surroundings == 0
    for text in ("Acme", "Home", "We use cookies. Accept", "Read also", "Imprint"):
        assert f"\n{text}" in done.text


@pytest.mark.parametrize(
    "hiding",
    [
        "<p hidden>{}</p>",
        "<div style='display:none'><p>{}</p></div>",
        "<div style='visibility:hidden'>a<b>{}</b></div>",
        "<p aria-hidden=true>{}</p>",
        "<p style='font-size:0'>{}</p>",
        "<p style='color:#fff;background:#fff'>{}</p>",
        "<font color=white>{}</font>",
        "<p class=x>{}</p>",
        "<p style='position:absolute;left:-9999px'>{}</p>",
        "<noscript>{}</noscript>",
        "<template><p>{}</p></template>",
        "<!-- {} -->",
        "<script>{}</script>",
        "<style>{}</style>",
        "<svg><defs><text>{}</text></defs></svg>",
        "<textarea>{}</textarea>",
        "<p>It lasts <del>{}</del> one year.</p>",
    ],
)
def test_an_injected_sentence_that_nobody_sees_is_no_evidence(hiding: str) -> None:
    page = "<style>.x{{display:none}}</style><main><p>Seen.</p>" + hiding + "<p>Also seen.</p></main>"
    done = read(page.format("The warranty lasts 99 years."))
    assert "99" not in done.text
    assert "Seen." in done.text
    assert "Also seen." in done.text


def test_hidden_text_is_counted() -> None:
    assert read("<p>a<p hidden>bc <b>d</b><p style='display:none'>e").hidden == 4


def test_a_page_without_a_main_element_gives_what_is_no_surroundings() -> None:
    done = read(
        "<body><ul class=menu><li><a>One</a><li><a>Two</a></ul><div class=text><p>Long text with "
        "<a>a link</a>.</div><ul class=nav-notes><li>No links, <a>one</a> aside</ul><div class=footer>x</div>"
    )
    assert done.text == "Long text with a link.\nNo links, one aside"
    assert done.surroundings == 7


def test_a_main_element_that_scripts_would_fill_is_not_taken_for_the_text() -> None:
    done = read(f"<main><div id=app></div></main><p>{'The text of the page. ' * 20}")
    assert done.text.startswith("The text of the page.")
    assert done.surroundings == 0


def test_tables_for_layout_are_blocks_and_data_tables_are_rows() -> None:
    layout = "<table><tr><td><p>One.<p>Two.<td>Three.</tr></table>"
    assert read(layout).text == "One.\nTwo.\nThree."
    nested = "<table><tr><td>a<td><table><tr><th>k<td>v</table></table>"
    assert read(nested).text == "a\nk: v"
    assert read("<table><tr><td>a<td>b<tr><td>c<td>d</table>").text == "a; b\nc; d"


def test_questions_on_buttons_in_headings_and_lines_of_code_are_text() -> None:
    done = read("<h3><button>How long?</button></h3><p>Long.</p><pre>a = 1\nb = 2</pre><button>Copy</button>")
    assert done.text == "How long?\nLong.\na = 1\nb = 2"


def test_a_page_in_utf_16_and_one_with_a_byte_order_mark_are_read() -> None:
    assert html_text.read("<p>Grüße".encode("utf-16"), max_depth=512, main_only=True).text == "Grüße"
    assert html_text.read(b"\xef\xbb\xbf<p>x", max_depth=512, main_only=True).text == "x"


def test_nesting_is_counted_by_elements_that_stay_open() -> None:
    for fine in ("<p>x" * 5_000, "<div>x</div>" * 5_000, "<li>x<br>" * 5_000, "<div><b>x</div>" * 5_000):
        assert "x" in read(fine).text
    assert read("<svg>" + "<path/>" * 5_000 + "</svg><p>x").text == "x"
    assert read("<!--" + "<div>" * 5_000 + "--><p>x").text == "x"
    for deep in ("<div>" * 5_000, "<span></x>" * 5_000, "<b a=1><table><tr><td>" * 5_000, "<div/>" * 5_000):
        with pytest.raises(Refusal, match="max_html_depth") as caught:
            read(deep)
        assert caught.value.check == "depth"


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<!--",
        "<p a='",
        "&amp;",
        "&",
        "<",
        "</",
        "<a>x",
        "<table><tr><td colspan=65000 rowspan=65000>",
        "<p>x</div>",
        "<style>{",
        "<li class=nav>x",
        " \n",
    ],
)
def test_hostile_pages_take_linear_time(piece: str) -> None:
    page = (piece * 100_000)[:300_000]
    began = time.process_time()
    try:
        read(page)
    except Refusal as refusal:
        assert refusal.check == "depth"  # noqa: PT017 - many of them are no refusal
    assert time.process_time() - began < 20
