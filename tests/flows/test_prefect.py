"""The flows on a real Prefect server: registered, scheduled, run, and seen in its own page.

One server on loopback serves the whole file; starting it takes half a minute on 2 cores.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from markdown_it import MarkdownIt

from tasks import starter
from tasks.tables import TABLES
from tests.support.small_verifier import small_folder

pytestmark = pytest.mark.timeout(1800)
STARTUP_S = 600
"""Seconds of patience with a busy machine; alone a server answers within half a minute."""
RUN_S = 600
BUSY_ATTEMPTS = 60
PORT_ATTEMPTS = 3
ANSWER_S = 120
"""A server that shares two cores with a flow run answers late."""


def until(seconds: float, what: str, look: Any) -> Any:
    """The first true answer within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {seconds} s")


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=10).is_success
    except httpx.HTTPError:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    starter.write_starter(folder, from_source=None, path=None)
    config = folder / "claimledger.toml"
    config.write_text(config.read_text().replace('cron = "0 3 * * *"', 'cron = "15 4 * * 1-5"'))
    return folder


@contextmanager
def serving(home: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[bytes]]]:
    """The environment that names a server of our own, and its process."""
    variables = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        # How long a queued run waits until it asks again; the server's own default is 30 s.
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "10",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }
    for _ in range(PORT_ATTEMPTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}/api"
        server = start_server(variables, port, home / "server.log")

        def settled(url: str = url, server: subprocess.Popen[bytes] = server) -> bool:
            return answers(url) or server.poll() is not None

        try:
            until(STARTUP_S, "Prefect server", settled)
            if server.poll() is None:
                yield {**variables, "PREFECT_API_URL": url}, server
                return
        finally:
            stop(server)
        # Somebody else took the port between its choice and its use: another one.
    raise AssertionError((home / "server.log").read_text())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that names a server of our own."""
    with serving(tmp_path_factory.mktemp("prefect")) as (variables, _):
        yield variables


def start_server(variables: dict[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as said:
        return subprocess.Popen(command, env=variables, stdout=said, stderr=said)


def claimledger(environment: dict[str, str], team: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.commands.cli", *arguments],
        env=environment,
        cwd=team,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )


def ask(environment: dict[str, str], method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The server's answer as plain data, asked for again while its database is locked.

    The server answers 503 then, having rolled back; Prefect's own client asks again just so.
    """
    for _ in range(BUSY_ATTEMPTS):
        answer = httpx.request(method, f"{environment['PREFECT_API_URL']}{path}", json=body, timeout=ANSWER_S)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(1)
    answer.raise_for_status()
    return answer.json()


def post(environment: dict[str, str], path: str, body: dict[str, Any] | None = None) -> Any:
    return ask(environment, "POST", path, body or {})


def get(environment: dict[str, str], path: str) -> Any:
    return ask(environment, "GET", path)


@pytest.fixture(scope="module")
def deployed(environment: dict[str, str], team: Path) -> None:
    done = claimledger(environment, team, "deploy", "--json")
    assert done.returncode == 0, done.stderr


def name_of(lake: Path) -> str:
    """Of a lake's deployments on the server."""
    from tasks.lake.identity import identity
    from tasks.lake.store import Lake

    return identity(Lake(lake)).name


def automations(environment: dict[str, str], name: str) -> list[Any]:
    found = post(environment, "/automations/filter")
    return [each for each in found if each["name"] == f"nightly audit/{name}: a night is missing"]


@pytest.mark.usefixtures("deployed")
def test_deploy_registers_every_flow_and_schedules_the_audit(environment: dict[str, str], team: Path) -> None:
    name = name_of(team / "lake")
    audit = get(environment, f"/deployments/name/nightly audit/{name}")
    assert [s["schedule"]["cron"] for s in audit["schedules"]] == ["15 4 * * 1-5"]
    assert audit["work_pool_name"] == "claimledger"
    assert audit["parameters"] == {"config": str(team / "claimledger.toml"), "lake": str(team / "lake")}
    assert audit["entrypoint"] == "flows.audit.audit"
    assert audit["global_concurrency_limit"]["limit"] == 1, "missed nights queue"
    assert {"since", "until"} <= audit["parameter_openapi_schema"]["properties"].keys()
    others = {
        other: get(environment, f"/deployments/name/{other}/{name}")
        for other in ("backfill", "drift", "reaudit")
    }
    assert [other["schedules"] for other in others.values()] == [[], [], []]
    # One limit for the lake; a backfill has its own, since it gives way and the night must not wait for it.
    limits = {flow: each["global_concurrency_limit"]["name"] for flow, each in others.items()}
    assert limits["drift"] == limits["reaudit"] == f"claimledger-{name}"
    assert audit["global_concurrency_limit"]["name"] == f"claimledger-{name}"
    assert limits["backfill"] == f"deployment:{others['backfill']['id']}"
    assert (audit["work_queue_name"], others["backfill"]["work_queue_name"]) == ("default", "patient")
    (missing,) = automations(environment, name)
    trigger = missing["trigger"]
    assert (trigger["posture"], trigger["expect"]) == ("Proactive", ["prefect.flow-run.Completed"])
    assert trigger["match_related"]["prefect.resource.id"] == f"prefect.deployment.{audit['id']}"
    assert trigger["within"] == (3 * 24 + 6) * 3600, (
        "over a week-end, and the six hours that a night may take"
    )
    again = claimledger(environment, team, "deploy", "--config", "claimledger.toml")
    assert again.returncode == 0, again.stderr
    assert "index: not deployed, because no corpus is configured" in again.stdout
    assert get(environment, f"/deployments/name/nightly audit/{name}")["id"] == audit["id"]
    assert len(automations(environment, name)) == 1


@pytest.mark.usefixtures("deployed")
def test_two_teams_share_a_server_and_neither_replaces_the_other(
    environment: dict[str, str], team: Path, tmp_path: Path
) -> None:
    other = tmp_path / "sales"
    starter.write_starter(other, from_source=None, path=None)
    config = other / "claimledger.toml"

    def audits() -> dict[str, str]:
        found = post(environment, "/deployments/filter")
        return {d["name"]: d["parameters"]["lake"] for d in found if d["entrypoint"] == "flows.audit.audit"}

    before = audits()
    done = claimledger(environment, other, "deploy")
    assert done.returncode == 0, done.stderr
    name = name_of(other / "lake")
    assert name.startswith("sales-")
    assert audits() == before | {name: str(other / "lake")}
    # A name that is another lake's is refused; a new name of the same lake takes the old one's place.
    text = config.read_text()
    config.write_text(text.replace("[schedule]", f'[schedule]\nname = "{name_of(team / "lake")}"', 1))
    refused = claimledger(environment, other, "deploy")
    assert refused.returncode == 2
    assert str(team / "lake") in refused.stderr
    assert audits() == before | {name: str(other / "lake")}
    config.write_text(text.replace("[schedule]", '[schedule]\nname = "sales"', 1))
    renamed = claimledger(environment, other, "deploy")
    assert f"removed: {name}" in renamed.stdout
    assert audits() == before | {"sales": str(other / "lake")}


@pytest.mark.usefixtures("deployed")
def test_of_three_missed_nights_one_does_the_work_and_none_fails(
    environment: dict[str, str], team: Path, tmp_path: Path
) -> None:
    """By a worker in another folder, into the lake of the team; the runs' names say what they did."""
    deployment = get(environment, f"/deployments/name/nightly audit/{name_of(team / 'lake')}")
    nights = [post(environment, f"/deployments/{deployment['id']}/create_flow_run")["id"] for _ in range(3)]
    worker = ["worker", "start", "--pool", "claimledger", "--type", "process", "--install-policy", "never"]
    with (team / "worker.log").open("wb") as log:
        work = subprocess.Popen(
            [sys.executable, "-m", "prefect", *worker], env=environment, cwd=tmp_path, stdout=log, stderr=log
        )
    try:

        def ended() -> Any:
            states = [get(environment, f"/flow_runs/{night}")["state_type"] for night in nights]
            return states if {*states} <= {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

        states = until(RUN_S, "end of three nights", ended)
    finally:
        stop(work)
    assert states == ["COMPLETED"] * 3, (team / "worker.log").read_text()
    runs = pl.read_parquet(f"{team}/lake/tables/runs/**/*.parquet").sort("started_at")
    assert runs["status"].to_list() == ["completed"] * 3
    assert runs["rows_out"].to_list() == [5, 0, 0]
    assert list(tmp_path.iterdir()) == []
    names = [task["name"] for task in post(environment, "/task_runs/filter")]
    assert {"pull sample", "judge 2026-11-01..2026-11-05, 5 outputs", "publish 0 refusals", "finish"} <= set(
        names
    )


@pytest.mark.slow  # three audits more
@pytest.mark.usefixtures("deployed")
def test_a_flow_run_that_arrives_twice_at_once_and_again_when_all_is_over_does_its_work_once(
    environment: dict[str, str], team: Path, tmp_path: Path
) -> None:
    deployment = get(environment, f"/deployments/name/nightly audit/{name_of(team / 'lake')}")
    lake = tmp_path / "lake"
    sent = {"parameters": {"config": str(team / "claimledger.toml"), "lake": str(lake)}}
    run = post(environment, f"/deployments/{deployment['id']}/create_flow_run", sent)["id"]
    variables = {**environment, "CLAIMLEDGER__VERIFIER__MODEL": str(small_folder())}
    log = tmp_path / "engine.log"

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as said:
            command = [sys.executable, "-m", "prefect.engine", run]
            return subprocess.Popen(command, env=variables, cwd=team, stdout=said, stderr=said)

    twins = [start(), start()]
    codes = [each.wait(RUN_S) for each in twins]
    late = start().wait(RUN_S)
    state = get(environment, f"/flow_runs/{run}")["state_type"]
    assert (state, 0 in codes) == ("COMPLETED", True), f"{codes}, {late}: {log.read_text()}"
    for table in ("outputs", "claims", "evidence", "verdicts", "actions"):
        rows = pl.read_parquet(f"{lake}/tables/{table}/**/*.parquet")
        assert rows.height, table
        assert not rows.select(TABLES[table].key).is_duplicated().any(), table
    runs = pl.read_parquet(f"{lake}/tables/runs/**/*.parquet")
    assert set(runs["status"]) == {"completed"}
    assert runs["rows_out"].sum() == 5
    verified = claimledger(environment, team, "ledger", "verify", "--lake", str(lake))
    assert verified.returncode == 0, verified.stderr


def test_serve_runs_what_the_server_asks_for_and_leaves_artifacts(
    environment: dict[str, str], team: Path
) -> None:
    command = [sys.executable, "-m", "flows.commands.cli", "serve", "--config", "claimledger.toml"]
    with (team / "serve.log").open("wb") as log:
        served = subprocess.Popen(command, env=environment, cwd=team, stdout=log, stderr=log)
    try:

        def ready() -> Any:
            return "ready: serving these flows" in (team / "serve.log").read_text()

        until(STARTUP_S, "served deployment", ready)
        deployment = get(environment, f"/deployments/name/nightly audit/{name_of(team / 'lake')}")
        assert deployment["work_pool_name"] is None
        assert deployment["global_concurrency_limit"]["name"] == f"claimledger-{name_of(team / 'lake')}"
        run = post(environment, f"/deployments/{deployment['id']}/create_flow_run")

        def ended() -> Any:
            state = get(environment, f"/flow_runs/{run['id']}")
            return state if state["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None

        finished = until(RUN_S, "end of the flow run", ended)
        gone = str(team / "gone.toml")
        run_of_gone = {"parameters": {"config": gone, "lake": None}}
        mistaken = post(environment, f"/deployments/{deployment['id']}/create_flow_run", run_of_gone)

        def refused() -> Any:
            state = get(environment, f"/flow_runs/{mistaken['id']}")["state"]
            return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED") else None

        state = until(RUN_S, "end of the mistaken run", refused)
    finally:
        stop(served)
    assert finished["state_type"] == "COMPLETED", (team / "serve.log").read_text()
    assert state["type"] == "FAILED"
    assert state["message"].startswith(f"{gone}: no such configuration file")
    logs = post(environment, "/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    assert not [line["message"] for line in logs if "docs site" in line["message"]]
    assert "sample" in finished["name"]
    run_id = pl.read_parquet(f"{team}/lake/tables/runs/**/*.parquet").sort("started_at")["run_id"][-1]
    named = {"artifacts": {"key": {"like_": run_id[:12]}}}
    artifacts = post(environment, "/artifacts/filter", named)
    assert {a["key"] for a in artifacts} >= {
        f"nightly-audit-summary-{run_id[:12]}",
        f"nightly-audit-counts-{run_id[:12]}",
    }
    assert {a["flow_run_id"] for a in artifacts} == {run["id"]}
    assert all(run_id in a["description"] for a in artifacts)


def test_the_audit_runs_under_the_server_that_the_environment_names(
    environment: dict[str, str], team: Path
) -> None:
    """With a secret of the server's blocks, a bar, and the lineage of its tables."""
    save = 'Secret(value="canary-5e1f").save("claimledger-source-sample-key", overwrite=True)'
    code = f"from prefect.blocks.system import Secret; {save}"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=RUN_S)
    done = claimledger(environment, team, "audit", "--json", "--lake", "other-lake")
    assert done.returncode == 0, done.stderr
    assert '"status": "completed"' in done.stdout
    runs = post(environment, "/flow_runs/filter")
    (run,) = [run for run in runs if run["parameters"].get("lake") == "other-lake"]
    of_run = {"flow_run_id": {"any_": [run["id"]]}}
    artifacts = post(environment, "/artifacts/filter", {"artifacts": of_run})
    (bar,) = [each for each in artifacts if each["type"] == "progress"]
    assert (bar["data"], bar["description"]) == (100.0, "judging: 5 of 5 outputs")

    def materialized() -> Any:
        named = {"filter": {"event": {"name": ["prefect.asset.materialization.succeeded"]}}, "limit": 50}
        found = post(environment, "/events/filter", named)["events"]
        made = {each["resource"]["prefect.resource.id"].rpartition("/")[2]: each for each in found}
        return made if {"outputs", "claims", "verdicts", "actions"} <= made.keys() else None

    verdicts = until(RUN_S, "lineage", materialized)["verdicts"]
    made_from = [each["prefect.resource.id"] for each in verdicts["related"]]
    assert any(each.endswith("/evidence") for each in made_from)
    assert verdicts["payload"]["rows"] > 0
    logs = post(environment, "/logs/filter", {"logs": of_run})
    taken = "CLAIMLEDGER_SOURCE_SAMPLE_KEY was read from the block claimledger-source-sample-key"
    assert taken in [line["message"] for line in logs]
    assert "canary-5e1f" not in json.dumps([logs, artifacts, runs]) + done.stdout + done.stderr


def test_a_run_with_problems_answers_in_json_and_the_server_shows_it_as_failed(
    environment: dict[str, str], team: Path
) -> None:
    config = team / "broken.toml"
    config.write_text('lake = "broken"\n[[sources]]\nname = "gone"\nkind = "files"\npath = "nowhere.jsonl"\n')
    done = claimledger(environment, team, "audit", "--json", "--config", str(config))
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert any("gone" in problem for problem in document["problems"])
    runs = post(environment, "/flow_runs/filter")
    (run,) = [run for run in runs if run["parameters"].get("config") == str(config)]
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"].startswith("source 'gone': ")
    of_run = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    (page,) = [a for a in post(environment, "/artifacts/filter", of_run) if "-summary-" in a["key"]]
    assert page["data"].startswith("# `source 'gone': ")


def test_a_run_that_stops_half_way_shows_its_sentence_first(environment: dict[str, str], team: Path) -> None:
    config = team / "corpus.toml"
    text = (team / "claimledger.toml").read_text()
    config.write_text(text.replace('# path = "docs"', 'path = "nowhere"').replace('"lake"', '"half"', 1))
    done = claimledger(environment, team, "audit", "--json", "--config", str(config))
    assert done.returncode == 2, done.stderr
    runs = post(environment, "/flow_runs/filter")
    (run,) = [run for run in runs if run["parameters"].get("config") == str(config)]
    assert run["state_type"] == "FAILED"
    of_run = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    (page,) = post(environment, "/artifacts/filter", of_run)
    for said in (run["state"]["message"], page["data"].removeprefix("# `")):
        assert said.startswith(f"{team}/nowhere: ")
    assert "in stage `index corpus`" in page["data"]


def is_running(environment: dict[str, str], lake: str) -> bool:
    """Whether the audit of a lake has begun and not ended."""
    runs = post(environment, "/flow_runs/filter")
    ours = [run for run in runs if run["parameters"].get("lake") == lake]
    return bool(ours) and ours[0]["state_type"] == "RUNNING"


def test_sigterm_under_the_server_exits_143(environment: dict[str, str], team: Path) -> None:
    command = [sys.executable, "-m", "flows.commands.cli", "audit", "--json", "--lake", "cut-lake"]
    with (team / "cut.log").open("wb") as log:
        audit = subprocess.Popen(command, env=environment, cwd=team, stdout=log, stderr=log)
    try:
        until(STARTUP_S, "running flow", lambda: is_running(environment, "cut-lake"))
        audit.send_signal(signal.SIGTERM)
        assert audit.wait(STARTUP_S) == 143, (team / "cut.log").read_text()
    finally:
        audit.kill()
        audit.wait()


@pytest.mark.slow  # a server of its own, killed and started again
def test_a_server_killed_in_the_middle_of_a_night_and_started_again_costs_the_night_nothing(
    tmp_path: Path, team: Path
) -> None:
    command = [sys.executable, "-m", "flows.commands.cli", "audit", "--json", "--lake", "outlived-lake"]
    with serving(tmp_path) as (variables, server):
        with (team / "outlived.log").open("wb") as log:
            audit = subprocess.Popen(command, env=variables, cwd=team, stdout=log, stderr=log)
        try:
            until(STARTUP_S, "running flow", lambda: is_running(variables, "outlived-lake"))
            server.kill()
            server.wait()
            time.sleep(2)
            port = int(variables["PREFECT_API_URL"].rpartition(":")[2].removesuffix("/api"))
            again = start_server(variables, port, tmp_path / "again.log")
            try:
                assert audit.wait(RUN_S) == 0, (team / "outlived.log").read_text()
            finally:
                stop(again)
        finally:
            audit.kill()
            audit.wait()
    assert claimledger(dict(os.environ), team, "ledger", "verify", "--lake", "outlived-lake").returncode == 0
    verdicts = pl.read_parquet(team / "outlived-lake" / "tables" / "verdicts" / "**" / "*.parquet")
    assert verdicts.height == 6


def test_a_server_that_is_gone_does_not_stop_the_night(team: Path) -> None:
    variables = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = claimledger(variables, team, "audit", "--json", "--lake", "third-lake")
    assert done.returncode == 0, done.stderr
    assert "running without one" in done.stderr
    refused = claimledger(variables, team, "deploy")
    assert refused.returncode == 2
    assert "no Prefect server answers" in refused.stderr


def test_names_from_outside_cannot_break_out_of_the_artifact() -> None:
    from flows.orchestrator import SHOWN_CHARACTERS, shown
    from flows.outcome import summary
    from tests.support.outcomes import outcome

    hostile = "x` <script>alert(1)</script> ![i](http://example.com) [a](http://example.com)\n\n# head\u202e`"
    run = outcome(problems=[hostile], report=hostile)
    page = MarkdownIt("commonmark", {"html": True}).render(summary(run))
    assert page.count("<code>") == 2
    assert page.count("<h1>") == 1
    assert not any(tag in page for tag in ("<script", "<img", "<a "))
    assert "<script" not in summary(run)
    assert "\u202e" not in page
    assert len(shown("y" * 5000)) == SHOWN_CHARACTERS


def test_an_artifact_says_verdicts_escalations_and_alarms_and_has_a_link_that_opens() -> None:
    from flows.outcome import drift_summary, summary
    from tasks.report.brief import Brief
    from tasks.report.parameters import ReportSettings
    from tests.support.outcomes import outcome

    where = ReportSettings(link="https://audits.example:8443/reports/")
    drift = {
        "windows": {"window_start": "2026-11-01", "window_end": "2026-11-02"},
        "status": {"not_measured": 3, "too_few": 54},
        "alarms": [{"reason": "supported share fell <b>"}],
        "file": "/lake/reports/drift/r.html",
    }
    run = outcome(
        records_in=4,
        records_out=4,
        verdicts={"supported": 3, "contradicted": 1},
        report="/lake/reports/ab/index.html",
        extra={"drift": drift},
        brief=Brief(3, 1, 0, {}, [], {"delivered": 3, "escalated": 1}, [], is_first=True),
        link=where.address("ab", "index.html"),
    )
    page = MarkdownIt("commonmark").enable("table").render(summary(run))
    assert "<td>contradicted</td>" in page
    assert "25.0%" in page
    assert "<strong>1 escalated</strong>" in page
    assert "supported share fell" in page
    assert 'href="https://audits.example:8443/reports/ab/index.html"' in page
    text = drift_summary(drift)
    assert "57 comparisons: 3 not measured, 54 with too few rows to say. 1 alarms." in text
    assert "`/lake/reports/drift/r.html`" in text
    for hostile in ("javascript:alert(1)", "https://x/a)![i](https://y", "https://x/<b>", "https://"):
        with pytest.raises(ValueError, match="expected an address such as"):
            ReportSettings(link=hostile)


def test_the_flows_switch_prefects_telemetry_off_whatever_the_machine_says() -> None:
    look = (
        "import os, flows.commands.cli; from prefect.settings import get_current_settings; "
        "print(get_current_settings().server.analytics_enabled, os.environ['DO_NOT_TRACK'])"
    )
    variables = {**os.environ, "PREFECT_SERVER_ANALYTICS_ENABLED": "true", "DO_NOT_TRACK": "0"}
    seen = subprocess.run(
        [sys.executable, "-c", look],
        env=variables,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert seen.stdout.split() == ["False", "1"], seen.stderr


def test_the_run_form_describes_every_parameter_of_every_flow_in_the_same_words() -> None:
    look = (
        "import json, prefect; from flows.schedule import FLOWS; "
        "forms = {name: entry.load().parameters for name, entry in FLOWS.items()}; "
        "print(json.dumps({name: form.model_dump()['properties'] for name, form in forms.items()}))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert seen.returncode == 0, seen.stderr
    forms = json.loads(seen.stdout)
    assert [
        f"{flow}.{name}" for flow, form in forms.items() for name in form if not form[name]["description"]
    ] == []
    names = {name for form in forms.values() for name in form}
    ends = {f"{which}{end}" for which in ("", "baseline_") for end in ("since", "until")}
    backfills = {"reverify", "workers", "max_hours", "max_cost"}
    assert names == {"config", "lake", "sample", "seed", "replay"} | backfills | ends


def test_every_flow_takes_the_parameters_that_a_server_sends_as_json() -> None:
    look = (
        "import prefect; from flows.schedule import FLOWS; "
        "flows = {name: entry.load() for name, entry in FLOWS.items()}; "
        "days = {'since': '2026-11-01', 'until': '2026-11-02'}; "
        "print(*[flows[name].validate_parameters(sent) for name, sent in ("
        "('audit', {'since': '2026-11-01'}), ('backfill', days), ('reaudit', days), "
        "('drift', days), ('index', {}))], sep='\\n')"
    )
    seen = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert seen.returncode == 0, seen.stderr
    audit, backfill, reaudit, drift, _ = seen.stdout.splitlines()
    first, last = "datetime.date(2026, 11, 1)", "datetime.date(2026, 11, 2)"
    assert f"'since': {first}" in audit
    assert all(f"'since': {first}, 'until': {last}" in line for line in (backfill, reaudit, drift))
