"""One night submits, a later one collects.

1. A batch is written down before it is submitted. Where a crash, or no answer, left open whether there is
   one, its provider is asked for the name in its metadata; only one that is not there is forgotten, and its
   pairs asked again.
2. What an ended batch brought is kept before the batch counts as collected: doing it again changes nothing.
3. Requests that nothing answered (expired, cancelled, errors) and those of a batch that failed are asked
   again by the same night's submission.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from tasks.errors import ModelError
from tasks.verify import batch_wire
from tasks.verify.batch_client import BatchClient, GoneError
from tasks.verify.batch_endpoint import BatchEndpoint
from tasks.verify.batch_store import ANSWERS, Batch
from tasks.verify.batch_wire import Result, Standing
from tasks.verify.protocol import Usage

MAX_BATCH_BYTES = 100 * 2**20
"""Of the requests in one batch; providers take 200 MB and more."""
_BYTES_PER_TOKEN = 4


@dataclass
class Night:
    """What a run did with batches."""

    usage: Usage = field(default_factory=Usage)
    """Of batches that it collected."""
    collected: int = 0
    """Batches."""
    submitted: int = 0
    """Requests."""
    under_way: int = 0
    """Requests of batches that are not ended."""
    left: int = 0
    """Requests that the limit of cost left for another night."""
    notices: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, int]:
        """Plain data for JSON."""
        return {
            "collected": self.collected,
            "submitted": self.submitted,
            "under_way": self.under_way,
            "left": self.left,
        }


def collect(judge: BatchEndpoint) -> Night:
    """Takes in what ended since; what cannot be reached is a problem, and waits."""
    night, open_batches = Night(), [each for each in judge.store.batches() if each.is_open]
    if not open_batches:
        return night
    known = frozenset(each.id for each in open_batches if each.id)
    with BatchClient(judge.settings, judge.kind) as client:
        for batch in open_batches:
            try:
                _settle(_found(batch, judge, client, known), judge, client, night)
            except ModelError as error:
                night.problems.append(f"{error}; the batch {batch.name[:12]} is collected by a later run")
                night.under_way += len(batch.ids)
    return night


def _found(batch: Batch, judge: BatchEndpoint, client: BatchClient, known: frozenset[str]) -> Batch | None:
    """The batch with its id; None where it never came to be."""
    if batch.id is not None:
        return batch
    since = batch.prepared_at
    batch_id = client.find(batch.name, requests=len(batch.ids), since=since, others=known)
    if batch_id is None:
        judge.store.forget(batch)
        return None
    batch = replace(batch, id=batch_id, state="submitted")
    judge.store.keep(batch)
    return batch


def _settle(batch: Batch | None, judge: BatchEndpoint, client: BatchClient, night: Night) -> None:
    if batch is None or batch.id is None:
        return
    try:
        standing = client.look(batch.id)
    except GoneError:
        judge.store.forget(batch)
        night.problems.append(
            f"{client.name}: the batch {batch.id[:80]} is gone; its requests are asked again"
        )
        return
    if standing.state == "under way":
        night.under_way += len(batch.ids)
        night.notices.append(
            f"{client.name}: {len(batch.ids):,} questions wait for their batch ({standing.word}), submitted "
            f"{batch.prepared_at[:16]}Z"
        )
    elif standing.state == "failed":
        judge.store.keep(replace(batch, state="failed"))
        night.problems.append(
            f"{client.name}: a batch of {len(batch.ids):,} questions failed "
            f"({standing.reason or 'no reason'}); they are asked again"
        )
    else:
        _take(batch, standing, judge, client, night)


def _take(batch: Batch, standing: Standing, judge: BatchEndpoint, client: BatchClient, night: Night) -> None:
    """Keeps the answers of a batch that ended."""
    asked = set(batch.ids)
    every = list(batch_wire.results(judge.kind, client.fetch(standing)))
    own = {each.custom_id: each for each in every if each.custom_id in asked}
    if every and not own:  # found by its size alone, and another's
        judge.store.forget(batch)
        return
    answered = [each for each in own.values() if each.error is None]
    errors = Counter(each.error for each in own.values() if each.error is not None)
    silent = len(asked) - len(own)
    errors.update({standing.word if standing.word != "completed" else "no result": silent} if silent else {})
    usage = _usage(answered, judge)
    judge.store.keep_answers(batch.name, _frame(answered))
    batch = replace(
        batch,
        state="collected",
        requests=len(answered),
        unanswered=usage.unanswered,
        cost=usage.cost,
        errors={str(reason): count for reason, count in errors.items()},
    )
    judge.store.keep(batch)
    night.collected += 1
    for name, value in vars(usage).items():
        setattr(night.usage, name, getattr(night.usage, name) + value)
    if errors:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in errors.items())
        night.notices.append(
            f"{client.name}: {sum(errors.values()):,} of {len(asked):,} questions of a batch got no answer "
            f"({reasons}); they are asked again"
        )


def _frame(answered: Iterable[Result]) -> pl.DataFrame:
    rows = [(each.custom_id, *(each.answer or (None, None, None))) for each in answered]
    return pl.DataFrame(rows, schema=ANSWERS, orient="row")


def _usage(answered: list[Result], judge: BatchEndpoint) -> Usage:
    given = sum(each.input_tokens for each in answered)
    made = sum(each.output_tokens for each in answered)
    return Usage(
        requests=len(answered),
        unanswered=sum(each.answer is None for each in answered),
        input_tokens=given,
        output_tokens=made,
        cost=price(judge, given, made),
    )


def price(judge: BatchEndpoint, given: int, made: int) -> float:
    """Of tokens in a batch."""
    settings = judge.settings
    whole = given * settings.price_per_million_input + made * settings.price_per_million_output
    return whole / 1e6 * settings.batch_price_ratio


def submit(
    judge: BatchEndpoint,
    night: Night,
    *,
    run_id: str,
    now: datetime,
    max_cost: float | None,
    publish: Callable[[], None] = lambda: None,
) -> None:
    """Sends what units asked, is in no open batch and fits into the cost.

    Args:
        judge: whose batches these are.
        night: told what was done.
        run_id: of the units.
        now: the time that batches bear.
        max_cost: of all that is sent; None without limit.
        publish: makes what was written down last, where the lake's folder is only a copy.
    """
    batches = judge.store.batches()
    ratio = judge.settings.tolerated_unanswered_ratio
    unusable = [each for each in batches if each.state == "collected" and not each.is_usable(ratio)]
    asked = judge.asked(run_id)
    pending = {name for each in [*unusable, *(b for b in batches if b.is_open)] for name in each.ids}
    asked = asked.filter(~pl.col("id").is_in(list(pending)))
    if unusable:
        bad, whole = sum(b.unanswered for b in unusable), sum(b.requests for b in unusable)
        night.problems.append(
            f"{judge.name}: {bad:,} of {whole:,} answers of its batches were not the JSON object asked for; "
            "nothing was decided by them and nothing more is submitted: name a model that follows "
            "instructions or raise verifier.endpoint.tolerated_unanswered_ratio"
        )
        return
    if asked.is_empty():
        return
    asked = _within(asked, judge, batches, night, max_cost)
    with BatchClient(judge.settings, judge.kind) as client:
        for rows in asked.iter_slices(judge.settings.batch_requests):
            for part in _parts(rows, judge):
                batch = _prepared(part, judge, run_id, now)
                publish()
                _send(batch, part, judge, client, night)


def _within(
    asked: pl.DataFrame, judge: BatchEndpoint, batches: list[Batch], night: Night, max_cost: float | None
) -> pl.DataFrame:
    """As many of the requests as the cost allows; what each costs is measured, or follows from its length."""
    if max_cost is None:
        return asked
    requests = sum(each.requests for each in batches)
    if requests:
        each_costs = pl.lit(sum(each.cost for each in batches) / requests)
    else:
        tokens = (
            pl.col("claim").str.len_bytes() + pl.col("passage").str.len_bytes()
        ) / _BYTES_PER_TOKEN + 250
        unit = price(judge, 1_000_000, 0) / 1e6
        each_costs = tokens * unit + price(judge, 0, judge.settings.max_output_tokens)
    sums = asked.with_columns(cost=each_costs).with_columns(cost=pl.col("cost").cum_sum())
    fitting = sums.filter(pl.col("cost") <= max_cost)
    night.left = asked.height - fitting.height
    if night.left:
        night.notices.append(
            f"{judge.name}: {night.left:,} of {asked.height:,} questions are left for another night, because "
            f"more would cost over {max_cost:g}"
        )
    return fitting.drop("cost")


def _parts(rows: pl.DataFrame, judge: BatchEndpoint) -> Iterable[list[tuple[str, str]]]:
    """(id, request) of batches that are not too large."""
    part: list[tuple[str, str]] = []
    size = 0
    for custom_id, claim, passage in rows.iter_rows():
        line = batch_wire.request(
            judge.kind,
            custom_id,
            claim,
            passage,
            model=judge.model,
            max_tokens=judge.settings.max_output_tokens,
        )
        if part and size + len(line) > MAX_BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append((custom_id, line))
        size += len(line)
    if part:
        yield part


def _prepared(part: list[tuple[str, str]], judge: BatchEndpoint, run_id: str, now: datetime) -> Batch:
    """Written down before it is sent: a crash leaves something to look for."""
    ids = [custom_id for custom_id, _ in part]
    name = hashlib.sha256("\n".join([run_id, *ids]).encode()).hexdigest()[:32]
    batch = Batch(name, now.isoformat(), ids)
    judge.store.keep(batch)
    return batch


def _send(
    batch: Batch, part: list[tuple[str, str]], judge: BatchEndpoint, client: BatchClient, night: Night
) -> None:
    try:
        batch_id = client.submit(batch.name, [line for _, line in part])
    except ModelError as error:
        night.problems.append(f"{error}; {len(part):,} questions wait, the next run looks for their batch")
        return
    judge.store.keep(replace(batch, id=batch_id, state="submitted"))
    night.submitted += len(part)
