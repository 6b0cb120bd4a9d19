"""A report's files without one output: what erasure leaves of a page's findings and of its JSON.

Belongs here: finding an output in the files that `tasks/report/report.py` writes. Does not belong here: a
claim's element on a page and texts in any file (`redact.py`), which files there are
(`tasks/review/erase.py`).

A masked example is one `<code class="example" data-output="...">`. Nothing else can look like it, because
texts of traces are escaped on a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

NAMES = ("index.html", "report.json")
ERASED = "[erased]"


def without(name: str, text: str, output_id: str) -> str:
    """The text of a file of NAMES without the output's claims and findings; the same where it holds none."""
    if name == "report.json":
        return _document(text, output_id)
    opening = f'<code class="example" data-output="{re.escape(output_id)}">'
    return re.sub(f"({opening}).*?(</code>)", rf"\1{ERASED}\2", text, flags=re.DOTALL)


def _document(text: str, output_id: str) -> str:
    try:
        document: dict[str, Any] = json.loads(text)
        claims = [claim for claim in document["claims"] if claim["output_id"] != output_id]
        findings = [
            {**row, "example": ERASED} if row["example_output_id"] == output_id else row
            for row in document["findings"]
        ]
    except (ValueError, KeyError, TypeError):
        return text  # not a document of ours; its texts are overwritten like any other file's
    new = {**document, "claims": claims, "findings": findings}
    return text if new == document else as_text(new)


def as_text(document: object, default: Callable[[object], object] | None = None) -> str:
    """A document as `report.json` holds it: keys sorted, so that equal facts are equal bytes."""
    return json.dumps(document, default=default, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
