"""The corpus: every format gives its text, and whatever is not a document is refused by name."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from pypdf import PdfReader, PdfWriter

from tasks import tables
from tasks.errors import ConfigError
from tasks.evidence import corpus, reading
from tasks.evidence.parameters import CorpusSettings
from tasks.files.limits import LimitSettings
from tests.support.documents import docx, looping_pdf, pdf

LIMITS = LimitSettings()
REPOSITORY = Path(__file__).resolve().parents[2]


def read(
    path: Path | str, limits: LimitSettings = LIMITS, **keys: str
) -> tuple[dict[str, str], dict[str, str]]:
    """uri → text, and locator → check of the refused."""
    settings = CorpusSettings(path=str(path), **keys)
    listing = corpus.list_files(settings, limits)
    batches = list(corpus.read(listing.files, settings, limits))
    documents = pl.concat([batch.documents for batch in batches])
    assert documents.schema == corpus.DOCUMENTS
    for text, digest in documents.select("text", "content_sha256").iter_rows():
        assert hashlib.sha256(text.encode()).hexdigest() == digest
    refused = listing.refused + [row for batch in batches for row in batch.refused]
    frame = corpus.quarantine(refused, corpus="c", run_id="0" * 64, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert frame.schema == tables.QUARANTINE.schema
    assert frame.height == len(refused)
    return dict(documents.select("document_uri", "text").iter_rows()), {
        r["locator"]: r["check"] for r in refused
    }


def test_text_and_markdown_are_read_as_they_stand_with_uris_relative_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfOne.\r\nTwo.")
    (tmp_path / "sub" / "b.md").write_text("# Title\n\nText.", "utf-8")
    (tmp_path / "wide.txt").write_bytes("Grüße".encode("utf-16"))
    documents, refused = read(tmp_path)
    assert documents == {"a.txt": "One.\nTwo.", "sub/b.md": "# Title\n\nText.", "wide.txt": "Grüße"}
    assert refused == {}


def test_html_gives_what_a_reader_sees(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<html><head><title>T</title><style>p{}</style><script>alert(1)</script></head>"
        "<body><p>One <b>bo</b>ld &amp; two.</p><ul><li>x</li><li>y</li></ul><script>evil()</script></body>"
    )
    documents, _ = read(tmp_path)
    assert documents["a.html"] == "T\nOne bold & two.\nx\ny"


def test_pdf_gives_the_text_of_all_pages(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("First page.", "Second page."))
    assert read(tmp_path)[0] == {"a.pdf": "First page.\nSecond page."}


def test_broken_encrypted_and_textless_pdfs_are_refused_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "good.pdf").write_bytes(pdf("Good."))
    (tmp_path / "cut.pdf").write_bytes(pdf("Gone.")[:200])
    (tmp_path / "fake.pdf").write_bytes(b"this is no PDF")
    (tmp_path / "zero.pdf").write_bytes(b"")
    (tmp_path / "blank.pdf").write_bytes(pdf(""))
    writer = PdfWriter(clone_from=PdfReader(tmp_path / "good.pdf"))
    writer.encrypt("secret", algorithm="AES-256")
    with (tmp_path / "locked.pdf").open("wb") as file:
        writer.write(file)
    documents, refused = read(tmp_path)
    assert documents == {"good.pdf": "Good."}
    assert refused == {
        "cut.pdf": "corpus_pdf",
        "fake.pdf": "corpus_pdf",
        "zero.pdf": "corpus_pdf",
        "blank.pdf": "corpus_empty",
        "locked.pdf": "corpus_encrypted",
    }


def test_a_document_that_breaks_a_budget_is_refused_with_its_reason_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.html").write_text("<p>First.")
    (tmp_path / "deep.html").write_text("<div>" * 100_000 + "deep")
    (tmp_path / "loop.pdf").write_bytes(looping_pdf())
    (tmp_path / "slow.html").write_text("<p " + " ".join(f"a{i}" for i in range(200_000)) + ">slow")
    (tmp_path / "z.html").write_text("<p>Last.")
    documents, refused = read(tmp_path, LimitSettings(max_document_seconds=3))
    assert documents == {"a.html": "First.", "z.html": "Last."}
    assert refused == {"deep.html": "corpus_depth", "loop.pdf": "corpus_pdf", "slow.html": "corpus_time"}


def test_what_was_left_out_of_a_document_is_counted_beside_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<nav>abc</nav><p>Seen.<p hidden>unseen")
    (tmp_path / "b.txt").write_text("Plain.")
    settings = CorpusSettings(path=str(tmp_path))
    (batch,) = corpus.read(corpus.list_files(settings, LIMITS).files, settings, LIMITS)
    left_out = batch.documents.select("file", "text", "hidden_characters", "surrounding_characters")
    assert left_out.rows() == [("a.html", "Seen.", 6, 3), ("b.txt", "Plain.", 0, 0)]


def test_without_the_extra_an_office_document_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = "import sys; sys.modules['docx'] = None\n"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(hidden)
    monkeypatch.setattr(
        reading, "_environment", lambda: {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path / 'site'}"}
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.docx").write_bytes(docx("Text."))
    settings = CorpusSettings(path=str(tmp_path / "docs"))
    (batch,) = corpus.read(corpus.list_files(settings, LIMITS).files, settings, LIMITS)
    (row,) = batch.refused
    assert row["check"] == "corpus_extra"
    assert row["reason"] == "reading it needs the extra `office`: pip install 'claimledger[office]'"


def test_json_lines_name_their_documents_and_one_bad_line_costs_one_line(tmp_path: Path) -> None:
    lines = [
        json.dumps({"body": "One.", "link": "https://example.org/1"}),
        "{half",
        json.dumps({"body": "Two."}),
        json.dumps({"body": None}),
        "[1]",
        "",
        json.dumps({"body": "\ud800"}),
        json.dumps({"body": "Six.", "link": 6}),
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    settings = CorpusSettings(path=str(tmp_path), text_field="body", uri_field="link")
    listing = corpus.list_files(settings, LIMITS)
    (batch,) = corpus.read(listing.files, settings, LIMITS)
    assert batch.documents["document_uri"].to_list() == ["https://example.org/1", "d.jsonl#3", "6"]
    assert [r["check"] for r in batch.refused] == [
        "corpus_json",
        "corpus_not_a_record",
        "corpus_surrogate",
        "corpus_text",
    ]
    assert "line 2" in batch.refused[0]["reason"]
    assert "corpus.text_field" in batch.refused[3]["reason"]


def test_parquet_documents_and_a_parquet_of_another_shape(tmp_path: Path) -> None:
    pl.DataFrame({"uri": ["a", None, "c"], "text": ["One.", "Two.", None]}).write_parquet(
        tmp_path / "d.parquet"
    )
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "foreign.parquet")
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "d.parquet").read_bytes()[:-9])
    documents, refused = read(tmp_path)
    assert documents == {"a": "One.", "d.parquet#2": "Two."}
    assert refused == {
        "d.parquet": "corpus_text",
        "foreign.parquet": "corpus_schema",
        "torn.parquet": "corpus_parquet",
    }


def test_links_that_leave_the_folder_are_refused_and_those_inside_are_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "docs", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    (outside / "passwords.txt").write_text("hunter2")
    (inside / "a.txt").write_text("One.")
    (inside / "same.txt").symlink_to("a.txt")
    (inside / "out.txt").symlink_to(outside / "passwords.txt")
    (inside / "folder").symlink_to(outside)
    (inside / "dangling.txt").symlink_to(inside / "nothing.txt")
    documents, refused = read(inside)
    assert documents == {"a.txt": "One.", "same.txt": "One."}
    assert refused == {"out.txt": "corpus_link", "dangling.txt": "corpus_file"}


def test_what_exceeds_the_limits_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("x" * 2000)
    (tmp_path / "huge.txt").write_text("x" * 20_000)
    (tmp_path / "line.jsonl").write_text(json.dumps({"text": "y" * 5000}) + '\n{"text": "fits"}\n')
    (tmp_path / "small.txt").write_text("fits")
    documents, refused = read(tmp_path, LimitSettings(max_record_bytes=1024, max_file_bytes=10_000))
    assert documents == {"line.jsonl#2": "fits", "small.txt": "fits"}
    assert refused == {
        "big.txt": "corpus_size",
        "huge.txt": "corpus_size",
        "line.jsonl": "corpus_record_too_long",
    }


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
    (tmp_path / "nul.txt").write_bytes(b"a\0b")
    (tmp_path / "empty.md").write_bytes(b" \n")
    (tmp_path / os.fsdecode(b"na\xffme.txt")).write_text("x")
    documents, refused = read(tmp_path)
    assert documents == {}
    assert refused == {
        "latin.txt": "corpus_encoding",
        "nul.txt": "corpus_binary",
        "empty.md": "corpus_empty",
        "na\\udcffme.txt": "corpus_name",
    }


def test_hidden_and_unknown_files_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("hidden")
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    listing = corpus.list_files(CorpusSettings(path=str(tmp_path)), LIMITS)
    assert (listing.files.height, listing.ignored) == (0, 1)


def test_a_glob_and_a_single_file_are_corpora_too(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.md").write_text("X.")
    (tmp_path / "a" / "y.txt").write_text("Y.")
    assert read(tmp_path / "**" / "*.md")[0] == {"a/x.md": "X."}
    assert read(tmp_path / "a" / "y.txt")[0] == {"y.txt": "Y."}


def test_a_missing_corpus_is_one_sentence(tmp_path: Path) -> None:
    for path in ("missing", "*.nothing"):
        with pytest.raises(ConfigError, match="corpus") as caught:
            read(tmp_path / path)
        assert str(tmp_path / path) in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="an unknown format"):
        read(tmp_path / "x.png")


def test_a_large_corpus_comes_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "BATCH_CHARACTERS", 100)
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps({"text": "z" * 60 + str(i)}) for i in range(10)))
    settings = CorpusSettings(path=str(tmp_path))
    batches = list(corpus.read(corpus.list_files(settings, LIMITS).files, settings, LIMITS))
    assert max(batch.documents.height for batch in batches) == 2
    assert sum(batch.documents.height for batch in batches) == 10
