"""One writer per bucket: a lease, taken and kept by conditional writes, that a dead holder loses.

All ages are told by the store's own clock (when an object was last written), so that a machine whose clock is
hours off neither keeps a lease for ever nor takes one from the living. What really keeps two writers apart is
the swap of the head (`If-Match`): the lease only spares the second one the work.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks.errors import LakeError
from tasks.files.objects import Objects, Stored
from tasks.remote.plan import HIDDEN

log = logging.getLogger("claimledger.lock")
KEY = f"{HIDDEN}/lease.json"
_CLOCK = f"{HIDDEN}/clock"
LEASE_S = 120.0
"""A holder that has not written for so long is dead."""
_POLL_S = 2.0
_MARGIN = 0.5
"""Share of the lease that must be left when a write begins."""


@dataclass
class Lease:
    """A lease that this process holds, or wants."""

    objects: Objects
    copy: str
    """The working copy that it is for: one process at a time works in it."""
    tag: str = ""
    until: float = 0.0
    """By this process's monotonic clock."""
    lost: str = ""
    """Why it is not held any more."""
    _note: dict[str, Any] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _mutex: threading.RLock = field(default_factory=threading.RLock)
    _keeper: threading.Thread | None = None

    def acquire(self, purpose: str, *, wait_s: float, tell: Callable[[str], object]) -> str | None:
        """Takes the lease; a sentence about the dead holder that it was taken from, or None.

        Raises:
            LakeError: somebody else still holds it after `wait_s` seconds (named), or the bucket refuses.
        """
        self._note = _myself(purpose, self.copy)
        start, is_told = time.monotonic(), False
        while True:
            begun = time.monotonic()
            there = self.objects.get(KEY)
            holder = _read(there) if there else {}
            dead = there is not None and not holder.get("released") and self._is_dead(there, holder)
            if there is None or holder.get("released") or dead:
                tag = self._write(there.tag if there else None)
                if tag is not None:
                    self.tag, self.until = tag, begun + LEASE_S
                    self._keep()
                    took = f"{self.objects.url}: taken over from {_who(holder)}, which has ended"
                    return took if dead else None
                continue
            waited = time.monotonic() - start
            if waited >= wait_s:
                raise LakeError(
                    f"{self.objects.url}: another machine writes to it: {_who(holder)}; wait until it ends, "
                    "or stop it, and run again"
                )
            if not is_told:
                tell(f"{self.objects.url}: {_who(holder)} writes to it; waiting up to {wait_s:.0f} s")
                is_told = True
            time.sleep(min(_POLL_S, LEASE_S / 10, wait_s - waited))

    def _is_dead(self, there: Stored, holder: dict[str, Any]) -> bool:
        """Whether nobody can hold it: it is this working copy's, whose lock we have, or was not kept."""
        if (holder.get("copy"), holder.get("host")) == (self.copy, socket.gethostname()):
            return True
        self.objects.put(_CLOCK, secrets.token_hex(8).encode())
        clock = self.objects.get(_CLOCK)
        return clock is not None and (clock.modified - there.modified).total_seconds() > LEASE_S

    def _write(self, tag: str | None, **more: object) -> str | None:
        note = {**self._note, "nonce": secrets.token_hex(8), **more}
        data = json.dumps(note, indent=1, sort_keys=True).encode()
        return self.objects.create(KEY, data) if tag is None else self.objects.swap(KEY, data, tag)

    def require(self) -> None:
        """Makes sure that what is written now is written by the one writer.

        Raises:
            LakeError: the lease is lost.
        """
        with self._mutex:
            if not self.lost and self.until - time.monotonic() < LEASE_S * _MARGIN:
                self._renew()
            if self.lost:
                raise LakeError(
                    f"{self.objects.url}: {self.lost}; what was published before is intact, nothing of the "
                    "other is lost; run again"
                )

    def _renew(self) -> None:
        begun = time.monotonic()
        tag = self._write(self.tag)
        if tag is None:
            self.lost = "another writer took over because this one was silent for too long"
        else:
            self.tag, self.until = tag, begun + LEASE_S

    def _keep(self) -> None:
        self._stop.clear()
        self._keeper = threading.Thread(target=self._run, name="lease", daemon=True)
        self._keeper.start()

    def _run(self) -> None:
        while not self._stop.wait(LEASE_S / 4):
            with self._mutex:
                if self._stop.is_set() or self.lost:
                    return
                try:
                    self._renew()
                except Exception as error:  # noqa: BLE001 - the next turn tries again; `require` says it
                    log.warning("%s: could not renew the lease (%s)", self.objects.url, error)

    def release(self) -> None:
        """Gives the lease back; one that cannot be given back ends by itself."""
        self._stop.set()
        with self._mutex:
            if not self.lost and self.tag:
                try:
                    self._write(self.tag, released=True)
                except LakeError as error:
                    log.warning("%s; it expires after %d s", error, LEASE_S)
            self.tag = ""


def _myself(purpose: str, copy: str) -> dict[str, Any]:
    return {
        "copy": copy,
        "purpose": purpose,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _read(there: Stored) -> dict[str, Any]:
    try:
        value = json.loads(there.data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _who(note: dict[str, Any]) -> str:
    return (
        f"{note.get('purpose', 'a writer')!s:.80} (process {note.get('pid')!s:.20} on "
        f"{note.get('host')!s:.80} since {note.get('since')!s:.40})"
    )
