"""Makes `.venv` and installs the lock files into it; does nothing when that is already done.

    python3 scripts/install.py          what an audit needs: requirements.lock
    python3 scripts/install.py --dev    and what tests and benchmarks need: requirements-dev.lock

Runs on Python 3.11 to 3.14 with nothing installed; its syntax is old, so that older ones get a sentence too.

1. pip brings uv, by its hash, and uv the rest, several times as fast. What is configured for pip (another
   index, a proxy, certificates) is handed on to uv.
2. PyTorch comes first and by itself: on Linux the common index serves a build with several GB of CUDA
   libraries, which an audit on the processor never uses. pip is asked which build it would take (metadata
   only); when that is one for CUDA, uv takes the CPU one from PyTorch's own index, pinned by version: the
   index states its digest, the lock file does not. CLAIMLEDGER_TORCH=cuda keeps CUDA.
3. Everything else is checked against the hashes of the lock files; nothing is built, so no compiler runs.
4. Bytecode is written at once. uv leaves it out, and where Python may not write it later (a read-only image,
   PYTHONDONTWRITEBYTECODE) every process would compile some 7,000 files again.

What was downloaded stays in uv's cache. A run that was cut off leaves `.venv/.unfinished`, and the next one
lays every file anew from that cache, since a package may have been half written.
"""

import ast
import hashlib
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2"]
LOCK, DEV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
STAMP, UNFINISHED = VENV / ".installed", VENV / ".unfinished"
OLDEST, NEWEST = (3, 11), (3, 14)
SPACE_BYTES = {False: 3 * 2**30, True: 4 * 2**30}
"""For users and for developers: the packages take two thirds of it, downloads on their way the rest."""
HEARTBEAT_S = 8
"""Nothing is silent for longer."""
ATTEMPT_S = "60"
"""An index that answers nothing for so long is given up, after some tries; as pip, but for its 15 s."""
FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""What uv reads instead of each of pip's settings."""
CAUSES = (
    ("no space left on device|disk quota", "the disk of {root} is full; free some space"),
    (
        "hash mismatch|do not match the hashes|mismatched hash",
        "a package is not the one of the lock file and was not installed: {line}; if the lock file is as it "
        "was committed, ask whoever runs your package index",
    ),
    (
        r"timed out|timeout|connect|\bdns\b|tunnel|\bproxy\b|unreachable|name resolution|"
        r"error sending request|bad gateway|service unavailable|gateway time",
        "the package index does not answer; check the network, HTTPS_PROXY and pip's index-url",
    ),
    (
        "no solution found|no matching distribution|could not find a version|not found in the package",
        "the package index lacks a package for Python {python} on this machine: {line}",
    ),
)
"""What the output of pip and uv says, and the sentence for it."""


class InstallError(Exception):
    """Ends the installation with a sentence."""


def main() -> int:
    """Exit status 0 when `.venv` holds exactly what the lock files say."""
    dev = "--dev" in sys.argv[1:]
    try:
        refuse_what_cannot_work(dev)
        install(dev)
    except InstallError as stop:
        say(str(stop))
        return 2
    except KeyboardInterrupt:
        say("interrupted; the same command goes on with what was downloaded")
        return 130
    return 0


def refuse_what_cannot_work(dev: bool) -> None:
    """Raises InstallError for a Python, a processor or a disk that will not do."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise InstallError(
            f"Python {platform.python_version()} is not supported, expected 3.{OLDEST[1]} to 3.{NEWEST[1]}; "
            "name another: make PYTHON=python3.12 …"
        )
    if lacks_avx2() and not os.environ.get("POLARS_SKIP_CPU_CHECK"):
        raise InstallError(
            "this processor has no AVX2, which Polars requires; use a machine from 2015 or later"
        )
    free = shutil.disk_usage(str(ROOT)).free
    if not STAMP.exists() and free < SPACE_BYTES[dev]:
        raise InstallError(
            f"{ROOT} has {free / 1e9:.1f} GB free, and the packages need {SPACE_BYTES[dev] / 1e9:.0f}; "
            "free some space and run the same command again"
        )


def lacks_avx2() -> bool:
    """Whether this is a processor of Intel's kind, on Linux, without AVX2."""
    cpu = Path("/proc/cpuinfo")
    is_x86 = platform.machine() in ("x86_64", "AMD64") and cpu.exists()
    return is_x86 and " avx2" not in cpu.read_text("ascii", "replace")


def install(dev: bool) -> None:
    """The steps of the module's text, but those that were finished before."""
    locks = [LOCK, DEV_LOCK] if dev else [LOCK]
    finished = STAMP.read_text("utf-8").split() if STAMP.exists() else []
    if digest(locks) in finished and not UNFINISHED.exists():
        return
    began = time.monotonic()
    again = UNFINISHED.exists() and UNFINISHED.read_text("utf-8") == "packages"
    if UNFINISHED.exists():
        say("an earlier installation did not end; laying its files anew")
    elif not STAMP.exists():
        say("installing into .venv; a minute or two the first time")
    make_venv(keep=again)
    UNFINISHED.write_text("packages", "utf-8")
    tell_uv_of_pip()
    uv = bring_uv()
    torch = entry("torch")
    anew = ["--reinstall"] if again else []
    rest = "\n".join(text for lock in locks for text in entries(lock) if text != torch)
    install_torch(uv, torch, anew)
    listed(uv, rest, "the other packages", "--no-build", "--require-hashes", *anew)
    run([*uv, "--no-build-isolation", "--editable", str(ROOT)], "claimledger itself")
    own = [str(ROOT / folder) for folder in ("claimledger", "flows", "tasks", "training")]
    run([str(PYTHON), "-m", "compileall", "-q", *own], "claimledger's own bytecode")
    shutil.rmtree(str(VENV / ".uv"), ignore_errors=True)
    STAMP.write_text("\n".join(digest(locks[:count]) for count in range(1, len(locks) + 1)) + "\n", "utf-8")
    UNFINISHED.unlink()
    say(f"installed in {time.monotonic() - began:.0f} s")


def make_venv(keep: bool) -> None:
    """`.venv` with pip; one that was cut off before it was whole is made anew."""
    if keep or (STAMP.exists() and PYTHON.exists()):
        return
    if UNFINISHED.exists():
        shutil.rmtree(str(VENV))
    VENV.mkdir(exist_ok=True)
    UNFINISHED.write_text("venv", "utf-8")
    try:
        run([sys.executable, "-m", "venv", str(VENV)], "the environment")
    except InstallError as stop:
        if "ensurepip" in str(stop):
            raise InstallError(
                "this Python cannot make environments; on Debian: apt install python3-venv"
            ) from None
        raise


def bring_uv() -> "list[str]":
    """The command that installs packages; uv comes by pip, in the version and with the hash of the lock."""
    requirement = entry("uv")
    binary = VENV / "bin" / "uv"
    version = requirement.split("==", 1)[1].split(maxsplit=1)[0]
    if not list(VENV.glob(f"lib/*/site-packages/uv-{version}.dist-info")) or not binary.exists():
        folder = VENV / ".uv"
        hashed = ["--no-deps", "--require-hashes", "--upgrade", "--target", str(folder)]
        listed([*PIP, *hashed], requirement, "uv")
        binary = folder / "bin" / "uv"
    options = ["--python", str(PYTHON), "--no-deps", "--no-config", "--compile-bytecode"]
    return [str(binary), "pip", "install", *options]


def install_torch(uv: "list[str]", torch: str, anew: "list[str]") -> None:
    """PyTorch for the processor, unless the environment asks for CUDA."""
    pinned = torch.split(maxsplit=1)[0]
    if os.environ.get("CLAIMLEDGER_TORCH") == "cuda":
        with_libraries = [part for part in uv if part != "--no-deps"]
        run([*with_libraries, *anew, "--constraint", str(LOCK), pinned], "PyTorch and the libraries of CUDA")
        return
    build = json.loads(
        run(
            [*PIP, "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", pinned],
            "which build of PyTorch there is",
        )
    )["install"][0]
    needs = " ".join(build["metadata"].get("requires_dist", []))
    if sys.platform == "linux" and ("nvidia" in needs or "cuda" in needs):
        run([*uv, *anew, "--torch-backend", "cpu", pinned], "PyTorch, CPU build")
    elif build["download_info"]["archive_info"].get("hashes", {}).get("sha256", "?") in torch:
        listed([*uv, *anew, "--require-hashes"], torch, "PyTorch")
    else:
        run([*uv, *anew, pinned], "PyTorch " + build["metadata"]["version"])


def listed(command: "list[str]", requirements: str, what: str, *options: str) -> None:
    """Runs a command over requirements of a lock file."""
    file = VENV / ".requirements.txt"
    file.write_text(requirements, "utf-8")
    run([*command, *options, "-r", str(file)], what)
    file.unlink()


def run(command: "list[str]", what: str) -> str:
    """Runs a command, tells every few seconds how far it is, and returns its standard output.

    Raises:
        InstallError: it failed; the sentence names the cause where the output gives one.
    """
    say(what)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, universal_newlines=True) as process:
        lines = queue.Queue()  # type: queue.Queue[str]
        output = []  # type: list[str]
        threads = [
            threading.Thread(target=lambda: output.append(process.stdout.read())),
            threading.Thread(target=lambda: [lines.put(line) for line in process.stderr]),
        ]
        for thread in threads:
            thread.start()
        try:
            messages = watch(lines, threads[1], what)
        except BaseException:
            process.terminate()
            raise
        finally:
            for thread in threads:
                thread.join()
    if process.returncode:
        raise InstallError(sentence(what, process.returncode, [*messages, *"".join(output).splitlines()]))
    return "".join(output)


def watch(lines: "queue.Queue[str]", reader: threading.Thread, what: str) -> "list[str]":
    """The lines, once there will be no more; until then tells what is under way, and for how long."""
    began = told = time.monotonic()
    messages, waiting = [], {}  # type: list[str], dict[str, str]
    while reader.is_alive() or not lines.empty():
        try:
            messages.append(lines.get(timeout=0.2).strip())
            follow(messages[-1], waiting)
        except queue.Empty:
            pass
        if time.monotonic() - told > HEARTBEAT_S:
            told = time.monotonic()
            under_way = ", ".join(name + size for name, size in list(waiting.items())[:4])
            say(f"  {what}, {told - began:.0f} s so far" + (f": {under_way}" if under_way else ""))
    return messages


def follow(line: str, waiting: "dict[str, str]") -> None:
    """Keeps the books of what is being downloaded, from a line of uv."""
    event = re.match(r"(Downloading|Downloaded) (\S+)( \(.*\))?", line)
    if event and event.group(1) == "Downloading":
        waiting[event.group(2)] = event.group(3) or ""
    elif event:
        waiting.pop(event.group(2), None)


def sentence(what: str, status: int, messages: "list[str]") -> str:
    """What went wrong and what to do, from the output of pip or uv."""
    told = [line for line in messages if not re.match(r"$|Download|WARNING: Location", line)]
    for pattern, text in CAUSES:
        lines = [line for line in told if re.search(pattern, line, re.IGNORECASE)]
        if lines:
            cause = text.format(root=ROOT, line=lines[-1][:200], python=platform.python_version())
            return f"{what}: {cause}; then run the same command again"
    return f"{what}: stopped with {status}: {' '.join(told[-3:])[-400:]}"


def tell_uv_of_pip() -> None:
    """Puts pip's settings into the environment in uv's words; what is set for uv is left as it is."""
    pip = [str(PYTHON), "-m", "pip", "config", "list"]
    listing = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    settings = {}  # type: dict[str, str]
    for line in listing.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        where, _, key = name.rpartition(".")
        if where in ("global", "install", ":env:") and (where == ":env:" or key not in settings):
            settings[key] = " ".join(str(ast.literal_eval(value)).split())
    for key, variable in FOR_UV.items():
        if settings.get(key):
            os.environ.setdefault(variable, settings[key])
    os.environ.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip: the best of all indexes
    timeout = settings.get("default-timeout", settings.get("timeout", ATTEMPT_S))
    os.environ.setdefault("UV_HTTP_TIMEOUT", timeout)


def entries(lock: Path) -> "list[str]":
    """Requirements of a lock file, each with its hashes."""
    return [text for text in re.split(r"\n(?=\S)", lock.read_text("utf-8").strip()) if text[0] != "#"]


def entry(name: str) -> str:
    """The requirement of one package."""
    return next(text for lock in (LOCK, DEV_LOCK) for text in entries(lock) if text.startswith(name + "=="))


def digest(locks: "list[Path]") -> str:
    """Names what was installed."""
    state = hashlib.sha256()
    for file in [*locks, ROOT / "pyproject.toml", Path(__file__)]:
        state.update(file.read_bytes())
    return state.hexdigest()


def say(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"claimledger: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
