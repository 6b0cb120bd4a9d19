"""Two machines and one bucket; buckets that refuse, were put back, or hold something else."""

from __future__ import annotations

import json
import shutil
import threading

import httpx
import obstore
import polars as pl
import pytest

from tasks.errors import ConfigError, IntegrityError, LakeError
from tasks.lake import store as lakes
from tasks.lake.store import Lake
from tasks.remote import lease, plan
from tests.support import buckets
from tests.support.faulty_store import DENIED, Fault
from tests.support.ledger_lake import NIGHT, frames

DAY = NIGHT.date()


def test_the_second_writer_is_told_who_writes_and_writes_once_the_first_has_ended(machine):
    one, two = machine("one"), machine("two", wait_s=30.0)
    with one.lock("nightly audit"):
        with pytest.raises(LakeError, match=r"another machine writes to it: nightly audit \(process"):
            two.lock("backfill", wait_s=0.0).__enter__()
        heard = []
        ended = threading.Event()

        def backfill():
            with two.lock("backfill", tell=heard.append):
                two.commit("two", "unit", frames("two", start=10), run_day=DAY)
            ended.set()

        thread = threading.Thread(target=backfill)
        thread.start()
        one.commit("one", "unit", frames("one"), run_day=DAY)
        assert not ended.is_set()
    thread.join()
    assert any("nightly audit" in sentence for sentence in heard)
    assert two.scan("outputs").collect().height == 6


def test_a_dead_holder_loses_the_lease_by_the_stores_clock(machine, monkeypatch):
    one = machine("one")
    held = one.lock("nightly audit")
    held.__enter__()
    one.remote.lease._stop.set()  # the machine is gone: nobody keeps the lease
    two = machine("two", wait_s=30.0)
    monkeypatch.setattr(lease, "LEASE_S", 2.0)
    heard = []
    with two.lock("nightly audit", tell=heard.append):
        two.commit("two", "unit", frames("two"), run_day=DAY)
    assert any("taken over from nightly audit" in sentence for sentence in heard)
    with pytest.raises(LakeError, match=r"another writer (took over|published first)"):
        one.commit("one", "unit", frames("one", start=10), run_day=DAY)


def test_who_loses_the_head_says_so_and_does_the_work_again(machine, bucket, monkeypatch, caplog):
    """Both hold what they take for the lease; the head decides."""
    one = machine("one")
    one.commit("zero", "unit", frames("zero"), run_day=DAY)
    with one.lock("one"):
        monkeypatch.setattr(one.remote.lease, "require", lambda: None)
        obstore.delete(bucket, "audits/_claimledger/lease.json")
        two = machine("two")
        two.commit("two", "unit", frames("two", start=10), run_day=DAY)
        with pytest.raises(LakeError, match="another writer published first"):
            one.commit("one", "unit", frames("one", start=20), run_day=DAY)
        monkeypatch.setattr(one.remote, "publish", lambda: None)
    assert two.scan("outputs").collect().height == 6
    one = machine("one")
    assert "another machine published meanwhile" in caplog.text
    assert one.scan("outputs").collect().equals(machine("two").scan("outputs").collect())
    one.commit("one", "unit", frames("one", start=20), run_day=DAY)
    assert machine("two").scan("outputs").collect()["output_id"].n_unique() == 9
    assert one.verify_files() == []


def test_a_working_copy_that_is_deleted_costs_only_the_fetch(machine, store):
    lake = machine("one")
    lake.commit("one", "unit", frames("one"), run_day=DAY)
    before = lake.scan("verdicts").collect()
    shutil.rmtree(lake.root.parent)
    store.requests.clear()
    assert machine("one").scan("verdicts", verify=True).collect().equals(before)
    assert not [request for request in store.requests if not request.startswith("GET ")]
    store.requests.clear()
    machine("one")
    assert [request.split("?")[0].rpartition("/")[2] for request in store.requests] == ["head.json"]


def test_a_file_that_is_damaged_or_gone_in_the_bucket_is_named(machine, bucket, keys):
    machine("one").commit("one", "unit", frames("one"), run_day=DAY)
    part = next(key for key in keys() if "/tables/claims/" in key)
    obstore.put(bucket, part, b"PAR1 something else PAR1")
    with pytest.raises(IntegrityError, match=part.removeprefix("audits/")):
        machine("two")
    obstore.delete(bucket, part)
    with pytest.raises(IntegrityError, match=part.removeprefix("audits/")):
        machine("two")


def test_a_bucket_that_was_put_back_or_lost_its_head_is_never_begun_anew(machine, bucket):
    lake = machine("one")
    lake.commit("one", "unit", frames("one"), run_day=DAY)
    old = bytes(obstore.get(bucket, "audits/_claimledger/head.json").bytes())
    lake.commit("one", "more", frames("one", start=10), run_day=DAY)
    obstore.put(bucket, "audits/_claimledger/head.json", old)
    with pytest.raises(IntegrityError, match="the bucket was put back"):
        machine("one")
    obstore.delete(bucket, "audits/_claimledger/head.json")
    with pytest.raises(IntegrityError, match="is gone"):
        machine("one")
    with pytest.raises(ConfigError, match="holds tables, but no lake"):
        machine("two")


def test_a_bucket_without_the_permission_is_said_and_nothing_is_published(machine, store, keys):
    lake = machine("one")
    store.faults = [Fault("^PUT ", 403, DENIED, times=10_000)]
    with pytest.raises(LakeError, match=r"the store refuses these credentials.*to write and to delete"):
        lake.commit("one", "unit", frames("one"), run_day=DAY)
    assert keys() == set()
    store.faults = [Fault(".", 403, DENIED, times=10_000)]
    with pytest.raises(LakeError, match="the store refuses these credentials"):
        machine("two")


def test_a_store_that_ignores_conditions_is_refused(machine, monkeypatch):
    lake = machine("one")

    def overwrite(self, key, data, mode):
        self.put(key, data)
        return "tag"

    monkeypatch.setattr(type(lake.remote.objects), "_conditional", overwrite)
    with pytest.raises(ConfigError, match="ignores conditional writes"):
        lake.commit("one", "unit", frames("one"), run_day=DAY)


@pytest.mark.parametrize("kind", ["versioning", "object lock"])
def test_buckets_with_versioning_and_with_object_lock_hold_a_lake(kind, server, store, tmp_path, monkeypatch):
    headers = {"x-amz-bucket-object-lock-enabled": "true"} if kind == "object lock" else {}
    bucket = buckets.make(server, headers)
    name = bucket.config["bucket"]
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=k/1/us-east-1/s3/aws4_request"}
    if kind == "versioning":
        body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        httpx.put(f"{server}/{name}?versioning", content=body, headers=signed).raise_for_status()
    monkeypatch.setenv("CLAIMLEDGER_WORKING_COPIES", str(tmp_path))
    lake = Lake.open(f"s3://{name}/audits")
    lake.commit("one", "unit", frames("one"), run_day=DAY)
    row = lake.scan("outputs").collect().with_columns(response=pl.lit("Another."))
    lake.replace_rows("outputs", row, run_id="two", unit="again")
    monkeypatch.setenv("CLAIMLEDGER_WORKING_COPIES", str(tmp_path / "other"))
    monkeypatch.setattr(lakes, "_remotes", {})
    other = Lake.open(f"s3://{name}/audits")
    assert set(other.scan("outputs", verify=True).collect()["response"]) == {"Another."}


def test_an_object_that_a_dead_writer_left_is_nobodys(machine, bucket, keys):
    """It died before its head: what it had put in places of no table is written over."""
    obstore.put(bucket, "audits/runs/one/commits/unit.json", b"{}")
    obstore.put(bucket, f"audits/{plan.HIDDEN}/staged/1/abc", b"left")
    lake = machine("one")
    lake.commit("one", "unit", frames("one"), run_day=DAY)
    kept = obstore.get(bucket, "audits/runs/one/commits/unit.json").bytes()
    assert json.loads(bytes(kept))["status"] == "done"
    assert machine("two").verify_files() == []
    assert not [key for key in keys() if "/staged/" in key]
