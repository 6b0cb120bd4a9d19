"""Door to the one system call that swaps two folders at once: Linux's renameat2 with RENAME_EXCHANGE."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from pathlib import Path

PROBE = "_probe-"
"""Begins the names of the folders that are swapped to see whether that is possible."""
_HERE = -100
"""AT_FDCWD: paths are relative to the working directory."""
_EXCHANGE = 2
_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV, errno.EPERM)
"""What systems say that cannot do it."""


def exchange(first: Path, second: Path) -> None:
    """Each takes the other's name, in one step: whoever looks sees both as before or both as after.

    Raises:
        OSError: the system refuses, and nothing has changed.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(first))
    if call(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(first))


def is_possible(first: Path, second: Path) -> bool:
    """Whether a folder below the first can be swapped with one below the second.

    Raises:
        OSError: one of them cannot be written.
    """
    with (
        tempfile.TemporaryDirectory(dir=first, prefix=PROBE) as one,
        tempfile.TemporaryDirectory(dir=second, prefix=PROBE) as other,
    ):
        try:
            exchange(Path(one), Path(other))
        except OSError as error:
            if error.errno not in _UNKNOWN:
                raise
            return False
    return True
