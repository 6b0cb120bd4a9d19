"""The house as its imports show it: rooms, doors, floors, arrows, circles.

`python -m tests.support.architecture` prints the figures of the checkout.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = ("flows", "tasks", "training")
COMPUTES = {"annotated_types", "numpy", "phonenumbers", "polars", "pyarrow", "scipy", "stdnum"}
"""What a module may import without becoming a door; beside it, the part of the standard library that only
computes, and other modules that are not doors."""
GROUND = {"errors", "ids", "knobs", "schema", "tables", "visible"}
"""Modules at the foot of the house, which every room may stand on: one room, `ground`."""
WORLDLY = {
    "concurrent",
    "fcntl",
    "getpass",
    "glob",
    "http",
    "logging",
    "mmap",
    "multiprocessing",
    "os",
    "pathlib",
    "platform",
    "random",
    "secrets",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
"""The part of the standard library that touches the world."""


@cache
def modules() -> Mapping[str, Path]:
    """Dotted name of every module of the three trees, package faces left out, and its file."""
    files = [file for tree in TREES for file in sorted((ROOT / tree).rglob("*.py"))]
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for file in files
        if file.name != "__init__.py"
    }


def room(module: str) -> str:
    """`tasks.ledger.witness.web` is in the room `ledger`; modules outside `tasks` are in their tree."""
    tree, _, rest = module.partition(".")
    name = rest.split(".")[0]
    return tree if tree != "tasks" or not name else "ground" if name in GROUND else name


@cache
def imports(module: str, *, at_run_time: bool = False) -> frozenset[str]:
    """Full names of everything that a module imports; at run time: without imports for the type checker."""
    tree = ast.parse(modules()[module].read_text("utf-8"))
    names: set[str] = set()
    for node in _nodes(tree, skip_typing=at_run_time):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _nodes(node: ast.AST, *, skip_typing: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if skip_typing and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _nodes(child, skip_typing=skip_typing)


@cache
def neighbours(module: str, *, at_run_time: bool = False) -> frozenset[str]:
    """Modules of the house that a module imports."""
    named = imports(module, at_run_time=at_run_time)
    return frozenset(
        target
        for name in named
        for target in (name, name.rsplit(".", 1)[0])
        if target in modules() and target != module
    )


def opens(module: str) -> set[str]:
    """What a module touches the world with: worldly standard library, foreign libraries, the clock."""
    found = set()
    for name in imports(module, at_run_time=True):
        top = name.split(".")[0]
        if name.startswith("pyarrow.parquet"):
            found.add("pyarrow.parquet")
        elif top in WORLDLY or (top not in {*COMPUTES, *TREES} and top not in sys.stdlib_module_names):
            found.add(top)
    if re.search(r"\b(?:datetime\.now|date\.today)\(", modules()[module].read_text("utf-8")):
        found.add("clock")
    return found


def arrows() -> set[tuple[str, str]]:
    """(room, room) of every import that crosses a wall within `tasks`, and from the other trees into it."""
    return {
        (room(module), room(target))
        for module in modules()
        for target in neighbours(module)
        if room(module) != room(target)
    }


def circles() -> list[list[str]]:
    """Groups of two or more modules that import each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in neighbours(module):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            at = stack.index(module)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for module in modules():
        if module not in index:
            visit(module)
    return found


def floors() -> dict[str, int]:
    """Floor of every room: one above the highest room that it imports; the ground is 1."""
    below: dict[str, set[str]] = {room(module): set() for module in modules()}
    for upper, lower in arrows():
        below[upper].add(lower)

    def floor(name: str, path: tuple[str, ...] = ()) -> int:
        assert name not in path, f"rooms in a circle: {' -> '.join((*path, name))}"
        return 1 + max((floor(lower, (*path, name)) for lower in below[name]), default=0)

    return {name: floor(name) for name in below}


def long_functions(limit: int = 40) -> list[tuple[str, str, int]]:
    """(module, function, lines) of every function of more lines than `limit`."""
    return [
        (module, node.name, node.end_lineno - node.lineno + 1)
        for module, file in modules().items()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > limit
    ]


def main() -> None:
    """Prints the figures, most important first."""
    lines: dict[str, int] = {}
    unknown = 0
    for tree in TREES:
        for file in (ROOT / tree).rglob("*.py"):
            text = file.read_text("utf-8")
            name = room(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
            lines[name] = lines.get(name, 0) + len(text.splitlines())
            unknown += len(re.findall(r"\bAny\b", text))
    heights = floors()
    product = sum(count for name, count in lines.items() if name != "training")
    print(
        f"flows and tasks: {product} lines in {sum(m.split('.')[0] != 'training' for m in modules())} modules"
    )
    print(f"floors {max(heights.values())}, arrows {len(arrows())}, circles {len(circles())}")
    print(f"Any: {unknown}; functions over 40 lines: {len(long_functions())}")
    for name in sorted(lines, key=lambda each: (heights.get(each, 0), each)):
        print(f"  floor {heights.get(name, 0):2}  {name:12} {lines[name]:6} lines")


if __name__ == "__main__":
    main()
