"""The evidence pack: what an auditor takes home, and what he finds out without us."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from flows.commands.cli import main
from flows.pack import pack
from tasks.decide.policies import Policy
from tasks.errors import InputError, IntegrityError
from tasks.inventory.parameters import InventorySettings
from tasks.lake.current import current_outputs
from tasks.lake.store import Lake
from tasks.pack.pack import Pack
from tasks.pack.parameters import PackSettings, Response
from tasks.settings import Settings
from tests.support import pack_lake
from tests.support.pack_lake import NOW, SINCE, UNTIL

OWNERS = {"PI1.4": "<b onmouseover=alert(1)>Head of Support</b>", "default": "Audit team"}


def settings_of(ledger: Any, **values: Any) -> Settings:
    approved = Policy(owner="Support", approver="Risk Committee", approved_on=date(2026, 10, 1))
    update = {"ledger": ledger, "pack": PackSettings(**values), "policies": (approved,)}
    return Settings().model_copy(update=update)


def made(
    lake: Lake, settings: Settings, folder: Path, since: date = SINCE, until: date = UNTIL, **more: Any
) -> Pack:
    return pack(lake, settings, folder, since, until, nonce="words", run_id="0" * 64, now=NOW, **more)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Settings, Path, Pack]:
    folder = tmp_path_factory.mktemp("pack")
    lake, ledger = pack_lake.build(folder)
    settings = settings_of(ledger, owners=OWNERS)
    return lake, settings, folder / "pack", made(lake, settings, folder / "pack")


@pytest.fixture
def folder(base: tuple[Lake, Settings, Path, Pack], tmp_path: Path) -> Path:
    """A copy of the pack, for somebody to change."""
    return Path(shutil.copytree(base[2], tmp_path / "pack"))


def key_of(lake: Lake) -> str:
    return (lake.root / "ledger" / "vkey").read_text().strip()


def check(folder: Path, *keys: str) -> tuple[int, str]:
    """The pack's own check, by a Python without any package."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "check.py"), *keys],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def checked(folder: Path) -> tuple[int, str]:
    """The same within this process, for the many things that somebody may change."""
    lines: list[str] = []
    spec = importlib.util.spec_from_file_location("check", folder / "check.py")
    assert spec and spec.loader  # noqa: PT018
    checker = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(checker)
        checker.__dict__["print"] = lines.append
        return checker.main([]), "\n".join(lines)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("check_proof", None)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "populations" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_machine_without_the_product_says_ok(base: tuple[Lake, Settings, Path, Pack]) -> None:
    lake, _, folder, _ = base
    status, said = check(folder, key_of(lake))
    assert (status, said.splitlines()[-1]) == (0, "ok")
    assert "give the key" not in said
    assert "signatures were checked with the key that the pack names" in check(folder)[1]
    foreign = "example.com/test+7261e466+AZtzHza2f4uRYkAVbvlE1ug+FI9ZxhAFhcAT7nHMwIEH"
    status, said = check(folder, foreign)
    assert status == 2
    assert said.startswith("unverifiable: ")


def test_the_folder_holds_what_the_contract_names(base: tuple[Lake, Settings, Path, Pack]) -> None:
    folder, pack_ = base[2], base[3]
    manifest = json.loads((folder / "manifest.json").read_bytes())
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert present - set(manifest["files"]) == {"manifest.json", "proofs/manifest.tlog-proof"}
    for name, told in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (told["sha256"], told["bytes"])
    assert {
        "index.html",
        "check.py",
        "oscal/assessment-results.json",
        "samples/verdicts/sample.json",
    } <= present
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() == pack_.manifest_sha256


def resealed(folder: Path) -> None:
    """What somebody would do who changes a file: the manifest says the new digest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert re.search(old, text), f"{name} has no {old}"
        (folder / name).write_text(re.sub(old, new, text, count=1), "utf-8")

    return change


def without_line(name: str, number: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / name).read_text("utf-8").splitlines(keepends=True)
        del lines[number]
        (folder / name).write_text("".join(lines), "utf-8")

    return change


CHANGES = {
    "populations/verdicts.csv: one verdict is another": (
        replaced("populations/verdicts.csv", ",contradicted,", ",supported,"),
        "the CSV says",
    ),
    "populations/verdicts.csv: one is left out": (
        without_line("populations/verdicts.csv", 2),
        "the CSV says",
    ),
    "populations/exceptions.csv: one is left out": (
        without_line("populations/exceptions.csv", 1),
        "the CSV says",
    ),
    "populations/events.csv: one is left out": (
        without_line("populations/events.csv", 5),
        "event 4 is missing",
    ),
    "populations/events.csv: the last is left out": (
        without_line("populations/events.csv", -1),
        "ends at event",
    ),
    "populations/events.csv: another leaf": (
        replaced("populations/events.csv", r"Z,[0-9a-f]{8}", "Z,00000000"),
        "do not give the signed root",
    ),
    "index.html: another number": (
        replaced("index.html", r'value="\d+">\d+</data> exceptions', 'value="0">0</data> exceptions'),
        "index.html: ",
    ),
    "measures.json: another share": (
        replaced("measures.json", r'"value": 0.75', '"value": 1.0'),
        "reviews.accuracy",
    ),
    "the sample: another item": (
        replaced("samples/verdicts/sample.json", r'"nonce": "words"', '"nonce": "others"'),
        "its seed draws",
    ),
    "manifest.json: a later date": (lambda folder: None, "not the one whose digest was logged"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_changes_is_found_though_the_manifest_was_written_again(
    change: str, folder: Path
) -> None:
    act, sentence = CHANGES[change]
    act(folder)
    resealed(folder)
    status, said = checked(folder)
    assert status == 3
    assert sentence in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: (f / "populations" / "runs.csv").unlink(), "populations/runs.csv is missing"),
        (
            lambda f: (f / "populations" / "more.csv").write_text("a\n"),
            "more.csv is not a file of the manifest",
        ),
        (replaced("oscal/assessment-results.json", "not-satisfied", "satisfied"), "was changed"),
        (replaced("proofs/0.tlog-proof", "index 0", "index 1"), "was changed"),
    ],
)
def test_a_changed_folder_is_named(change: Callable[[Path], None], sentence: str, folder: Path) -> None:
    change(folder)
    status, said = checked(folder)
    assert (status, sentence in said) == (3, True), said


def test_every_number_is_found_again_by_another_query(base: tuple[Lake, Settings, Path, Pack]) -> None:
    """DuckDB with the printed query; and, for the large ones, Polars over the lake's own tables."""
    lake, _, folder, _ = base
    told = json.loads((folder / "measures.json").read_bytes())
    values = {each["name"]: each["value"] for each in told["measures"]}
    with duckdb.connect(config={"file_search_path": str(folder)}) as connection:
        for each in told["measures"]:
            assert connection.execute(each["sql"]).fetchone() == (each["value"],), each["name"]
    verdicts = lake.scan("verdicts").collect()
    assert values["verdicts.all"] == verdicts.height == 18
    assert values["verdicts.contradicted"] == verdicts.filter(pl.col("verdict") == "contradicted").height == 6
    assert values["outputs.all"] == lake.scan("outputs").collect().height == 9
    assert values["events.all"] == lake.scan("events").collect().height - 1  # the pack's own comes after
    shown = set(re.findall(r'data-measure="([^"]+)"', (folder / "index.html").read_text()))
    assert len(shown) > 80
    assert shown <= values.keys() | {each["name"] for each in told["ratios"]}
    accuracy = next(each for each in told["ratios"] if each["name"] == "reviews.accuracy")
    assert (accuracy["value"], accuracy["interval"]) == (0.75, [0.300642, 0.954413])


def test_every_late_answer_is_named_and_every_deviation_is_an_exception(
    base: tuple[Lake, Settings, Path, Pack],
) -> None:
    late = [row for row in rows(base[2], "caught") if row["state"] == "late"]
    assert sorted((row["because"], row["minutes"]) for row in late) == [
        ("delivered_anyway", "0"), ("delivered_first", "150"),
    ]  # fmt: skip
    told = json.loads((base[2] / "measures.json").read_text("utf-8"))
    share = next(each for each in told["ratios"] if each["name"] == "caught.share")
    assert (share["value"], share["interval"]) == (0.333333, [0.061492, 0.79234])
    lines = [row["what"] for row in rows(base[2], "exceptions") if row["criterion"] == "PI1.4"]
    assert any("failed and had been delivered first" in line for line in lines)
    assert "1 answers were delivered where escalated was decided" in lines
    assert "1 answers were delivered where escalated was decided, before that was decided" in lines


def test_each_hole_of_the_period_is_an_exception_with_what_was_done(
    base: tuple[Lake, Settings, Path, Pack],
) -> None:
    lines = {(row["criterion"], row["what"]): row for row in rows(base[2], "exceptions")}
    failed = lines["A1.1", "the night of 2026-11-03T03:00 failed"]
    missed = lines["A1.1", "the night of 2026-11-04T03:00 did not run"]
    assert failed["done"] == missed["done"] and "made up for by run" in failed["done"]  # noqa: PT018
    assert "2026-11-05T03:00" in failed["done"]
    run = next(row for (criterion, _), row in lines.items() if criterion == "CC7.4")
    assert "failed at judge" in run["what"]
    assert "followed by the completed run" in run["done"]
    assert ("CC7.2", "source bot was not reached in 1 checks") in lines
    assert "reached again" in lines["CC7.2", "source bot was not reached in 1 checks"]["done"]
    assert ("PI1.4", "3 answers with a contradicted claim were delivered under policy default@1") in lines
    assert ("PI1.3", "1 verdicts were overturned in review, to contradicted") in lines
    assert any(criterion == "CC6.1" and "no checkpoint outside the lake" in what for criterion, what in lines)
    states = {row["criterion"]: row["state"] for row in rows(base[2], "criteria")}
    assert states["PI1.5"] == states["CC8.1"] == states["C1.2"] == states["A1.2"] == "no exception"
    assert states["PI1.1"] == states["P5"] == states["P6"] == "not tested"
    assert [row["state"] for row in rows(base[2], "nights")] == [
        "before_first_run", "ran", "failed", "missed", "ran", "ran",
    ]  # fmt: skip


def test_an_erased_answer_and_a_rotated_key_are_told_and_leave_no_text(
    base: tuple[Lake, Settings, Path, Pack],
) -> None:
    folder = base[2]
    (erasure,) = rows(folder, "erasures")
    assert (erasure["output_id"], erasure["reason"], erasure["text_left"]) == (
        pack_lake.ERASED,
        "ticket 4711",
        "false",
    )
    assert sum(row["is_erased"] == "true" for row in rows(folder, "outputs")) == 1
    population = [row for row in rows(folder, "events") if row["is_sampled_from"] == "true"]
    assert len(population) == 16  # 18 verdicts, of which 2 are of the erased answer
    assert "key" in [row["change"] for row in rows(folder, "changes")]
    assert len({key for row in rows(folder, "checkpoints") for key in row["key"].split()}) == 2
    assert len(json.loads((folder / "manifest.json").read_bytes())["keys"]) == 2
    for path in (folder / "populations").iterdir():
        assert "Claim 0 of answer" not in path.read_text("utf-8"), path.name


def test_cells_run_nothing_and_the_page_neither(base: tuple[Lake, Settings, Path, Pack]) -> None:
    agents = {row["agent"] for row in rows(base[2], "verdicts")}
    assert "'" + pack_lake.HOSTILE in agents
    page = (base[2] / "index.html").read_text("utf-8")
    assert "<b onmouseover" not in page
    assert "&lt;b onmouseover=alert(1)&gt;Head of Support" in page
    assert "neither a SOC 2 report nor a certificate" in page
    assert "2 December 2027" in page
    assert "Owner.</b> Audit team" in page


def test_oscal_passes_the_schema_of_nist(base: tuple[Lake, Settings, Path, Pack]) -> None:
    """By models that are generated from NIST's JSON schema, which refuse any key that it does not have."""
    from oscal_bindings.v1.models import AssessmentResultsDocument

    document = json.loads((base[2] / "oscal" / "assessment-results.json").read_bytes())
    AssessmentResultsDocument.model_validate(document)
    (result,) = document["assessment-results"]["results"]
    states = {each["target"]["target-id"]: each["target"]["status"]["state"] for each in result["findings"]}
    assert states["pi1.5"] == "satisfied"
    assert states["a1.1"] == "not-satisfied"
    assert "pi1.1" not in states  # not tested is neither
    assert len(result["observations"]) == len(rows(base[2], "criteria"))


def test_compliance_tools_get_flat_records_of_their_own_types(
    base: tuple[Lake, Settings, Path, Pack],
) -> None:
    vanta = json.loads((base[2] / "integrations" / "vanta-controls.json").read_bytes())["resources"]
    assert {key for each in vanta for key in each} == {
        "displayName",
        "uniqueId",
        "externalUrl",
        "customProperties",
    }
    assert {type(v) for each in vanta for v in each["customProperties"].values()} <= {str, bool, int}
    untested = next(each for each in vanta if each["customProperties"]["criterion"] == "P5")
    assert not untested["customProperties"]["isPassing"]
    drata = json.loads((base[2] / "integrations" / "drata-exceptions.json").read_bytes())["data"]
    assert len({each["id"] for each in drata}) == len(drata) == len(rows(base[2], "exceptions"))


def test_a_period_without_data_is_not_tested_and_still_checks(
    base: tuple[Lake, Settings, Path, Pack], tmp_path: Path
) -> None:
    lake, settings, _, _ = base
    made(lake, settings, tmp_path / "empty", date(2025, 1, 1), date(2025, 1, 31))
    status, said = checked(tmp_path / "empty")
    assert status == 0, said
    assert "no sample was drawn" in said
    assert "no event of the period is in the log" in said
    states = {row["criterion"]: row["state"] for row in rows(tmp_path / "empty", "criteria")}
    assert {name for name, state in states.items() if state != "not tested"} == {"CC6.1"}


def test_what_people_answer_stays_with_its_exception(
    base: tuple[Lake, Settings, Path, Pack], tmp_path: Path
) -> None:
    lake, settings, folder, _ = base
    first = next(row for row in rows(folder, "exceptions") if row["criterion"] == "PI1.4")
    answers = (
        Response(exception=first["id"], done="policy 2 escalates them", by="Head of Support"),
        Response(exception="PI1.4-0000000000", done="nothing", by="nobody"),
    )
    answered = settings.model_copy(update={"pack": dataclasses.replace(settings.pack, responses=answers)})
    done = made(lake, answered, tmp_path / "answered")
    again = next(row for row in rows(tmp_path / "answered", "exceptions") if row["id"] == first["id"])
    assert again["done"] == "policy 2 escalates them (Head of Support)"
    assert any("PI1.4-0000000000" in note for note in done.notes)


def test_what_is_in_use_is_a_population_beside_its_agreements_and_each_finding_an_exception(
    base: tuple[Lake, Settings, Path, Pack], tmp_path: Path
) -> None:
    lake, settings, folder, _ = base
    undeclared = [row for row in rows(folder, "exceptions") if row["file"] == "inventory"]
    assert {row["what"] for row in undeclared} >= {"2 of the kind agent are in use and not declared"}
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "all.toml").write_text(
        '[[agent]]\nname = "support-bot"\nowner = "Support"\n'
        '[[model]]\nname = "m"\nowner = "Platform"\nprovider = "Cloud"\nagreement = "DPA"\n'
        'agreement_until = 2026-11-03\n[[source]]\nname = "new"\nowner = "Data"\n'
    )
    declared = settings.model_copy(
        update={"inventory": InventorySettings(path=str(tmp_path / "inventory")), "policies": (Policy(),)}
    )
    made(lake, declared, tmp_path / "pack", has_summary=True)
    things = {(row["kind"], row["name"]): row for row in rows(tmp_path / "pack", "inventory")}
    assert things["agent", "support-bot"]["owner"] == "Support"
    assert things["agent", "'" + pack_lake.HOSTILE]["standing"] == "not_declared"
    assert {row["standing"] for row in things.values() if row["kind"] == "verifier"} <= {"own_part"}
    assert things["model", "m"]["agreement"] == "ended"
    lines = {(row["criterion"], row["what"]) for row in rows(tmp_path / "pack", "exceptions")}
    assert ("P6", "model m: the agreement ended on 2026-11-03") in lines
    assert ("CC6.1", "source new: declared and not seen for 30 days") in lines
    assert ("CC6.1", "1 of the kind agent are in use and not declared") in lines
    states = {row["criterion"]: row["state"] for row in rows(tmp_path / "pack", "criteria")}
    assert states["P6"] == "exceptions"
    (policy,) = rows(folder, "policies")
    assert (policy["owner"], policy["approver"]) == ("Support", "Risk Committee")
    assert policy["approval"] == "approved"
    why = "its document names no approver or no day of approval"
    assert ("CC8.1", f"policy default@1 decided {policy['answers']} answers, and {why}") in lines
    status, said = checked(tmp_path / "pack")
    assert status == 0, said
    values = {
        m["name"]: m["value"]
        for m in json.loads((tmp_path / "pack" / "measures.json").read_bytes())["measures"]
    }
    answers = lake.scan("outputs").filter(pl.col("produced_at").dt.date().is_between(SINCE, UNTIL))
    assert values["inventory.answers"] == current_outputs(answers).collect().height
    replaced("populations/inventory.csv", ",ended,", ",in_force,")(tmp_path / "pack")
    resealed(tmp_path / "pack")
    status, said = checked(tmp_path / "pack")
    assert (status, "inventory.agreed" in said) == (3, True), said


def test_no_pack_of_a_lake_that_is_not_what_was_signed(
    base: tuple[Lake, Settings, Path, Pack], tmp_path: Path
) -> None:
    lake = Lake.open(str(shutil.copytree(base[0].root, tmp_path / "lake")))
    victim = lake.files("verdicts")[0]
    pl.read_parquet(victim).with_columns(verdict=pl.lit("supported")).write_parquet(victim)
    with pytest.raises(IntegrityError):
        made(lake, base[1], tmp_path / "pack")
    assert [p.name for p in tmp_path.iterdir()] == ["lake"]


def test_bad_days_and_a_full_folder_are_refused_in_a_sentence(
    base: tuple[Lake, Settings, Path, Pack], tmp_path: Path
) -> None:
    lake, settings, folder, _ = base
    with pytest.raises(InputError, match="days in order"):
        made(lake, settings, tmp_path / "a", UNTIL, SINCE)
    with pytest.raises(InputError, match="in the future"):
        made(lake, settings, tmp_path / "a", date(2030, 1, 1), date(2030, 1, 2))
    with pytest.raises(InputError, match="not an empty folder"):
        made(lake, settings, folder)


def test_the_command_says_how_it_ended_and_what_comes_next(
    base: tuple[Lake, Settings, Path, Pack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, settings, _, _ = base
    config = tmp_path / "claimledger.toml"
    keys = settings.ledger.key_folder
    config.write_text(
        f'lake = "{lake.root}"\n[ledger]\norigin = "example.com/test"\nkey_folder = "{keys}"\n'
        '[pack]\nowners = {default = "Audit team"}\n'
    )
    given = ["pack", "--config", str(config), "--from", "2026-11-01", "--to", "2026-11-06"]
    assert main([*given, "-o", str(tmp_path / "pack"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["states"]["not tested"] == 3
    assert checked(tmp_path / "pack")[0] == 0
    assert main([*given, "-o", str(tmp_path / "pack")]) == 2
    assert "not an empty folder" in capsys.readouterr().err


def test_managements_page_has_the_period_before_beside_each_number(
    base: tuple[Lake, Settings, Path, Pack], folder: Path, tmp_path: Path
) -> None:
    lake, settings, _, _ = base
    made(lake, settings, tmp_path / "view", date(2026, 11, 5), date(2026, 11, 7), has_summary=True)
    assert checked(tmp_path / "view")[0] == 0
    page = (tmp_path / "view" / "summary.html").read_text("utf-8")
    told = dict(re.findall(r'data-measure="([^"]+)" value="([^"]*)"', page))
    assert (told["nights.availability"], told["previous/nights.availability"]) == ("0.666667", "0.333333")
    assert "missed" in page  # the night of the 7th
    assert told["outputs.coverage"] == ""  # all answers are of the 1st: nothing to measure is not 0 and not 1
    assert "not measured" in page
    assert 'href="index.html#c-A1.1"' in page
    assert not (folder / "summary.html").exists()
    change = replaced("summary.html", r'value="0.333333"', 'value="1.0"')
    change(tmp_path / "view")
    resealed(tmp_path / "view")
    status, said = checked(tmp_path / "view")
    assert (status, "summary.html: previous/nights.availability" in said) == (3, True), said
