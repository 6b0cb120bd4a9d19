"""Door to a provider's batch interface: submit, find, look, fetch.

What only reads is tried again where that may help. What creates a batch is not: whether it did is found out
by `find`, as after a crash, so that nothing is paid twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tasks.errors import ModelError
from tasks.verify.batch_wire import MARK, Kind, Standing, standing
from tasks.verify.endpoint import KEY, checked

if TYPE_CHECKING:
    import httpx

    from tasks.verify.parameters import EndpointSettings

VERSION = "2023-06-01"
"""Of Anthropic's interface."""
PAGES = 50
"""Of a list of batches, newest first: as far back as a batch that somebody paid for is looked for."""


class GoneError(ModelError):
    """The provider knows no such batch (404)."""


_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class BatchClient:
    """One provider; to be used as a context."""

    def __init__(self, settings: EndpointSettings, kind: Kind, *, key: str | None = None) -> None:
        self._settings, self._kind = settings, kind
        self._url = checked(settings.url)
        key = os.environ.get(KEY, "") if key is None else key
        self._headers = {"accept": "application/json"}
        if kind == "anthropic":
            self._headers |= {"x-api-key": key, "anthropic-version": VERSION}
        elif key:
            self._headers["authorization"] = f"Bearer {key}"
        self.name = urlsplit(self._url).netloc

    def __enter__(self) -> BatchClient:
        import httpx

        self._client = httpx.Client(
            headers=self._headers, timeout=self._settings.timeout_s, follow_redirects=False
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def submit(self, name: str, requests: Sequence[str]) -> str:
        """Creates a batch of that name and returns its id.

        Raises:
            ModelError: whether there is one now is not known.
        """
        if self._kind == "anthropic":
            body = f'{{"requests": [{",".join(requests)}]}}'.encode()
            headers = {"content-type": "application/json"}
            place = self._at("messages/batches")
            return self._created(self._client.build_request("POST", place, content=body, headers=headers))
        lines = ("\n".join(requests) + "\n").encode()
        upload = self._client.build_request(
            "POST",
            self._at("files"),
            data={"purpose": "batch"},
            files={"file": (f"{MARK}-{name}.jsonl", lines, "application/jsonl")},
        )
        order = {
            "input_file_id": self._created(upload),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {MARK: name},
        }
        return self._created(self._client.build_request("POST", self._at("batches"), json=order))

    def look(self, batch_id: str) -> Standing:
        """How a batch stands."""
        place = "batches" if self._kind == "openai" else "messages/batches"
        return self._standing(json.loads(self._read(self._at(f"{place}/{batch_id}"))))

    def find(self, name: str, *, requests: int, since: str, others: frozenset[str]) -> str | None:
        """The id of the batch that was submitted under a name, if there is one.

        Where the provider keeps no metadata, it is one of as many requests that was created since; what
        comes back says later whether it was the one.
        """
        if self._kind == "openai":
            return next((each.id for each in self._list("batches") if each.name == name), None)
        for each in self._list("messages/batches"):
            if each.created_at[:19] < since[:19]:
                return None
            if each.requests == requests and each.id not in others:
                return each.id
        return None

    def fetch(self, batch: Standing) -> Iterator[bytes]:
        """Lines of results."""
        for place in batch.results:
            address = self._at(f"files/{place}/content") if self._kind == "openai" else self._own(place)
            yield from self._read(address).splitlines()

    def _list(self, place: str) -> Iterator[Standing]:
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = json.loads(self._read(self._at(place), {"limit": "100", **after}))
            yield from (self._standing(each) for each in page["data"])
            if not page.get("has_more") or not page["data"]:
                return
            cursor = "after" if self._kind == "openai" else "after_id"
            after = {cursor: str(page["data"][-1]["id"])}

    def _standing(self, batch: dict[str, Any]) -> Standing:
        try:
            return standing(self._kind, batch)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ModelError(f"{self.name}: it answered with something else than a batch") from None

    def _own(self, url: str) -> str:
        """An address that the provider named, which must be one of its own: the key goes there."""
        full = urljoin(self._url + "/", url)
        if urlsplit(full)[:2] != urlsplit(self._url)[:2]:
            raise ModelError(f"{self.name}: its results are at another host, which is not asked")
        return full

    def _created(self, request: httpx.Request) -> str:
        import httpx

        try:
            reply = self._client.send(request)
        except (httpx.HTTPError, OSError) as error:
            raise ModelError(f"{self.name}: no answer to a batch ({type(error).__name__})") from None
        if reply.status_code not in (200, 201):
            raise ModelError(self._refusal(reply.status_code))
        try:
            return str(reply.json()["id"])
        except (ValueError, KeyError, TypeError):
            raise ModelError(f"{self.name}: it answered with something else than a batch") from None

    def _read(self, url: str, params: dict[str, str] | None = None) -> bytes:
        import httpx

        for attempt in range(1, self._settings.attempts + 1):
            try:
                reply = self._client.get(url, params=params)
            except (httpx.HTTPError, OSError) as error:
                why = f"{self.name}: it cannot be reached ({type(error).__name__})"
            else:
                if reply.status_code == 200:
                    return reply.content
                why = self._refusal(reply.status_code)
                if reply.status_code == 404:
                    raise GoneError(why)
                if reply.status_code not in _AGAIN:
                    break
            if attempt < self._settings.attempts:
                time.sleep(2.0 ** (attempt - 1) * self._settings.pause_scale)
        raise ModelError(why)

    def _refusal(self, status: int) -> str:
        hint = f"; check {KEY}" if status in (401, 403) else ""
        return f"{self.name}: its batch interface answered {status}{hint}"

    def _at(self, place: str) -> str:
        return f"{self._url}/{place}"
