"""What of a page a reader sees as its text, judged by each element's name and attributes.

Only what the page itself says is known: attributes, inline styles, and simple rules of its own style sheets
(`.name`, `#name`, `p.name`). Linked style sheets and scripts are not evaluated. Text that a click shows
(closed `<details>`) counts as visible. In doubt, what may be hidden is left out, because a sentence that
nobody sees must not support a claim; and what may be surroundings is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["hidden", "surroundings", "code"]
"""Why an element is left out; `code` is no text, and not counted."""

Attributes = Mapping[str, str | None]

_CODE = frozenset({"script", "style", "link", "meta", "base"})
_HIDDEN = (
    frozenset({"template", "noscript", "noframes", "noembed", "iframe", "object", "embed", "datalist", "rp"})
    | frozenset(
        {"video", "audio", "canvas", "annotation", "annotation-xml", "defs", "symbol", "metadata", "desc"}
    )
    | frozenset({"del", "s", "strike"})  # withdrawn, and so the opposite of what the page says
)
_SURROUNDINGS = frozenset({"nav", "footer", "select", "textarea", "button", "menu"})
_UNLESS_WITHIN_MAIN = frozenset({"header", "aside"})
_SURROUNDING_ROLES = frozenset({"navigation", "search", "menu", "menubar", "toolbar", "contentinfo"})
_ROLES_UNLESS_WITHIN_MAIN = frozenset({"banner", "complementary", "dialog", "alertdialog"})

_ALWAYS_HIDDEN_NAMES = frozenset(
    {"sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "a11y-hidden"}
)
_HIDDEN_NAMES = frozenset({"hidden", "is-hidden", "u-hidden", "d-none", "invisible", "display-none"})
_HIDDEN_NAMES = frozenset({"hidden", "is-hidden", "u-hidden", "d-none", "invisible", "display-none"})
_RESPONSIVE = re.compile(r"\b(?:sm|md|lg|xl|xxl|2xl|print)[:-]")
"""`d-none d-md-block`, `hidden md:block`: hidden on narrow screens only."""

_CONSENT_PRODUCT = re.compile(
    "onetrust|cybotcookie|usercentrics|didomi|cmplz|truste|iubenda-cs|qc-cmp|sp_message|cookie-?consent|cookie-?law"
    "|cky-consent|osano-cm"
)
_CONSENT = re.compile(
    "(?:cookie|consent|gdpr)s?[-_]?(?:banner|notice|popup|modal|dialog|overlay|message|wall|alert|disclaimer|bar(?![a-z]))"
)
_FOOTER = frozenset({"footer", "site-footer", "page-footer", "main-footer", "colophon"})
_MENU = re.compile("nav|menu|breadcrumb|sidebar|toc|pagination|pager|related|share|social|skip|footer|header")
"""Names of lists of links, if most of their text is links."""


@dataclass(frozen=True)
class Look:
    """What an element inherits: colours as `#rrggbb`, a background that classes may set as None."""

    color: str | None = None
    background: str | None = "#ffffff"

    @property
    def is_invisible(self) -> bool:
        """Whether letters have the colour of what is behind them."""
        return self.color is not None and self.color in (self.background, "transparent")


def why_left_out(
    tag: str, attributes: Attributes, hiding: frozenset[str], *, is_within_main: bool
) -> Kind | None:
    """Why the element's text is left out, or None; `hiding` is what `hiding_selectors` found."""
    if tag in _CODE:
        return "code"
    if _is_hidden(tag, attributes, hiding):
        return "hidden"
    is_outside = not is_within_main and tag not in ("html", "body", "main", "article")
    return "surroundings" if _surrounds(tag, attributes, is_outside=is_outside) else None


def _is_hidden(tag: str, attributes: Attributes, hiding: frozenset[str]) -> bool:
    if tag in _HIDDEN or (tag == "dialog" and "open" not in attributes):
        return True
    if not attributes:
        return False
    is_unspoken = (attributes.get("aria-hidden") or "").strip().lower() == "true"
    return is_unspoken or "hidden" in attributes or _hidden_by_name(tag, attributes, hiding)


def _surrounds(tag: str, attributes: Attributes, *, is_outside: bool) -> bool:
    if tag in _SURROUNDINGS or (tag in _UNLESS_WITHIN_MAIN and is_outside):
        return True
    role = attributes.get("role")
    if role in _SURROUNDING_ROLES:
        return True
    return is_outside and (role in _ROLES_UNLESS_WITHIN_MAIN or _is_banner(attributes))


def names_a_menu(tag: str, attributes: Attributes) -> bool:
    """Whether the element's id or class is a name of menus, breadcrumbs and the like."""
    if tag in ("html", "body", "main", "article"):
        return False
    return any(_MENU.search((attributes.get(key) or "").lower()) for key in ("id", "class"))


def look(tag: str, attributes: Attributes, inherited: Look) -> tuple[Look, bool]:
    """What the element's children inherit, and whether its inline style hides its text."""
    style = attributes.get("style")
    background, color = attributes.get("bgcolor"), attributes.get("color") if tag == "font" else None
    if not style and not background and not color:
        # What a class or an id paints is in a style sheet, so the background is unknown from here on.
        is_known = inherited.background is None or tag in ("html", "body")
        is_known = is_known or not ("class" in attributes or "id" in attributes)
        return (inherited if is_known else replace(inherited, background=None)), False
    declared = declarations(style or "")
    if _hides(declared):
        return inherited, True
    here = inherited
    if "class" in attributes or "id" in attributes:
        here = replace(here, background=None)
    painted = declared.get("background-color") or declared.get("background") or background
    if painted and painted not in ("none", "transparent", "inherit"):
        here = replace(here, background=_color(painted))
    ink = declared.get("color") or color
    if ink:
        here = replace(here, color=_color(ink))
    return here, False


def declarations(style: str) -> dict[str, str]:
    """Property and value of an inline style or of a rule's body, lower case, the last one of each."""
    plain = _unescaped(_without_comments(style)).lower()
    pairs = (part.partition(":") for part in plain.split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs if value}


def hiding_selectors(sheet: str) -> frozenset[str]:
    """Simple selectors (`.name`, `#name`, `tag.name`) that a style sheet hides and shows nowhere else.

    Rules for print or for some widths of the screen hide nothing here.
    """
    hidden: set[str] = set()
    shown: set[str] = set()
    for selectors, body in _rules(_without_comments(sheet)):
        declared = declarations(body)
        hides = _hides(declared)
        if hides or "display" in declared or "visibility" in declared:
            names = (name.strip() for name in _unescaped(selectors).split(","))
            if hides:
                hidden.update(name for name in names if _SIMPLE.fullmatch(name))
            else:
                shown.update(match for name in names for match in _NAMES.findall(name))
    return frozenset(name for name in hidden if not shown & set(_NAMES.findall(name)))


_SIMPLE = re.compile(r"[A-Za-z0-9]*[.#][\w-]+")
_NAMES = re.compile(r"[.#][\w-]+")
_BRACES = re.compile("[{}]")
_ALWAYS_ON = re.compile(r"@(?:media\s+(?:all|screen|only\s+screen)|layer\b[^{]*|supports\b[^{]*)\s*")


def _rules(sheet: str) -> Iterator[tuple[str, str]]:
    """(selectors, body) of the rules that hold on every screen."""
    blocks: list[bool] = []
    start, selectors = 0, ""
    for brace in _BRACES.finditer(sheet):
        piece, start = sheet[start : brace.start()], brace.end()
        if brace[0] == "{":
            selectors = piece.rpartition(";")[2].strip()
            blocks.append(_ALWAYS_ON.fullmatch(selectors) is not None)
        elif blocks:
            is_rule = not blocks.pop() and not selectors.startswith("@")
            if is_rule and all(blocks):
                yield selectors, piece
            selectors = "@"  # what closes next is the block around it


def _without_comments(css: str) -> str:
    """Cut at marks, one pass: a pattern for comments would take quadratic time on unclosed ones."""
    first, *rest = css.split("/*")
    return first + " ".join(piece.partition("*/")[2] for piece in rest)


def _unescaped(css: str) -> str:
    if "\\" not in css:
        return css
    return re.sub(r"\\([0-9A-Fa-f]{1,6})\s?", lambda match: chr(min(int(match[1], 16), 0x10FFFF)), css)


def _hidden_by_name(tag: str, attributes: Attributes, hiding: frozenset[str]) -> bool:
    classes, identity = attributes.get("class"), attributes.get("id")
    if hiding and identity and (f"#{identity}" in hiding or f"{tag}#{identity}" in hiding):
        return True
    if not classes:
        return False
    names = classes.split()
    if hiding and any(f".{name}" in hiding or f"{tag}.{name}" in hiding for name in names):
        return True
    if not _ALWAYS_HIDDEN_NAMES.isdisjoint(names):
        return True
    return not _HIDDEN_NAMES.isdisjoint(names) and not _RESPONSIVE.search(classes)


def _is_banner(attributes: Attributes) -> bool:
    for key in ("id", "class"):
        value = (attributes.get(key) or "").lower()
        if not value:
            continue
        if _CONSENT_PRODUCT.search(value) or _CONSENT.search(value):
            return True
        if not _FOOTER.isdisjoint(value.split()):
            return True
    return False


_LENGTH = re.compile(r"(-?\d*\.?\d+)(px|pt|em|rem|ex|ch|vw|vh|%)?")
_NUMBER = re.compile(r"(-?\d*\.?\d+)(%?)")
_LEAST = {
    "px": 2.0,
    "pt": 2.0,
    "em": 0.15,
    "rem": 0.15,
    "ex": 0.3,
    "ch": 0.3,
    "vw": 0.1,
    "vh": 0.1,
    "%": 15.0,
}
"""Smallest size of letters that somebody can read, by unit."""

_FAR_PIXELS = -500.0
"""Left of the screen's edge by more than any layout needs."""


def _hides(declared: Mapping[str, str]) -> bool:
    """Whether a style makes text unseen: not displayed, too small, transparent, clipped or off the screen."""
    if not declared:
        return False
    if declared.get("display") == "none" or declared.get("visibility") in ("hidden", "collapse"):
        return True
    if declared.get("content-visibility") == "hidden" or "line-through" in declared.get(
        "text-decoration", ""
    ):
        return True
    opacity = _NUMBER.fullmatch(declared.get("opacity", "1"))
    if opacity and float(opacity[1]) / (100 if opacity[2] else 1) < 0.1:
        return True
    return _is_tiny(declared) or _is_clipped(declared) or _is_off_screen(declared)


def _is_tiny(declared: Mapping[str, str]) -> bool:
    shorthand = declared.get("font", "").split("/")[0].split()
    size = _LENGTH.fullmatch(declared.get("font-size") or (shorthand[-1] if shorthand else ""))
    return size is not None and float(size[1]) < _LEAST.get(size[2] or "", 1.0)


def _is_clipped(declared: Mapping[str, str]) -> bool:
    clip = declared.get("clip-path", "") + " " + declared.get("clip", "")
    if re.search(
        r"inset\((?:50|100)%|circle\(0|rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01]", clip
    ):
        return True
    if re.search(r"scale\(\s*0\s*\)", declared.get("transform", "")):
        return True
    sizes = (declared.get(name, "") for name in ("width", "height", "max-width", "max-height"))
    is_cut = declared.get("overflow", "") in ("hidden", "clip")
    return is_cut and any(re.fullmatch(r"[01](?:\.0*)?(?:px|em|rem|%)?", size) for size in sizes)


def _is_off_screen(declared: Mapping[str, str]) -> bool:
    names = ["text-indent", "margin-left", "margin-top"]
    if declared.get("position") in ("absolute", "fixed"):
        names += ["left", "top", "right", "bottom"]
    for name in names:
        length = _LENGTH.fullmatch(declared.get(name, ""))
        pixels_per_unit = 16 if length and length[2] in ("em", "rem") else 1
        if length and length[2] != "%" and float(length[1]) * pixels_per_unit <= _FAR_PIXELS:
            return True
    return False


_NAMED = {
    "white": "#ffffff",
    "black": "#000000",
    "red": "#ff0000",
    "green": "#008000",
    "blue": "#0000ff",
    "yellow": "#ffff00",
    "gray": "#808080",
    "grey": "#808080",
    "silver": "#c0c0c0",
    "snow": "#fffafa",
    "ivory": "#fffff0",
    "whitesmoke": "#f5f5f5",
    "transparent": "transparent",
}
_HEX = re.compile("#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-f])")
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+)(%?))?\s*\)")


def _color(value: str) -> str | None:
    """A colour as `#rrggbb` or `transparent`; None where it is not known. Nearly white counts as white."""
    value = value.strip().lower()
    functional, written = _RGB.search(value), _HEX.search(value)
    if functional:
        red, green, blue, alpha, _ = functional.groups()
        if alpha is not None and alpha.strip("0.") == "":
            return "transparent"
        digits = "".join(f"{min(int(part[:4]), 255):02x}" for part in (red, green, blue))
    elif written:
        digits = written.group()[1:]
        if len(digits) in (3, 4):
            digits = "".join(2 * digit for digit in digits)
        if digits[6:] == "00":
            return "transparent"
        digits = digits[:6]
    elif "(" in value:  # a gradient or a picture
        return None
    else:
        named = next((_NAMED[word] for word in re.findall("[a-z]+", value) if word in _NAMED), None)
        if named is None or named == "transparent":
            return named
        digits = named.removeprefix("#")
    channels = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
    return "#ffffff" if all(channel >= 0xF0 for channel in channels) else f"#{digits}"
