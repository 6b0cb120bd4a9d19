"""A lake remembers how it holds confidential data: another key is refused, another mode is said."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from flows import covering
from flows.commands.cli import main
from tasks import ids
from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.privacy.cover import Cover
from tests.support import ledger_lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


def cover(mode: str, key: bytes = b"the first key of this team") -> Cover:
    return Cover(mode=mode, detectors=("email",), key=key)


def publish(lake: Lake) -> None:
    rows = ledger_lake.frames(ids.digest("run"), outputs=1, claims=1)
    lake.commit(ids.digest("run"), "unit", rows, run_day=date(2026, 11, 2))


def test_another_key_is_refused_also_after_the_mode_was_changed_in_between(lake: Lake) -> None:
    assert covering.remember(lake, cover("hashed")) == []
    for now in (cover("hashed"), None, cover("masked", b"whatever else it is")):
        covering.remember(lake, now)
    with pytest.raises(ConfigError, match="is not the key that this lake's hashes were made with"):
        covering.remember(lake, cover("hashed", b"another key of somebody"))
    assert covering.remember(lake, cover("hashed")) == []


def test_what_adds_words_outside_a_run_refuses_another_key_too(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    covering.remember(lake, cover("hashed"))
    publish(lake)
    monkeypatch.setenv("CLAIMLEDGER_PRIVACY_HASH_KEY", "another key of somebody")
    config = lake.root.parent / "claimledger.toml"
    config.write_text('lake = "lake"\n[privacy]\nlake = "hashed"\n')
    erasure = ("erase", "--output-id", "0" * 64, "--reason", "ticket 4711")
    for arguments in (erasure, ("review", "serve", "--port", "0")):
        assert main([*arguments, "--config", str(config)]) == 2
        assert "is not the key that this lake's hashes were made with" in capsys.readouterr().err


def test_another_mode_is_said_where_texts_were_published_before(lake: Lake) -> None:
    assert covering.remember(lake, cover("masked")) == []
    publish(lake)
    (sentence,) = covering.remember(lake, None)
    assert sentence.startswith("privacy.lake was 'masked' and is 'clear': what earlier runs published stays")
    assert covering.remember(lake, None) == []


def test_the_lake_keeps_nothing_of_the_key(lake: Lake) -> None:
    covering.remember(lake, cover("hashed"))
    for file in lake.root.rglob("*"):
        assert not file.is_file() or b"first key" not in file.read_bytes()
