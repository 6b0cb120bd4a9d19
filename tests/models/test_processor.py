"""What the processor is able to do, and a sentence where it is not enough."""

from __future__ import annotations

import pytest

from flows.commands.cli import main
from tasks.models import processor

OLD = "flags\t\t: fpu sse4_2 avx"
COMMON = f"{OLD} avx2 fma"
NEW = f"{COMMON} avx512_bf16"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("POLARS_SKIP_CPU_CHECK", raising=False)
    monkeypatch.setattr(processor.os, "uname", lambda: type("Uname", (), {"machine": "x86_64"}))

    def use(text: str) -> None:
        monkeypatch.setattr(processor, "_flags", lambda: text)
        processor.has_bf16.cache_clear()

    yield use
    processor.has_bf16.cache_clear()


@pytest.mark.parametrize(
    ("text", "lacks_avx2", "has_bf16"),
    [
        (OLD, True, False),
        (COMMON, False, False),
        (NEW, False, True),
        ("", False, False),
        ("Features: asimd", False, False),
    ],
)
def test_what_linux_says_of_the_processor(flags, text, lacks_avx2, has_bf16) -> None:
    flags(text)
    assert processor.lacks_avx2() is lacks_avx2
    assert processor.has_bf16() is has_bf16


def test_on_a_processor_without_avx2_a_command_is_one_sentence_and_help_still_helps(
    flags, capsys, monkeypatch, elsewhere
) -> None:
    flags(OLD)
    assert main(["audit"]) == 2
    said = capsys.readouterr()
    assert (
        said.err == "claimledger: this processor has no AVX2, which Polars requires; "
        "use a machine from 2015 or later\n"
    )
    assert main(["audit", "--help"]) == 0
    monkeypatch.setenv("POLARS_SKIP_CPU_CHECK", "1")
    assert main(["audit"]) == 2
    assert "claimledger.toml" in capsys.readouterr().err


def test_a_package_that_is_missing_is_one_sentence(flags, capsys, monkeypatch, tmp_path) -> None:
    flags(COMMON)
    monkeypatch.setitem(__import__("sys").modules, "tasks.starter", None)
    assert main(["init", str(tmp_path / "new")]) == 2
    assert "tasks.starter is not installed; reinstall claimledger" in capsys.readouterr().err
