"""The installer and the lock files: what can go wrong is one sentence, and a second try goes on."""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.util
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "install.py"
UV = Path(sys.executable).parent / "uv"
NAME = re.compile(r"([a-z0-9._-]+)==(\S+)")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module over an empty checkout; commands are recorded instead of run."""
    module = loaded()
    venv = tmp_path / ".venv"
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(module, "STAMP", venv / ".installed")
    monkeypatch.setattr(module, "UNFINISHED", venv / ".unfinished")
    monkeypatch.setattr(module, "tell_uv_of_pip", lambda: None)
    monkeypatch.setattr(sys, "argv", ["install.py"])
    (tmp_path / "pyproject.toml").write_text("")
    return module


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Commands:
    """Stands in for `run`: keeps the commands, and fails at one of them."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None) -> None:
        self.whats: list[str] = []
        self.commands: list[list[str]] = []
        self._fails_at, self._error = fails_at, error

    def __call__(self, command: list[str], what: str) -> str:
        self.whats.append(what)
        self.commands.append(command)
        if self._error is not None and what == self._fails_at:
            raise self._error
        report = (
            '{"install": [{"metadata": {"version": "2.13.0+cpu"}, "download_info": {"archive_info": {}}}]}'
        )
        return report if "--report" in command else ""


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 15, 0), (2, 7, 18)])
def test_a_python_that_is_too_old_or_too_new_is_named(install, monkeypatch, capsys, version) -> None:
    monkeypatch.setattr(install.sys, "version_info", version)
    assert install.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("claimledger: Python ")
    assert "is not supported, expected 3.11 to 3.14; name another" in line


def test_an_old_python_can_read_the_installer_that_refuses_it() -> None:
    ast.parse(SCRIPT.read_text("utf-8"), feature_version=(3, 6))


def test_a_processor_without_avx2_is_named(install, monkeypatch, capsys) -> None:
    monkeypatch.delenv("POLARS_SKIP_CPU_CHECK", raising=False)
    monkeypatch.setattr(install, "lacks_avx2", lambda: True)
    assert install.main() == 2
    assert "has no AVX2, which Polars requires" in capsys.readouterr().err


def test_a_disk_without_room_is_named_before_anything_is_written(
    install, monkeypatch, capsys, tmp_path
) -> None:
    usage = install.shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: usage)
    assert install.main() == 2
    assert "has 1.0 GB free, and the packages need 3" in capsys.readouterr().err
    assert not install.VENV.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), None])
def test_an_interrupted_installation_goes_on_and_lays_half_written_packages_anew(
    install, monkeypatch, capsys, error
) -> None:
    cut = Commands(
        "the other packages", error or install.InstallError("the other packages: the disk is full")
    )
    monkeypatch.setattr(install, "run", cut)
    assert install.main() == (130 if error else 2)
    assert capsys.readouterr().err.count("claimledger: ") == 2  # that it begins, and why it ended
    again = Commands()
    monkeypatch.setattr(install, "run", again)
    assert install.main() == 0
    assert "an earlier installation did not end" in capsys.readouterr().err
    assert "the environment" in cut.whats
    assert "the environment" not in again.whats
    packages = again.commands[again.whats.index("the other packages")]
    assert "--reinstall" in packages
    assert {"--require-hashes", "--no-build", "--no-deps"} <= set(packages)
    assert install.main() == 0
    assert len(again.whats) == len(set(again.whats))  # a third time there was nothing to do


def test_developers_get_the_other_lock_file_as_well(install, monkeypatch) -> None:
    commands = Commands()
    monkeypatch.setattr(install, "run", commands)
    assert install.main() == 0
    monkeypatch.setattr(sys, "argv", ["install.py", "--dev"])
    assert install.main() == 0
    assert commands.whats.count("the other packages") == 2
    monkeypatch.setattr(sys, "argv", ["install.py"])
    assert install.main() == 0
    assert commands.whats.count("the other packages") == 2


def test_nothing_is_silent_for_long(install, monkeypatch, capsys) -> None:
    monkeypatch.setattr(install, "HEARTBEAT_S", 0.3)
    code = (
        "import sys, time; print('Downloading torch (183.0MiB)', file=sys.stderr, flush=True); time.sleep(1)"
    )
    install.run([sys.executable, "-c", code], "PyTorch")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "claimledger: PyTorch"
    assert any(re.search(r"PyTorch, \d s so far: torch \(183\.0MiB\)", line) for line in lines)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("  Caused by: No space left on device (os error 28)", "the disk of .* is full; free some space"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "not the one of the lock",
        ),
        ("WARNING: Retrying after connection broken by 'NewConnectionError'", "index does not answer"),
        ("ERROR: No matching distribution found for uv==0.13.9", "lacks a package for Python 3"),
    ],
)
def test_what_pip_and_uv_say_becomes_one_sentence(install, output, told) -> None:
    text = install.sentence("uv", 1, ["WARNING: Location 'proxy' is ignored", output])
    assert re.search(told, text)
    assert text.endswith("then run the same command again")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A tiny package in a folder that uv takes for an index."""
    files = {
        "tiny.py": b"",
        "tiny-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()) for name, data in files.items()}
    record = "".join(f"{name},sha256={digests[name].rstrip(b'=').decode()},\n" for name in files)
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("tiny-1.0.dist-info/RECORD", record + "tiny-1.0.dist-info/RECORD,,\n")
    return folder


def test_a_wrong_hash_is_named_and_nothing_is_installed(install, wheel, tmp_path) -> None:
    install.VENV.mkdir()
    target = tmp_path / "target"
    uv = [str(UV), "pip", "install", "--no-config", "--no-cache", "--no-index", "--find-links", str(wheel)]
    uv += ["--python", sys.executable, "--target", str(target), "--require-hashes"]
    right = hashlib.sha256(next(wheel.glob("*.whl")).read_bytes()).hexdigest()
    with pytest.raises(
        install.InstallError, match=r"not the one of the lock file and was not installed.*tiny"
    ):
        install.listed(uv, f"tiny==1.0 --hash=sha256:{'0' * 64}", "the other packages")
    assert not (target / "tiny.py").exists()
    install.listed(uv, f"tiny==1.0 --hash=sha256:{right}", "the other packages")
    assert (target / "tiny.py").exists()


@pytest.fixture
def silence() -> Iterator[str]:
    """Address of a server that takes every connection and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in kept:
            connection.close()


def test_an_index_that_does_not_answer_is_named(install, silence, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    command = [str(UV), "pip", "install", "--no-config", "--no-cache", "--python", sys.executable]
    command += ["--target", str(tmp_path / "target"), "--index-url", f"{silence}/simple"]
    with pytest.raises(install.InstallError, match=r"the package index does not answer; check the network"):
        install.run([*command, "tiny"], "the other packages")


def test_pips_index_and_certificates_are_handed_to_uv(monkeypatch, tmp_path) -> None:
    module = loaded()
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "UV_INDEX_STRATEGY"):
        monkeypatch.setenv(variable, "")  # restored after the test
        monkeypatch.delenv(variable)
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://mirror.example/simple\ncert = /etc/corporate.pem\n")
    for variable in ("PIP_INDEX_URL", "PIP_CERT", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example/simple https://two.example/simple")
    monkeypatch.setattr(module, "PYTHON", Path(sys.executable))
    module.tell_uv_of_pip()
    assert module.os.environ["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert module.os.environ["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert module.os.environ["SSL_CERT_FILE"] == "/etc/corporate.pem"


def test_lock_files_have_a_hash_for_every_package_and_none_is_in_both() -> None:
    module = loaded()
    versions: list[dict[str, set[str]]] = []
    for lock in (module.LOCK, module.DEV_LOCK):
        packages: dict[str, set[str]] = {}
        for entry in module.entries(lock):
            match = NAME.match(entry)
            assert match, entry
            assert "--hash=sha256:" in entry
            packages.setdefault(match[1], set()).add(match[2])
        versions.append(packages)
    assert not versions[0].keys() & versions[1].keys()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == f">=3.{module.OLDEST[1]},<3.{module.NEWEST[1] + 1}"
    for requirement in project["dependencies"]:
        if "==" in requirement:
            name, version = requirement.split("==")
            assert versions[0][name] == {version}
    every = {**versions[0], **versions[1]}
    for extra in project["optional-dependencies"].values():
        for requirement in extra:
            name, version = requirement.split("==")
            assert every[name.partition("[")[0]] == {version}
    for name in ("onnxruntime", "playwright", "mypy", "pytest", "uv", "openpyxl"):
        assert name in versions[1]


def test_help_takes_little_more_than_its_command_line_library() -> None:
    # Compiled once, as Python does unless it is told otherwise: without that, each start compiles everything.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def processor_seconds(*command: str) -> float:
        spent = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, capture_output=True, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(spent)

    library = processor_seconds(sys.executable, "-c", "import cyclopts.help, rich.console")
    assert processor_seconds(str(Path(sys.executable).parent / "claimledger"), "--help") < 3 * library
