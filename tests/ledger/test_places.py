"""Places that keep checkpoints: what leaves the machine, and what a roll-back or a fork meets there."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tasks.errors import LakeError
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint
from tasks.ledger.parameters import LedgerSettings, WitnessSettings
from tasks.ledger.witness import witness
from tasks.ledger.witness.bucket import Bucket
from tasks.ledger.witness.places import place_of
from tests.support import buckets, ledger_lake, stores
from tests.support.ledger_lake import night

KINDS = ("folder", "git", "git with upstream", "bucket", "bucket of moto", "endpoint")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    night(Lake.open(str(folder / "lake")), ledger_lake.settings(folder), 0)
    return folder


@pytest.fixture
def lake(base: Path, tmp_path: Path) -> Lake:
    shutil.copytree(base, tmp_path / "base")
    return Lake.open(str(tmp_path / "base" / "lake"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def store() -> Iterator[stores.Store]:
    with stores.serving(stores.Store()) as running:
        yield running


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with buckets.server(tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def repository(folder: Path, *, upstream: bool) -> Path:
    clone = folder / "clone"
    if upstream:
        (folder / "bare").mkdir()
        git(folder / "bare", "init", "--quiet", "--bare")
        git(folder, "clone", "--quiet", str(folder / "bare"), str(clone))
        git(clone, "commit", "--quiet", "--allow-empty", "-m", "first")
        git(clone, "push", "--quiet", "-u", "origin", "HEAD")
    else:
        clone.mkdir()
        git(clone, "init", "--quiet")
    return clone


def locked_bucket(url: str, name: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/{name}", method="PUT", headers={"x-amz-bucket-object-lock-enabled": "true"}
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


@pytest.fixture(params=KINDS)
def watcher(request: pytest.FixtureRequest, tmp_path: Path) -> WitnessSettings:
    kind = request.param
    if kind == "folder":
        return WitnessSettings(name="w", path=str(tmp_path / "copies"))
    if kind.startswith("git"):
        return WitnessSettings(name="w", kind="git", path=str(repository(tmp_path, upstream="up" in kind)))
    if kind == "endpoint":
        return WitnessSettings(name="w", kind="endpoint", url=request.getfixturevalue("store").url + "/in")
    request.getfixturevalue("credentials")
    name = f"b{abs(hash(str(tmp_path)))}"
    if kind == "bucket":
        url = request.getfixturevalue("store").url
    else:
        url = request.getfixturevalue("moto")
        locked_bucket(url, name)
    return WitnessSettings(name="w", kind="bucket", url=url, path=f"{name}/check points", retention_days=30)


def watched(lake: Lake, watcher: WitnessSettings) -> LedgerSettings:
    return replace(ledger_lake.settings(lake.root.parent), witnesses=(watcher,))


def told(lake: Lake, watcher: WitnessSettings) -> list[str]:
    return witness.tell(Log.open(lake.root / "ledger"), [watcher])


def test_every_nights_checkpoint_is_kept_and_verify_names_the_place(lake, watcher):
    wanted = watched(lake, watcher)
    sizes = []
    for number in (1, 2):
        night(lake, wanted, number, outputs=1)
        sizes.append(Log.open(lake.root / "ledger").head.size)
    kept = [c.size for c in witness.copies(watcher, "example.com/test")]
    assert kept == (sizes[-1:] if watcher.kind == "endpoint" else sizes)
    found = verify.verify(lake, wanted)
    assert (found.findings, found.unverifiable) == ([], [])
    assert found.outside == [f"witness w (at {sizes[-1]} events)"]


def test_a_roll_back_a_rewrite_and_a_fork_are_named(lake, watcher, tmp_path):
    older = Lake.open(str(tmp_path / "older"))
    shutil.copytree(lake.root, older.root)
    wanted = ledger_lake.settings(tmp_path / "base")
    night(lake, wanted, 5, outputs=1)
    assert told(lake, watcher) == []
    [problem] = told(older, watcher)
    assert "the log was rolled back" in problem
    night(older, wanted, 6, outputs=1)
    [problem] = told(older, watcher)
    assert "the log was forked" in problem
    night(older, wanted, 8, outputs=1)
    [problem] = told(older, watcher)
    assert "history was rewritten" in problem
    assert any("witness w" in f for f in verify.verify(older, watched(older, watcher)).findings)
    assert told(lake, watcher) == []


def test_what_a_place_keeps_is_never_written_over(lake, watcher):
    place = place_of(watcher, "example.com/test")
    head = Log.open(lake.root / "ledger").head
    place.keep(head.size, str(head.note).encode())
    first = place.kept()
    place.keep(head.size, str(head.note).encode())
    assert place.kept() == first
    assert Checkpoint.parse(first[-1]).root == head.root


@pytest.mark.parametrize(
    "watcher", ["folder", "git", "git with upstream", "bucket", "endpoint"], indirect=True
)
def test_a_place_that_cannot_be_reached_is_a_problem_and_never_stops_the_night(
    lake, watcher, tmp_path, request
):
    if watcher.kind == "folder":
        (tmp_path / "copies").write_text("a file")
    elif watcher.path and "upstream" in request.node.name:
        shutil.rmtree(tmp_path / "bare")
    elif watcher.kind == "git":
        shutil.rmtree(tmp_path / "clone")
    else:
        request.getfixturevalue("store").answer = (503, b"<b>busy</b>\n" * 1000)
    before = Log.open(lake.root / "ledger").head.size
    night(lake, watched(lake, watcher), 3, outputs=1)
    assert Log.open(lake.root / "ledger").head.size > before
    [problem] = told(lake, watcher)
    assert problem.startswith("witness w: ")
    assert "\n" not in problem
    found = verify.verify(lake, watched(lake, watcher))
    assert found.findings == []
    assert found.unverifiable or watcher.kind == "git"


# Buckets ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("credentials")
def test_checkpoints_are_written_once_and_locked(lake, store):
    watcher = WitnessSettings(name="w", kind="bucket", url=store.url, path="b/p", retention_days=30)
    assert told(lake, watcher) == []
    [(_, path, headers)] = [r for r in store.requests if r[0] == "PUT"]
    assert path.startswith("/b/p/")
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    until = datetime.fromisoformat(headers["x-amz-object-lock-retain-until-date"])
    assert 29 <= (until - datetime.now(UTC)).days <= 30
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=testing/")


@pytest.mark.usefixtures("credentials")
def test_a_bucket_without_retention_is_named(lake):
    with stores.serving(stores.Store(locks=False)) as store:
        watcher = WitnessSettings(name="w", kind="bucket", url=store.url, path="b", retention_days=30)
        [problem] = told(lake, watcher)
        assert "create the bucket with object lock" in problem
        assert told(lake, replace(watcher, retention_days=None)) == []


@pytest.mark.usefixtures("credentials")
def test_neither_a_newer_version_nor_a_delete_marker_hides_a_checkpoint(lake, store):
    watcher = WitnessSettings(name="w", kind="bucket", url=store.url, path="b")
    assert told(lake, watcher) == []
    [versions] = [v for v in store.versions.values() if v]
    other = Bucket(store.url, "b", "other/", "us-east-1")
    assert not other.sizes()
    versions.append((b"something else", {}))
    with pytest.raises(LakeError, match="the copy is damaged"):
        witness.copies(watcher, "example.com/test")
    versions[1:] = []
    versions.extend([versions[0]] * 4)
    assert len(witness.copies(watcher, "example.com/test")) == 5


def test_nobody_can_delete_a_locked_checkpoint_from_a_real_store(lake, moto, credentials):
    locked_bucket(moto, "retained")
    watcher = WitnessSettings(name="w", kind="bucket", url=moto, path="retained/p", retention_days=30)
    assert told(lake, watcher) == []
    place = place_of(watcher, "example.com/test").bucket  # type: ignore[attr-defined]
    [(size, version)] = place.sizes()
    at = {"Bucket": "retained", "Key": f"{place.prefix}{size}"}
    with pytest.raises(ClientError, match=r"AccessDenied|InvalidRequest"):
        place.client.delete_object(**at, VersionId=version)
    place.client.delete_object(**at)
    with pytest.raises(ClientError, match="NoSuchKey"):
        place.client.get_object(**at)
    assert [c.size for c in witness.copies(watcher, "example.com/test")] == [size]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kind": "bucket", "url": "https://s3.example"}, "BUCKET/PREFIX"),
        ({"kind": "bucket", "path": "b"}, "needs `url`"),
        ({"kind": "endpoint"}, "needs `url`"),
        ({"kind": "folder"}, "needs `path`"),
        ({"kind": "endpoint", "url": "http://example.com/x"}, "https"),
        ({"kind": "endpoint", "url": "https://me:secret@example.com/x"}, "no name or password"),
        ({"kind": "endpoint", "url": "http://127.0.0.1:1", "token_variable": "NOT_THERE"}, "no NOT_THERE"),
        ({"kind": "bucket", "url": "http://127.0.0.1:1", "path": "b"}, "AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_place_that_is_badly_configured_is_named_and_no_secret_is_said(lake, monkeypatch, values, sentence):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    [problem] = told(lake, WitnessSettings(name="w", **values))
    assert sentence in problem
    assert "secret@" not in problem


def test_a_token_is_sent_and_comes_by_environment(lake, store, monkeypatch):
    monkeypatch.setenv("CHECKPOINT_TOKEN", "hush")
    watcher = WitnessSettings(name="w", kind="endpoint", url=store.url, token_variable="CHECKPOINT_TOKEN")  # noqa: S106
    assert told(lake, watcher) == []
    assert {r[2]["authorization"] for r in store.requests} == {"Bearer hush"}


def test_an_endpoint_whose_newest_was_rolled_back_still_holds_the_old_one(lake, store, tmp_path):
    """Who can write `checkpoint` can put an older one there; he cannot put another one of the same size."""
    watcher = WitnessSettings(name="w", kind="endpoint", url=store.url)
    other = Lake.open(str(tmp_path / "other"))
    shutil.copytree(lake.root, other.root)
    wanted = ledger_lake.settings(tmp_path / "base")
    night(lake, wanted, 5, outputs=1)
    assert told(lake, watcher) == []
    [newest] = [path for path in store.versions if path.endswith("/checkpoint")]
    store.versions[newest].clear()
    night(other, wanted, 6, outputs=1)
    [problem] = told(other, watcher)
    assert "the log was forked" in problem


def test_a_rewritten_repository_is_not_followed(lake, tmp_path):
    clone = repository(tmp_path, upstream=True)
    watcher = WitnessSettings(name="w", kind="git", path=str(clone))
    wanted = ledger_lake.settings(tmp_path / "base")
    assert told(lake, watcher) == []
    git(tmp_path, "clone", "--quiet", str(tmp_path / "bare"), str(tmp_path / "second"))
    git(tmp_path / "second", "reset", "--quiet", "--hard", "HEAD~1")
    git(tmp_path / "second", "commit", "--quiet", "--allow-empty", "-m", "other")
    git(tmp_path / "second", "push", "--quiet", "--force")
    night(lake, wanted, 5, outputs=1)
    [problem] = told(lake, watcher)
    assert "git merge failed" in problem


def test_a_listing_that_is_no_listing_is_refused(store, credentials):
    bucket = Bucket(store.url, "b", "p/", "us-east-1")
    for body in (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"not xml", b"x" * (9 << 20)):
        store.answer = (200, body)
        with pytest.raises(LakeError):
            bucket.sizes()
