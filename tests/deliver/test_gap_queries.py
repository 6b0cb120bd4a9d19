"""The gap queries of docs/siem.md, clause by clause in DuckDB: neither Splunk nor Elasticsearch can be had
here, so what is tested is their logic over the fields that are really sent.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tasks.deliver import outbox
from tasks.deliver.cursor import Cursor
from tasks.deliver.formats import FORMATS
from tasks.deliver.messages import CHECKPOINT, Choice, Message
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.requests import Circumstances
from tasks.ledger.log import Log

DOC = Path(__file__).parents[2] / "docs" / "siem.md"
SPLUNK = (
    'eval leaf_index=tonumber(leaf_index), leaf_last=if(sourcetype=="claimledger:checkpoint", '
    "leaf_index-1, tonumber(leaf_last))",
    "stats max(leaf_last) as leaf_last by leaf_index",
    "streamstats current=f max(leaf_last) as before",
    "where leaf_index > coalesce(before, -1) + 1",
)
IN_SPLUNK = """
WITH numbers AS (
  SELECT leaf_index::BIGINT AS leaf_index,
         CASE WHEN sourcetype = 'claimledger:checkpoint' THEN leaf_index::BIGINT - 1
              ELSE leaf_last::BIGINT END AS leaf_last
  FROM sent
), places AS (
  SELECT leaf_index, max(leaf_last) AS leaf_last FROM numbers GROUP BY 1
), steps AS (
  SELECT *, max(leaf_last) OVER
    (ORDER BY leaf_index ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
  FROM places
)
SELECT before, leaf_index FROM steps WHERE leaf_index > coalesce(before, -1) + 1 ORDER BY leaf_index
"""
"""Clauses of the saved search, and what each of them is in SQL."""
ELASTIC = (
    'EVAL is_point = event.action == "checkpoint"',
    "STATS size = MAX(CASE(is_point, event.sequence, null)), "
    "events = COUNT(CASE(is_point, null, event.sequence)), "
    "newest = MAX(CASE(is_point, null, event.sequence))",
    "EVAL newest = COALESCE(newest, -1)",
    "WHERE newest + 1 > events OR size > newest + 1",
)
IN_ELASTIC = """
WITH marked AS (
  SELECT *, action = 'checkpoint' AS is_point FROM sent
), counted AS (
  SELECT max(CASE WHEN is_point THEN sequence END) AS size,
         count(CASE WHEN NOT is_point THEN sequence END) AS events,
         coalesce(max(CASE WHEN NOT is_point THEN sequence END), -1) AS newest
  FROM marked
)
SELECT size FROM counted WHERE newest + 1 > events OR size > newest + 1
"""


@pytest.mark.parametrize("query", [SPLUNK, ELASTIC], ids=["splunk", "elastic"])
def test_the_guide_has_each_clause_that_is_tested(query: tuple[str, ...]) -> None:
    text = re.sub(r"\s+", " ", DOC.read_text("utf-8"))
    for clause in query:
        assert clause in text


def body(kind: str, messages: list[Message]) -> bytes:
    settings = WebhookSettings(name="siem", url="https://siem.example/in", kind="file")
    made = Circumstances(settings, ("token",), "example.com/test", datetime(2026, 11, 2, tzinfo=UTC))
    return FORMATS[kind].request(messages, made).body


def gaps_in_splunk(messages: list[Message]) -> list[int]:
    decoder, text, rows = json.JSONDecoder(), body("splunk", messages).decode(), []
    while text:
        value, end = decoder.raw_decode(text)
        rows.append({"sourcetype": value["sourcetype"], **value["fields"]})
        text = text[end:]
    with duckdb.connect() as connection:
        connection.register("sent", pl.DataFrame(rows).to_arrow())
        return [index for _, index in connection.execute(IN_SPLUNK).fetchall()]


def is_found_in_elastic(messages: list[Message]) -> bool:
    lines = [json.loads(line) for line in body("elastic", messages).splitlines()]
    made = {
        action["create"]["_id"]: held["event"] for action, held in zip(lines[::2], lines[1::2], strict=True)
    }
    rows = [{"action": each["action"], "sequence": each["sequence"]} for each in made.values()]
    with duckdb.connect() as connection:
        connection.register("sent", pl.DataFrame(rows).to_arrow())
        return bool(connection.execute(IN_ELASTIC).fetchall())


def test_the_queries_find_a_loss_wherever_it_is_and_nothing_where_nothing_is_lost(log: Log) -> None:
    whole = list(outbox.waiting(log, Cursor(), Choice()))
    points = [at for at, message in enumerate(whole) if message.kind == CHECKPOINT]
    assert gaps_in_splunk([*whole, whole[3]]) == []
    assert not is_found_in_elastic([*whole, whole[3]])
    for at, message in enumerate(whole):
        without = whole[:at] + whole[at + 1 :]
        gaps = gaps_in_splunk(without)
        assert bool(gaps) == is_found_in_elastic(without) == (at not in points), message.id
    last = [*whole[: points[-2] + 1], whole[points[-1]]]
    assert gaps_in_splunk(last) == [log.head.size]
    assert is_found_in_elastic(last)


def test_in_splunk_what_is_withheld_counts_and_a_stand_in_is_no_gap(log: Log) -> None:
    chosen = list(outbox.waiting(log, Cursor(), Choice(frozenset({"finding"}))))
    held = next(message for message in chosen if message.count > 2)
    (inside,) = [m for m in outbox.waiting(log, Cursor(), Choice()) if m.count and m.first == held.first + 1]
    assert gaps_in_splunk([*chosen, inside]) == []
    assert gaps_in_splunk([message for message in chosen if message is not held])
