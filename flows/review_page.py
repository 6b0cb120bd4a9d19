"""The review page of a lake: reviewers admitted, the desk set up, the server on its port."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from flows import covering
from flows.commands.console import new_run
from flows.reviews import decide
from tasks.errors import InputError
from tasks.lake.store import Lake
from tasks.privacy import leak_files
from tasks.review.queue import QueueParameters
from tasks.review.review_sheets import MAX_REVIEWER
from tasks.review_page.desk import Desk
from tasks.review_page.parameters import DEFAULTS, ReviewPageParameters
from tasks.review_page.server import LOOPBACK, Server, bound
from tasks.review_page.web import Reviewers, application
from tasks.settings import Settings
from tasks.visible import visible


@dataclass(frozen=True)
class ReviewPage:
    """A page that is ready to be served."""

    desk: Desk
    server: Server
    opened: socket.socket
    urls: dict[str, str]
    """The address that signs each reviewer in."""

    def serve(self) -> None:
        """Answers until it is stopped; what is not in the ledger then is recorded by the next one."""
        self.desk.start()
        try:
            self.server.run()
        finally:
            self.desk.stop()
            self.opened.close()


def open_page(
    settings: Settings,
    lake: Lake,
    reviewers: Sequence[str],
    *,
    port: int = 0,
    parameters: ReviewPageParameters = DEFAULTS,
) -> ReviewPage:
    """A page for these reviewers, each with a token of their own.

    Raises:
        InputError: the lake does not exist, the port cannot be used, or a name cannot be one.
        ConfigError: the key of a hashed lake is another one.
    """
    if not (lake.root / "tables").is_dir():
        raise InputError(f"{lake.root}: no lake yet; run claimledger audit first")
    for name in reviewers:
        _require_name(name)
    cover = leak_files.cover(settings.privacy)
    covering.require_key(lake, cover)
    run_id, _ = new_run("review page")
    desk = Desk(
        lake,
        partial(decide, settings, lake, run_id=run_id),
        queue_parameters(settings),
        parameters,
        due_hours=due_hours(settings),
        cover=cover,
    )
    opened = bound(port)
    port = opened.getsockname()[1]
    admitted = Reviewers()
    urls = {name: f"http://{LOOPBACK}:{port}/sign-in?token={admitted.admit(name)}" for name in reviewers}
    made = Server(application(desk, admitted, port), opened)
    return ReviewPage(desk, made, opened, urls)


def queue_parameters(settings: Settings, margin: float | None = None) -> QueueParameters:
    """What waits, by the policies of the configuration."""
    shares = {policy.label: policy.review_supported_ratio for policy in settings.policies}
    people = {policy.label: policy.review_people for policy in settings.policies}
    made = QueueParameters(supported_shares=shares, people=people)
    return made if margin is None else replace(made, margin=margin)


def due_hours(settings: Settings) -> dict[str, float]:
    """Hours within which a verdict should be decided, by policy, where it says so."""
    return {p.label: p.review_due_hours for p in settings.policies if p.review_due_hours is not None}


def _require_name(name: str) -> None:
    if not name.strip() or name != visible(name) or "\n" in name or len(name) > MAX_REVIEWER:
        raise InputError(
            f"--reviewer {name[:40]!r}: expected a name of 1 to {MAX_REVIEWER} visible characters"
        )
