"""The console command: verbs, one sentence per failure, the contract's exit codes.

Heavy imports happen inside the commands, so that `claimledger --help` answers at once.
"""

from __future__ import annotations

import difflib
import os
import select
import signal
import sys
import threading
import traceback
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError, UnknownOptionError

from flows import bugs
from flows.commands import (
    action_commands,
    auditor_commands,
    deliver_commands,
    export_commands,
    flow_commands,
    inventory_commands,
    ledger_commands,
    model_commands,
    pack_commands,
    policy_commands,
    retention_commands,
    review_commands,
)
from flows.commands.console import DEFAULTS, Common, fail, warnings_shown
from flows.commands.launch import require_server
from tasks.errors import (
    BAD_ANSWER,
    BAD_USAGE,
    DAMAGED,
    DONE,
    INTERRUPTED,
    TERMINATED,
    ClaimledgerError,
    ConfigError,
    InputError,
)
from tasks.models import processor

STRIKE_AGAIN_S = 0.05
"""Long enough for the callback that swallowed a signal to be over."""
GOES_ON = "what is published stays; run it again to resume from there"

app = App(
    name="claimledger",
    help="Audits what AI agents claim: splits their answers into claims, scores each against evidence, "
    "decides by written policies, and keeps a record that an auditor can check.\n\n"
    "Example: claimledger audit --config claimledger.toml",
    version=lambda: version("claimledger"),
    version_flags=["--version"],
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@app.command
def init(
    directory: Path = Path(),
    /,
    *,
    from_source: Annotated[str | None, Parameter(help="Kind of source to sample; see above.")] = None,
    path: Annotated[str | None, Parameter(help="Its data: a file, folder, glob or URL.")] = None,
    url: Annotated[
        str | None, Parameter(help="Address of its server, or of its database (SQLAlchemy URL).")
    ] = None,
    project: Annotated[str | None, Parameter(help="Project on that server.")] = None,
    query: Annotated[
        str | None, Parameter(help="For sql: the SELECT that returns one answer per row.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Write a commented claimledger.toml, a policy file and a sample to start from.

    With --from-source KIND, samples the source, proposes the field mapping where one is needed, and shows
    five answers with what is missing from each. KIND is files (which detects the system that wrote them),
    otlp, phoenix, mlflow, langfuse, langsmith, atif or sql. Keys are read from the environment.

    Example: claimledger init audits --from-source files --path 'exports/**/*.jsonl.gz'
    """
    from tasks.starter import write_starter

    written = write_starter(
        directory, from_source=from_source, path=path, url=url, project=project, query=query
    )
    lines = [*(f"wrote {file}" for file in written["files"]), *written["notes"]]
    file = Path(directory) / "claimledger.toml"
    first = f"set {', '.join(written['to_set'])} in {file}, then: " if written["to_set"] else ""
    lines.append(f"next: {first}claimledger audit --config {file}")
    common.answer(written, lines)
    return DONE


@app.command
def demo(
    directory: Path = Path("claimledger-demo"),
    /,
    *,
    full: Annotated[bool, Parameter(negative="", help="Audit all outputs of the sample.")] = False,
    common: Common = DEFAULTS,
) -> int:
    """Audit the bundled sample in its own folder: real answers, and made ones with known errors.

    About 30 outputs, in a minute or two; --full audits all of them. Running it again finds nothing new.

    Example: claimledger demo
    """
    from tasks.starter import write_demo

    if common.config:
        raise InputError(
            "`claimledger demo` has its own configuration; use `claimledger audit --config FILE` for yours"
        )
    config = write_demo(directory, full=full)
    return flow_commands.audit(common=replace(common, config=str(config)))


@app.command
def doctor(*, common: Common = DEFAULTS) -> int:
    """Show what is wrong with this installation, and how to fix it.

    Example: claimledger doctor
    """
    from tasks.doctor import examine

    checks = examine(common.config, common.lake)
    sentences = [f"{c.name}: {c.detail}" + (f"; {c.advice}" if c.advice else "") for c in checks]
    lines = [f"{'ok' if c.ok else 'WRONG':5}  {s}" for c, s in zip(checks, sentences, strict=True)]
    common.answer([c.as_dict() for c in checks], lines)
    if common.quiet:
        for check, sentence in zip(checks, sentences, strict=True):
            if not check.ok:
                fail(sentence)
    if any(c.damaged for c in checks):
        return DAMAGED
    if any(c.name == "configuration" and not c.ok for c in checks):
        return BAD_USAGE
    return DONE if all(c.ok for c in checks) else BAD_ANSWER


@app.command
def deploy(*, common: Common = DEFAULTS) -> int:
    """Register the flows with the Prefect server at PREFECT_API_URL, on the configured schedule.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api claimledger deploy
    """
    from flows import deployment

    settings = common.settings()
    require_server()
    done = deployment.deploy(settings, common.config)
    lines = [f"{r['deployment']}  {', '.join(r['schedules']) or 'on demand'}" for r in done.deployments]
    lines += [*done.notes, f"next: prefect worker start --pool {done.deployments[0]['work_pool']}"]
    common.answer(done.deployments, lines)
    return DONE


@app.command
def serve(*, common: Common = DEFAULTS) -> int:
    """Serve the flows from this process on their schedules, until interrupted.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api claimledger serve
    """
    from flows import deployment

    settings = common.settings()
    require_server()

    def ready(names: list[str], notes: list[str]) -> None:
        lines = [*names, *notes, "ready: serving these flows until this process is interrupted"]
        common.answer({"deployments": names, "notes": notes}, lines)
        sys.stdout.flush()

    deployment.serve(settings, common.config, ready)
    return DONE


app.command(ledger_commands.app)
app.command(review_commands.app)
app.command(action_commands.app)
app.command(policy_commands.app)
app.command(retention_commands.app)
for _command in (
    flow_commands.audit,
    flow_commands.backfill,
    flow_commands.reaudit,
    flow_commands.drift,
    flow_commands.health,
    flow_commands.index,
    flow_commands.compact,
    deliver_commands.deliver,
    auditor_commands.sample,
    auditor_commands.erase,
    pack_commands.pack,
    inventory_commands.inventory,
    export_commands.export,
    model_commands.score,
    model_commands.train,
    model_commands.evaluate,
    model_commands.calibrate,
):
    app.command(_command)


_interrupted = threading.Event()
"""Ctrl-C was pressed: an import that it hits in C code ends with an error of another name."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def _strike_again(swallowed: sys.UnraisableHookArgs) -> None:
    """Sends SIGTERM once more where it struck within a callback of C code, which loses exceptions."""
    # By name, because Prefect's own exception for it is not imported before it is needed.
    if type(swallowed.exc_value).__name__ in ("SystemExit", "TerminationSignal"):
        again = threading.Timer(STRIKE_AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(swallowed)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    Signals are the caller's: a program or a test run that is told to end must end, and not go on with a
    command that was stopped half way.
    """
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        _require_processor(tokens)
        with warnings_shown(verbose="--verbose" in tokens):
            result = app(tokens, exit_on_error=False, print_error=False)
        return result if isinstance(result, int) else DONE
    except BrokenPipeError as error:
        if not _reader_is_gone():  # another pipe than ours: a worker or a peer that went away
            sentence, status = _explained(error)
            fail(sentence)
            return status
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except SystemExit as ended:
        if ended.code != TERMINATED:
            raise
        fail(f"terminated; {GOES_ON}")
        return TERMINATED
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it ends as a sentence
        if "--debug" in tokens:
            traceback.print_exc()
        sentence, status = _explained(KeyboardInterrupt() if _interrupted.is_set() else error)
        fail(sentence)
        return status


def _reader_is_gone() -> bool:
    """Whether nobody reads standard output any more, as after `| head`."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in watch.poll(0))
    except (OSError, ValueError):  # it is not a file, or closed
        return False


def _require_processor(tokens: list[str]) -> None:
    """Refuses to go where Polars would end the process by a signal and say nothing."""
    works_anywhere = {"--help", "-h", "--version", "doctor"} & set(tokens)
    if not works_anywhere and processor.lacks_avx2() and not os.environ.get("POLARS_SKIP_CPU_CHECK"):
        raise ConfigError(
            "this processor has no AVX2, which Polars requires; use a machine from 2015 or later"
        )


def _explained(error: BaseException) -> tuple[str, int]:
    """One sentence and the exit status for whatever stopped a command."""
    match error:
        case ClaimledgerError():
            return str(error), error.exit_code
        case CycloptsError():
            return _misused(error), BAD_USAGE
        case KeyboardInterrupt():
            return f"interrupted; {GOES_ON}", INTERRUPTED
        case ModuleNotFoundError() | MemoryError():
            return _lacking(error), BAD_USAGE
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}", BAD_USAGE
        case _:
            return bugs.sentence(error), BAD_USAGE


def _lacking(error: ModuleNotFoundError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; lower runner.unit_outputs or verifier.batch_tokens"
    return f"the package {error.name} is not installed; reinstall claimledger"


def _misused(error: CycloptsError) -> str:
    """What is wrong with a command line, and where the right one is found."""
    command = " ".join(["claimledger", *(error.command_chain or ())])
    if isinstance(error, UnknownCommandError):
        word = str((error.unused_tokens or [""])[0])
        near = difflib.get_close_matches(word, list(error.app or app), n=1)
        return f"unknown command {word!r}; " + (
            f"did you mean `{command} {near[0]}`?" if near else f"`{command} --help` lists the commands"
        )
    advice = f"`{command} --help` lists the options"
    word = str(error.unused_tokens[0]) if error.unused_tokens else ""
    names: set[str] = set()
    if isinstance(error, UnknownOptionError):
        word = error.token.keyword or error.token.value
        names = {name for argument in error.argument_collection for name in argument.names}
    option = word.partition("=")[0]
    if option.startswith("-"):
        near = difflib.get_close_matches(option, names, n=1)
        return f"`{command}` has no option {option}; " + (f"did you mean {near[0]}?" if near else advice)
    if word:
        return f"`{command}` takes no argument {word!r}; {advice}"
    return f"{str(error).rstrip('.')}; {advice}"


def entry() -> None:
    """Console script: exits with the status of `main`; SIGTERM ends a command like Ctrl-C."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminated)
    sys.unraisablehook = _strike_again
    sys.exit(main())


if __name__ == "__main__":
    entry()
