"""Files of system prompts and confidential strings, and the key of hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.privacy import leak_files
from tasks.privacy.parameters import LeakSettings
from tasks.settings import load


def test_files_are_read_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ada.txt").write_text("You are Ada.", "utf-8")
    (tmp_path / "list.txt").write_text("BlueFin 7\n\n  Halden  \n", "utf-8")
    (tmp_path / "c.toml").write_text(
        '[privacy.leaks]\nsystem_prompts = "prompts"\nconfidential = "list.txt"\n', "utf-8"
    )
    guarded = leak_files.read(load(tmp_path / "c.toml").privacy.leaks)
    assert guarded.strings == {"BlueFin 7": "list.txt:1", "Halden": "list.txt:3"}
    assert guarded.prompts.select("place", "origin", "text").rows() == [
        ("system_prompt", "ada.txt", "You are Ada.")
    ]
    assert guarded.key == b""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"abc\n", r"list.txt:1 has 3 letters and digits"),
        (b"\xff\xfe\n", "is not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "list.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        leak_files.read(LeakSettings(confidential=str(file)))


def test_a_short_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leak_files.HASH_KEY, "hunter2")
    with pytest.raises(ConfigError, match="7 characters") as error:
        leak_files.read(LeakSettings())
    assert "hunter2" not in str(error.value)
