"""What the processor multiplies natively; asked before torch is imported, since fingerprints need it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

LIMIT = "ONEDNN_MAX_CPU_ISA"
"""Variable that keeps oneDNN, which multiplies bf16 and integers, from newer instructions than it names."""


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; emulated, it is fifty times slower than fp32."""
    limit = os.environ.get(LIMIT, "ALL").upper()
    allowed = limit in ("ALL", "DEFAULT") or any(name in limit for name in ("BF16", "FP16", "AMX"))
    return allowed and any(name in _flags() for name in ("avx512_bf16", "amx_bf16"))


def lacks_avx2() -> bool:
    """Whether this is a processor of Intel's kind without AVX2, on Linux; elsewhere nothing says."""
    return os.uname().machine == "x86_64" and "flags" in _flags() and "avx2" not in _flags()


@cache
def _flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return ""
