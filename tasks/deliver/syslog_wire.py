"""Door to syslog servers: frames over TLS, or over plain TCP within a private network.

Syslog has no acknowledgement. A batch counts as accepted when all of it was sent and the server, once our
side is closed, closes its own or keeps silent for a moment; a reset is a failure. What a server lost after
that, its receiver finds at the next checkpoint.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from tasks.deliver.addresses import Url
from tasks.deliver.answers import Reply
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.wire import Deadline, Resolve, WireError, first_answer, looked_at, tls

SILENCE_S = 1.0
"""How long the server's own end is waited for."""


class SyslogLine:
    """A connection a batch, so that each one has an end."""

    def __init__(self, settings: WebhookSettings, look_up: Resolve | None = None) -> None:
        self.settings, self.look_up = settings, look_up
        self.url = Url.parse(settings.url)

    def post(self, body: bytes) -> Reply:
        """Sends frames.

        Raises:
            WireError: not all of it went out, or the server reset the connection.
        """
        deadline = Deadline(self.settings.timeout_s)
        found = looked_at(self.url, deadline, allow_private=self.settings.allow_private, look_up=self.look_up)
        connection = first_answer(
            found, lambda host: socket.create_connection((host, self.url.port), deadline.left())
        )
        try:
            if self.url.scheme == "tls":
                connection = tls(self.settings).wrap_socket(connection, server_hostname=self.url.host)
            view = memoryview(body)
            while view:
                connection.settimeout(deadline.left())
                view = view[connection.send(view) :]
            _ended(connection, min(SILENCE_S, deadline.left()))
        except OSError as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            what = "its certificate does not verify" if "CERTIFICATE" in reason else "it breaks off"
            raise WireError(f"{what} ({reason})") from None
        finally:
            connection.close()
        return Reply(200, {})

    def close(self) -> None:
        """Nothing is kept open."""


def _ended(connection: socket.socket, seconds: float) -> None:
    """Closes our side and waits for the other's; a reset raises OSError."""
    connection.settimeout(seconds)
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(TimeoutError, ssl.SSLError):
            connection.unwrap()
        return
    connection.shutdown(socket.SHUT_WR)
    with contextlib.suppress(TimeoutError):
        while connection.recv(4096):
            pass
