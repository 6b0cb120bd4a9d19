"""Door to uvicorn: one application on one port of this machine, and on no other network."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tasks.errors import InputError

Application = Callable[..., Awaitable[Any]]
"""As ASGI has it."""
LOOPBACK = "127.0.0.1"


def bound(port: int) -> socket.socket:
    """A socket on the loopback address; port 0 takes a free one.

    Raises:
        InputError: the port is taken, or not allowed.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((LOOPBACK, port))
        opened.listen(128)  # whoever is told the address may come before the first answer is ready
    except (OSError, OverflowError) as error:
        opened.close()
        reason = error.strerror if isinstance(error, OSError) else "a port is a number up to 65535"
        raise InputError(f"--port {port}: cannot be listened on ({reason}); give another, or 0") from None
    return opened


class Server:
    """Answers requests on a socket until SIGINT or SIGTERM, or until it is stopped."""

    def __init__(self, application: Application, opened: socket.socket) -> None:
        import uvicorn

        # No log of requests: the address of a sign-in holds a token.
        config = uvicorn.Config(
            application,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=5,
        )
        self._server, self._opened = uvicorn.Server(config), opened

    def run(self) -> None:
        """Answers, in this thread."""
        self._server.run(sockets=[self._opened])

    def stop(self) -> None:
        """Ends `run` once the requests that it answers are over."""
        self._server.should_exit = True
