"""Writes the weights between two trainings of one network: what the later one learned without what it forgot.

    python -m training.interpolate EARLIER LATER SHARE OUT

EARLIER is a folder of `train` or of the embedded verifier, LATER one of `train` that went on from it, SHARE
the weight of LATER. After Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (CVPR): the network
that learned new sources forgets some of the old, and a point between both keeps most of either.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

from tasks.errors import ModelError
from tasks.models import kernels
from training.artefact import TOKENIZER_FILES, TRAINED, WEIGHTS


def interpolate(earlier: Path, later: Path, share: float, out: Path) -> None:
    """A trained folder in `out`, its weights (1 − share) of `earlier` and share of `later`.

    Raises:
        ModelError: two folders whose weights differ in name or shape.
    """
    packed = earlier / WEIGHTS
    old = kernels.unpack(load_file(earlier / TRAINED if (earlier / TRAINED).exists() else packed))
    new = load_file(later / TRAINED)
    if old.keys() != new.keys() or any(old[name].shape != new[name].shape for name in new):
        raise ModelError(f"{later}: its weights are not those of a training that began from {earlier}")
    mean = {n: (old[n].float() * (1 - share) + w.float() * share).contiguous() for n, w in new.items()}
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", *TOKENIZER_FILES):
        shutil.copyfile(later / name, out / name)
    save_file(mean, out / TRAINED)


if __name__ == "__main__":
    interpolate(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
