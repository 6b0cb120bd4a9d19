"""Files by URL: an S3 server on loopback, a web server, and what each refuses."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import obstore
import polars as pl
import pytest
from obstore.store import S3Store

from tasks.errors import SourceError
from tasks.evidence.corpus import list_files
from tasks.evidence.parameters import CorpusSettings
from tasks.files import places
from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal
from tasks.sources import files, otlp
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import FieldMapping, FilesSettings
from tests.support import servers
from tests.support.otlp_files import lines, span
from tests.support.scopes import scope

FIELDS = FieldMapping(id="id", produced_at="at", response="out")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = servers.free_port()
    command = [servers.environment("moto") / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with servers.running(command, f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> S3Store:
    """An empty bucket; credentials as the ecosystem gives them."""
    for name, value in {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s",
                        "REGION": "us-east-1"}.items():  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    name = f"b{abs(hash(request.node.name))}"
    httpx.put(
        f"{endpoint}/{name}", headers={"authorization": "AWS4-HMAC-SHA256 Credential=k/1/us-east-1/s3/"}
    )
    return S3Store(name, endpoint=endpoint, client_options={"allow_http": True})


def url(bucket: S3Store, path: str = "") -> str:
    return f"s3://{bucket.config['bucket']}/{path}"


def put(bucket: S3Store, name: str, data: bytes) -> None:
    obstore.put(bucket, name, data)


def record(identity: int) -> dict[str, Any]:
    return {"id": str(identity), "at": "2026-11-01T10:00:00Z", "out": f"Answer {identity}."}


def jsonl(*identities: int) -> bytes:
    return b"".join(json.dumps(record(each)).encode() + b"\n" for each in identities)


def pulled(
    path: str, work: Path, marks: dict[str, Any] | None = None
) -> tuple[list[str], dict[str, Any], list[str]]:
    source = FilesSettings(name="bot", path=path, fields=FIELDS)
    batches = list(files.pull(source, scope(marks=marks or {}, work=work)))
    kept = {name: mark for batch in batches for name, mark in batch.marks.items()}
    ids = [each for batch in batches for each in batch.outputs["source_id"].to_list()]
    return ids, {**(marks or {}), **kept}, [each for batch in batches for each in batch.problems]


def test_every_format_is_read_from_a_bucket_by_glob_and_what_is_unchanged_is_not_fetched(bucket, tmp_path):
    put(bucket, "day=1/a.jsonl.gz", gzip.compress(jsonl(1, 2)))
    pl.DataFrame([record(3)]).write_parquet(tmp_path / "b.parquet")
    put(bucket, "day=2/b.parquet", (tmp_path / "b.parquet").read_bytes())
    put(bucket, "day=2/c.csv", pl.DataFrame([record(4)]).write_csv().encode())
    put(bucket, "day=2/_unfinished.jsonl", jsonl(9))
    put(bucket, "notes/readme.txt", b"no records")
    ids, _, problems = pulled(url(bucket, "day=[12]/[a-c].*"), tmp_path / "w")
    assert (sorted(ids), problems) == (["1", "2", "3", "4"], [])
    ids, marks, _ = pulled(url(bucket), tmp_path / "w")
    assert sorted(ids) == ["1", "2", "3", "4"]
    put(bucket, "day=2/c.csv", pl.DataFrame([record(5)]).write_csv().encode())
    put(bucket, "day=3/d.jsonl", jsonl(6))
    ids, _, _ = pulled(url(bucket), tmp_path / "w", marks)
    assert sorted(ids) == ["5", "6"]
    assert not list((tmp_path / "w").rglob("*.*"))


def test_spans_are_read_from_a_bucket(bucket, tmp_path):
    data = lines(
        tmp_path / "a", [span(1, {"openinference.span.kind": "LLM", "output.value": "Hi."})]
    ).read_bytes()
    put(bucket, "genai/a.jsonl", data)
    source = OtlpSettings(name="t", kind="otlp", path=url(bucket, "genai/*.jsonl"))
    (batch,) = otlp.pull(source, scope(work=tmp_path / "w"))
    assert batch.outputs["response"].to_list() == ["Hi."]
    assert list(batch.inputs.values()) == [sha256(data).hexdigest()]


def test_the_corpus_takes_the_same_urls(bucket, tmp_path):
    put(bucket, "docs/a.md", b"# Refunds\n\nWithin 30 days.")
    section = CorpusSettings(path=url(bucket, "docs"))
    listing = list_files(section, LimitSettings(), mirror=tmp_path / "mirror")
    assert [Path(path).read_bytes() for path in listing.files["path"]] == [b"# Refunds\n\nWithin 30 days."]


def test_what_a_store_refuses_is_said_in_one_sentence(bucket, tmp_path):
    with pytest.raises(Refusal, match="no file there, or none matches"):
        places.listing(url(bucket, "none/**"))
    with pytest.raises(SourceError, match="correct the source's path"):
        pulled(url(bucket, "none/**"), tmp_path)
    with pytest.raises(SourceError, match="no such bucket, container or file"):
        places.listing("s3://no-such-bucket-here/a/*")
    put(bucket, "large.jsonl", jsonl(*range(50)))
    (place,) = places.listing(url(bucket, "large.jsonl"))
    with (
        pytest.raises(Refusal, match=r"the limit of limits.max_file_bytes is 100"),
        places.fetched(place, tmp_path, 100),
    ):
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(jsonl(1, 2))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_file_of_a_web_server_is_read_once(web, tmp_path):
    ids, marks, _ = pulled(f"{web}/a.jsonl", tmp_path / "w")
    assert ids == ["1", "2"]
    assert pulled(f"{web}/a.jsonl", tmp_path / "w", marks)[0] == []
    with pytest.raises(SourceError, match="no such address"):
        pulled(f"{web}/b.jsonl", tmp_path / "w")
    with pytest.raises(SourceError, match="a web server cannot list files"):
        pulled(f"{web}/*.jsonl", tmp_path / "w")


def test_a_delta_table_in_a_store_is_read_as_its_newest_version(
    bucket: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    rows = pl.DataFrame([record(1), record(2)]).with_columns(topic=pl.lit("a b"))
    rows.write_delta(url(bucket, "table"), delta_write_options={"partition_by": ["topic"]})
    rows.with_columns(out=pl.lit("New.")).head(1).write_delta(url(bucket, "table"), mode="overwrite")
    source = FilesSettings(name="bot", path=url(bucket, "table"), format="delta", fields=FIELDS)
    (batch,) = files.pull(source, scope(work=tmp_path))
    assert batch.outputs.select("source_id", "response").rows() == [("1", "New.")]
