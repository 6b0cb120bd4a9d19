"""The wheel alone, in an empty environment and outside the checkout, audits with the models it carries."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import polars as pl
import psycopg
import pytest

from tests.conftest import REPOSITORY
from tests.support.postgres import postgres

UV = Path(sys.executable).parent / "uv"
SOURCES = ("claimledger", "flows", "tasks", "training", "data", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build is in it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / name, tree / name, symlinks=True, ignore=leave)
        else:
            shutil.copy2(REPOSITORY / name, tree / name)
    command = [UV, "build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--quiet", "--out-dir", tree / "dist", tree], check=True)
    (built,) = (tree / "dist").glob("*.whl")
    return built


def test_the_wheel_holds_the_models_and_the_sample_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "claimledger",
        "flows",
        "tasks",
        "training",
        "claimledger-0.1.0.dist-info",
    }
    for folder in ("models", "samples"):
        files = {
            str(f.relative_to(REPOSITORY)) for f in (REPOSITORY / "data" / folder).rglob("*") if f.is_file()
        }
        assert files == {
            name.removeprefix("tasks/") for name in names if name.startswith(f"tasks/data/{folder}/")
        }
    modules = {
        str(f.relative_to(REPOSITORY)) for tree in SOURCES[:4] for f in (REPOSITORY / tree).rglob("*.py")
    }
    assert modules == {name for name in names if name.endswith(".py")}
    assert {"tasks/report/templates/report.html.j2", "tasks/gate/expectations/claims.json"} <= set(names)
    assert {"claimledger/views.py", "tasks/lake/sql/views.sql"} <= set(names)
    assert wheel.stat().st_size < 50e6


@pytest.fixture(scope="module")
def console(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console command of an environment with the wheel, which finds its dependencies in ours."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/*/site-packages")
    # A path alone: the .pth files of that folder, the editable checkout's among them, are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", venv / "bin" / "python"]
    subprocess.run([*command, wheel], check=True)
    return venv / "bin" / "claimledger"


def run(command: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [command, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_installed_wheel_audits_its_sample_and_verifies_the_ledger(console: Path, tmp_path: Path) -> None:
    places = "import flows, tasks, training; print([m.__file__ for m in (flows, tasks, training)])"
    shown = run(console.with_name("python"), "-c", places, cwd=tmp_path).stdout
    assert shown.count(str(console.parent.parent)) == 3
    assert str(REPOSITORY) not in shown
    run(console, "init", "first", cwd=tmp_path)
    run(console, "audit", "--config", "first/claimledger.toml", cwd=tmp_path)
    verified = run(console, "ledger", "verify", "--config", "first/claimledger.toml", "--json", cwd=tmp_path)
    assert json.loads(verified.stdout)
    verdicts = pl.read_parquet(tmp_path / "first/lake/tables/verdicts/**/*.parquet")
    assert set(verdicts["verdict"]) >= {"supported", "contradicted"}
    assert (tmp_path / "first/lake/reports/index.html").exists()


def test_the_installed_wheel_brings_the_sample_of_the_demo(console: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from tasks.starter import write_demo; write_demo(Path('demo'), full=True)"
    )
    run(console.with_name("python"), "-c", code, cwd=tmp_path)
    written = {file.name for file in (tmp_path / "demo" / "outputs").iterdir()}
    assert written == {file.name for file in (REPOSITORY / "data/samples/outputs").iterdir()}


def newcomers_commands() -> list[str]:
    """What the guide has somebody type who has a PostgreSQL table, in order."""
    guide = (REPOSITORY / "docs" / "data-engineer.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d) \| `[^|]*` \| `([^|]*)` \|$", guide, re.MULTILINE)
    assert [number for number, _ in rows] == [str(each + 1) for each in range(len(rows))]
    return [command for _, command in rows]


@pytest.mark.slow  # two cold processes and a server: half a minute on two cores
def test_three_commands_lead_from_the_package_to_a_report_on_a_running_postgresql_table(
    console: Path, tmp_path: Path
) -> None:
    install, *typed = newcomers_commands()
    assert (install.split()[:2], len(typed)) == (["pip", "install"], 2)  # `console` is what it installs
    with postgres() as port:
        address = f"postgresql://reader@127.0.0.1:{port}/postgres"
        with psycopg.connect(address) as connection:
            connection.execute(
                "create table answers as select 1 as id, now() - interval '1 day' as created_at, "
                "'How many reactors has Harwick?' as question, 'Harwick has 92 reactors.' as answer, "
                "'[\"The Harwick plant has 92 reactors.\"]' as documents, 'desk' as agent"
            )
        for command in typed:
            name, *arguments = shlex.split(command.replace("postgresql://reader@db/app", address))
            assert name == console.name
            run(console, *arguments, cwd=tmp_path)
    (page,) = (tmp_path / "lake" / "reports").glob("*/index.html")
    assert "Harwick has 92 reactors." in page.read_text("utf-8")
    verdicts = pl.read_parquet(tmp_path / "lake/tables/verdicts/**/*.parquet")
    assert verdicts["verdict"].to_list() == ["supported"]
