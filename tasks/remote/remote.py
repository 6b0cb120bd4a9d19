"""A lake in a bucket: its working copy brought up to date, held for one writer, and published.

Order of a publication, and what a crash after each step means:

1. upload: new files of no table go to their place (`If-None-Match`), everything else waits under
   `_claimledger/staged/`. Crash: nobody sees any of it; the next writer writes over it or removes it.
2. swap the head (`If-Match`): from here on the state is published. Who loses the swap has published nothing.
3. settle: files that are gone are removed, then those that waited are copied to their place, tables in the
   order in which they refer to each other. Crash: the head says what is left, and the next writer does it.
4. the head says that nothing is left; what waited is removed.

No step needs a listing or a rename. What a request did whose answer was lost is found by reading it back.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tasks.errors import ClaimledgerError, ConfigError, LakeError
from tasks.files.objects import STORES
from tasks.remote import plan
from tasks.remote.lease import Lease
from tasks.remote.plan import HEAD, Entry, Head, Steps
from tasks.remote.reader import Reader, all_at_once

log = logging.getLogger("claimledger.lake")


def is_remote(url: str) -> bool:
    """Whether a lake is in an object store."""
    return "://" in url and url.partition("://")[0] in STORES


@dataclass
class Remote(Reader):
    """A lake in a bucket that this process may write to."""

    lease: Lease | None = None
    """While it does."""
    is_unsure: bool = False
    """A publication failed, and nobody knows how far it came."""

    @contextmanager
    def held(self, purpose: str, *, wait_s: float, tell: Callable[[str], object]) -> Iterator[None]:
        """The bucket, held for one writer, and the working copy up to date; published at the end.

        Raises:
            LakeError: another machine writes to it, or took over; or the bucket refuses.
        """
        self.begin(purpose, wait_s=wait_s, tell=tell)
        try:
            yield
        except BaseException:
            self._end_badly()
            raise
        self.end()

    def begin(self, purpose: str, *, wait_s: float, tell: Callable[[str], object]) -> None:
        """Takes the lease, finishes what a dead writer left, and fetches what is new."""
        lease = Lease(self.objects, self.copy.record.copy)
        sentence = lease.acquire(purpose, wait_s=wait_s, tell=tell)
        if sentence:
            tell(sentence)
        self.lease = lease
        try:
            self.copy.save()
            self.refresh()
            self._finish()
        except BaseException:
            self._let_go()
            raise

    def end(self) -> None:
        """Publishes what is left, and gives the lease back."""
        try:
            self.publish()
        finally:
            self._let_go()

    def _end_badly(self) -> None:
        """What stopped a run stays the failure; what it wrote is kept, as it would be on a disk."""
        try:
            self.end()
        except ClaimledgerError as error:
            log.warning("%s", error)

    def _let_go(self) -> None:
        if self.lease is not None:
            self.lease.release()
        self.lease = None

    def _finish(self) -> None:
        """Step 3 and 4 of a writer that died after 2, and what one that died before 2 had uploaded."""
        assert self.head is not None  # noqa: S101 - `refresh` has set it
        if self.head.staged or self.head.gone:
            self._settle()
        left = list(self.objects.names(f"{plan.HIDDEN}/staged"))
        if left:
            self.objects.delete(left)

    def publish(self) -> bool:
        """Makes the bucket equal to the working copy; whether there was anything to do. Only while held.

        Raises:
            LakeError: the bucket refuses, or another writer took over: what that one published is intact,
                nothing of this one's is visible, and running again does the work again.
        """
        if self.lease is None or self.published is None:
            return False
        self.lease.require()
        if self.is_unsure:
            self._look_whose_head_it_is()
        there = self.copy.look()
        steps = plan.to_publish(self.published, there, self.order)
        if steps:
            self.is_unsure = True  # until the swap is known to have happened
            self._upload(there, steps)
            self._swap(there, steps)
            self.is_unsure = False
            self.copy.keep(self.tag, self._now.generation, there)
        if self._now.staged or self._now.gone:
            self._settle()
        return bool(steps)

    def _look_whose_head_it_is(self) -> None:
        """After a failure: whether the head that the bucket has is the one that was to be written."""
        stored = self.objects.get(HEAD)
        if stored is not None and stored.tag != self.tag:
            head = Head.decode(stored.data, f"{self.url}/{HEAD}")
            if head.writer != self.copy.record.copy:
                raise self._lost()
            self.head, self.tag, self.published = head, stored.tag, head.entries(self._base(head))
        self.is_unsure = False

    @property
    def _now(self) -> Head:
        assert self.head is not None  # noqa: S101 - who publishes has refreshed
        return self.head

    def _upload(self, there: dict[str, Entry], steps: Steps) -> None:
        generation = self._now.generation + 1

        def direct(path: str) -> None:
            data = self._bytes(path, there[path])
            if self.objects.create(path, data) is None:
                # Left by a writer that died before its head: no head names it, so it is nobody's.
                self._require_lease()
                self.objects.put(path, data)

        def stage(path: str) -> None:
            data = self._bytes(path, there[path])
            self.objects.put(plan.staged_key(generation, there[path].sha256), data)

        all_at_once(direct, steps.direct)
        all_at_once(stage, steps.staged)

    def _bytes(self, path: str, entry: Entry) -> bytes:
        data = self.copy.read(path)
        if plan.entry_of(data) != entry:
            raise LakeError(
                f"{self.copy.root / path}: was written to while it was published; run again once nobody else "
                "works in this folder"
            )
        return data

    def _swap(self, there: dict[str, Entry], steps: Steps) -> None:
        before, base = self._now, self._base(self._now)
        head = before.after(base, there, steps, writer=self.copy.record.copy, nonce=secrets.token_hex(8))
        if head.is_crowded(base):
            digest, data = plan.encode_base(there)
            head = replace(head, base=digest, changes={})
            self.objects.put(head.base_key, data)
            self.copy.keep_base(data)
        self._require_lease()
        self._put_head(head)
        self.published = dict(there)
        if before.base not in ("", head.base):
            self.objects.delete([before.base_key])

    def _put_head(self, head: Head) -> None:
        data = head.encode()
        tag = self.objects.swap(HEAD, data, self.tag) if self.tag else self._first(data)
        if tag is None:
            raise self._lost()
        self.head, self.tag = head, tag

    def _lost(self) -> LakeError:
        return LakeError(
            f"{self.url}: another writer published first; what it published is intact, what this one had not "
            "published is not visible, and running again does what is left"
        )

    def _first(self, data: bytes) -> str | None:
        """The first head of a lake, in a store that keeps its word on conditions."""
        tag = self.objects.create(HEAD, data)
        if tag is not None and self.objects.create(HEAD, data + b"\n") is not None:
            raise ConfigError(
                f"{self.url}: this store ignores conditional writes (If-None-Match), without which two "
                "writers would overwrite each other; use one that has them"
            )
        return tag

    def _settle(self) -> None:
        """Steps 3 and 4."""
        head = self._now
        self._require_lease()
        for gone, coming in plan.settling(head, self.order):
            # First what goes: for a moment a reader may miss rows that are moved, but never finds one twice.
            self.objects.delete(gone)
            all_at_once(lambda path: self.objects.copy(head.staged[path], path), coming)
        self._require_lease()
        self._put_head(head.settled(secrets.token_hex(8)))
        self.objects.delete(sorted(set(head.staged.values())))
        self.copy.record = replace(self.copy.record, tag=self.tag)
        self.copy.save()

    def _require_lease(self) -> None:
        if self.lease is not None:
            self.lease.require()
