"""Makes `.venv` and installs the exact lock file into it; does nothing when that is already done.

Runs on any Python 3.11 to 3.13 with nothing installed. PyTorch is the reason it is more than one line of
pip: on Linux the common package index serves a build that brings several GB of CUDA libraries, which an
audit on CPU never uses. pip is asked which build it would take (metadata only); when that is a CUDA build,
uv, which knows PyTorch's own index, installs the CPU one. Set CLAIMLEDGER_TORCH=cuda to keep CUDA.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".installed"


def main() -> int:
    """Exit status 0 when `.venv` holds exactly what the lock file says."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return _fail(
            f"Python {sys.version.split()[0]} is not supported, expected 3.11 to 3.13; "
            "pass another with `make PYTHON=python3.12 …`"
        )
    wanted = _digest()
    if STAMP.exists() and STAMP.read_text().strip() == wanted:
        return 0
    print("claimledger: installing into .venv; this takes a few minutes the first time", file=sys.stderr)
    if not (VENV / "bin" / "python").exists():
        venv.create(VENV, with_pip=True, symlinks=True)
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    torch = next(line for line in lines if line.startswith("torch=="))
    try:
        _install_torch(torch)
        # --no-deps: the lock file is complete, and PyTorch's own wish for CUDA libraries is refused.
        _pip("install", "--no-deps", "-r", str(LOCK))
        _pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    except subprocess.CalledProcessError as error:
        return _fail(f"installation stopped: {' '.join(map(str, error.cmd))} exited with {error.returncode}")
    STAMP.write_text(wanted + "\n")
    return 0


def _install_torch(requirement: str) -> None:
    if (
        sys.platform == "linux"
        and os.environ.get("CLAIMLEDGER_TORCH") != "cuda"
        and _pip_takes_cuda(requirement)
    ):
        uv = next(line for line in LOCK.read_text().splitlines() if line.startswith("uv=="))
        _pip("install", "--no-deps", uv)
        command = [VENV / "bin" / "uv", "pip", "install", "--python", VENV / "bin" / "python"]
        subprocess.run([*command, "--no-deps", "--torch-backend", "cpu", requirement], check=True)
    else:
        _pip("install", "--no-deps", requirement)


def _pip_takes_cuda(requirement: str) -> bool:
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
    report = subprocess.run(
        [*pip, "--ignore-installed", "--report", "-", requirement],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    metadata = json.loads(report.stdout)["install"][0]["metadata"]
    needs = " ".join(metadata.get("requires_dist", []))
    return "+cpu" not in metadata["version"] and ("nvidia" in needs or "cuda" in needs)


def _pip(*arguments: str) -> None:
    command = [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet"]
    subprocess.run(command, check=True)


def _digest() -> str:
    state = hashlib.sha256()
    for file in (LOCK, ROOT / "pyproject.toml", Path(__file__)):
        state.update(file.read_bytes())
    return state.hexdigest()


def _fail(sentence: str) -> int:
    print(f"claimledger: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
