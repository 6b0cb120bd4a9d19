"""Places that keep plain copies of checkpoints: a folder, a git repository, a bucket, an HTTPS endpoint.

What a copy means for the log is up to `witness.py`.

In every place a log has a folder named by the digest of its origin, which is anybody's words; in it the note
of each size is named by the size.
"""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.errors import ConfigError, IntegrityError, LakeError
from tasks.files import durable
from tasks.ledger.parameters import WitnessSettings
from tasks.ledger.witness import web
from tasks.ledger.witness.bucket import Bucket

GIT_TIMEOUT_S = 60.0
"""A push of a few hundred bytes over a slow line."""


class Place(Protocol):
    """What keeps copies of one log's checkpoints."""

    def kept(self, *, newest_only: bool = False) -> list[bytes]:
        """Notes that the place keeps, ascending by size.

        Raises:
            LakeError: it cannot be reached or read.
        """

    def keep(self, size: int, note: bytes) -> None:
        """Adds the note of a size, unless there is one of that size.

        Raises:
            LakeError: it cannot be reached or written.
            IntegrityError: it does not keep what it was given.
        """


def place_of(witness: WitnessSettings, origin: str) -> Place:
    """The place that a configuration names, for one log.

    Raises:
        ConfigError: a key that this kind needs is missing.
    """
    log = hashlib.sha256(origin.encode()).hexdigest()[:32]
    if witness.kind in ("folder", "git"):
        if not witness.path:
            raise ConfigError("ledger.witnesses: a folder or git witness needs `path`")
        root = Path(witness.path).expanduser()
        return Folder(root, log) if witness.kind == "folder" else Repository(root, log)
    if not witness.url:
        raise ConfigError(f"ledger.witnesses: a witness of kind {witness.kind} needs `url`")
    if witness.kind == "bucket":
        bucket, _, prefix = (witness.path or "").strip("/").partition("/")
        if not bucket:
            raise ConfigError("ledger.witnesses: a bucket needs `path`: BUCKET or BUCKET/PREFIX")
        inside = f"{prefix}/{log}/" if prefix else f"{log}/"
        return Copies(Bucket(witness.url, bucket, inside, witness.region, witness.retention_days))
    return Endpoint(f"{witness.url.rstrip('/')}/{log}", witness.token_variable)


@dataclass(frozen=True)
class Folder:
    """A folder on another machine's disk, or a mounted one."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """The log's own."""
        return self.root / self.name

    def kept(self, *, newest_only: bool = False) -> list[bytes]:
        """As `Place`."""
        with durable.touching(self.root):
            if self.root.exists() and not self.root.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(self.root))
            paths = sorted(self.folder.glob("[0-9]*"), key=lambda p: (len(p.name), p.name))
            return [p.read_bytes() for p in (paths[-1:] if newest_only else paths)]

    def keep(self, size: int, note: bytes) -> None:
        """As `Place`."""
        path = self.folder / str(size)
        with durable.touching(self.folder):
            durable.make_folder(self.folder)
            if not path.exists():
                durable.replace(path, note)


@dataclass(frozen=True)
class Repository:
    """A git repository; where it has an upstream, that is what is read, and every commit is pushed to it."""

    root: Path
    name: str

    def kept(self, *, newest_only: bool = False) -> list[bytes]:
        """As `Place`; from what is committed, because a working tree is easily tidied."""
        branch = self._branch()
        if not branch:
            return []
        listed = self._git("ls-tree", "--name-only", branch, "--", f"{self.name}/").split()
        names = [path.rpartition("/")[2] for path in listed]
        sizes = sorted(int(name) for name in names if name.isdecimal())
        return [
            self._git("show", f"{branch}:{self.name}/{size}").encode()
            for size in (sizes[-1:] if newest_only else sizes)
        ]

    def keep(self, size: int, note: bytes) -> None:
        """As `Place`."""
        upstream = self._upstream()
        if upstream:
            self._git("merge", "--quiet", "--ff-only", upstream)
        path = self.root / self.name / str(size)
        with durable.touching(path):
            durable.make_folder(path.parent)
            if not path.exists():
                durable.replace(path, note)
        inside = f"{self.name}/{size}"
        self._git("add", "--", inside)
        if self._git("status", "--porcelain", "--", inside):
            self._git("commit", "--quiet", "-m", f"Checkpoint {size}", "--", inside)
        if upstream:
            self._git("push", "--quiet")

    def _branch(self) -> str:
        """What to read: the upstream as it is now, else what is committed here, else nothing."""
        upstream = self._upstream()
        if upstream:
            self._git("fetch", "--quiet")
            return upstream
        return "HEAD" if self._asks("rev-parse", "--verify", "--quiet", "HEAD") else ""

    def _upstream(self) -> str:
        return self._asks("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")

    def _asks(self, *arguments: str) -> str:
        """A question that git may answer with nothing."""
        done = self._run(arguments)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _git(self, *arguments: str) -> str:
        done = self._run(arguments)
        if done.returncode:
            raise LakeError(
                f"{self.root}: git {arguments[0]} failed: {' '.join(done.stderr.split())[:200]}; "
                "the next run retries"
            )
        return done.stdout

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        who = ["-c", "user.name=claimledger", "-c", "user.email=claimledger@localhost"]
        try:
            return subprocess.run(  # noqa: S603 - fixed arguments, no shell
                ["git", "-C", str(self.root), *who, *arguments],  # noqa: S607 - the user's own git
                capture_output=True,
                text=True,
                timeout=GIT_TIMEOUT_S,
                check=False,
                env={**os.environ, **quiet},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LakeError(f"{self.root}: git {arguments[0]} could not run ({error})") from None


@dataclass(frozen=True)
class Copies:
    """An object-store bucket."""

    bucket: Bucket

    def kept(self, *, newest_only: bool = False) -> list[bytes]:
        """As `Place`; every version of every object counts."""
        versions = self.bucket.sizes()
        newest = max((size for size, _ in versions), default=0)
        return [self.bucket.read(size, v) for size, v in versions if not newest_only or size == newest]

    def keep(self, size: int, note: bytes) -> None:
        """As `Place`."""
        self.bucket.write(size, note)


@dataclass(frozen=True)
class Endpoint:
    """An HTTPS address that takes PUT: `URL/LOG/SIZE` once, `URL/LOG/checkpoint` the newest.

    `LOG/SIZE` is sent with `If-None-Match: *`, and a server that keeps it must answer 412 to a second one.
    """

    url: str
    token_variable: str | None = None

    def kept(self, *, newest_only: bool = False) -> list[bytes]:  # noqa: ARG002 - it tells its newest alone
        """As `Place`."""
        reply = web.request("GET", f"{self.url}/checkpoint", headers=self._headers())
        if reply.status == 404:
            return []
        if reply.status != 200:
            raise LakeError(f"{self.url}/checkpoint: answered {reply.status}: {reply.text}")
        return [reply.body]

    def keep(self, size: int, note: bytes) -> None:
        """As `Place`."""
        once = self._headers() | {"If-None-Match": "*"}
        for name, headers in ((str(size), once), ("checkpoint", self._headers())):
            reply = web.request("PUT", f"{self.url}/{name}", headers=headers, body=note)
            if reply.status == 412 and name != "checkpoint":
                kept = web.request("GET", f"{self.url}/{name}", headers=self._headers())
                if kept.status == 200 and _text(kept.body) != _text(note):
                    raise IntegrityError(
                        f"the log was forked: {self.url}/{name} holds another checkpoint for {size} events"
                    )
            elif reply.status not in (200, 201, 202, 204):
                raise LakeError(f"{self.url}/{name}: answered {reply.status}: {reply.text}")

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self.token_variable:
            token = os.environ.get(self.token_variable)
            if not token:
                raise ConfigError(f"ledger.witnesses: the environment has no {self.token_variable}")
            headers["Authorization"] = f"Bearer {token}"
        return headers


def _text(note: bytes) -> bytes:
    """A note without its signature lines, which witnesses add to."""
    return note.partition(b"\n\n")[0]
