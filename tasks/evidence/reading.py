"""Documents that parsers read are read in a process of their own, which is ended when it exceeds a budget.

(1) One process serves many documents, so that its start is paid once; it is started with the first document.
(2) Bytes go in, text and numbers come out, as lines of JSON and raw bytes: nothing is unpickled, and nothing
    that a document makes the process print reaches anybody. It has no secrets in its environment.
(3) The parent ends it when a document takes too long, the system when it takes too much memory; the next
    document gets a new one. A process whose parent died ends by itself.

`python -m tasks.evidence.reading` is that process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import IO, Self

import tasks
from tasks.errors import LakeError
from tasks.evidence import html_text, office_text, pdf_text
from tasks.evidence.document_text import DocumentText
from tasks.files.refusal import Refusal, shown

_READY = b"ready\n"
_LONGEST_HEADER = 64 * 2**10
_RAW_CHARACTERS = 500
_SECONDS_TO_START = 120.0
_GRACE_SECONDS = 5
"""After its time a process ends itself, should its parent be gone."""

WHOLE_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".pdf", ".docx", ".pptx", ".xlsx"})
"""File name endings of what is read here."""


def office_libraries() -> list[str]:
    """Those of the extra `office` that are installed."""
    return [name for name in ("docx", "openpyxl", "pptx") if importlib.util.find_spec(name) is not None]


@dataclass(frozen=True, kw_only=True)
class ReadingLimits:
    """What one document may cost, and what of it is wanted."""

    max_text_bytes: int
    max_html_depth: int
    max_seconds: float
    max_memory_bytes: int
    main_text_only: bool


class Reader:
    """Reads documents one after the other in another process; a context manager that ends it."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._is_late = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def read(self, suffix: str, data: bytes) -> DocumentText:
        """The text of a document, by its file name's ending.

        Raises:
            Refusal: it has none, or costs more than the limits allow.
            LakeError: the process cannot be started.
        """
        process = self._process or self._start()
        request = {"suffix": suffix, "bytes": len(data), **dataclasses.asdict(self._limits)}
        try:
            with self._deadline(process, self._limits.max_seconds):
                _send(process.stdin, request, data)
                answer, text = _receive(process.stdout, self._limits.max_text_bytes)
        except (OSError, EOFError, ValueError):
            self._end()
            raise self._refusal() from None
        except BaseException:
            # Interrupted within an answer: what is left of it must not be taken for the next one.
            self._end()
            raise
        if isinstance(check := answer.get("check"), str):
            if check == "memory":
                self._end()
            raise Refusal(shown(check, 40), shown(str(answer.get("reason")), 500), str(answer.get("raw")))
        return DocumentText(text, _count(answer, "hidden"), _count(answer, "surroundings"))

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-P",
            "-X",
            "utf8",
            "-m",
            __spec__.name,
            str(self._limits.max_memory_bytes),
        ]
        try:
            self._process = process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
            with self._deadline(process, _SECONDS_TO_START):
                ready = process.stdout.readline(len(_READY)) if process.stdout else b""
        except OSError as error:
            raise LakeError(f"the document reader process cannot be started ({error.strerror})") from None
        if ready != _READY:
            self._end()
            raise LakeError(
                "the document reader process did not start; "
                f"`{Path(sys.executable).name} -m {__spec__.name}` says why"
            )
        return process

    def _deadline(self, process: subprocess.Popen[bytes], seconds: float) -> _Deadline:
        self._is_late = False

        def expire() -> None:
            self._is_late = True
            process.kill()

        return _Deadline(Timer(seconds, expire))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                _close(stream)

    def _refusal(self) -> Refusal:
        if self._is_late:
            seconds = f"{self._limits.max_seconds:g}"
            return Refusal("time", f"took more than {seconds} s to read (limits.max_document_seconds)")
        memory = f"{self._limits.max_memory_bytes} bytes (limits.max_document_memory_bytes)"
        return Refusal("crash", f"the process that read it died; it may have needed more than {memory}")


def _environment() -> dict[str, str]:
    """What Python needs to start, and none of the product's secrets."""
    names = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(tasks.__file__).resolve().parent.parent)}


class _Deadline:
    def __init__(self, timer: Timer) -> None:
        timer.daemon = True
        self._timer = timer

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):  # what was still to be written has no reader any more
            stream.close()


def _count(answer: dict[str, object], name: str) -> int:
    value = answer.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def _send(stream: IO[bytes] | None, header: dict[str, object], body: bytes) -> None:
    if stream is None:
        raise EOFError
    stream.write(json.dumps(header).encode() + b"\n")
    stream.write(body)
    stream.flush()


def _receive(stream: IO[bytes] | None, most: int) -> tuple[dict[str, object], str]:
    """Header and text of an answer; ValueError for what is not an answer."""
    line = stream.readline(_LONGEST_HEADER) if stream is not None else b""
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    if not isinstance(header, dict) or not 0 <= _count(header, "bytes") <= most or stream is None:
        raise ValueError("no answer")
    body = stream.read(_count(header, "bytes"))
    if len(body) != header["bytes"]:
        raise EOFError
    return header, body.decode("utf-8", "surrogatepass")


def main() -> None:
    """Serves one document after the other until its input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is not an answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    _bound(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    answers.write(_READY)
    answers.flush()
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        suffix, size = request.pop("suffix"), request.pop("bytes")
        limits = ReadingLimits(**request)
        signal.alarm(math.ceil(limits.max_seconds) + _GRACE_SECONDS)
        header, body = _answer(suffix, sys.stdin.buffer.read(size), limits)
        signal.alarm(0)
        _send(answers, header, body)


def _bound(memory: int) -> None:
    """No more memory than allowed, no files, no dumps of what was in memory."""
    import resource

    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        if kind == resource.RLIMIT_AS and not memory:
            continue
        # The system's own limit may be lower, or there is no such limit (macOS).
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _answer(suffix: str, data: bytes, limits: ReadingLimits) -> tuple[dict[str, object], bytes]:
    try:
        done = _READERS[suffix](data, limits)
        body = done.text.encode("utf-8", "surrogatepass")
        if len(body) > limits.max_text_bytes:
            most = f"more than limits.max_record_bytes allows ({limits.max_text_bytes})"
            raise Refusal("size", f"{len(body)} bytes of text, {most}")
    except Refusal as refusal:
        raw = refusal.raw[:_RAW_CHARACTERS]
        return {"check": refusal.check, "reason": refusal.reason[:2_000], "raw": raw, "bytes": 0}, b""
    except (MemoryError, RecursionError):
        reason = f"needs more memory than limits.max_document_memory_bytes allows ({limits.max_memory_bytes})"
        return {"check": "memory", "reason": reason, "raw": "", "bytes": 0}, b""
    except Exception as error:  # noqa: BLE001 - what a parser does not expect is a fault of the document
        why = shown(str(error) or type(error).__name__, 80)
        reason = f"the parser of {suffix} documents gave up on it ({why})"
        return {"check": "damaged", "reason": reason, "raw": "", "bytes": 0}, b""
    return {"bytes": len(body), "hidden": done.hidden, "surroundings": done.surroundings}, body


def _html(data: bytes, limits: ReadingLimits) -> DocumentText:
    return html_text.read(data, max_depth=limits.max_html_depth, main_only=limits.main_text_only)


def _pdf(data: bytes, limits: ReadingLimits) -> DocumentText:
    return pdf_text.read(data, most_characters=limits.max_text_bytes)


def _office(data: bytes, limits: ReadingLimits, suffix: str) -> DocumentText:
    return office_text.read(suffix, data, most_bytes=16 * limits.max_text_bytes)


_READERS: dict[str, Callable[[bytes, ReadingLimits], DocumentText]] = {
    ".html": _html,
    ".htm": _html,
    ".xhtml": _html,
    ".pdf": _pdf,
    ".docx": lambda data, limits: _office(data, limits, ".docx"),
    ".pptx": lambda data, limits: _office(data, limits, ".pptx"),
    ".xlsx": lambda data, limits: _office(data, limits, ".xlsx"),
}

if __name__ == "__main__":
    main()
