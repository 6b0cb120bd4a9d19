"""Door to a service that expects a ping from each night, and raises the alarm where none comes."""

from __future__ import annotations

from typing import Literal

from tasks.deliver.addresses import Url
from tasks.deliver.parameters import HeartbeatSettings
from tasks.deliver.wire import Wire, WireError

Moment = Literal["start", "success", "fail"]
_SUFFIX = {"start": "/start", "success": "", "fail": "/fail"}


def ping(settings: HeartbeatSettings, moment: Moment, text: str) -> str | None:
    """Sends one ping; what went wrong, in a sentence, which does not quote the address.

    Args:
        text: what the service shows beside it; no content of answers.
    """
    endpoint = settings.endpoint
    wire = Wire(endpoint)
    try:
        target = Url.parse(f"{endpoint.url}{_SUFFIX[moment]}")
        reply = wire.post(text.encode(), {"content-type": "text/plain; charset=utf-8"}, target)
    except WireError as error:
        return f"heartbeat.url could not be reached: {error}"
    finally:
        wire.close()
    is_well = 200 <= reply.status < 300
    return None if is_well else f"heartbeat.url answers {reply.status} to a ping"
