"""Documents are read in one process that is reused, and replaced when a document breaks a budget."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tasks.errors import LakeError
from tasks.evidence import reading
from tasks.evidence.document_text import DocumentText
from tasks.evidence.reading import Reader, ReadingLimits
from tasks.files.refusal import Refusal
from tests.support.documents import bomb_pdf, docx, looping_pdf, pdf

LIMITS = ReadingLimits(
    max_text_bytes=2**20,
    max_html_depth=512,
    max_seconds=30,
    max_memory_bytes=2**30,
    main_text_only=True,
)


@pytest.fixture
def reader() -> Iterator[Reader]:
    with Reader(LIMITS) as reader:
        yield reader


def refused(reader: Reader, suffix: str, data: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        reader.read(suffix, data)
    assert "\n" not in caught.value.reason
    return caught.value.check


def test_one_process_reads_all_formats(reader: Reader) -> None:
    assert reader.read(".html", b"<p>One.<p hidden>x") == DocumentText("One.", hidden=1)
    process = reader._process
    assert reader.read(".pdf", pdf("Two.")).text == "Two."
    assert reader.read(".docx", docx("Three.")).text == "Three."
    assert reader.read(".html", "<p>Grüße 😀".encode()).text == "Grüße 😀"
    assert reader._process is process


def test_a_refused_document_costs_no_new_process(reader: Reader) -> None:
    assert refused(reader, ".html", b"\xff") == "encoding"
    process = reader._process
    assert refused(reader, ".html", b"<div>" * 1_000) == "depth"
    assert refused(reader, ".pdf", b"no PDF") == "pdf"
    assert refused(reader, ".pdf", looping_pdf()) == "pdf"
    assert refused(reader, ".docx", b"no archive") == "damaged"
    assert refused(reader, ".html", b"<p>" + b"x" * (2**20 + 1)) == "size"
    assert reader._process is process


def test_a_document_that_takes_too_long_ends_its_process_and_the_next_gets_another() -> None:
    slow = ("<p " + " ".join(f"a{i}" for i in range(300_000)) + ">x").encode()
    with Reader(dataclasses.replace(LIMITS, max_seconds=1)) as reader:
        began = time.monotonic()
        assert refused(reader, ".html", slow) == "time"
        assert time.monotonic() - began < 60
        assert reader.read(".html", b"<p>Next.").text == "Next."


def test_a_document_that_needs_too_much_memory_is_refused() -> None:
    with Reader(dataclasses.replace(LIMITS, max_memory_bytes=512 * 2**20)) as reader:
        assert refused(reader, ".html", b"<p>x" * 4_000_000) in ("memory", "crash", "damaged")
        assert refused(reader, ".pdf", bomb_pdf(400 * 2**20)) in ("memory", "crash", "pdf")
        assert reader.read(".html", b"<p>Next.").text == "Next."


def test_a_process_that_dies_is_replaced(reader: Reader) -> None:
    reader.read(".html", b"<p>x")
    process = reader._process
    assert process is not None
    process.kill()
    process.wait()
    assert refused(reader, ".html", b"<p>x") == "crash"
    assert reader.read(".html", b"<p>x").text == "x"


def test_an_answer_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    babbler = "import sys; print('ready', flush=True); sys.stdin.buffer.readline(); print('[1]', flush=True)"
    started = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return started([sys.executable, "-c", babbler], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(reading.subprocess, "Popen", start)
    with Reader(LIMITS) as reader:
        assert refused(reader, ".html", b"<p>x") == "crash"


def test_a_process_that_does_not_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_environment", lambda: {"PYTHONHOME": "/nowhere"})
    with Reader(LIMITS) as reader, pytest.raises(LakeError, match="did not start"):
        reader.read(".html", b"<p>x")


def test_the_process_has_no_secrets_and_ends_with_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMLEDGER_JUDGE_KEY", "secret")
    assert "CLAIMLEDGER_JUDGE_KEY" not in reading._environment()
    with Reader(LIMITS) as reader:
        reader.read(".html", b"<p>x")
        process = reader._process
    assert process is not None
    assert process.poll() is not None


def test_the_process_ends_by_itself_when_its_parent_is_gone() -> None:
    code = (
        "import os; from tasks.evidence.reading import *; "
        f"reader = Reader(ReadingLimits(**{dataclasses.asdict(LIMITS)})); reader.read('.html', b'<p>x'); "
        "print(reader._process.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
        with open(f"/proc/{pid}/stat") if os.path.exists(f"/proc/{pid}/stat") else open(os.devnull) as stat:  # noqa: PTH110, PTH123
            if " Z " in stat.read():
                return  # ended, and waits for whoever inherited it
    pytest.fail("the process outlived its parent")
