"""Door to one endpoint's requests: which line they go over, with which secret, and what the answer means."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from tasks.deliver import sentinel
from tasks.deliver.addresses import Url
from tasks.deliver.answers import Answer, by_status
from tasks.deliver.append import Lines
from tasks.deliver.formats import FORMATS, SIGNS
from tasks.deliver.messages import Message
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.requests import Circumstances
from tasks.deliver.syslog_wire import SyslogLine
from tasks.deliver.wire import Resolve, Wire, WireError

TOKEN_MARGIN_S = 60.0
"""A token is renewed so long before it ends."""


class DeniedError(Exception):
    """No token for this secret: what was answered."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Poster:
    """Requests to one endpoint; of one thread."""

    def __init__(
        self, settings: WebhookSettings, secrets: tuple[str, ...], origin: str, look_up: Resolve | None = None
    ) -> None:
        self.settings, self.secrets, self.origin = settings, secrets, origin
        self.kind = FORMATS[settings.kind]
        self._tokens: dict[str, tuple[str, float]] = {}
        self._line: Lines | SyslogLine | Wire
        if settings.kind == "file":
            self._line = Lines(settings.url)
        elif settings.kind == "syslog":
            self._line = SyslogLine(settings, look_up)
        else:
            self._line = Wire(settings, look_up)

    def close(self) -> None:
        """Closes what is open."""
        self._line.close()

    def post(self, messages: Sequence[Message]) -> Answer:
        """One attempt; during a rotation a token that is not accepted is followed by the other one."""
        if self.settings.kind in SIGNS or not self.secrets:
            return self._post(messages, self.secrets)
        answer = Answer("stop")
        for secret in self.secrets:
            answer = self._post(messages, (secret,))
            if not answer.is_denied:
                break
        return answer

    def _post(self, messages: Sequence[Message], secrets: tuple[str, ...]) -> Answer:
        now = datetime.now(UTC)
        try:
            token = self._token(secrets[0]) if self.settings.token_url else ""
            made = Circumstances(self.settings, secrets, self.origin, now, token)
            request = self.kind.request(messages, made)
            if isinstance(self._line, Wire):
                reply = self._line.post(request.body, request.headers)
            else:
                reply = self._line.post(request.body)
        except WireError as error:
            return Answer("stop" if error.is_refused else "later", str(error))
        except DeniedError as error:
            return error.answer
        answer = self.kind.answer(reply, messages, now)
        if answer.is_denied and secrets:
            self._tokens.pop(secrets[0], None)
        return answer

    def _token(self, secret: str) -> str:
        """What the secret is exchanged for, asked for again shortly before it ends.

        Raises:
            DeniedError: there is none for it.
            WireError: who gives it does not answer.
        """
        token, until = self._tokens.get(secret, ("", 0.0))
        if time.monotonic() < until:
            return token
        assert isinstance(self._line, Wire)  # noqa: S101 - kinds with tokens go over HTTP
        form = urlencode(sentinel.token_request(self.settings, secret)).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        reply = self._line.post(form, kind, Url.parse(self.settings.token_url or ""))
        given = sentinel.token(reply)
        if given is None:
            answer = by_status(reply, datetime.now(UTC))
            is_busy = answer.state == "later"
            reason = f"token_url returned no token ({reply.status})"
            raise DeniedError(Answer("later" if is_busy else "stop", reason, is_denied=not is_busy))
        self._tokens[secret] = (given[0], time.monotonic() + given[1] - TOKEN_MARGIN_S)
        return given[0]
