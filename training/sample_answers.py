"""The sample's made answers: two agents over the corpus, with errors planted by a written rule and labelled.

Nothing here is a real agent's. A day has a fixed number of answers of each agent. An answer repeats two
sentences of one section, some of them reworded as `rephrase.py` rewords (they stay true), to a question
made from the section's title. On the days from `CHANGED_ON` the help desk answers with its second model,
and more of its answers hold a planted error. Errors are edits written and read by hand
(`sample_plants.jsonl`); each names its kind, what was changed, and an excerpt of the sentence that it
contradicts or shortens. What else an audit should notice or leave alone (confidential data, abstentions,
courtesies, reasoning) is in `sample_specials.jsonl`.

Every draw is seeded with agent, day and number, so the same documents give the same answers.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

from training import rephrase
from training.sample_corpus import HANDBOOK, HELP_DESK, Passage, plain

FIRST = datetime(2026, 10, 20, tzinfo=UTC)
DAYS = 30
CHANGED_ON = 20
"""Days after FIRST: the day from which the help desk's second model answers, 2026-11-09."""
PLANTS = Path(__file__).with_name("sample_plants.jsonl")
SPECIALS = Path(__file__).with_name("sample_specials.jsonl")
"""In the order in which they are spread over an agent's answers without an error.

Names are made up; domains, phone numbers and the AWS key are those reserved for examples, the IBANs those of
ISO 13616's own examples; the other key is random characters.
"""
REWORDED = 0.5
"""Share of true sentences that are reworded where an edit applies."""
_EDITS = (rephrase.number_words, rephrase.list_order, rephrase.date_format)
"""Those of the harmless edits that need no reading afterwards: a synonym does not fit everywhere."""
_NAMES = re.compile(r"Basecamp \d|[a-z]-factor|\bsection\b")
"""In a sentence with one of these, a number or a pair is part of a name."""

Verdict = Literal["supported", "contradicted", "insufficient", "abstention", "none"]
NOT_IN_THE_EVIDENCE = ("condition", "addition")
"""Kinds of error that the evidence does not deny: the right verdict is insufficient."""


@dataclass(frozen=True)
class Agent:
    """A made agent: how many answers a day, with which models, and how many of them hold an error."""

    name: str
    use_case: str
    source: str
    daily: int
    models: tuple[str, str]
    """Before CHANGED_ON and from it on."""
    planted: tuple[float, float]
    """Share of answers that hold one planted error, before CHANGED_ON and from it on."""


AGENTS = (
    Agent("help-desk", "customer help", HELP_DESK, 6, ("help-writer-1", "help-writer-2"), (0.145, 0.645)),
    Agent(
        "handbook-assistant", "staff policy", HANDBOOK, 3, ("staff-writer-1", "staff-writer-1"), (0.28, 0.28)
    ),
)


@dataclass(frozen=True)
class Plant:
    """An error to plant: the claim, and the document and excerpt that show it to be one."""

    document: str
    kind: str
    truth: str
    claim: str
    changed: str


@dataclass(frozen=True)
class Special:
    """Something else to put into an answer: text around its true sentences, or instead of them."""

    agent: str
    kind: str
    place: Literal["before", "after", "instead"]
    text: str
    question: str
    """What is asked where the corpus has no answer; else empty."""
    changed: str
    verdict: Verdict


@dataclass(frozen=True)
class Made:
    """Answers as an agent platform would export them, what was planted in them, and their true sentences."""

    traces: list[dict[str, Any]]
    planted: list[dict[str, str | None]]
    true: list[dict[str, str]]


def plants(passages: Sequence[Passage], file: Path = PLANTS) -> list[Plant]:
    """The errors for the documents at hand, one kind after the other, so that every stretch has all kinds.

    Raises:
        ValueError: an excerpt stands in no sentence of its document.
    """
    documents = {p.document for p in passages}
    by_kind: dict[str, list[Plant]] = defaultdict(list)
    for line in file.read_text("utf-8").splitlines():
        plant = Plant(**json.loads(line))
        if plant.document in documents:
            _place(plant, passages)
            by_kind[plant.kind].append(plant)
    rounds = range(max(map(len, by_kind.values()), default=0))
    return [kind[n] for n in rounds for kind in by_kind.values() if n < len(kind)]


def answers(agent: Agent, passages: Sequence[Passage]) -> Made:
    """All answers of an agent."""
    topics = _topics(passages)
    errors, specials = plants(passages), _specials(agent)
    slots = list(_slots(agent))
    quiet = [n for n, (_, _, has_error) in enumerate(slots) if not has_error]
    at = {
        quiet[(2 * n + 1) * len(quiet) // (2 * len(specials))]: special for n, special in enumerate(specials)
    }
    made = Made([], [], [])
    next_error = cycle(errors)
    for n, (day, number, has_error) in enumerate(slots):
        rng = random.Random(f"{agent.name} {day} {number}")  # noqa: S311 - draws that anybody can repeat
        writer = _Writer(agent, day, number, rng, made)
        if has_error:
            writer.with_error(next(next_error), passages)
        else:
            writer.without_error(rng.choice(topics), at.get(n))
    return made


def _specials(agent: Agent) -> list[Special]:
    rows = [Special(**json.loads(line)) for line in SPECIALS.read_text("utf-8").splitlines()]
    return [special for special in rows if special.agent == agent.name]


def _slots(agent: Agent) -> Iterator[tuple[int, int, bool]]:
    """Day, number within the day, and whether an error goes there: at equal distances, before and after."""
    due = 0.0
    for day in range(DAYS):
        for number in range(agent.daily):
            due += agent.planted[day >= CHANGED_ON]
            yield day, number, due >= 1
            due %= 1


def _topics(passages: Sequence[Passage]) -> list[list[Passage]]:
    """The passages of each section that has at least two statements."""
    sections: dict[tuple[str, str], list[Passage]] = defaultdict(list)
    for passage in passages:
        sections[passage.document, passage.section].append(passage)
    return [own for own in sections.values() if sum(len(p.statements) for p in own) >= 2]


def _place(plant: Plant, passages: Sequence[Passage]) -> tuple[list[Passage], str | None]:
    """The passages of the section that shows the error, and the sentence there, None where the error adds."""
    own = [p for p in passages if p.document == plant.document]
    if not plant.truth:
        longest = max(own, key=lambda p: (len(p.statements), p.text))
        return [p for p in own if p.section == longest.section], None
    for passage in own:
        sentence = passage.sentence_with(plant.truth)
        if sentence is not None:
            return [p for p in own if p.section == passage.section], sentence
    raise ValueError(f"{plant.document}: no sentence holds {plant.truth!r}")


@dataclass(frozen=True)
class _Writer:
    """Writes one answer and its labels."""

    agent: Agent
    day: int
    number: int
    rng: random.Random
    made: Made

    @property
    def source_id(self) -> str:
        at = FIRST + timedelta(days=self.day)
        return f"{self.agent.name}-{at.date().isoformat()}-{self.number + 1}"

    def with_error(self, plant: Plant, passages: Sequence[Passage]) -> None:
        """A true sentence or two of the same section, and the error among them."""
        topic, truth = _place(plant, passages)
        others = [(p, s) for p in topic for s in p.statements if s != truth]
        told = self._told(others, self.rng.choice((1, 1, 2)))
        told.insert(self.rng.randrange(len(told) + 1), plant.claim)
        read = [p for p in topic if truth is None or p.sentence_with(truth) is not None]
        verdict: Verdict = "insufficient" if plant.kind in NOT_IN_THE_EVIDENCE else "contradicted"
        self._label(plant.kind, plant.claim, plant.changed, verdict, truth=truth, document=topic[0].uri)
        self._write(_question(topic[0]), " ".join(told), read)

    def without_error(self, topic: list[Passage], special: Special | None) -> None:
        """Two or three true sentences of a section, with or replaced by something else to notice."""
        question = _question(topic[0])
        if special is None:
            told = self._told([(p, s) for p in topic for s in p.statements], self.rng.choice((2, 2, 2, 3)))
            self._write(question, " ".join(told), topic)
            return
        document = None if special.question else topic[0].uri
        self._label(special.kind, special.text, special.changed, special.verdict, document=document)
        if special.place == "instead":
            self._write(special.question or question, special.text, topic)
            return
        told = self._told([(p, s) for p in topic for s in p.statements], 2)
        told.insert(0 if special.place == "before" else len(told), special.text)
        self._write(question, " ".join(told), topic)

    def _told(self, statements: list[tuple[Passage, str]], count: int) -> list[str]:
        """Some of the statements in the document's order, reworded or not, each labelled as true."""
        chosen = sorted(self.rng.sample(range(len(statements)), min(count, len(statements))))
        told = []
        for passage, sentence in (statements[n] for n in chosen):
            claim = _reworded(sentence, self.rng)
            label = {"source_id": self.source_id, "claim": claim, "truth": sentence, "document": passage.uri}
            self.made.true.append(label)
            told.append(claim)
        return told

    def _label(
        self,
        kind: str,
        claim: str,
        changed: str,
        verdict: Verdict,
        *,
        truth: str | None = None,
        document: str | None = None,
    ) -> None:
        label = {"source_id": self.source_id, "kind": kind, "claim": claim, "truth": truth}
        self.made.planted.append({**label, "changed": changed, "document": document, "verdict": verdict})

    def _write(self, question: str, answer: str, read: list[Passage]) -> None:
        """Every other answer was given the passages it repeats; the rest are judged by the corpus alone."""
        shown = read[:3] if (self.day + self.number) % 2 == 0 else []
        at = FIRST + timedelta(days=self.day, hours=8 + self.number, seconds=self.rng.randrange(3600))
        self.made.traces.append(
            {
                "trace": {"id": self.source_id, "name": self.agent.name},
                "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "agent": self.agent.name,
                "use_case": self.agent.use_case,
                "model": self.agent.models[self.day >= CHANGED_ON],
                "input": {"question": question},
                "output": {"text": answer},
                "retrieval": {"documents": [{"content": p.text, "source": p.uri} for p in shown]},
                "tags": {"origin": "made"},
                "tools": [{"name": "retrieval", "description": "the sample's corpus"}],
            }
        )


def _question(passage: Passage) -> str:
    """A question that the section answers, from its title and the document's."""
    section = passage.section.strip()
    if section.endswith("?"):
        return section
    if not section:
        return f'What does the page "{passage.title}" say?'
    return f'What does the page "{passage.title}" say under "{section.rstrip(".")}"?'


def _reworded(sentence: str, rng: random.Random) -> str:
    """The sentence in other words, where one of the edits applies and the draw says so; plain apostrophes."""
    claim = plain(sentence)
    if rng.random() < REWORDED and not _NAMES.search(claim):
        for edit in _EDITS:
            edited = edit(claim, rng)
            if edited is not None:
                return edited
    return claim
