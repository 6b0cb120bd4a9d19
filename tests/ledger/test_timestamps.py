"""RFC 3161: stamps of an authority that OpenSSL plays, checked by us and by OpenSSL."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.witness import timestamps
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, POLICIES, night

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="OpenSSL's `ts` command plays the authority"
)
_CONFIG = """
[tsa]
default_tsa = tsa1
[tsa1]
dir = {folder}
serial = $dir/serial
crypto_device = builtin
signer_cert = $dir/tsa.pem
certs = $dir/tsa.pem
signer_key = $dir/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.57264.2
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def openssl(*arguments: str, data: bytes | None = None) -> bytes:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Authority(ThreadingHTTPServer):
    """A time-stamping authority with a root of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.replay: bytes | None = None
        """What to answer to everything instead."""
        root = ("-keyout", str(folder / "root.key"), "-out", str(folder / "root.pem"))
        ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
        openssl("req", "-x509", *ec, *root, "-subj", "/CN=root")
        asked = ("-keyout", str(folder / "tsa.key"), "-out", str(folder / "tsa.csr"))
        openssl("req", *ec[:-2], *asked, "-subj", "/CN=tsa")
        (folder / "ext").write_text("extendedKeyUsage=critical,timeStamping\nbasicConstraints=CA:FALSE\n")
        signer = ("-CA", str(folder / "root.pem"), "-CAkey", str(folder / "root.key"), "-CAcreateserial")
        made = ("-in", str(folder / "tsa.csr"), "-out", str(folder / "tsa.pem"), "-days", "30")
        openssl("x509", "-req", *made, *signer, "-extfile", str(folder / "ext"))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))

    @property
    def settings(self) -> dict[str, str]:
        """What a configuration says of it."""
        return {
            "timestamp_url": f"http://127.0.0.1:{self.server_address[1]}/",
            "timestamp_roots": str(self.folder / "root.pem"),
        }


class _Handler(BaseHTTPRequestHandler):
    server: Authority

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        folder = self.server.folder
        answer = self.server.replay
        if answer is None:
            (folder / "query").write_bytes(query)
            answer = openssl(
                "ts", "-reply", "-config", str(folder / "tsa.cnf"), "-queryfile", str(folder / "query")
            )
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    (tmp_path / "tsa").mkdir()
    with Authority(tmp_path / "tsa") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def wanted(authority: Authority, tmp_path: Path) -> LedgerSettings:
    return ledger_lake.settings(tmp_path, **authority.settings)


def check(lake: Lake, wanted: LedgerSettings) -> timestamps.Stamps:
    return timestamps.check(Log.open(lake.root / "ledger"), wanted, lake.root)


def test_every_nights_checkpoint_is_stamped_and_openssl_agrees(lake, wanted, authority, tmp_path):
    for number in range(2):
        night(lake, wanted, number, outputs=1)
    head = Log.open(lake.root / "ledger").head
    stamps = check(lake, wanted)
    assert (stamps.findings, stamps.unverifiable) == ([], [])
    assert len(stamps.good) == 2
    [(size, moment)] = stamps.newest()
    assert size == head.size
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    text = tmp_path / "text"
    text.write_text(head.note.text)
    stamp = lake.root / "timestamps" / f"{size}.tsr"
    roots = ("-CAfile", str(authority.folder / "root.pem"), "-untrusted", str(authority.folder / "tsa.pem"))
    openssl("ts", "-verify", "-data", str(text), "-in", str(stamp), *roots)


def test_a_stamp_of_another_text_root_or_tree_is_found(lake, wanted, authority, tmp_path):
    for number in range(2):
        night(lake, wanted, number, outputs=1)
    first, second = sorted((lake.root / "timestamps").glob("*.tsr"), key=lambda p: int(p.stem))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    assert "not a stamp of the checkpoint" in check(lake, wanted).findings[0]
    first.write_bytes(kept[:-40] + bytes([kept[-40] ^ 1]) + kept[-39:])
    assert "not a stamp of the checkpoint" in check(lake, wanted).findings[0]
    first.write_bytes(b"garbage")
    assert "not a stamp of the checkpoint" in check(lake, wanted).findings[0]
    first.rename(first.with_name("999.tsr"))
    assert "that the log does not have" in check(lake, wanted).findings[0]
    first.with_name("999.tsr").unlink()
    (tmp_path / "other").mkdir()
    with Authority(tmp_path / "other") as other:
        stranger = replace(wanted, timestamp_roots=other.settings["timestamp_roots"])
    assert "not a stamp of the checkpoint" in check(lake, stranger).findings[0]
    unknown = replace(wanted, timestamp_roots=None)
    found = check(lake, unknown)
    assert found.findings == []
    assert "timestamp_roots is missing" in found.unverifiable[0]


@pytest.mark.parametrize("defect", ["down", "replayed", "garbage", "another root", "no roots"])
def test_an_authority_that_does_not_stamp_is_a_problem_and_never_stops_the_night(
    lake, wanted, authority, tmp_path, defect
):
    night(lake, wanted, 0, outputs=1)
    before = len(list((lake.root / "timestamps").glob("*.tsr")))
    changed = wanted
    if defect == "down":
        changed = replace(wanted, timestamp_url="http://127.0.0.1:9/")
    elif defect == "replayed":
        authority.replay = next((lake.root / "timestamps").glob("*.tsr")).read_bytes()
    elif defect == "garbage":
        authority.replay = b"<html>"
    elif defect == "another root":
        (tmp_path / "other").mkdir()
        with Authority(tmp_path / "other") as other:
            changed = replace(wanted, timestamp_roots=other.settings["timestamp_roots"])
    else:
        changed = replace(wanted, timestamp_roots=str(tmp_path / "none.pem"))
    rows = ledger_lake.frames("ab" * 32, start=500, outputs=1)
    lake.commit("ab" * 32, "unit", rows, run_day=ledger_lake.NIGHT.date())
    told = recording.record(lake, changed, POLICIES, run_id="ab" * 32, now=ledger_lake.NIGHT, actor=ACTOR)
    [problem] = told.problems
    assert problem.startswith("time stamp: ")
    assert told.appended > 0
    assert len(list((lake.root / "timestamps").glob("*.tsr"))) == before
