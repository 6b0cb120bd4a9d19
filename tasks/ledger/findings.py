"""What a verification has to say, gathered while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.errors import ClaimledgerError
from tasks.ledger.notes import NoteError


@dataclass
class Findings:
    """Sentences, each once: what failed, what could not be judged, what is worth knowing."""

    findings: list[str] = field(default_factory=list)
    unverifiable: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def fail(self, sentence: str) -> None:
        """A check does not hold."""
        _add(self.findings, sentence)

    def leave_open(self, sentence: str) -> None:
        """Something cannot be judged for want of a key, a schema or a file."""
        _add(self.unverifiable, sentence)

    def note(self, sentence: str) -> None:
        """Nothing is wrong, and it is worth knowing."""
        _add(self.notices, sentence)

    def add(self, other: Findings) -> None:
        """Takes over what another process has to say."""
        for mine, theirs in (
            (self.findings, other.findings),
            (self.unverifiable, other.unverifiable),
            (self.notices, other.notices),
        ):
            for sentence in theirs:
                _add(mine, sentence)

    @contextmanager
    def catching(self, *, silently: bool = False) -> Iterator[None]:
        """A check that cannot go on is itself a finding, and the next check follows."""
        try:
            yield
        except (ClaimledgerError, NoteError) as error:
            if not silently:
                self.fail(str(error))
        except OSError as error:
            if not silently:
                self.fail(f"{error.filename}: cannot be read ({error.strerror})")


def _add(sentences: list[str], sentence: str) -> None:
    if sentence not in sentences:
        sentences.append(sentence)
