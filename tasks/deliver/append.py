"""Door to files that messages are appended to, one JSON object a line."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.deliver.answers import Reply
from tasks.deliver.wire import WireError

_BACK = 1 << 20


class Lines:
    """A file that grows; whoever reads it may rotate it at any time."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def post(self, body: bytes) -> Reply:
        """Appends whole lines, durably; what a crash cut off in the middle is removed first.

        Raises:
            WireError: the disk refuses.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(0, size - _BACK)
                file.seek(start)
                tail = file.read()
                if tail and not tail.endswith(b"\n"):
                    file.truncate(start + tail.rfind(b"\n") + 1)
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise WireError(f"{self.path}: {error.strerror or error}") from None
        return Reply(200, {})

    def close(self) -> None:
        """Nothing is kept open."""
