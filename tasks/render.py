"""Renders the files that are generated from declarations: `python -m tasks.render`.

The files are committed; a test renders them again and compares, so a declaration cannot change without
its suite and its dictionary.
"""

from __future__ import annotations

import re
from pathlib import Path

from tasks.gate import dictionary, suites
from tasks.ledger import events
from tasks.tables import TABLES


def rendered() -> dict[str, str]:
    """Content of every generated file, by its path in a checkout."""
    files = {
        f"tasks/gate/expectations/{table.name}.json": suites.render_suite(table) for table in TABLES.values()
    }
    files["docs/data-dictionary.md"] = dictionary.render_dictionary(TABLES.values())
    return files | _auditors_files(Path(__file__).parent.parent / "docs" / "auditor")


def _auditors_files(folder: Path) -> dict[str, str]:
    """The auditor's checker and formats with the event schemas of today; the rest stays as it is written.

    An evidence pack carries the checkers, so they are data of `tasks/pack` too, under names that no program
    takes for modules of the house.
    """
    known = {schema: kind for kind, schema in sorted((k, s) for s, k in events.known_schemas().items())}
    # 80 bits tell schemas apart; a checker that a person reads before running it has to stay short.
    names = [schema[:20] for schema in sorted(known)]
    lines = "".join(" ".join(names[at : at + 5]) + "\n" for at in range(0, len(names), 5))
    rows = "".join(f"| {kind} | `{schema}` |\n" for schema, kind in known.items())
    parts = {
        "check_proof.py": (r'(?<=\nSCHEMAS = """\n).*?(?=""")', lines),
        "formats.md": (r"(?<=\| kind \| `_schema` \|\n\|---\|---\|\n).*?(?=\n`claim`)", rows),
    }
    files = {name: _replaced(folder / name, pattern, text) for name, (pattern, text) in parts.items()}
    carried = {
        "check.py": (folder / "check_pack.py").read_text("utf-8"),
        "check_proof.py": files["check_proof.py"],
        "ed25519.py": (folder / "ed25519.py").read_text("utf-8"),
    }
    return {f"docs/auditor/{name}": text for name, text in files.items()} | {
        f"tasks/pack/carried/{name}.txt": text for name, text in carried.items()
    }


def _replaced(path: Path, pattern: str, text: str) -> str:
    return re.sub(pattern, lambda _: text, path.read_text("utf-8"), count=1, flags=re.S)


def main() -> None:
    """Writes every generated file of this checkout."""
    root = Path(__file__).parent.parent
    for name, content in rendered().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
