"""The pack as OSCAL assessment results (NIST, version 1.2): what machines of auditors read.

Belongs here: the document's shape. Does not belong here: what was found (`page.py`).

A criterion without exception is *satisfied*, one with exceptions *not-satisfied*; what was not tested has an
observation and no finding, because OSCAL has no third state. The plan that OSCAL asks for is the section of
the page with the tests. Ids are made of what they name (RFC 9562, version 5), so that equal packs are equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC as _UTC
from datetime import datetime, time, timedelta

from tasks.pack.page import CLEAN, UNTESTED, PackPage, Section

VERSION = "1.2.3"
"""Of OSCAL."""
_NAMESPACE = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")
"""Of URLs (RFC 9562, section 6.6)."""
_OWN = "https://claimledger.dev/oscal"
"""Namespace of our properties; a name, not an address that answers."""


def uuid5(*parts: str) -> str:
    """A name-based UUID."""
    name = "/".join([_OWN, *parts]).encode()
    digest = bytearray(hashlib.sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def control_id(criterion: str) -> str:
    """A criterion's name as OSCAL's tokens are written: `PI1.1` is `pi1.1`."""
    return criterion.lower()


def assessment_results(page: PackPage, files: Mapping[str, str], version: str) -> dict[str, object]:
    """The document.

    Args:
        files: SHA-256 by path, of the pack's other files that are named as resources.
        version: of claimledger.
    """
    key = f"{page.origin}/{page.since}/{page.until}/{page.size}"
    owners = sorted({section.owner for section in page.sections})
    start = datetime.combine(page.since, time(), _UTC)
    end = datetime.combine(page.until + timedelta(days=1), time(), _UTC)
    return {
        "assessment-results": {
            "uuid": uuid5(key, "results"),
            "metadata": {
                "title": f"Evidence pack of {page.origin}, {page.since} to {page.until}",
                "last-modified": _instant(page.now),
                "version": version,
                "oscal-version": VERSION,
                "roles": [{"id": "control-owner", "title": "Owner of a control"}],
                "parties": [
                    {"uuid": uuid5("party", owner), "type": "organization", "name": owner} for owner in owners
                ],
                "remarks": "Produced by software of the assessed organisation; not an auditor's opinion.",
            },
            "import-ap": {
                "href": "../index.html#controls",
                "remarks": "The tests are described on the page.",
            },
            "results": [_result(page, key, start, end)],
            "back-matter": {
                "resources": [_resource(key, path, sha256) for path, sha256 in sorted(files.items())]
            },
        }
    }


def _result(page: PackPage, key: str, start: datetime, end: datetime) -> dict[str, object]:
    names = [{"control-id": control_id(section.criterion.name)} for section in page.sections]
    result: dict[str, object] = {
        "uuid": uuid5(key, "result"),
        "title": f"{page.since} to {page.until}",
        "description": "Trust Services Criteria on which the nightly audit of AI agents bears.",
        "start": _instant(start),
        "end": _instant(end),
        "reviewed-controls": {"control-selections": [{"include-controls": names}]},
        "observations": [_observation(section, page, key) for section in page.sections],
        "remarks": page.verification,
    }
    risks = [_risk(row, key) for row in page.exceptions.head(page.exceptions_shown).to_dicts()]
    findings = [_finding(section, key) for section in page.sections if section.state != UNTESTED]
    return result | ({"risks": risks} if risks else {}) | ({"findings": findings} if findings else {})


def _observation(section: Section, page: PackPage, key: str) -> dict[str, object]:
    criterion = section.criterion
    lines = [f"{figure.words}: {figure.text}" for figure in section.figures]
    remarks = ["Design:", criterion.design, "Population:", criterion.complete_because]
    remarks += ["Not tested:", section.reason] if section.reason else []
    return {
        "uuid": uuid5(key, "observation", criterion.name),
        "title": f"{criterion.name}: {section.state}",
        "description": f"{criterion.operation} Results: {'; '.join(lines)}.",
        "props": [
            {"name": "state", "value": section.state.replace(" ", "-"), "ns": _OWN},
            {"name": "owner", "value": section.owner, "ns": _OWN},
        ],
        "methods": ["TEST", "EXAMINE"],
        "types": ["control-objective"],
        "relevant-evidence": [
            {"href": f"../populations/{name}.csv", "description": f"Population {name}"}
            for name in criterion.population
        ],
        "collected": _instant(page.now),
        "remarks": " ".join(remarks),
    }


def _finding(section: Section, key: str) -> dict[str, object]:
    name = section.criterion.name
    is_clean = section.state == CLEAN
    finding: dict[str, object] = {
        "uuid": uuid5(key, "finding", name),
        "title": f"{name}: {section.state}",
        "description": section.criterion.control,
        "target": {
            "type": "objective-id",
            "target-id": control_id(name),
            "status": {
                "state": "satisfied" if is_clean else "not-satisfied",
                "reason": "pass" if is_clean else "fail",
            },
        },
        "related-observations": [{"observation-uuid": uuid5(key, "observation", name)}],
    }
    risks = [{"risk-uuid": uuid5(key, "risk", each)} for each in section.exceptions["id"]]
    return finding | ({"related-risks": risks} if risks else {})


def _risk(row: Mapping[str, object], key: str) -> dict[str, object]:
    done = row["done"]
    return {
        "uuid": uuid5(key, "risk", str(row["id"])),
        "title": _line(f"{row['id']}: {row['what']}"),
        "description": str(row["what"]),
        "statement": f"Exception under {row['criterion']}, first {row['at'] or 'without a date'}.",
        "status": "closed" if done else "open",
        "props": [{"name": "done", "value": _line(str(done)), "ns": _OWN}] if done else
        [{"name": "done", "value": "nothing-on-record", "ns": _OWN}],
    }  # fmt: skip


def _resource(key: str, path: str, sha256: str) -> dict[str, object]:
    return {
        "uuid": uuid5(key, "resource", path),
        "title": path,
        "rlinks": [{"href": f"../{path}", "hashes": [{"algorithm": "SHA-256", "value": sha256}]}],
    }


def _line(text: str) -> str:
    """Text without line breaks or blanks at its ends, as OSCAL's titles and values are."""
    return " ".join(text.split()) or "-"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(_UTC):%Y-%m-%dT%H:%M:%SZ}"
