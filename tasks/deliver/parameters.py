"""What an endpoint is, which events it gets, and how long it is tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from tasks.deliver import addresses
from tasks.knobs import Example, Section
from tasks.ledger import events

CHECKPOINT = "checkpoint"
EVENT_KINDS = (*events.KINDS, CHECKPOINT)
WebhookKind = Literal[
    "standard", "cloudevents", "splunk", "sentinel", "elastic", "ocsf", "syslog", "otlp", "file"
]
SCHEMES = {"syslog": ("tls", "tcp")}
"""Of addresses by kind, the safe one first; https and http of all others."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(Section):
    """One endpoint to which every event of the ledger is sent. Secrets: CLAIMLEDGER_WEBHOOK_NAME_SECRET, and
    during a rotation CLAIMLEDGER_WEBHOOK_NAME_SECRET_OLD.
    """

    name: Annotated[str, MinLen(1), MaxLen(60), Example("siem")]
    """What tables and secrets call it; each endpoint has its own."""
    url: Annotated[str, MinLen(1), MaxLen(2000), Example("https://siem.example/in")]
    """Where it listens: https, of `syslog` tls://HOST:PORT, of `file` the path of a file."""
    kind: WebhookKind = "standard"
    """What it understands."""
    events: Annotated[tuple[str, ...], Example(("verification", "action", "finding", "review"))] = ()
    """Kinds of events that are sent whole, all by default. Of the others go index and leaf hash, and
    checkpoints always go, so that the receiver can prove that nothing is missing."""
    redact: Annotated[tuple[str, ...], Example(("actor", "reviewer"))] = ()
    """Fields that are left out of every event; it can then be counted, but not compared with its hash."""
    allow_private: bool = False
    """It may be on this machine or a private network, also without TLS. Link-local addresses never."""
    ca_file: Annotated[str | None, Example("company-ca.pem")] = None
    """PEM file of the authority that signed its certificate, where the system does not know it."""
    batch_events: Annotated[Annotated[int, Ge(1), Le(10_000)] | None, Example(500)] = None
    """Most events per request; without it what suits the kind, 1 for standard and cloudevents."""
    client_id: Annotated[str | None, Example("11111111-2222-3333-4444-555555555555")] = None
    """Of `sentinel`: the application whose secret this is."""
    token_url: Annotated[
        str | None, Example("https://login.microsoftonline.com/TENANT/oauth2/v2.0/token")
    ] = None
    """Of `sentinel`: where the secret is exchanged for a token."""
    attempts: Annotated[int, Ge(1), Le(100)] = 8
    """Attempts at one request, some 6 s of waits, before the next delivery goes on with it."""
    timeout_s: Annotated[float, Gt(0), Le(300)] = 10.0
    """Seconds that one request may take, from the name's look-up to the end of the answer."""
    limit_s: Annotated[float, Gt(0), Le(86_400)] = 300.0
    """Seconds that a run spends on it; `claimledger deliver` takes as long as there is something to send."""

    late_after_hours: Annotated[float, Gt(0), Le(8_760)] = 24.0
    """Hours without a delivery, although something waits, after which a run ends with a problem."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name is {self.name!r}, expected letters, digits, _ and -")
        unknown = sorted(set(self.events) - set(EVENT_KINDS))
        if unknown:
            raise ValueError(f"events has {unknown[0]!r}, expected some of {', '.join(EVENT_KINDS)}")
        if self.kind != "file":
            _check_url(self)

    @property
    def variable(self) -> str:
        """Name of the environment variable with its secret."""
        return f"CLAIMLEDGER_WEBHOOK_{re.sub('[^A-Z0-9]+', '_', self.name.upper()).strip('_')}_SECRET"


@dataclass(frozen=True, kw_only=True)
class HeartbeatSettings(Section):
    """Who raises an alarm when a night does not run: a service that expects a ping from each, in the manner
    of healthchecks.io.
    """

    url: Annotated[str | None, Example("https://hc-ping.com/UUID")] = None
    """Pinged when a night ended well; URL/start when it begins, URL/fail when it failed or has problems.
    Whoever knows it can ping too, so it may come by CLAIMLEDGER__HEARTBEAT__URL."""
    allow_private: bool = False
    """It may be on this machine or a private network, also without TLS."""
    timeout_s: Annotated[float, Gt(0), Le(60)] = 10.0
    """Seconds that a ping may take; a run neither waits longer nor fails because of it."""

    def __post_init__(self) -> None:
        if self.url is not None:
            _ = self.endpoint

    @property
    def endpoint(self) -> WebhookSettings:
        """What a ping goes to."""
        url = (self.url or "").rstrip("/")
        return WebhookSettings(
            name="heartbeat", url=url, allow_private=self.allow_private, timeout_s=self.timeout_s
        )


def _check_url(settings: WebhookSettings) -> None:
    """Refuses what is wrong with an address as it is written; what it resolves to is looked at when it is
    connected to.
    """
    if "@" in settings.url:
        raise ValueError(f"url holds a name or password; set {settings.variable} instead")
    safe, plain = SCHEMES.get(settings.kind, ("https", "http"))
    for text in (settings.url, settings.token_url or settings.url):
        scheme = addresses.Url.parse(text).scheme
        if scheme not in (safe, plain):
            raise ValueError(
                f"url begins with {scheme}:, expected {safe}://HOST/… for the kind {settings.kind}"
            )
        if scheme == plain and not settings.allow_private:
            raise ValueError(
                f"url is plain {plain}, which goes to this machine or a private network alone; set "
                f"allow_private, or use {safe}"
            )
    if settings.kind == "sentinel" and not (settings.client_id and settings.token_url):
        raise ValueError("the kind sentinel needs client_id and token_url")
