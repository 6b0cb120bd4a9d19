"""What `init` and `demo` write; the configuration itself is tested in `test_settings.py`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.settings import load
from tasks.starter import DEMO_OUTPUTS, write_demo
from tests.conftest import REPOSITORY

OUTPUTS = REPOSITORY / "data" / "samples" / "outputs"


def agents(folder: Path) -> list[str]:
    files = sorted(folder.glob("*.jsonl.gz"))
    lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    return [json.loads(line)["agent"] for line in lines]


def test_a_demo_is_a_small_part_of_the_sample_with_a_share_of_every_agent(tmp_path: Path) -> None:
    config = write_demo(tmp_path / "demo", full=False)
    settings = load(config)
    assert settings.lake == str(tmp_path / "demo" / "lake")
    assert settings.sources[0].path == str(tmp_path / "demo" / "outputs" / "*.jsonl.gz")
    corpus = {file.name: file.read_bytes() for file in Path(str(settings.corpus.path)).rglob("*.md")}
    assert corpus == {file.name: file.read_bytes() for file in (OUTPUTS.parent / "corpus").rglob("*.md")}
    assert len(agents(tmp_path / "demo" / "outputs")) == DEMO_OUTPUTS
    assert set(agents(tmp_path / "demo" / "outputs")) == set(agents(OUTPUTS))


def test_the_full_demo_is_the_whole_sample(tmp_path: Path) -> None:
    write_demo(tmp_path, full=True)
    assert agents(tmp_path / "outputs") == agents(OUTPUTS)


def test_a_demo_may_be_written_again_but_overwrites_nothing(tmp_path: Path) -> None:
    write_demo(tmp_path, full=False)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    write_demo(tmp_path, full=False)
    with pytest.raises(ConfigError, match="is not from the demo; choose another folder"):
        write_demo(tmp_path, full=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
