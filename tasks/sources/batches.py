"""Records of a source gathered into batches, with what was refused, filtered and joined on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.files.portions import Record
from tasks.files.refusal import Refusal, shown
from tasks.sources import fidelity, traces
from tasks.sources.base import LEFT_OUT, QUARANTINED, Batch, Scope
from tasks.sources.minimise import WITHHELD, Minimiser
from tasks.sources.parameters import RecordSettings, SpanSettings
from tasks.sources.records import Mapper
from tasks.sources.traces import Trace
from tasks.tables import OUTPUTS, quarantine_rows

BATCH_RECORDS = 2_000
"""Records held at once: some 20 MB of usual outputs."""
BATCH_CHARACTERS = 32 * 2**20
"""Characters of answers held at once, for unusual ones."""


class Gatherer:
    """Takes records one by one, and gives them in batches of bounded size."""

    def __init__(self, mapper: Mapper, source: str, scope: Scope, minimiser: Minimiser) -> None:
        self._mapper, self._source, self._scope = mapper, source, scope
        self._minimiser = minimiser
        self._lacks: Counter[str] = Counter()
        self._all_lacks: Counter[str] = Counter()
        self._records: list[tuple[Record, str]] = []
        self._rows: list[dict[str, str]] = []
        self._size = self._joined = self._filtered = 0
        self._aside: dict[str, str] = {}
        self.records = self.refused = 0
        """Of all batches so far."""

    @property
    def is_full(self) -> bool:
        """Whether it is time for a batch."""
        held = max(len(self._records), len(self._rows))
        return held >= BATCH_RECORDS or self._size >= BATCH_CHARACTERS

    def add(self, record: Record, locator: str) -> None:
        """A record of the source, and where it is."""
        self._hold(self._minimiser.record(record), locator)

    def add_answer(self, record: Record) -> None:
        """What the spans of a trace became."""
        record = self._minimiser.answer(record)
        self._hold(record, f"trace {record.get('id')}")

    def absorb(self, batches: Sequence[Batch], minimised: int) -> None:
        """Batches that another process gathered, of so many records that were minimised."""
        for batch in batches:
            self.records += batch.outputs.height
            self.refused += batch.quarantine.height
            self._all_lacks.update(batch.lacks)
            self._minimiser.note(batch.minimised, 0)
        self._minimiser.note({}, minimised)

    def fidelity(self) -> list[str]:
        """What the source could not tell of all answers in batches so far."""
        return list(fidelity.sentences(self._source, self._all_lacks))

    def lack(self, lacks: Mapping[str, int]) -> None:
        """What the source could not tell of traces, as counts: `fidelity.LACKS`."""
        self._lacks.update(lacks)

    def _hold(self, record: Record, locator: str) -> None:
        self._records.append((record, locator))
        self._size += sum([len(value) for value in record.values() if isinstance(value, str)]) + 1_000

    def refuse(self, locator: str, check: str, reason: str, raw: bytes | str = "") -> None:
        """Something that could not be read as a record."""
        if self._minimiser:
            reason, raw = self._minimiser.reason(reason), WITHHELD
        self._refuse(locator, check, reason, raw)

    def leave_out(self, *, filtered: int = 0, joined: int = 0) -> None:
        """Records that are not answers, or became part of one."""
        self._filtered += filtered
        self._joined += joined

    def set_aside(self, identity: str, fate: str) -> None:
        """A record that is not an output, by its id at the source: QUARANTINED or LEFT_OUT."""
        self._aside[identity] = fate

    def batch(
        self,
        marks: dict[str, Any] | None = None,
        problems: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
        inputs: Mapping[str, str] | None = None,
    ) -> Batch:
        """What was gathered since the last batch; all but the rows come with the last."""
        mapped = self._mapper.map([record for record, _ in self._records])
        for position, refusal in mapped.refused.items():
            self._refuse_record(position, refusal)
        self._aside |= dict.fromkeys(mapped.outside, LEFT_OUT)
        self._lacks.update(mapped.lacks)
        lacks = dict(+self._lacks)
        self._all_lacks.update(lacks)
        quarantine = quarantine_rows(
            self._rows,
            table=OUTPUTS.name,
            source=self._source,
            run_id=self._scope.run_id,
            quarantined_at=self._scope.now,
        )
        if self._scope.cover is not None:
            quarantine = self._scope.cover.refusals(quarantine)
        self.records += mapped.outputs.height
        self.refused += quarantine.height
        # The same refusal twice is one row of quarantine.
        again = len(self._rows) - quarantine.height
        batch = Batch(
            outputs=mapped.outputs,
            quarantine=quarantine,
            records_in=mapped.outputs.height + quarantine.height + self._filtered + self._joined + again,
            marks=marks or {},
            inputs=inputs or {},
            problems=problems,
            warnings=warnings,
            filtered=self._filtered,
            joined=self._joined + again,
            lacks=lacks,
            minimised=self._minimiser.taken(),
            aside=self._aside,
        )
        self._aside, self._lacks = {}, Counter()
        self._records, self._rows, self._size, self._filtered, self._joined = [], [], 0, 0, 0
        return batch

    def _refuse_record(self, position: int, refusal: Refusal) -> None:
        record, locator = self._records[position]
        identity = self._mapper.identity(record)
        if identity is not None:
            self.set_aside(identity, QUARANTINED)
        self._refuse(locator, refusal.check, refusal.reason, str(record.get("response") or ""))

    def _refuse(self, locator: str, check: str, reason: str, raw: bytes | str) -> None:
        self._rows.append({"locator": shown(locator), "check": check, "reason": reason, "raw": shown(raw)})


def trace_mapper(source: SpanSettings, scope: Scope) -> Mapper:
    """What turns records of traces into outputs; what they lack is said by the source's own constants."""
    delivery = source.fields.names()
    record = RecordSettings(
        name=source.name,
        kind=source.kind,
        agent=source.agent,
        model=source.model,
        use_case=source.use_case,
        look_up=source.look_up,
        fields=replace(traces.FIELDS, **{field: field for field in delivery}),
    )
    return Mapper(record, scope)


def gather(trace: Trace, gatherer: Gatherer) -> None:
    """Hands on what a trace became."""
    gatherer.leave_out(filtered=trace.filtered, joined=trace.joined)
    gatherer.lack(trace.lacks)
    for record in trace.records:
        gatherer.add_answer(record)
    for identity, reason in trace.refused:
        gatherer.refuse(f"trace {identity}", "response", reason)
        gatherer.set_aside(identity, QUARANTINED)
