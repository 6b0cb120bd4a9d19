"""What is fetched, published and removed, told from two lists of digests; and what a head may name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tasks.errors import IntegrityError
from tasks.remote import plan
from tasks.remote.plan import Entry, Head

ORDER = ("outputs", "claims")


def entry(text: str) -> Entry:
    return plan.entry_of(text.encode())


FILES = {
    name: entry(name)
    for name in (
        "tables/claims/date=2026-01-01/part-b.parquet",
        "tables/outputs/date=2026-01-01/part-a.parquet",
        "state/bot.json",
        "ledger/segments/000000.parquet",
        "ledger/checkpoint",
    )
}


def test_nothing_is_fetched_or_published_between_equals():
    assert not plan.to_publish(FILES, dict(FILES), ORDER)
    assert plan.to_fetch(FILES, dict(FILES)) == plan.Fetch([], [])


def test_tables_come_in_the_order_in_which_they_refer_and_pointers_last():
    steps = plan.to_publish({}, FILES, ORDER)
    assert [path.split("/")[1] for path in steps.staged] == ["outputs", "claims"]
    assert steps.direct == ["ledger/segments/000000.parquet", "ledger/checkpoint", "state/bot.json"]
    assert steps.gone == []


def test_what_replaces_a_file_waits_for_the_head_and_what_is_gone_is_named():
    there = {**FILES, "state/bot.json": entry("newer"), "ledger/checkpoint": entry("newer")}
    del there["tables/claims/date=2026-01-01/part-b.parquet"]
    steps = plan.to_publish(FILES, there, ORDER)
    assert (steps.direct, steps.staged) == ([], ["ledger/checkpoint", "state/bot.json"])
    assert steps.gone == ["tables/claims/date=2026-01-01/part-b.parquet"]


def test_a_working_copy_gets_what_it_lacks_and_loses_what_is_not_published():
    there = {**FILES, "state/bot.json": entry("mine"), "state/more.json": entry("mine")}
    del there["ledger/checkpoint"]
    assert plan.to_fetch(FILES, there) == plan.Fetch(
        ["ledger/checkpoint", "state/bot.json"], ["state/more.json"]
    )


def test_heads_one_after_another_name_what_each_published():
    head, base = Head(), {}
    one = head.after(base, FILES, plan.to_publish({}, FILES, ORDER), writer="a", nonce="1")
    there = {**FILES, "state/bot.json": entry("newer")}
    del there["ledger/checkpoint"]
    two = one.after(base, there, plan.to_publish(FILES, there, ORDER), writer="a", nonce="2")
    read = Head.decode(two.encode(), "head")
    assert (read.generation, read.entries(base)) == (2, there)
    assert read.gone == ["ledger/checkpoint"]
    assert read.settled("3").entries(base) == there


def test_a_crowded_head_gets_a_base_and_says_the_same():
    many = {f"runs/{n}/commits/unit.json": entry(str(n)) for n in range(plan.CHANGES + 1)}
    head = Head().after({}, many, plan.to_publish({}, many, ORDER), writer="a", nonce="1")
    assert head.is_crowded({})
    digest, data = plan.encode_base(many)
    based = replace(head, base=digest, changes={})
    base = plan.decode_base(data, digest, "base")
    assert based.entries(base) == many
    fewer = dict(list(many.items())[:-1])
    after = based.after(base, fewer, plan.to_publish(many, fewer, ORDER), writer="a", nonce="2")
    assert after.entries(base) == fewer
    assert len(after.changes) == 1
    with pytest.raises(IntegrityError, match="not the list of files"):
        plan.decode_base(data + b"x", digest, "base")


@pytest.mark.parametrize(
    "path",
    ["../up", "/etc/passwd", "a//b", "tables/../../x", "_work/x", ".lock", "a\\b", "a\x00b", "x" * 1001],
)
def test_a_head_that_names_what_is_no_file_of_a_lake_is_refused(path):
    head = replace(Head(), changes={path: entry("x")})
    with pytest.raises(IntegrityError):
        Head.decode(head.encode(), "head")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": 2}', b"\x00\xff"])
def test_what_is_no_head_is_refused(data):
    with pytest.raises(IntegrityError, match="restore its version before"):
        Head.decode(data, "head")


def test_a_head_with_a_digest_that_is_none_is_refused():
    values = json.loads(replace(Head(), changes={"state/a.json": entry("x")}).encode())
    values["changes"]["state/a.json"]["sha256"] = "0"
    with pytest.raises(IntegrityError):
        Head.decode(json.dumps(values).encode(), "head")


def test_scratch_caches_and_locks_stay_on_their_machine():
    for path in ("_work/run/x", "cache/embeddings/1", ".lock", "state/.a.json.tmp", "index/_writing-3",
                 "review/page.sqlite", "ledger/index/000000.u64"):  # fmt: skip
        assert not plan.is_published(path)
    assert all(plan.is_published(path) for path in (*FILES, "reports/r/index.html", "index/manifest.parquet"))
