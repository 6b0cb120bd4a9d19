"""What the processor multiplies natively; asked before torch is imported, since fingerprints need it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; emulated, it is fifty times slower than fp32."""
    flags = _flags()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def lacks_avx2() -> bool:
    """Whether this is a processor of Intel's kind without AVX2, on Linux; elsewhere nothing says."""
    return os.uname().machine == "x86_64" and "flags" in _flags() and "avx2" not in _flags()


@cache
def _flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return ""
