"""The console command: verbs, one sentence per failure, the contract's exit codes.

Heavy imports happen inside the commands, so that `claimledger --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from flows.commands import auditor_commands, drift_commands, ledger_commands, model_commands, review_commands
from flows.commands.console import DEFAULTS, Common, one_line, table, warnings_shown
from tasks.errors import ClaimledgerError, InputError

DONE, BAD_ANSWER, BAD_USAGE, DAMAGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
STRIKE_AGAIN_S = 0.05
"""Long enough for the callback that swallowed a signal to be over."""

app = App(
    name="claimledger",
    help="Audits what AI agents claimed: splits their answers into claims, scores each against evidence, "
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
    from_source: Annotated[str | None, Parameter(help="Kind of source to sample: files.")] = None,
    path: Annotated[str | None, Parameter(help="File, folder or glob that --from-source samples.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Write a commented claimledger.toml, a policy file and a sample to start from.

    With --from-source files --path EXPORTS, samples the exports and proposes the field mapping.

    Example: claimledger init audits --from-source files --path 'exports/**/*.jsonl.gz'
    """
    from tasks.starter import write_starter

    written = write_starter(directory, from_source=from_source, path=path)
    lines = [*(f"wrote {file}" for file in written["files"]), *written["notes"]]
    lines.append(f"next: claimledger audit --config {Path(directory) / 'claimledger.toml'}")
    common.answer(written, lines)
    return DONE


@app.command
def audit(*, since: date | None = None, until: date | None = None, common: Common = DEFAULTS) -> int:
    """Run the nightly job: audit what is new since the watermarks, or a range of UTC days.

    Pulls, extracts claims, retrieves evidence, scores, decides, checks privacy, validates, publishes, records
    and reports. Running it again changes nothing and takes seconds; so does running it after a crash.

    Example: claimledger audit --since 2026-11-01 --until 2026-11-07
    """
    from flows.commands.launch import launch

    if since and until and since > until:
        raise InputError(f"--since {since} is after --until {until}; give the earlier day first")
    outcome = launch("audit", common, since=since, until=until)
    return _report(outcome, common)


@app.command
def backfill(
    *,
    from_: Annotated[date, Parameter(name="--from", help="First UTC day.")],
    to: Annotated[date, Parameter(help="Last UTC day, included.")],
    reverify: Annotated[bool, Parameter(negative="", help="Judge again what has a verdict already.")] = False,
    workers: Annotated[int, Parameter(help="Units judged at a time; this release judges one.")] = 1,
    common: Common = DEFAULTS,
) -> int:
    """Audit a range of past days: pull what is missing, judge what has no current verdict. Resumable.

    Example: claimledger backfill --from 2026-10-01 --to 2026-10-31
    """
    from flows.commands.launch import launch

    if workers < 1:
        raise InputError(f"--workers is {workers}, expected 1 or more")
    outcome = launch("backfill", common, from_day=from_, to_day=to, reverify=reverify)
    return _report(outcome, common)


@app.command
def reaudit(
    *,
    sample: Annotated[int | None, Parameter(help="Claims to judge again; default of the config.")] = None,
    from_: Annotated[date | None, Parameter(name="--from", help="First UTC day; default the first.")] = None,
    to: Annotated[date | None, Parameter(help="Last UTC day, included; default the last.")] = None,
    seed: Annotated[str | None, Parameter(help="Words that fix the draw; default today's date.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Judge a stratified sample of historical claims again; say which verdicts flipped, and why.

    A flip's cause is found by changing one thing at a time: the evidence, the verifier or the policy. Flips
    go to the ledger, and those of delivered outputs to review. The same seed draws the same claims.

    Example: claimledger reaudit --sample 400 --from 2026-07-01 --to 2026-09-30
    """
    from flows.commands.console import reaudited
    from flows.commands.launch import launch

    outcome = launch("reaudit", common, sample=sample, from_day=from_, to_day=to, seed=seed)
    common.answer(outcome, reaudited(outcome))
    for problem in outcome["problems"]:
        _fail(problem)
    return BAD_ANSWER if outcome["problems"] else DONE


@app.command
def index(*, common: Common = DEFAULTS) -> int:
    """Bring the corpus snapshot and its FAISS index up to date.

    Example: claimledger index --config claimledger.toml
    """
    from flows.commands.launch import launch

    done = launch("index", common)
    lines = [
        f"{done['passages']} passages of {done['documents']} documents in {done['files']} files: "
        f"{done['passages_new']} new, {done['passages_changed']} changed, {done['refused']} refused",
        f"snapshot: {done['snapshot']}",
    ]
    if done["files_without_documents"]:
        lines.append(f"{done['files_without_documents']} files hold no document; quarantine says why")
    if done["files_ignored"]:
        lines.append(f"{done['files_ignored']} files are of a kind that is not read, and were left out")
    common.answer(done, [*lines, *done["warnings"]])
    return DONE


@app.command
def doctor(*, common: Common = DEFAULTS) -> int:
    """Say what is wrong with this installation, and what to do about it.

    Example: claimledger doctor
    """
    from tasks.doctor import examine

    checks = examine(common.config, common.lake)
    marks = {True: "ok", False: "WRONG"}
    lines = [f"{marks[c.ok]:5}  {c.name}: {c.detail}" + (f"; {c.advice}" if c.advice else "") for c in checks]
    common.answer([c.as_dict() for c in checks], lines)
    if common.quiet:
        for check in checks:
            if not check.ok:
                _fail(f"{check.name}: {check.detail}" + (f"; {check.advice}" if check.advice else ""))
    if any(c.damaged for c in checks):
        return DAMAGED
    return DONE if all(c.ok for c in checks) else BAD_ANSWER


@app.command
def deploy(*, common: Common = DEFAULTS) -> int:
    """Register the flows with the Prefect server of PREFECT_API_URL, on the configured schedule.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api claimledger deploy
    """
    from flows.commands.launch import require_server

    settings = common.settings()
    require_server()
    from flows.schedule import deploy as deploy_flows

    registered = deploy_flows(settings, common.config)
    pool = registered[0]["work_pool"]
    lines = [f"{r['deployment']}  {', '.join(r['schedules']) or 'on demand'}" for r in registered]
    common.answer(registered, [*lines, f"next: prefect worker start --pool {pool}"])
    return DONE


@app.command
def serve(*, common: Common = DEFAULTS) -> int:
    """Serve the flows from this process on their schedules, until interrupted.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api claimledger serve
    """
    from flows.commands.launch import require_server

    settings = common.settings()
    require_server()
    from flows.schedule import serve as serve_flows

    serve_flows(settings, common.config)
    return DONE


app.command(ledger_commands.app)
app.command(review_commands.app)
for _command in (
    drift_commands.drift,
    auditor_commands.sample,
    auditor_commands.erase,
    model_commands.score,
    model_commands.train,
    model_commands.evaluate,
    model_commands.calibrate,
):
    app.command(_command)


def _report(outcome: dict[str, Any], common: Common) -> int:
    verdicts = outcome["verdicts"]
    judged = sum(verdicts.values())
    lines = [
        f"{outcome['flow']} {outcome['status']} in {outcome['seconds']} s: "
        f"{outcome['records_in']} records in, {outcome['records_out']} new outputs, "
        f"{outcome['records_already_there']} already there, {outcome['records_quarantined']} quarantined"
    ]
    if judged:
        rows = [[name, count, f"{count / judged:.1%}"] for name, count in sorted(verdicts.items())]
        lines += ["", *table(["verdict", "claims", "share"], rows), ""]
    elif outcome["records_out"] == 0 and outcome["records_quarantined"] == 0:
        lines.append("nothing new to judge: the lake is unchanged")
    else:
        lines.append("no factual claim in the new outputs")
    lines += outcome["warnings"]
    lines.append(f"report: {outcome['report']}")
    common.answer(outcome, lines)
    for problem in outcome["problems"]:
        _fail(problem)
    return BAD_ANSWER if outcome["problems"] else DONE


def _fail(sentence: str) -> None:
    sys.stderr.write(f"claimledger: {one_line(sentence)}\n")


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
    """Runs one command and returns its exit status; the console script's entry."""
    signal.signal(signal.SIGTERM, _terminated)
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings_shown(verbose="--verbose" in tokens):
            result = app(tokens, exit_on_error=False, print_error=False)
        return result if isinstance(result, int) else DONE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except SystemExit as ended:
        if ended.code != TERMINATED:
            raise
        _fail("terminated; what is published stays, and running it again goes on from there")
        return TERMINATED
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it ends as a sentence
        if "--debug" in tokens:
            traceback.print_exc()
        sentence, status = _explained(error)
        _fail(sentence)
        return status


def _explained(error: BaseException) -> tuple[str, int]:
    """One sentence and the exit status for whatever stopped a command."""
    match error:
        case ClaimledgerError():
            return str(error), error.exit_code
        case CycloptsError():
            return f"{str(error).rstrip('.')}; `claimledger --help` lists the commands", BAD_USAGE
        case KeyboardInterrupt():
            return (
                "interrupted; what is published stays, and running it again goes on from there",
                INTERRUPTED,
            )
        case MemoryError():
            return "out of memory; lower runner.unit_outputs or verifier.batch_tokens", BAD_USAGE
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}", BAD_USAGE
        case _:
            kind = type(error).__name__
            return f"unexpected {kind}: {error}; run it again with --debug and report it as a bug", BAD_USAGE


def entry() -> None:
    """Console script: exits with the status of `main`."""
    sys.unraisablehook = _strike_again
    sys.exit(main())


if __name__ == "__main__":
    entry()
