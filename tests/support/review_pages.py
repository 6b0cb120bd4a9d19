"""A review page of a small lake, served from a thread, and a client that fills in its forms."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from flows import review_page
from flows.review_page import ReviewPage
from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.review_page.parameters import DEFAULTS, ReviewPageParameters
from tasks.settings import Settings
from tests.support import ledger_lake
from tests.support.ledger_lake import NIGHT

_CLIENTS: list[httpx.Client] = []
"""Of visitors, closed when the page that is served ends."""
EVERYTHING = (Policy(review_supported_ratio=1.0),)


def settings(folder: Path, *policies: Policy) -> Settings:
    """Of a lake below the folder, every verdict of which waits."""
    return Settings(
        lake=str(folder / "lake"), ledger=ledger_lake.settings(folder), policies=policies or EVERYTHING
    )


def fill(folder: Path, **size: int) -> Lake:
    """One recorded night of supported claims."""
    lake = Lake.open(str(folder / "lake"))
    lake.ensure_tables(NIGHT.date())
    ledger_lake.night(lake, ledger_lake.settings(folder), 0, **size)
    return lake


@contextmanager
def served(
    wanted: Settings, *reviewers: str, parameters: ReviewPageParameters = DEFAULTS
) -> Iterator[ReviewPage]:
    """The page, answering."""
    page = review_page.open_page(wanted, Lake.open(wanted.lake), reviewers or ("a",), parameters=parameters)
    thread = threading.Thread(target=page.serve)
    thread.start()
    try:
        yield page
    finally:
        while _CLIENTS:
            _CLIENTS.pop().close()
        page.server.stop()
        thread.join()


@dataclass
class Visitor:
    """A browser without eyes: keeps the cookie, and sends back the forms that it was given."""

    url: str
    text: str = ""
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.base = self.url.partition("/sign-in")[0]
        self.client = httpx.Client(base_url=self.base, follow_redirects=True, timeout=60, trust_env=False)
        _CLIENTS.append(self.client)
        self.text = self.client.get(self.url).text

    def get(self, path: str = "/") -> httpx.Response:
        answer = self.client.get(path)
        self.text = answer.text
        return answer

    @property
    def verdict_id(self) -> str:
        return re.findall('name="verdict_id" value="([0-9a-f]{64})"', self.text)[0]

    def form(self, action: str, **values: str) -> dict[str, str]:
        """The form of the page that is open, filled in."""
        part = self.text.partition(f'action="{action}"')[2].partition("</form>")[0]
        hidden = re.findall('type="hidden" name="([^"]*)" value="([^"]*)"', part)
        return {**dict(hidden), **values}

    def send(self, action: str, form: dict[str, str], **headers: str) -> httpx.Response:
        answer = self.client.post(action, data=form, headers={"origin": self.base, **headers})
        self.text = answer.text
        return answer

    def decide(self, decision: str, comment: str = "") -> httpx.Response:
        return self.send("/decide", self.form("/decide", decision=decision, comment=comment))
