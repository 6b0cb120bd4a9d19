"""Which of a server's secret blocks a run takes, and what its tables are made from."""

from __future__ import annotations

import pytest

from flows.on_server import LINEAGE, names
from tasks.tables import TABLES


def test_a_block_is_the_variable_of_its_name() -> None:
    blocks = [
        "claimledger-source-support-bot-key",
        "claimledger-judge-key",
        "claimledger-webhook-siem-secret",
    ]
    assert names(blocks, "audits-3f9a1c") == {
        "CLAIMLEDGER_SOURCE_SUPPORT_BOT_KEY": "claimledger-source-support-bot-key",
        "CLAIMLEDGER_JUDGE_KEY": "claimledger-judge-key",
        "CLAIMLEDGER_WEBHOOK_SIEM_SECRET": "claimledger-webhook-siem-secret",
    }


def test_a_block_of_this_lake_comes_before_one_of_all_lakes_and_that_of_another_is_left_alone() -> None:
    blocks = [
        "claimledger-audits-3f9a1c-judge-key",
        "claimledger-judge-key",
        "claimledger-sales-11-judge-key",
    ]
    assert names(blocks, "audits-3f9a1c") == {"CLAIMLEDGER_JUDGE_KEY": "claimledger-audits-3f9a1c-judge-key"}


@pytest.mark.parametrize(
    "block",
    ["aws-key", "claimledger-actor", "claimledger--runner--threads", "claimledger-", "claimledger-judge-"],
)
def test_no_block_sets_who_acts_or_a_key_of_the_configuration(block: str) -> None:
    assert names([block], "audits-3f9a1c") == {}


def test_every_table_of_the_lineage_is_one_and_is_made_from_what_comes_before_it() -> None:
    before = {"sources", "corpus"}
    for table, made_from in LINEAGE.items():
        assert table in TABLES
        assert before.issuperset(made_from)
        before.add(table)
