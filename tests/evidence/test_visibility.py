"""Which elements of a page are its text: hidden ones and surroundings are not, whatever hides them."""

from __future__ import annotations

import time

import pytest

from tasks.evidence.visibility import Look, hiding_selectors, look, names_a_menu, why_left_out

NONE: frozenset[str] = frozenset()


def why(tag: str, within: bool = False, **attributes: str | None) -> str | None:
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    return why_left_out(tag, named, NONE, is_within_main=within)


def hides(style: str) -> bool:
    return look("p", {"style": style}, Look())[1]


@pytest.mark.parametrize("tag", ["template", "noscript", "iframe", "del", "dialog"])
def test_what_browsers_do_not_show_is_hidden(tag: str) -> None:
    assert why(tag) == why(tag, within=True) == "hidden"


def test_attributes_and_usual_class_names_hide() -> None:
    assert why("p", hidden=None) == why("p", hidden="") == why("p", aria_hidden="true") == "hidden"
    assert why("span", class_="badge sr-only") == why("div", class_="d-none") == "hidden"
    assert why("p", aria_hidden="false") is None
    assert why("dialog", open=None) is None


def test_what_is_hidden_on_narrow_screens_only_is_text() -> None:
    assert why("div", class_="d-none d-md-block") is None
    assert why("div", class_="hidden md:block") is None


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY : None !important",
        "display:/**/none",
        r"d\69splay:none",
        "color:red;visibility: hidden",
        "opacity:0",
        "opacity: 2%",
        "font-size:0",
        "font-size:1px",
        "font-size:.05em",
        "font: 0/0 a",
        "position:absolute; left:-9999px",
        "text-indent:-9999px",
        "position:absolute;clip:rect(0,0,0,0)",
        "clip-path: inset(100%)",
        "height:0;overflow:hidden",
        "max-height:0px; overflow:hidden",
        "transform:scale(0)",
        "text-decoration: line-through",
    ],
)
def test_styles_that_hide(style: str) -> None:
    assert hides(style)


@pytest.mark.parametrize(
    "style",
    [
        "display:block",
        "display:none;display:block",
        "opacity:.9",
        "font-size:12px",
        "font-size:0.8em",
        "font: 12px/1.5 serif",
        "margin-left:-15px",
        "position:absolute;left:20px",
        "height:0",
        "overflow:hidden;height:100px",
        "",
    ],
)
def test_styles_that_show(style: str) -> None:
    assert not hides(style)


def invisible(*styles: str, tag: str = "p", **attributes: str) -> bool:
    here = Look()
    for style in styles:
        here, _ = look(tag, {"style": style, **attributes}, here)
    return here.is_invisible


def test_letters_in_the_colour_of_what_is_behind_them_are_invisible() -> None:
    assert invisible("color:white")
    assert invisible("color: #FFF")
    assert invisible("color: rgb(254, 254, 254)")
    assert invisible("color:transparent")
    assert invisible("background:#123456", "color:#123456")
    assert invisible("background-color: black", "color:#000")
    assert invisible("", tag="font", color="#ffffff")


def test_light_letters_on_dark_or_unknown_ground_are_text() -> None:
    assert not invisible("background:#003366;color:white")
    assert not invisible("background: url(dark.png)", "color:white")
    assert not invisible("color:white", "background:black")
    assert not invisible("color:white", **{"class": "hero"})
    assert not invisible("color:red")


def test_navigation_is_never_text_and_headers_only_within_the_main_text() -> None:
    assert why("nav") == why("nav", within=True) == why("footer") == "surroundings"
    assert why("div", role="navigation") == why("header") == why("aside") == "surroundings"
    assert why("header", within=True) is None
    assert why("aside", within=True) is None


@pytest.mark.parametrize("name", ["cookie-banner", "CookieConsent", "onetrust-banner-sdk", "gdpr-notice"])
def test_consent_banners_are_surroundings(name: str) -> None:
    assert why("div", id=name) == why("div", class_=f"x {name}") == "surroundings"
    assert why("body", class_=name) is None


@pytest.mark.parametrize("name", ["recipe-cookies", "cookie-bars", "informed-consent", "content"])
def test_cookies_that_are_baked_are_text(name: str) -> None:
    assert why("div", class_=name) is None


def test_lists_are_menus_by_name() -> None:
    assert names_a_menu("ul", {"class": "main-nav"})
    assert names_a_menu("div", {"id": "breadcrumbs"})
    assert not names_a_menu("ul", {"class": "ingredients"})
    assert not names_a_menu("body", {"class": "with-sidebar"})


def test_simple_rules_of_a_pages_own_style_sheet_hide() -> None:
    sheet = (
        "/* x */ .a, p.b { display: none } #c{visibility:hidden;} .d{color:red} @media all {.e{opacity:0}}"
    )
    hiding = hiding_selectors(sheet)
    assert hiding == {".a", "p.b", "#c", ".e"}
    assert why_left_out("div", {"class": "x a"}, hiding, is_within_main=True) == "hidden"
    assert why_left_out("p", {"class": "b"}, hiding, is_within_main=True) == "hidden"
    assert why_left_out("div", {"class": "b"}, hiding, is_within_main=True) is None
    assert why_left_out("div", {"id": "c"}, hiding, is_within_main=True) == "hidden"


def test_rules_that_hold_elsewhere_or_are_taken_back_hide_nothing() -> None:
    assert (
        hiding_selectors("@media print{.a{display:none}} @media (max-width:600px){.b{display:none}}") == NONE
    )
    assert hiding_selectors(".tab{display:none} .tab.active{display:block}") == NONE
    assert hiding_selectors("@font-face{font-size:0} @import 'x'; .a > .b {display:none}") == NONE
    assert hiding_selectors("@import url(x); .a{display:none}") == {".a"}


@pytest.mark.parametrize(
    "piece", ["/*", "{", "}", ".a{", "a,", "@media all{", "\\69", ";", ".a{display:none}"]
)
def test_a_hostile_style_sheet_takes_linear_time(piece: str) -> None:
    began = time.process_time()
    hiding_selectors(piece * 200_000)
    assert time.process_time() - began < 10
