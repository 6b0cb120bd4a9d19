"""The sample's corpus: two organisations' published policies as Markdown, and sentences that answers repeat.

`docs.parquet` has a row a passage: `source` (repository), `path`, `title`, `section`, `text`, `licence`. A
document's passages stand there in no order: what has no section comes first, then sections in the order of
their first row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

HELP_DESK = "basecamp/policies"
HANDBOOK = "18F/handbook"
_TRAVEL = "pages/travel-and-leave"
_EMPLOYEES = "pages/general-information-and-resources/employee-resources-policies"
PATHS = {
    HELP_DESK: (
        "abuse/how-we-handle/index.md",
        "abuse/index.md",
        "cancellation/index.md",
        "copyright/index.md",
        "incapacitated/index.md",
        "ownership-bc3/index.md",
        "ownership-hey/index.md",
        "privacy/index.md",
        "privacy/regulations/ccpa/index.md",
        "refund/hey/index.md",
        "refund/index.md",
        "security/index.md",
        "security/response/index.md",
        "sla/index.md",
        "taxes/index.md",
        "terms/index.md",
        "until-the-end-of-the-internet/index.md",
    ),
    HANDBOOK: (
        f"{_TRAVEL}/advanced-sick-leave.md",
        f"{_TRAVEL}/fmla.md",
        f"{_TRAVEL}/going-out-of-office.md",
        f"{_TRAVEL}/leave.md",
        f"{_TRAVEL}/overtime.md",
        f"{_TRAVEL}/paid-parental-leave.md",
        f"{_TRAVEL}/travel-and-leave-policies/moving.md",
        f"{_TRAVEL}/travel-and-leave-policies/travel-guide-2-book-travel.md",
        f"{_TRAVEL}/travel-and-leave-policies/travel-guide-a-amended-authorizations.md",
        f"{_TRAVEL}/voluntary-leave-transfer-program.md",
        f"{_EMPLOYEES}/employment-verification.md",
        f"{_EMPLOYEES}/transit-benefit.md",
        f"{_EMPLOYEES}/work-schedules.md",
        "pages/general-information-and-resources/purchase-requests.md",
        "pages/general-information-and-resources/tech-policies/password-requirements.md",
        "pages/hiring-staying-or-changing-jobs/term-extensions.md",
        "pages/performance-management/index.md",
        "pages/tools/slack/records.md",
        "pages/tools/zoom.md",
        "pages/training-and-development/conferences-events-training.md",
    ),
}
LEFT_OUT = {"Thanks for working with us"}
"""Sections that only list people's names."""
_FOLDERS = {HELP_DESK: "help-desk", HANDBOOK: "handbook"}
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_STATEMENT = re.compile(
    r"(?:We|You|Our|Your|The|All|Any|If|When|After|Whenever|Within|Most|Some|Many|Each|Every|No|Depending"
    r"|Accounts?|Employees?|Files|Content|Violations|Basecamp|HEY|TTS|GSA|FMLA|OPM|PeopleOps|Annual|Comp|Travel"
    r"|Award|Expired|Overtime|Zoom|Credit|Card|Term|Supervisors|Passwords?|Messages?|Slack|Security|Access"
    r"|Termination|Suspension|Verbal|Abuse|Android|Consent|Approval|Approved)"
    r" [^:;()\[\]*|\\@/…“”\"?!]{40,220}\."
)
"""A whole sentence that can be understood alone: one that begins with what it speaks of."""
_UNFIT = re.compile(
    r"(?i)\bplease\b|\bexample\b|\bhere\b|\bbelow\b|\babove\b|\bfollow(?:s|ing)?\b|\bclick|https?"
    r"|\bthat process\b"
    r"|\b(?:Ave|Inc|No|U\.S|e\.g|i\.e)\.|\d{3}-\d{4}|\bthis (?:page|policy|is|means|form|list|clause)\b"
    r"|\bthat (?:happens|time|period|right)\b|\bthose\b|\bthese\b|\bafter that\b|\balso\b"
    r"|\bYour name and\b|- "
)


@dataclass(frozen=True)
class Passage:
    """One passage of a document, as the documents' table has it."""

    document: str
    """Path within its repository."""
    uri: str
    """File of the sample that holds it, relative to the corpus."""
    title: str
    section: str
    text: str

    @property
    def statements(self) -> list[str]:
        """The sentences that an answer may repeat: whole, and understood without their neighbours."""
        sentences = _SENTENCE_END.split(self.text)
        return [s for s in sentences if _STATEMENT.fullmatch(s) and not _UNFIT.search(s)]

    def sentence_with(self, excerpt: str) -> str | None:
        """The sentence that holds the excerpt, whichever apostrophe either is written with."""
        wanted = plain(excerpt)
        return next((s for s in _SENTENCE_END.split(self.text) if wanted in plain(s)), None)


def plain(text: str) -> str:
    """The text with one kind of apostrophe."""
    return text.replace("’", "'")


def passages(documents: pl.DataFrame, source: str) -> list[Passage]:
    """The passages of a repository's chosen documents, by document and section.

    Raises:
        ValueError: a chosen document is not in the table.
    """
    rows = documents.filter((pl.col("source") == source) & ~pl.col("section").is_in(LEFT_OUT))
    found = []
    for path in PATHS[source]:
        own = rows.filter(pl.col("path") == path)
        if own.is_empty():
            raise ValueError(f"{source} has no document {path}")
        order = {section: n for n, section in enumerate(own["section"].unique(maintain_order=True))}
        uri = file_of(source, path)
        found += sorted(
            (Passage(path, uri, _title(r["title"], path), r["section"], r["text"]) for r in own.to_dicts()),
            key=lambda p: (p.section != "", order[p.section]),
        )
    return found


def write(found: list[Passage], folder: Path) -> int:
    """Writes every document as Markdown, its text unchanged; returns how many documents."""
    by_file: dict[str, list[Passage]] = {}
    for passage in found:
        by_file.setdefault(passage.uri, []).append(passage)
    for uri, own in by_file.items():
        lines = [f"# {own[0].title}"]
        section = ""
        for passage in own:
            if passage.section != section:
                lines.append(f"## {passage.section}")
            section = passage.section
            lines.append(passage.text.strip())
        (folder / uri).parent.mkdir(parents=True, exist_ok=True)
        (folder / uri).write_text("\n\n".join(lines) + "\n", "utf-8")
    return len(by_file)


def file_of(source: str, path: str) -> str:
    """The file of the sample's corpus that holds a document."""
    return f"{_FOLDERS[source]}/{_name(path)}.md"


def _name(path: str) -> str:
    """The file's name; an index file is called like its folders."""
    if path.endswith("/index.md"):
        return path.removesuffix("/index.md").removeprefix("pages/").replace("/", "-")
    return Path(path).stem


def _title(title: str, path: str) -> str:
    """The document's own title in one line; what was named after its file gets the file's words."""
    title = title.strip().rstrip(".") if title != "index" else _name(path).replace("-", " ")
    return title[0].upper() + title[1:]
