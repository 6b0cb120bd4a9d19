"""What is said of errors that nobody foresaw: their kind and place, and none of their words.

Libraries quote in a message what they choked on, which may be anything of anybody's answers; logs of cron and
pages of Prefect are read by many. `--debug` shows the words where somebody asks for them.
"""

from __future__ import annotations

from pathlib import Path

from tasks.errors import ClaimledgerError

_ROOT = Path(__file__).resolve().parent.parent


class UnforeseenError(ClaimledgerError):
    """A bug, told without its words."""


def sentence(error: BaseException) -> str:
    """Kind of an error and the last line of ours that it went through."""
    return (
        f"unexpected {type(error).__name__}{_place(error)}; run it again with --debug and report it as a bug"
    )


def told(error: Exception) -> Exception:
    """The error itself where its words are ours or the system's, else one without them."""
    if isinstance(error, (ClaimledgerError, OSError, MemoryError, ImportError)):
        return error
    return UnforeseenError(sentence(error))


def _place(error: BaseException) -> str:
    place, step = "", error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.is_relative_to(_ROOT) and file.relative_to(_ROOT).parts[0] in ("flows", "tasks", "training"):
            place = f" at {file.relative_to(_ROOT).as_posix()}:{step.tb_lineno}"
        step = step.tb_next
    return place
