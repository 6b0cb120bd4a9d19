"""The laws of the house, as code: floors, rooms in the order of the data, named doors, one door per giant."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.support import architecture
from tests.support.architecture import ROOT, imports, modules, neighbours, opens, room

ROOMS = {
    "ground": "",
    "text": "",
    "files": "ground",
    "models": "ground files",
    "claims": "ground text",
    "privacy": "ground models",
    "decide": "ground text privacy",
    "gate": "ground files",
    "remote": "ground files",
    "lake": "ground files decide gate remote",
    "health": "ground lake",
    "sources": "ground text files privacy",
    "ledger": "ground files decide lake",
    "evidence": "ground text files models privacy gate lake",
    "review": "ground files privacy lake ledger",
    "policies": "ground decide lake",
    "taken": "ground files decide lake review",
    "verify": "ground text files models privacy decide evidence",
    "workbench": "ground text files claims privacy decide lake ledger evidence verify",
    "judge": "ground text claims privacy decide gate lake sources ledger evidence verify workbench",
    "backfill": "ground gate lake sources evidence verify workbench judge",
    "reaudit": "ground text decide gate lake sources ledger evidence review verify workbench judge",
    "drift": "ground text files privacy lake evidence",
    "deliver": "ground files lake ledger",
    "report": "ground files decide gate lake ledger reaudit drift",
    "review_page": "ground privacy lake review report",
    "pack": "ground files lake ledger review report",
    "inventory": "ground lake",
    "retention": "ground lake ledger review",
    "settings": "ground files claims privacy decide gate lake health sources ledger evidence verify "
    "workbench reaudit drift deliver report pack inventory retention",
    "write_back": "ground files lake sources",
    "starter": "ground files decide sources settings",
    "doctor": "ground files gate lake ledger models sources evidence verify settings",
    "render": "ground gate ledger",
}
"""Every room of `tasks` from the ground to the top, and the rooms below it that it imports."""

DOORS = {
    "backfill.bench": "disk, clock, through its neighbours: gate.validate, judge, lake.store, workbench",
    "backfill.cluster": "disk, clock, randomness, through its neighbours: backfill.remote, backfill.workers",
    "backfill.dask_crew": "clock, log, distributed",
    "backfill.fingerprints": "disk, environment",
    "backfill.ray_crew": "environment, log, ray",
    "backfill.remote": "disk, clock, through its neighbours: backfill.bench",
    "backfill.sealed_files": "disk",
    "backfill.workers": "processes, signals, clock",
    "deliver.append": "disk",
    "deliver.deliver": "processes, clock",
    "deliver.heartbeat": "through its neighbours: deliver.wire",
    "deliver.outbox": "disk",
    "deliver.posting": "network, clock",
    "deliver.secrets": "environment",
    "deliver.sending": "network, processes, clock, randomness",
    "deliver.syslog_wire": "network",
    "deliver.wire": "network, processes, clock, httpcore, httpx",
    "doctor": "disk, network, clock",
    "drift.cache": "disk",
    "drift.measurement": "disk",
    "drift.notify": "disk, apprise",
    "drift.texts": "through its neighbours: evidence.models, lake.store",
    "evidence.corpus": "disk",
    "evidence.documents": "disk, through its neighbours: evidence.reading",
    "evidence.embeddings": "disk",
    "evidence.dense": "disk, faiss",
    "evidence.dense_files": "disk, log, through its neighbours: evidence.dense",
    "evidence.html_text": "selectolax",
    "evidence.index": "disk, log",
    "evidence.refresh": "disk",
    "evidence.lexical": "disk, bm25s",
    "evidence.models": "disk, torch, transformers, sentence_transformers",
    "evidence.roles": "through its neighbours: models.folder",
    "evidence.office_text": "docx, pptx, through its neighbours: files.workbooks",
    "evidence.pdf_text": "log, pypdf",
    "evidence.reading": "disk, processes, signals",
    "evidence.retrieve": "through its neighbours: evidence.models",
    "files.bundled": "disk",
    "files.beside": "threads",
    "files.cache": "disk",
    "files.delta": "disk, deltalake",
    "files.durable": "disk",
    "files.exchange": "disk",
    "files.inputs": "disk",
    "files.json_records": "orjson",
    "files.objects": "disk, environment, clock, obstore",
    "files.parquet": "disk",
    "files.parquet_records": "disk",
    "files.process_pool": "processes, threads",
    "files.places": "disk, through its neighbours: files.objects",
    "files.records": "disk, orjson",
    "files.streams": "disk",
    "files.toml_files": "disk",
    "files.workbooks": "openpyxl",
    "files.web": "disk, network, clock, httpx, orjson",
    "gate.great_expectations": "disk, log, processes, great_expectations",
    "gate.suite_files": "disk",
    "gate.validate": "disk",
    "health.health": "clock",
    "inventory.bom": "cyclonedx",
    "inventory.declarations": "disk",
    "inventory.inventory": "through its neighbours: inventory.declarations, lake.store",
    "judge.decisions": "through its neighbours: evidence.retrieve, judge.job",
    "judge.extraction": "through its neighbours: judge.job, judge.published",
    "judge.job": "through its neighbours: gate.validate",
    "judge.judge": "through its neighbours: ledger.recording",
    "judge.published": "disk, through its neighbours: lake.store",
    "judge.scoring": "through its neighbours: evidence.retrieve",
    "lake.commits": "disk",
    "lake.identity": "randomness, through its neighbours: lake.store",
    "lake.views": "disk",
    "lake.joins": "disk",
    "lake.delta": "disk, through its neighbours: files.delta, lake.store",
    "lake.leftovers": "disk",
    "lake.locks": "disk, network, processes, clock",
    "lake.runs": "disk, network, clock",
    "lake.store": "disk, network, processes",
    "lake.swaps": "disk, clock",
    "lake.verification": "disk",
    "ledger.compaction": "through its neighbours: lake.store, ledger.opening",
    "ledger.erasures": "through its neighbours: ledger.log",
    "ledger.events_table": "disk",
    "ledger.joining": "disk",
    "ledger.key_places": "disk, processes",
    "ledger.keys": "disk, processes, randomness, cryptography",
    "ledger.log": "disk",
    "ledger.nightly": "through its neighbours: ledger.verify",
    "ledger.opening": "disk, randomness",
    "ledger.prove": "disk",
    "ledger.recording": "through its neighbours: ledger.opening, ledger.unrecorded",
    "ledger.rotate": "disk",
    "ledger.segments": "disk",
    "ledger.unrecorded": "through its neighbours: ledger.opening",
    "ledger.vault": "disk, randomness, SQLite",
    "ledger.verify": "disk",
    "ledger.verify_checkpoints": "disk",
    "ledger.verify_events_table": "disk",
    "ledger.verify_files": "disk",
    "ledger.verify_folder": "disk",
    "ledger.verify_manifests": "disk",
    "ledger.verify_processes": "processes",
    "ledger.verify_rows": "through its neighbours: lake.store, ledger.log",
    "ledger.verify_salts": "disk",
    "ledger.verify_segments": "disk",
    "ledger.verify_tiles": "through its neighbours: ledger.log",
    "ledger.verify_tree": "through its neighbours: ledger.log",
    "ledger.witness.bucket": "clock, boto3",
    "ledger.witness.places": "disk, processes",
    "ledger.witness.timestamps": "disk, cryptography, rfc3161_client",
    "ledger.witness.web": "network",
    "ledger.witness.witness": "log",
    "ledger.witness.witness_server": "disk, network, processes",
    "models.int8": "torch",
    "models.kernels": "torch",
    "models.processor": "disk",
    "models.sentence_encoder": "disk, torch, transformers, safetensors",
    "pack.counting": "through its neighbours: report.database",
    "pack.pack": "disk",
    "pack.populations": "disk",
    "pack.rendering": "through its neighbours: report.markup",
    "pack.schedule": "disk, cronsim",
    "policies.past": "through its neighbours: lake.store, review.erase",
    "pack.summary": "through its neighbours: pack.populations",
    "privacy.leak_files": "disk, environment",
    "privacy.names": "disk, torch, transformers, through its neighbours: models.folder",
    "privacy.redaction_sample": "disk",
    "reaudit.causes": "through its neighbours: judge, lake.runs, lake.store, verify.protocol, workbench",
    "reaudit.reaudit": "disk",
    "remote.copy": "disk, environment, randomness",
    "remote.lease": "network, processes, clock, threads, randomness",
    "remote.reader": "disk, threads, log, through its neighbours: files.objects, remote.copy",
    "remote.remote": "randomness, log, through its neighbours: files.objects, remote.lease, remote.reader",
    "render": "disk",
    "report.brief": "through its neighbours: lake.store",
    "report.database": "disk, duckdb",
    "report.markup": "network, jinja2, markupsafe",
    "report.report": "disk",
    "report.site": "disk",
    "retention.holds": "through its neighbours: lake.store, ledger.opening",
    "retention.retention": "through its neighbours: lake.store, review.erase",
    "review.action_sheets": "through its neighbours: lake.store, review.reviews",
    "review.disclosed": "disk",
    "review.journal": "disk, SQLite",
    "review_page.desk": "clock, threads, through its neighbours: lake.store",
    "review_page.items": "through its neighbours: lake.store",
    "review_page.server": "network",
    "review_page.web": "network, randomness, starlette",
    "review.erase": "disk",
    "review.erase_tables": "through its neighbours: lake.store",
    "review.review_sheets": "through its neighbours: files.json_records",
    "review.reviews": "disk",
    "review.evaluation": "disk",
    "review.sample": "disk",
    "review.scores": "through its neighbours: review.review_sheets",
    "settings": "disk, clock, cronsim, pydantic, pydantic_settings",
    "review.sample_items": "through its neighbours: lake.store",
    "sources.batches": "through its neighbours: sources.records",
    "sources.columns": "orjson",
    "sources.file_batches": "through its neighbours: sources.records",
    "sources.records": "orjson",
    "sources.values": "orjson",
    "sources.files": "disk",
    "sources.kinds": "through its neighbours: sources.files",
    "sources.gathering": "disk, orjson",
    "sources.atif": "disk, through its neighbours: sources.trace_files",
    "sources.counting": "disk, through its neighbours: sources.kinds",
    "sources.exported_rows": "disk, through its neighbours: files.records",
    "sources.langfuse": "disk, through its neighbours: sources.trace_server",
    "sources.langsmith": "disk, through its neighbours: sources.trace_server",
    "sources.mlflow": "disk, through its neighbours: sources.trace_server",
    "sources.span_answers": "through its neighbours: sources.batches",
    "sources.span_crew": "processes, through its neighbours: sources.gathering, sources.secrets",
    "sources.span_files": "disk, through its neighbours: files.places, sources.gathering",
    "sources.otlp": "through its neighbours: sources.otlp_messages, sources.trace_files",
    "sources.trace_server": "through its neighbours: files.web, sources.secrets",
    "sources.trace_files": "disk, through its neighbours: files.places, sources.gathering",
    "sources.otlp_messages": "disk, orjson, protobuf",
    "sources.secrets": "environment",
    "sources.sampling": "disk, clock",
    "sources.score_pull": "disk, through its neighbours: sources.langfuse, sources.langsmith",
    "sources.sql": "network, sqlalchemy",
    "sources.phoenix": "disk, through its neighbours: sources.trace_server",
    "sources.pull": "disk, clock",
    "sources.news": "through its neighbours: sources.receipts, sources.shelves",
    "sources.pulled": "disk, through its neighbours: sources.receipts, sources.units",
    "sources.receipts": "disk",
    "sources.shelves": "disk",
    "sources.staging": "disk",
    "sources.units": "disk, through its neighbours: sources.news, sources.staging",
    "starter": "disk",
    "taken.imports": "through its neighbours: files.records, lake.store",
    "taken.later": "through its neighbours: lake.store",
    "text.sentences": "sentencex",
    "verify.artefact": "disk",
    "verify.batch_client": "environment, network, clock, httpx",
    "verify.batch_endpoint": "disk, through its neighbours: verify.endpoint",
    "verify.batch_nights": "through its neighbours: verify.batch_client, verify.batch_endpoint",
    "verify.batch_store": "disk",
    "verify.calibrate": "through its neighbours: verify.calibration",
    "verify.calibration": "disk",
    "verify.crossencoder": "disk",
    "verify.endpoint": "disk, network, processes, clock",
    "verify.evaluate": "disk",
    "verify.network": "disk, torch, transformers, safetensors",
    "verify.pair_files": "disk",
    "verify.published": "disk",
    "verify.runtimes": "disk, onnxruntime, openvino",
    "models.folder": "disk, huggingface_hub",
    "verify.load": "disk",
    "verify.score": "disk",
    "verify.torch_pairs": "disk, torch, transformers",
    "workbench": "through its neighbours: evidence.embeddings, evidence.models, lake.store, text.sente",
    "write_back.otlp_events": "disk, orjson",
    "write_back.pending": "through its neighbours: lake.store",
    "write_back.servers": "through its neighbours: files.web, sources.trace_server",
    "write_back.write_back": "disk, through its neighbours: lake.store",
}
"""Every module of `tasks` that touches the world, and what it opens to. All others only compute."""

GIANTS = {
    "cyclonedx": "inventory.bom",
    "deltalake": "files.delta",
    "apprise": "drift.notify",
    "boto3": "ledger.witness.bucket",
    "bm25s": "evidence.lexical",
    "distributed": "backfill.dask_crew",
    "duckdb": "report.database",
    "faiss": "evidence.dense",
    "great_expectations": "gate.great_expectations",
    "huggingface_hub": "models.folder",
    "docx": "evidence.office_text",
    "jinja2": "report.markup",
    "openpyxl": "files.workbooks",
    "phonenumbers": "privacy.phone_plans",
    "pptx": "evidence.office_text",
    "stdnum": "privacy.national_ids",
    "obstore": "files.objects",
    "pypdf": "evidence.pdf_text",
    "selectolax": "evidence.html_text",
    "starlette": "review_page.web",
    "uvicorn": "review_page.server",
    "sentencex": "text.sentences",
    "sentence_transformers": "evidence.models",
    "ray": "backfill.ray_crew",
}
"""Heavy or foreign libraries, and the one module of `tasks` that each is met in."""

COVERED_BY = {
    "backfill.aside": "end_to_end/test_backfill.py",
    "backfill.crew": "backfill/test_cluster.py",
    "deliver.cursor": "deliver/test_sending.py",
    "deliver.formats": "deliver/test_messages.py",
    "deliver.elastic": "deliver/test_siems.py",
    "deliver.ocsf": "deliver/test_siems.py",
    "deliver.otlp_logs": "deliver/test_siems.py",
    "deliver.parameters": "deliver/test_addresses.py",
    "deliver.requests": "deliver/test_messages.py",
    "deliver.sentinel": "deliver/test_siems.py",
    "deliver.splunk": "deliver/test_siems.py",
    "deliver.syslog": "deliver/test_siems.py",
    "deliver.deliveries": "deliver/test_sending.py",
    "deliver.signing": "deliver/test_messages.py",
    "claims.blocks": "claims/test_claims.py",
    "claims.speech": "claims/test_claims.py",
    "decide.actions": "decide/test_verdicts.py",
    "drift.cells": "drift/test_table.py",
    "drift.changepoints": "drift/test_comparison.py",
    "drift.comparable": "drift/test_table.py",
    "drift.correction": "drift/test_comparison.py",
    "drift.daily": "drift/test_comparison.py",
    "drift.distances": "drift/test_comparison.py",
    "drift.explained": "drift/test_table.py",
    "drift.metrics": "drift/test_table.py",
    "drift.parameters": "drift/test_measurement.py",
    "drift.reasons": "drift/test_table.py",
    "drift.series": "drift/test_table.py",
    "drift.slices": "drift/test_table.py",
    "evidence.bm25": "evidence/test_retrieve.py",
    "evidence.pieces": "evidence/test_models.py",
    "evidence.snapshots": "evidence/test_index.py",
    "evidence.parameters": "evidence/test_index.py",
    "files.csv_records": "sources/test_files_source.py",
    "files.encodings": "sources/test_spreadsheets.py",
    "files.limits": "test_settings.py",
    "files.portions": "sources/test_files_source.py",
    "files.refusal": "sources/test_records.py",
    "files.split": "sources/test_files_source.py",
    "gate.dictionary": "gate/test_suites.py",
    "gate.parameters": "test_settings.py",
    "gate.references": "lake/test_store.py",
    "gate.refusals": "gate/test_suites.py",
    "inventory.cards": "inventory/test_inventory.py",
    "inventory.declared_use": "inventory/test_inventory.py",
    "inventory.parameters": "inventory/test_inventory.py",
    "ledger.bindings": "ledger/test_recording.py",
    "ledger.compaction": "ledger/test_joining.py",
    "ledger.changes": "ledger/test_recording.py",
    "health.parameters": "test_settings.py",
    "knobs": "test_settings.py",
    "files.exchange": "lake/test_joins.py",
    "lake.current": "lake/test_views.py",
    "lake.deciding": "report/test_brief.py",
    "ledger.commitments": "ledger/test_proofs.py",
    "ledger.events": "ledger/test_keys.py",
    "ledger.findings": "ledger/test_ledger_attacks.py",
    "lake.parameters": "test_settings.py",
    "lake.swaps": "lake/test_joins.py",
    "ledger.parameters": "ledger/test_places.py",
    "ledger.tiles": "ledger/test_merkle.py",
    "ledger.verify_manifests": "ledger/test_joined_files.py",
    "ledger.words": "ledger/test_proofs.py",
    "pack.criteria": "pack/test_measures.py",
    "pack.exceptions": "pack/test_pack.py",
    "pack.integrations": "pack/test_pack.py",
    "pack.maps": "pack/test_measures.py",
    "pack.nights": "pack/test_expected_nights.py",
    "pack.numbers": "pack/test_measures.py",
    "pack.oscal": "pack/test_pack.py",
    "pack.page": "pack/test_pack.py",
    "pack.parameters": "pack/test_pack.py",
    "pack.tree": "pack/test_measures.py",
    "review.erase_tables": "review/test_erase.py",
    "retention.holds": "retention/test_retention.py",
    "retention.parameters": "retention/test_retention.py",
    "privacy.address_patterns": "privacy/test_addressing.py",
    "privacy.confidential": "privacy/test_privacy.py",
    "privacy.copied": "privacy/test_leaks.py",
    "privacy.grams": "privacy/test_leaks.py",
    "privacy.leak_window": "privacy/test_leaks.py",
    "privacy.listed": "privacy/test_leaks.py",
    "privacy.national_id_shapes": "privacy/test_national_ids.py",
    "privacy.outline": "privacy/test_privacy.py",
    "privacy.parameters": "test_settings.py",
    "privacy.phone_plans": "privacy/test_detectors.py",
    "privacy.phone_words": "privacy/test_detectors.py",
    "privacy.phones": "privacy/test_detectors.py",
    "privacy.shadow": "privacy/test_addressing.py",
    "reaudit.parameters": "reaudit/test_reaudit.py",
    "report.changes": "report/test_drift_changes.py",
    "report.sentence": "report/test_headline.py",
    "report.listing": "report/test_report.py",
    "report.nights": "report/test_report.py",
    "report.numbers": "report/test_report.py",
    "report.page": "report/test_report.py",
    "report.parameters": "report/test_queries.py",
    "report.worst": "report/test_report.py",
    "review.cells": "review/test_review_sheets.py",
    "review.opinions": "review/test_queue.py",
    "review.sample_page": "review/test_reviews.py",
    "review_page.parameters": "review_page/test_review_page.py",
    "sources.base": "sources/test_pull.py",
    "sources.batches": "sources/test_otlp.py",
    "sources.dialects": "sources/test_sampling.py",
    "sources.file_batches": "sources/test_files_source.py",
    "sources.likeness": "sources/test_mapping.py",
    "sources.parameters": "sources/test_pull.py",
    "sources.raw_spans": "sources/test_otlp.py",
    "sources.spans": "sources/test_attributes.py",
    "sources.sql_counts": "sources/test_sql.py",
    "sources.times": "sources/test_records.py",
    "sources.values": "sources/test_records.py",
    "sources.versions": "sources/test_pull.py",
    "schema": "gate/test_suites.py",
    "tables": "ledger/test_rows.py",
    "taken.sheets": "taken/test_imports.py",
    "text.abbreviations": "text/test_sentences.py",
    "text.boundaries": "text/test_sentences.py",
    "text.limits": "text/test_rules.py",
    "text.lists": "text/test_rules.py",
    "text.numbers": "text/test_rules.py",
    "text.polarity": "text/test_nearest.py",
    "text.words": "text/test_pairs.py",
    "verify.batch_wire": "verify/test_batch_nights.py",
    "verify.labels": "verify/test_quality_figures.py",
    "verify.metrics": "verify/test_quality_figures.py",
    "verify.pair_classifier": "verify/test_classifiers.py",
    "verify.parameters": "verify/test_endpoint.py",
    "verify.protocol": "verify/test_score.py",
    "verify.prompt": "verify/test_endpoint.py",
    "verify.scoring": "verify/test_score.py",
    "verify.softmax": "verify/test_quality_figures.py",
}
"""Modules that compute and have no test file of their name, and the test that covers each."""

HEAVY = (
    "faiss",
    "great_expectations",
    "prefect",
    "pydantic",
    "sentence_transformers",
    "phonenumbers",
    "torch",
    "transformers",
)


def every(tree: str) -> list[str]:
    return [module for module in modules() if module.split(".")[0] == tree]


def short(module: str) -> str:
    return module.split(".", 1)[1]


def test_the_rooms_are_those_of_the_table() -> None:
    assert {room(module) for module in every("tasks")} == ROOMS.keys()


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_the_neighbours_that_its_row_allows_and_all_of_them(name: str) -> None:
    used = {lower for upper, lower in architecture.arrows() if upper == name}
    assert used == set(ROOMS[name].split())


@pytest.mark.parametrize("name", ROOMS)
def test_no_arrow_runs_up(name: str) -> None:
    order = list(ROOMS)
    assert all(order.index(lower) < order.index(name) for lower in ROOMS[name].split())


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert architecture.circles() == []


def test_nothing_imports_flows_or_training_but_flows_for_its_command_train() -> None:
    for module in every("tasks"):
        assert not [name for name in neighbours(module) if name.split(".")[0] != "tasks"]
    for module in every("training"):
        assert not [name for name in neighbours(module) if name.split(".")[0] == "flows"]
    users = [m for m in every("flows") if any(n.startswith("training.") for n in neighbours(m))]
    assert users == ["flows.commands.model_commands"]


def test_a_module_that_touches_the_world_is_a_door_of_the_table() -> None:
    assert {short(module) for module in every("tasks") if opens(module)} <= DOORS.keys()
    assert DOORS.keys() <= {short(module) for module in every("tasks")}


@pytest.mark.parametrize("module", every("tasks"))
def test_what_is_no_door_imports_no_door_and_a_door_opens_to_something(module: str) -> None:
    doors = [target for target in neighbours(module, at_run_time=True) if short(target) in DOORS]
    if short(module) in DOORS:
        assert opens(module) or doors
    else:
        assert doors == []


def test_importing_everything_that_only_computes_loads_no_heavy_library() -> None:
    names = [module for module in every("tasks") if short(module) not in DOORS]
    assert loaded_by(f"import {', '.join(names)}") == "[]"


def test_the_console_command_loads_no_heavy_library_before_it_knows_what_to_do() -> None:
    assert loaded_by("import flows.commands.cli", *HEAVY, "polars") == "[]"


def loaded_by(code: str, *names: str) -> str:
    asked = f"import sys; {code}; print([name for name in {names or HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


@pytest.mark.parametrize("module", every("tasks") + every("flows"))
def test_each_giant_has_one_door(module: str) -> None:
    for name in imports(module):
        giant = name.split(".")[0]
        assert giant not in GIANTS or module == f"tasks.{GIANTS[giant]}"


def test_scipy_stats_is_imported_by_functions_only_for_it_costs_every_command_half_a_second() -> None:
    for module in every("tasks") + every("flows"):
        for node in ast.parse(modules()[module].read_text("utf-8")).body:
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            origin = node.module if isinstance(node, ast.ImportFrom) else ""
            assert "scipy.stats" not in (origin, *names, *(f"{origin}.{name}" for name in names)), module


@pytest.mark.parametrize("module", every("tasks") + every("flows"))
def test_nothing_unpickles_or_trusts_remote_code(module: str) -> None:
    unpicklers = {"pickle", "dill", "joblib", "cloudpickle", "shelve"}
    assert not {name.split(".")[0] for name in imports(module)} & unpicklers
    for node in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle", "shell"):
            assert isinstance(node.value, ast.Constant), f"{module}:{node.value.lineno}"
            assert node.value.value is False, f"{module}:{node.value.lineno}"


@pytest.mark.parametrize("module", [m for m in every("tasks") if short(m) not in DOORS])
def test_a_module_that_computes_has_a_test_of_its_name_or_a_line_here(
    module: str,
) -> None:
    stem = module.rsplit(".", 1)[1]
    own = list((ROOT / "tests").rglob(f"test_{stem}.py"))
    if own:
        assert short(module) not in COVERED_BY
    else:
        assert (ROOT / "tests" / COVERED_BY[short(module)]).exists()


def test_each_line_of_the_table_is_of_a_module() -> None:
    assert COVERED_BY.keys() <= {short(module) for module in every("tasks")}
