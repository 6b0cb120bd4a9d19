"""How far an endpoint has acknowledged the log: the whole outbox, since what is to be sent is in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tasks.deliver.messages import CHECKPOINT, Message


@dataclass(frozen=True)
class Cursor:
    """What an endpoint has, and how it last went."""

    next: int = 0
    """First index that it has not acknowledged."""
    checkpoint: int = 0
    """Events that the last acknowledged checkpoint covers."""
    root: str = ""
    """That checkpoint's root, hex: a log with another root there was rewritten."""
    origin: str = ""
    """The log's name."""
    url: str = ""
    """Digest of the address; a new address is tried at once."""
    dead: tuple[int, ...] = ()
    """Indices that it refused; each can be replayed."""
    failures: int = 0
    """Attempts since the last one that was accepted."""
    error: str = ""
    """Why the last attempt failed; empty where it did not."""
    not_before_s: float = 0.0
    """POSIX time before which it asked not to be asked."""
    is_gone: bool = False
    """It said 410: it is left alone until it is replayed by name, or has another address."""
    succeeded_at: str = ""
    """When it last accepted something, ISO 8601."""

    @classmethod
    def parse(cls, values: Mapping[str, Any] | None) -> Cursor:
        """A cursor as `as_dict` wrote it, of this or another release; a new one where there is none."""
        names = cls.__dataclass_fields__
        known = {name: value for name, value in (values or {}).items() if name in names}
        return cls(**{**known, "dead": tuple(known.get("dead", ()))})

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def past(self, messages: list[Message], root: str, at: str) -> Cursor:
        """The cursor once these were accepted; `root` is that of their last checkpoint, if they hold one."""
        points = [message.first for message in messages if message.kind == CHECKPOINT]
        return replace(
            self,
            next=max(self.next, *(message.end for message in messages)),
            checkpoint=points[-1] if points else self.checkpoint,
            root=root,
            failures=0,
            error="",
            not_before_s=0.0,
            succeeded_at=at,
        )

    def after(self, journal: Sequence[Mapping[str, Any]]) -> Cursor:
        """The cursor with what the journal has beyond it; what it knows changes nothing."""
        place, root, point, at = self.next, self.root, self.checkpoint, ""
        dead = dict.fromkeys(self.dead)
        for line in journal:
            first, end = int(line["first"]), int(line["first"]) + int(line["count"])
            if first > place:
                break
            if line["message"] == CHECKPOINT:
                if first > point and line.get("root"):
                    point, root, at = first, str(line["root"]), str(line["at"])
            elif line["status"] == "dead":
                if first == place or first in self.dead:
                    dead[first] = None
            elif line["message"] == "event":
                for index in [each for each in dead if first <= each < end]:
                    del dead[index]
                at = str(line["at"]) if end > place else at
            place = max(place, end)
        kept = replace(self, next=place, checkpoint=point, root=root, dead=tuple(dead))
        return replace(kept, failures=0, error="", succeeded_at=at) if at else kept

    def failed(self, reason: str, not_before_s: float = 0.0) -> Cursor:
        """The cursor once an attempt failed."""
        return replace(self, failures=self.failures + 1, error=reason, not_before_s=not_before_s)
