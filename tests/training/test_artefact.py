"""Packing: from a network and labelled pairs to a verifier that loads and tells the two kinds apart."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.errors import InputError
from tasks.verify.evaluate import evaluate_files
from tasks.verify.parameters import ScoringParameters, VerifierSettings
from tests.support.small_verifier import write_network
from training import artefact


def labelled(count: int = 40) -> pl.DataFrame:
    rows = [
        {"dataset": "d", "claim": f"Item {i} is blue.",
         "evidence": f"Item {i} is {'blue' if i % 2 else 'red'}.",
         "label": "supported" if i % 2 else "not_supported"}
        for i in range(count)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_a_verifier_packed_with_ones_own_pairs_loads_and_is_evaluated(tmp_path):
    write_network(tmp_path / "trained")
    packed = artefact.pack(tmp_path / "trained", labelled(), tmp_path / "own", threads=1)
    assert packed.figures["d"]["rows"] == 40
    labelled().write_parquet(tmp_path / "pairs.parquet")
    settings = ScoringParameters(verifier=VerifierSettings(model=str(tmp_path / "own")))
    table = evaluate_files([tmp_path / "pairs.parquet"], settings)
    assert table["dataset"].to_list() == ["d"]
    assert table["balanced_accuracy"][0] == 1.0
    assert table["recall_contradicted"][0] is None
    again = artefact.pack(tmp_path / "trained", labelled().reverse(), tmp_path / "again", threads=1)
    first, second = ((tmp_path / name / "fusion.json").read_bytes() for name in ("own", "again"))
    assert first == second
    assert again.figures == packed.figures


def test_pairs_of_one_kind_are_refused(tmp_path):
    write_network(tmp_path / "trained")
    one_kind = labelled().filter(pl.col("label") == "supported")
    with pytest.raises(InputError, match="only one kind is there"):
        artefact.pack(tmp_path / "trained", one_kind, tmp_path / "own", threads=1)
