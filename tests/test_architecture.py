"""The three laws of the house, as code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PURE_MAY_IMPORT = {"polars", "pyarrow", "numpy", "scipy", "tasks", *sys.stdlib_module_names}
WORLDLY = "socket subprocess urllib http shutil tempfile requests sqlite3 time"
DOORS = {
    "great_expectations": {"tasks/expectations.py"},
    "faiss": {"tasks/evidence/index.py"},
    "bm25s": {"tasks/evidence/lexical.py"},
    "sentence_transformers": {
        "tasks/evidence/models.py",
        "tasks/verifiers/classifiers.py",
        "tasks/verifiers/train.py",
    },
    "sentencex": {"tasks/evidence/sentences.py"},
    "altair": {"tasks/pages/charts.py"},
    "vl_convert": {"tasks/pages/charts.py"},
    "jinja2": {"tasks/pages/page.py"},
    "apprise": {"tasks/change/notify.py"},
    "prefect": {"flows/deployments.py", "flows/schedule.py", "flows/stage.py"},
}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", modules("tasks"), ids=str)
def test_nothing_calls_upward_from_tasks_to_flows(file: Path) -> None:
    assert not [name for name in imports(file) if name.split(".")[0] == "flows"]


@pytest.mark.parametrize("file", modules("tasks/pure"), ids=str)
def test_pure_modules_import_only_what_computes(file: Path) -> None:
    names = imports(file)
    assert {name.split(".")[0] for name in names} <= PURE_MAY_IMPORT
    assert not {name.split(".")[0] for name in names} & set(WORLDLY.split())
    assert all(name.startswith("tasks.pure") for name in names if name.split(".")[0] == "tasks")


@pytest.mark.parametrize("file", modules("tasks") + modules("flows"), ids=str)
def test_each_giant_has_one_door(file: Path) -> None:
    here = file.relative_to(ROOT).as_posix()
    giants = {name.split(".")[0] for name in imports(file)} & DOORS.keys()
    assert not {giant for giant in giants if here not in DOORS[giant]}


@pytest.mark.parametrize("file", modules("tasks") + modules("flows"), ids=str)
def test_nothing_unpickles_or_trusts_remote_code(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    unpicklers = {"pickle", "dill", "joblib", "cloudpickle", "shelve"}
    assert not {name.split(".")[0] for name in imports(file)} & unpicklers
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle", "shell"):
            assert isinstance(node.value, ast.Constant), f"{file}:{node.value.lineno}"
            assert node.value.value is False, f"{file}:{node.value.lineno}"


def test_importing_the_pure_ring_loads_no_giant() -> None:
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in modules("tasks/pure")
        if file.stem != "__init__"
    ]
    giants = ["prefect", "great_expectations", "torch", "faiss", "sentence_transformers", "transformers"]
    code = f"import sys; import {', '.join(names)}; print([g for g in {giants} if g in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_console_command_loads_no_giant_before_it_knows_what_to_do() -> None:
    giants = ["prefect", "great_expectations", "torch", "faiss", "polars", "pydantic"]
    code = f"import sys; import flows.cli; print([g for g in {giants} if g in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
