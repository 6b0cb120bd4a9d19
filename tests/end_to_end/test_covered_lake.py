"""A lake without confidential data: what was planted is nowhere, and the ledger verifies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Answer
from tests.end_to_end.test_canaries import VALUES, exports, run
from tests.support.canaries import held

__all__ = ["exports"]


@pytest.mark.parametrize("mode", ["masked", "hashed"])
def test_nothing_of_what_was_planted_is_in_a_covered_lake(
    mode: str, exports: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_PRIVACY_HASH_KEY", "a key that nobody can guess")
    monkeypatch.setenv("CLAIMLEDGER__PRIVACY__LAKE", mode)
    assert held(run(exports, command, ("score",)), VALUES) == {}
