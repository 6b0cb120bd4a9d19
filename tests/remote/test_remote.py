"""A lake in a bucket: what one machine publishes another has, once, and whoever reads sees only that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks import tables
from tasks.errors import LakeError
from tasks.files import objects
from tasks.lake.store import Lake
from tasks.ledger import nightly
from tasks.remote import lease, plan
from tests.support.faulty_store import CONFLICT, DENIED, INTERNAL, SLOW_DOWN, Fault
from tests.support.ledger_lake import NIGHT, night, settings


def rows(lake, table):
    return lake.scan(table, verify=True).collect()


def test_what_one_machine_commits_another_has_and_the_ledger_verifies_there(machine, tmp_path, url):
    wanted = settings(tmp_path)
    first = machine("one")
    night(first, wanted, 1)
    second = machine("two")
    assert second.root != first.root
    for table in ("outputs", "claims", "verdicts", "events", "runs"):
        assert rows(second, table).equals(rows(first, table))
    found = nightly.verification(second, wanted, now=NIGHT)
    assert (found.problems, second.verify_files()) == ([], [])
    night(second, wanted, 2)
    assert rows(machine("one"), "outputs").height == 6
    assert nightly.verification(machine("one"), wanted, now=NIGHT).problems == []


# Faults of the store -----------------------------------------------------------------------------------


VERIFIED = "state/ledger-verified.json"
ANY, HEAD, STAGED, LEASE = r"^PUT ", r"^PUT .*/head\.json", r"^PUT .*/staged/", r"^PUT .*/lease\.json"
TABLES = r"^PUT .*/tables/"
FAULTS = {
    "500, now and then": [Fault(ANY, 500, INTERNAL, times=2, after=n) for n in (0, 9, 20)],
    "500 until it is given up": [Fault(STAGED, 500, INTERNAL, times=10_000)],
    "503 SlowDown": [Fault(STAGED, 503, SLOW_DOWN, times=3), Fault(HEAD, 503, SLOW_DOWN, times=2)],
    "slow": [Fault(HEAD, slow_s=1.0, times=2), Fault(STAGED, slow_s=0.5)],
    "no answer to the first head": [Fault(HEAD, loses_answer=True)],
    "no answer to a later head": [Fault(HEAD, loses_answer=True, after=3)],
    "no answer to the lease": [Fault(LEASE, loses_answer=True)],
    "no answer to what is staged": [Fault(STAGED, loses_answer=True, times=3)],
    "no answer to a copy": [Fault(TABLES, loses_answer=True, after=1)],
    "no answer to a removal": [Fault(r"^(POST|DELETE) ", loses_answer=True)],
    "500 though the head was written": [Fault(HEAD, answers_after=(500, INTERNAL), after=2)],
    "500 for ever though the head was written": [
        Fault(HEAD, answers_after=(500, INTERNAL), after=2, times=10_000)
    ],
    "the copies fail for ever": [Fault(TABLES, 500, INTERNAL, after=3, times=10_000)],
    "409": [Fault(HEAD, 409, CONFLICT, after=1)],
    "412 for no reason": [Fault(HEAD, 412, after=4)],
    "403": [Fault(STAGED, 403, DENIED, after=8, times=10_000)],
    "a listing that lags": [Fault(r"^GET .*list-type", hides_newest=True, times=10_000)],
}


IN_CHANGES = (
    "500, now and then",
    "503 SlowDown",
    "no answer to the first head",
    "no answer to a later head",
    "no answer to a copy",
    "500 though the head was written",
    "403",
    "a listing that lags",
)
"""The others take the longer run: two nights each on a server of some milliseconds a request."""


@pytest.mark.parametrize(
    "name", [name if name in IN_CHANGES else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_after_every_fault_one_more_run_and_all_is_as_if_nothing_had_happened(
    name, machine, store, keys, undisturbed, tmp_path, monkeypatch
):
    """Half of the faults are followed by a run on the same machine, half by one of another."""
    monkeypatch.setattr(objects, "_PAUSE_S", 0.01)
    store.faults = [replace(fault) for fault in FAULTS[name]]
    wanted, said = settings(tmp_path), []
    try:
        lake = machine("one")
        with lake.lock("night"):
            night(lake, wanted, 1, outputs=1)
    except LakeError as error:
        said.append(str(error))
    assert all(sentence.startswith("s3://") for sentence in said)
    assert store.happened()
    store.faults = []
    is_same = list(FAULTS).index(name) % 2
    monkeypatch.setattr(lease, "LEASE_S", 120.0 if is_same else -1.0)  # the other one waits until it ran out
    lake = machine("one" if is_same else "two")
    with lake.lock("night"):
        night(lake, wanted, 1, outputs=1)
    require_as_undisturbed(lake, keys, undisturbed, wanted)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same night on a disk."""
    folder = tmp_path_factory.mktemp("undisturbed")
    lake = Lake.open(str(folder / "lake"))
    night(lake, settings(folder), 1, outputs=1)
    return lake


def require_as_undisturbed(lake, keys, undisturbed, wanted):
    for table in ("outputs", "claims", "verdicts", "evidence", "actions", "findings", "runs"):
        key = tables.TABLES[table].key
        assert rows(lake, table).sort(key).equals(rows(undisturbed, table).sort(key))
    logged = ["sequence", "kind", "subject_id"]
    assert (
        rows(lake, "events")
        .select(logged)
        .sort(logged)
        .equals(rows(undisturbed, "events").select(logged).sort(logged))
    )
    assert nightly.verification(lake, wanted, now=NIGHT).problems == []
    assert lake.verify_files() == []
    require_published(lake, keys)


def require_published(lake, keys):
    """A reader of the bucket finds every file of the lake, byte for byte, and none besides."""
    there = {key.removeprefix("audits/") for key in keys()}
    mine = {
        file.relative_to(lake.root).as_posix()
        for file in lake.root.rglob("*")
        if file.is_file() and plan.is_published(file.relative_to(lake.root).as_posix())
    }
    hidden = {key for key in there if key.startswith(plan.HIDDEN)}
    assert there - hidden == mine - {VERIFIED}
    assert {key.rpartition("/")[2] for key in hidden} <= {"head.json", "lease.json", "clock"}
