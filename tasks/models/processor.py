"""What the processor multiplies natively; asked before torch is imported, since fingerprints need it."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; emulated, it is fifty times slower than fp32."""
    try:
        flags = Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
