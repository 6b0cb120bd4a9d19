"""Resolves `pyproject.toml` into two lock files with hashes; versions that still fit stay as they are.

`requirements.lock` is what an audit needs, `requirements-dev.lock` what extras, tests and benchmarks add to
it. Packages of CUDA and Triton, which PyTorch's CUDA build asks for, are left out of both: an audit computes
on the processor, and `scripts/install.py` installs without dependencies.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK, DEV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
HEADS = {
    LOCK: "# What an audit needs; made by `make lock`, installed by `make install`.",
    DEV_LOCK: "# What extras, tests and benchmarks add to requirements.lock; made by `make lock`.",
}
GPU = re.compile(r"(nvidia-|cuda-|triton\b)")


def main() -> int:
    """Writes both files."""
    runtime = resolve(LOCK)
    every = resolve(DEV_LOCK, "--all-extras", "--constraint", str(LOCK))
    write(LOCK, runtime)
    write(DEV_LOCK, [entry for entry in every if entry not in set(runtime)])
    return 0


def resolve(lock: Path, *options: str) -> list[str]:
    """Entries of a resolution, each a requirement with the hashes of its files."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / lock.name
        result.write_text("\n".join(file.read_text("utf-8") for file in HEADS if file.exists()), "utf-8")
        command = [
            Path(sys.executable).parent / "uv",
            "pip",
            "compile",
            "--universal",
            "--python-version",
            "3.11",
        ]
        quiet = ["--quiet", "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"]
        subprocess.run([*command, *quiet, *options, "-o", result, "pyproject.toml"], check=True, cwd=ROOT)
        entries = re.split(r"\n(?=\S)", result.read_text("utf-8").strip())
    return [entry for entry in entries if not GPU.match(entry)]


def write(lock: Path, entries: list[str]) -> None:
    """The file, with what it is on top."""
    lock.write_text("\n".join([HEADS[lock], *entries]) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
