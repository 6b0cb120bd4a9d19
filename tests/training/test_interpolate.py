"""Weights between two trainings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.errors import ModelError
from training.interpolate import interpolate


def folder(path: Path, value: float, name: str = "compare.weight") -> Path:
    path.mkdir()
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (path / file).write_text("{}", "utf-8")
    save_file({name: torch.full((2, 2), value)}, path / "model.safetensors")
    return path


def test_weights_lie_between_both_by_the_share_of_the_later(tmp_path: Path) -> None:
    interpolate(folder(tmp_path / "a", 1.0), folder(tmp_path / "b", 3.0), 0.75, tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors")["compare.weight"].tolist() == [[2.5, 2.5]] * 2
    assert (tmp_path / "out" / "tokenizer.json").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not those of a training that began from"):
        interpolate(folder(tmp_path / "a", 1.0), folder(tmp_path / "b", 3.0, "other"), 0.5, tmp_path / "out")
