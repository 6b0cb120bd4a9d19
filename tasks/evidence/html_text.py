"""Door to the HTML parser: the visible main text of a page.

(1) Nesting is counted before the page is parsed, because parsing deep nesting takes quadratic time.
(2) The page is parsed as browsers do, and walked once, without recursion and without changing the tree.
(3) What stands in `<main>` is the main text where the page has one that is not nearly empty; else everything
    but what `visibility` calls surroundings, and lists that are menus by name and by their links.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tasks.evidence import visibility
from tasks.evidence.document_text import Cell, DocumentText, decode, table_lines, tidy, visible_length
from tasks.evidence.visibility import Kind, Look
from tasks.files.refusal import Refusal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LEAST_MAIN_SHARE = 0.1
"""A `<main>` with less than this share of the page's text is a frame that scripts fill, not the main text."""

_LEAST_LINK_SHARE = 0.6
"""A list named like a menu is one when so much of its text is links."""

_LONGEST_MENU = 4_000
"""Characters: what is longer is a directory, and its links are what the page says."""

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "summary", "dt"})
_PARTS_OF_TABLES = frozenset({"caption", "colgroup", "tbody", "td", "tfoot", "th", "thead", "tr"})
_BLOCKS = (
    frozenset(
        {"address", "article", "aside", "blockquote", "br", "center", "dd", "details", "dialog", "div", "dl"}
    )
    | frozenset(
        {"fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "legend", "li"}
    )
    | frozenset(
        {"main", "nav", "ol", "optgroup", "option", "p", "pre", "search", "section", "table", "title", "ul"}
    )
    | _HEADINGS
    | _PARTS_OF_TABLES
)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "wbr"}
)
_UNCOUNTED = (
    # Elements without an end, and those whose end may be missing because the next one closes them.
    frozenset(
        {"source", "track", "p", "li", "dd", "option", "optgroup", "rb", "rt", "rp", "html", "head", "body"}
    )
    | frozenset({"a", "button", "dt", "nobr"})
    | _PARTS_OF_TABLES
    | _VOID
)
_TAG = re.compile(r"<(/?[a-zA-Z][^\s/>]*)")
_TAG_OR_COMMENT = re.compile(r"<(?:!--|(/?[a-zA-Z][^\s/>]*))")
_STRUCTURE = frozenset({"a", "caption", "table", "tr", "td", "th"})
_PAINTING = frozenset({"style", "bgcolor", "color"})
_MOST_SEEN = 10_000
"""Kinds of elements whose judgement is remembered."""


def read(data: bytes, *, max_depth: int, main_only: bool) -> DocumentText:
    """Visible main text of a page; all visible text with `main_only` false.

    Raises:
        Refusal: it is nested deeper than `max_depth`, or no text.
    """
    from selectolax.lexbor import LexborHTMLParser

    markup = decode(data)
    # (1)
    if _is_deep(markup, max_depth):
        raise Refusal("depth", f"elements nested more than {max_depth} deep (limits.max_html_depth)")
    # (2)
    tree = LexborHTMLParser(markup)
    if tree.root is None:
        return DocumentText("")
    sheets = "\n".join(node.text() or "" for node in tree.css("style"))
    hiding = visibility.hiding_selectors(sheets)
    # (3)
    mains = frozenset(node.mem_id for node in tree.css("main, [role=main]")) if main_only else frozenset()
    page = _Page(hiding, mains, main_only).walk(tree.root)
    if mains and page.length < _LEAST_MAIN_SHARE * page.left_out["surroundings"]:
        whole = _Page(hiding, frozenset(), main_only).walk(tree.root)
        page = whole if page.length < _LEAST_MAIN_SHARE * whole.length else page
    text = tidy("".join(page.parts))
    return DocumentText(text, page.left_out["hidden"], page.left_out["surroundings"])


def _is_deep(markup: str, most: int) -> bool:
    """Whether more than `most` elements are open at once, as far as tags alone can tell.

    Tags that a browser would ignore can mislead it both ways; time and memory are bounded for those pages.
    """
    if markup.count("<") <= most or not _nests(_TAG.findall(markup), most):
        return False
    # Once more, and exactly: comments hold tags, and in drawings most elements have no end tag.
    return _nests(_tags(markup), most)


def _nests(tags: Iterable[str], most: int) -> bool:
    """Whether names of opened and (after a slash) closed elements are ever more than `most` deep."""
    names: list[str] = []
    open_count: dict[str, int] = {}
    for tag in tags:
        name = tag.lower()
        if name[0] != "/":
            if name not in _UNCOUNTED:
                names.append(name)
                open_count[name] = open_count.get(name, 0) + 1
                if len(names) > most:
                    return True
        elif open_count.get(name[1:]):
            last = ""
            while last != name[1:]:
                last = names.pop()
                open_count[last] -= 1
    return False


def _tags(markup: str) -> Iterator[str]:
    """Names of tags outside comments; without elements of drawings that close themselves."""
    drawings = position = 0
    while (match := _TAG_OR_COMMENT.search(markup, position)) is not None:
        position = match.end()
        name = match[1]
        if name is None:
            position = markup.find("-->", position)
            if position < 0:
                return
            continue
        end = markup.find(">", position)
        if end < 0:
            return
        position = end + 1
        closes_itself = markup[end - 1] == "/"
        if name.lower() in ("svg", "math"):
            drawings += not closes_itself
        elif name.lower() in ("/svg", "/math"):
            drawings = max(0, drawings - 1)
        if not (drawings and closes_itself):
            yield name


@dataclass
class _Table:
    """A table that is being walked."""

    start: int
    """Where its text begins in the page's parts."""
    rows: list[list[Cell]] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    is_layout: bool = False
    """Its cells are blocks of a page, not values."""
    has_header: bool = False


class _State(NamedTuple):
    """What holds for the text of an element because of the elements around it."""

    look: Look
    is_within_main: bool = False
    is_preformatted: bool = False
    is_heading: bool = False


class _Open(NamedTuple):
    """An element whose end has something to do."""

    tag: str
    before: _State
    start: int
    """Its first part of the page."""
    menu: tuple[int, int] | None
    """Lengths of text and of links before an element that is named like a menu."""
    cell: tuple[bool, int, int] | None
    """Of a table's cell: is it a header, how many columns and rows it spans."""


class _Judged(NamedTuple):
    """What is the same for all elements of one tag with the same deciding attributes."""

    kind: Kind | None
    is_menu: bool
    is_plain: bool
    """Text within a line, and nothing to do at its end."""


class _Page:
    """One walk over a tree: the text it keeps, and the lengths of what it leaves out."""

    def __init__(self, hiding: frozenset[str], mains: frozenset[int], main_only: bool) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.left_out: dict[Kind, int] = {"hidden": 0, "surroundings": 0, "code": 0}
        self._hiding, self._mains, self._main_only = hiding, mains, main_only
        self._links = 0
        self._link_depth = 0
        self._tables: list[_Table] = []
        self._open: list[_Open | None] = []
        self._seen: dict[tuple[object, ...], _Judged] = {}
        self._state = _State(Look())
        self._set(self._state)

    def walk(self, root: LexborNode) -> _Page:
        """Depth first; the tree's own pointers are the stack, so that depth costs no memory."""
        node: LexborNode | None = root
        end = root.mem_id
        while node is not None:
            tag = node.tag or ""
            if tag == "-text":
                self._text(node.text_content or "")
            elif tag[:1] not in ("-", "!") and self._enter(node, tag):
                child = node.first_child
                if child is not None:
                    node = child
                    continue
                self._leave()
            while (after := None if node.mem_id == end else node.next) is None:
                parent = None if node.mem_id == end else node.parent
                if parent is None:
                    return self
                node = parent
                self._leave()
            node = after
        return self

    def _set(self, state: _State) -> None:
        self._state = state
        self._sink: Kind | None = None
        if state.look.is_invisible:
            self._sink = "hidden"
        elif self._mains and not state.is_within_main:
            self._sink = "surroundings"

    def _text(self, text: str) -> None:
        if self._sink is not None:
            self.left_out[self._sink] += visible_length(text)
            return
        # A line break in the source is a space on the page.
        self.parts.append(text if self._state.is_preformatted else text.replace("\n", " "))
        if not text.isspace():
            self.length += len(text)
            if self._link_depth:
                self._links += len(text)

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Opens an element; False for one that is left out, with what is in it."""
        before = state = self._state
        attributes = node.attributes
        looks = bool(attributes) and (
            state.look.background is not None or not _PAINTING.isdisjoint(attributes)
        )
        kind, is_menu, is_plain = self._judged(tag, attributes, state)
        if is_plain and not looks:
            self._open.append(None)
            return True
        if tag == "title" or (node.mem_id in self._mains if self._mains else tag in ("main", "article")):
            state = state._replace(is_within_main=True)
        if kind is None and looks:
            look, hides = visibility.look(tag, attributes, state.look)
            kind = "hidden" if hides else None
            state = state._replace(look=look)
        if tag in _BLOCKS:
            self.parts.append("\n")
        if kind is not None:
            self.left_out[kind] += 0 if kind == "code" else _length_below(node)
            return False
        if tag == "pre":
            state = state._replace(is_preformatted=True)
        elif tag in _HEADINGS:
            state = state._replace(is_heading=True)
        menu = (self.length, self._links) if is_menu else None
        cell = self._begin(tag, attributes) if tag in _STRUCTURE else None
        self._open.append(_Open(tag, before, len(self.parts), menu, cell))
        if state is not before:
            self._set(state)
        return True

    def _judged(self, tag: str, attributes: visibility.Attributes, state: _State) -> _Judged:
        """What an element is; found out once for all that are alike."""
        within = state.is_within_main
        key: tuple[object, ...] = (tag, within)
        if attributes:
            get = attributes.get
            # All that decides but style and colours; 0 because an attribute may be there without a value.
            key += (
                get("class"),
                get("id"),
                get("role"),
                get("aria-hidden"),
                get("hidden", 0),
                get("open", 0),
            )
        judged = self._seen.get(key)
        if judged is None:
            kind = visibility.why_left_out(tag, attributes, self._hiding, is_within_main=within)
            is_menu = self._main_only and visibility.names_a_menu(tag, attributes)
            is_inline = not (tag in _BLOCKS or tag in _STRUCTURE or "role" in attributes)
            judged = _Judged(kind, is_menu, is_inline and kind is None and not is_menu)
            if len(self._seen) < _MOST_SEEN:
                self._seen[key] = judged
        if judged.kind == "surroundings" and (not self._main_only or (tag == "button" and state.is_heading)):
            return _Judged(None, False, False)
        return judged

    def _begin(self, tag: str, attributes: visibility.Attributes) -> tuple[bool, int, int] | None:
        """Counts a link, opens a table or a row; what a cell is."""
        if tag == "a":
            self._link_depth += 1
        elif tag == "table":
            for table in self._tables[-1:]:
                table.is_layout = True
            is_layout = attributes.get("role") in ("presentation", "none")
            self._tables.append(_Table(len(self.parts), is_layout=is_layout))
        elif self._tables and tag == "tr":
            self._tables[-1].rows.append([])
        elif self._tables and tag in ("td", "th") and self._tables[-1].rows:
            return tag == "th", _span(attributes.get("colspan")), _span(attributes.get("rowspan"))
        return None

    def _leave(self) -> None:
        """Closes the element that was opened last."""
        done = self._open.pop()
        if done is None:
            return
        if done.before is not self._state:
            self._set(done.before)
        if done.tag == "a":
            self._link_depth -= 1
        elif done.cell is not None:
            self._end_cell(done.start, *done.cell)
        elif done.tag == "caption" and self._tables:
            self._tables[-1].captions.append(tidy("".join(self.parts[done.start :])))
        elif done.tag == "table":
            self._end_table()
        if done.menu is not None:
            length, links = self.length - done.menu[0], self._links - done.menu[1]
            if 0 < length <= _LONGEST_MENU and links >= _LEAST_LINK_SHARE * length:
                self.left_out["surroundings"] += visible_length("".join(self.parts[done.start :]))
                del self.parts[done.start :]
                self.length, self._links = done.menu
        if done.tag in _BLOCKS:
            self.parts.append("\n")

    def _end_cell(self, start: int, is_header: bool, columns: int, rows: int) -> None:
        table = self._tables[-1]
        if table.is_layout:
            return
        text = tidy("".join(self.parts[start:]))
        table.has_header = table.has_header or is_header
        table.is_layout = "\n" in text and not table.has_header
        table.rows[-1].append(Cell(text.replace("\n", " "), is_header, columns, rows))

    def _end_table(self) -> None:
        table = self._tables.pop()
        if not table.is_layout and any(len(row) > 1 for row in table.rows):
            self.parts[table.start :] = [f"\n{line}\n" for line in table.captions + table_lines(table.rows)]


def _span(value: str | None) -> int:
    return int(value) if value and re.fullmatch("[0-9]{1,5}", value) else 1


def _length_below(node: LexborNode) -> int:
    """Characters of the text in an element, scripts and styles aside."""
    length = 0
    for below in node.traverse(include_text=True):
        if below.is_text_node:
            parent = below.parent
            if parent is None or parent.tag not in ("script", "style"):
                length += visible_length(below.text_content or "")
    return length
