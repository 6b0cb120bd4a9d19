"""Classes of the Open Cybersecurity Schema Framework 1.6: what kind of event is which, and where things are.

| event | class |
|---|---|
| verification, re-verification, flip, review, action | Compliance Finding (2003): the claim is the check |
| finding | Data Security Finding (2006) |
| erasure, configuration | Entity Management (3004): delete, update |
| run | Application Lifecycle (6002): start, stop |
| health, withheld, checkpoint | Base Event (0) |

The record itself is `raw_data`, so that what was signed can be proven there too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.deliver.messages import Message
from tasks.deliver.requests import Circumstances, Format, Request, bearer, dumped, status_alone

VERSION = "1.6.0"
_PRODUCT = {"name": "claimledger", "vendor_name": "claimledger"}
_INFORMATIONAL, _LOW, _MEDIUM = 1, 2, 3
_CREATE, _UPDATE = 1, 2
_OTHER = 99
_PASS, _WARNING, _FAIL = 1, 2, 3
_STATUS = {"supported": _PASS, "insufficient": _WARNING, "contradicted": _FAIL}
Event = Mapping[str, Any]
Mapped = tuple[int, int, int, dict[str, Any]]
"""Class, activity, severity, and the attributes of the class."""


def request(messages: Sequence[Message], made: Circumstances) -> Request:
    """A JSON array of events."""
    body = b"[" + b",".join(dumped(event(message, made.origin)) for message in messages) + b"]"
    return Request(body, {"content-type": "application/json", **bearer(made)})


def event(message: Message, origin: str) -> dict[str, Any]:
    """One message as an event of its class."""
    held: Event = json.loads(message.record).get("event", {})
    class_uid, activity, severity, attributes = _CLASSES.get(message.kind, _base)(message, held)
    return {
        "activity_id": activity,
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + activity,
        "severity_id": severity,
        "time": int(message.occurred_at.timestamp() * 1000),
        "message": f"{message.kind} {message.first}",
        "metadata": {
            "version": VERSION,
            "product": _PRODUCT,
            "uid": message.id,
            "sequence": message.first,
            "event_code": message.kind,
            "log_name": origin,
        },
        "raw_data": message.record.decode(),
        **attributes,
    }


def _compliance(message: Message, held: Event) -> Mapped:
    verdict = str(held.get("corrected_verdict") or held.get("verdict") or "")
    status = _STATUS.get(verdict, _OTHER if message.kind in ("action", "action_taken", "review") else 0)
    severity = _MEDIUM if status == _FAIL else _LOW if status == _WARNING else _INFORMATIONAL
    subject = str(held.get("verdict_id") or held.get("claim_id") or message.subject)
    detail = verdict or str(held.get("action") or held.get("outcome") or message.kind)
    compliance = {"control": "claims supported by evidence", "status_id": status, "status_detail": detail}
    info = {"uid": subject, "title": f"{message.kind}: {detail}"}
    activity = _CREATE if message.kind == "verification" else _UPDATE
    return 2003, activity, severity, {"compliance": compliance, "finding_info": info}


def _data_security(message: Message, held: Event) -> Mapped:
    finding = str(held.get("finding", "personal data"))
    info = {"uid": message.subject, "title": f"{finding} in an answer", "types": [finding]}
    return 2006, _CREATE, _MEDIUM, {"finding_info": info}


def _entity(message: Message, held: Event) -> Mapped:
    delete, update = 4, 3
    activity = delete if message.kind == "erasure" else update
    what = {"erasure": "output", "hold": "hold"}.get(message.kind, "configuration")
    entity = {"uid": str(held.get("output_id") or message.subject), "name": what, "type": what}
    actor = held.get("actor")
    by = {"actor": {"user": {"name": str(actor)}}} if actor else {}
    return 3004, activity, _INFORMATIONAL, {"entity": entity, **by}


def _lifecycle(_: Message, held: Event) -> Mapped:
    start, stop = 3, 4
    app = {**_PRODUCT, "version": str(held.get("code_version", ""))}
    activity = start if held.get("phase") == "start" else stop
    return 6002, activity, _INFORMATIONAL, {"app": app}


def _base(*_: object) -> Mapped:
    return 0, _OTHER, _INFORMATIONAL, {"activity_name": "record"}


_CLASSES: Mapping[str, Callable[[Message, Event], Mapped]] = {
    **dict.fromkeys(
        ("verification", "re-verification", "flip", "review", "action", "action_taken"), _compliance
    ),
    "finding": _data_security,
    "erasure": _entity,
    "hold": _entity,
    "configuration": _entity,
    "run": _lifecycle,
}
FORMAT = Format(request, status_alone, 500, 5_000)
