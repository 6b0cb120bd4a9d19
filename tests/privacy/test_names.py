"""A model for names: at its interface, and a real token classifier that a test trains in a second."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import tables
from tasks.errors import ModelError
from tasks.privacy import names
from tasks.privacy.entities import Piece
from tests.support.lake_frames import outputs_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *("ask", "anna", "meier", "about", "the", "bill", "send", "it", "to"),
         *("linden", "##weg", "12", ",", ".", "and")]  # fmt: skip
LABELS = {"anna": 1, "meier": 2, "linden": 3, "##weg": 0, "12": 4}
NAMES = ["O", "B-PER", "I-PER", "B-STREET", "I-STREET"]
TEXTS = ["ask anna meier about the bill.", "send it to lindenweg 12, and ask", "the bill and the bill"]


class Fake:
    label = "names@fake"

    def pieces(self, texts):
        for text in texts:
            at = text.find("Meier")
            yield [Piece(at, at + 5, "B-PER", 0.9)] if at >= 0 else []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one small layer that has learned three sentences by heart."""
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    place = tmp_path_factory.mktemp("names")
    tokenizer = BertTokenizerFast(vocab={word: n for n, word in enumerate(WORDS)}, model_max_length=32)
    torch.manual_seed(0)
    config: Any = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, initializer_range=0.5,
        id2label=dict(enumerate(NAMES)), label2id={n: i for i, n in enumerate(NAMES)},
    )  # fmt: skip
    model = BertForTokenClassification(config)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    wanted = [[LABELS.get(WORDS[token], 0) for token in row] for row in batch["input_ids"].tolist()]
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(**batch, labels=torch.tensor(wanted)).loss
        loss.backward()
        optimizer.step()
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def test_findings_are_rows_of_the_table_that_show_no_name() -> None:
    outputs = outputs_of(["Ask Anna Meier.", "12 34", "Nobody."])
    found = names.scan(outputs, Fake(), 0.8, run_id="r", now=NOW)
    assert found.schema == tables.FINDINGS.schema
    assert found.select("kind", "start", "end", "masked", "detector").rows() == [
        ("person", 9, 14, "M***", "names@fake")
    ]
    assert names.scan(outputs, Fake(), 0.95, run_id="r", now=NOW).is_empty()
    assert "Meier" not in found.write_json()


def test_a_token_classifier_of_a_folder_finds_what_it_learned(folder: Path) -> None:
    recogniser = names.load(str(folder))
    outputs = outputs_of(TEXTS)
    found = names.scan(outputs, recogniser, 0.6, run_id="r", now=NOW)
    joined = found.join(outputs.select("output_id", "response"), on="output_id")
    pieces = joined.select(
        "kind", piece=pl.col("response").str.slice(pl.col("start"), pl.col("end") - pl.col("start"))
    )
    assert sorted(pieces.rows()) == [("address", "lindenweg 12"), ("person", "anna meier")]
    assert set(found["detector"]) == {recogniser.label}
    assert recogniser.label.startswith("names@")


def test_a_text_longer_than_the_model_reads_is_read_in_windows(folder: Path) -> None:
    text = " ".join(["the bill and"] * 30 + ["ask anna meier about the bill."])
    tokens = next(iter(names.load(str(folder)).pieces([text])))
    assert max(piece.end for piece in tokens) == len(text)
    covered = {place for piece in tokens for place in range(piece.start, piece.end)}
    assert covered == {place for place, character in enumerate(text) if character != " "}


def broken(folder: Path, tmp_path: Path, change: str) -> Path:
    place = tmp_path / "model"
    shutil.copytree(folder, place)
    config = json.loads((place / "config.json").read_text())
    if change == "pickle":
        (place / "model.safetensors").rename(place / "pytorch_model.bin")
    elif change == "code":
        config["auto_map"] = {"AutoModelForTokenClassification": "theirs.Model"}
    elif change == "labels":
        config["id2label"] = {"0": "O", "1": "B-LOC"}
    elif change == "torn":
        (place / "model.safetensors").write_bytes(b"no tensors")
    (place / "config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("pickle", "no weights in safetensors format"),
        ("code", "asks for remote code"),
        ("labels", "has the labels O, B-LOC; expected one like PER, ADDRESS"),
        ("torn", "the model cannot be loaded"),
    ],
)
def test_a_folder_that_cannot_be_trusted_or_used_is_refused(
    folder: Path, tmp_path: Path, change: str, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        names.load(str(broken(folder, tmp_path, change)))


def test_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a folder"):
        names.load(str(tmp_path / "nowhere"))
