"""The commands about the log itself: `ledger init|rotate|witness|verify|prove|check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.commands.console import DEFAULTS, Common, new_run
from tasks.errors import BAD_ANSWER, DONE, ConfigError

app = App(
    name="ledger",
    help="The signed log of everything that was judged: create its key, witness it, verify it, "
    "prove events from it.\n\n"
    "Example: claimledger ledger verify --trusted-checkpoint checkpoint-of-last-month",
)


@app.command
def init(*, common: Common = DEFAULTS) -> int:
    """Create the signing key (outside the lake, readable only by you) and the empty log.

    The first audit does this on its own.

    Example: claimledger ledger init
    """
    from tasks.ledger import opening

    settings = common.settings()
    lake = common.open_lake(settings)
    with lake.lock("making the ledger"):
        made = opening.initialise(lake, settings.ledger)
    document = {
        "origin": made.log.origin,
        "public_keys": [str(k) for k in made.public],
        "notices": made.notices,
    }
    common.answer(document, [*made.notices, *(f"public key: {k}" for k in made.public)])
    return DONE


@app.command
def rotate(
    *,
    signer: Annotated[
        list[str] | None,
        Parameter(
            help="Command that signs with the new key, one --signer per word; default: a new key file."
        ),
    ] = None,
    signer_key: Annotated[str | None, Parameter(help="Public key (NAME+ID+KEY) of that command.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Hand the ledger over to a new key: an event that the old key signs, and a checkpoint of both.

    The retired key file stays beside the new one. Give auditors and witnesses the new public key.

    Example: claimledger ledger rotate
    """
    from flows.actor import actor
    from tasks.ledger import rotate

    run_id, now = new_run("ledger rotate")
    settings = common.settings()
    done = rotate.rotate(
        common.open_lake(settings),
        settings.ledger,
        run_id=run_id,
        now=now,
        actor=actor(),
        command=tuple(signer or ()),
        command_key=signer_key,
    )
    lines = [
        f"the ledger has a new key: {done.public}",
        f"recorded as event {done.event_index}; give the new key to your auditors and witnesses",
        *(f"next: {sentence}" for sentence in done.advice),
        *(f"problem: {sentence}" for sentence in done.problems),
    ]
    common.answer(done.as_dict(), lines)
    return DONE if not done.problems else BAD_ANSWER


@app.command
def witness(
    *,
    folder: Annotated[Path, Parameter(help="The witness's folder: its key and the checkpoints it has seen.")],
    log: Annotated[list[str], Parameter(help="Public key of a log to witness, or a file of keys.")],
    name: Annotated[
        str | None, Parameter(help="Name of a new witness, for example witness.example/w1.")
    ] = None,
    host: str = "127.0.0.1",
    port: int = 8089,
    common: Common = DEFAULTS,
) -> int:
    """Run a witness: it cosigns a checkpoint only with proof that it extends the history seen before.

    Speaks C2SP tlog-witness (POST /add-checkpoint). Listens only on this machine unless --host says
    otherwise; then put a TLS proxy in front of it.

    Example: claimledger ledger witness --folder /srv/witness --name witness.example/w1 --log LOGKEY
    """
    import sys
    import time

    from tasks.ledger import keys
    from tasks.ledger.witness import witness_server as witnesses

    opened = witnesses.Witness.open(folder, keys.parse_keys(log), name=name)
    try:
        listening = witnesses.server(opened, host, port, time.time)
    except OSError as error:
        raise ConfigError(
            f"{host} port {port}: {error.strerror}; choose another with --host and --port"
        ) from None
    with listening as server:
        address, bound = server.server_address[:2]
        common.answer(
            {"public_key": str(opened.signer.public), "address": f"http://{address!s}:{bound}"},
            [f"witness key: {opened.signer.public}", f"listening on http://{address!s}:{bound}"],
        )
        # Whoever started it reads the key and the port while it runs.
        sys.stdout.flush()
        server.serve_forever()
    return DONE


@app.command
def verify(
    *,
    trusted_checkpoint: Annotated[Path | None, Parameter(help="A checkpoint kept outside the lake.")] = None,
    key: Annotated[list[str] | None, Parameter(help="The log's public key, as given to you.")] = None,
    incremental: Annotated[
        bool, Parameter(negative="", help="Check only what is new since the last full check.")
    ] = False,
    workers: Annotated[
        int | None, Parameter(help="Processes to use; default: one per core for a large ledger.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Check the whole lake against the ledger: every row, every leaf, every tile, every checkpoint.

    Reports exactly what is wrong, and how far the result can be trusted: without a checkpoint kept
    elsewhere, or a witness, a lake can only be self-consistent.

    Example: claimledger ledger verify --trusted-checkpoint checkpoint-of-last-month --key 'NAME+ID+KEY'
    """
    from tasks.ledger import erasures, keys, opening, verify
    from tasks.ledger.log import Log
    from tasks.ledger.witness import timestamps

    settings = common.reading()
    lake = common.open_lake(settings)
    trusted = keys.parse_keys(key) if key else []
    with events_counted(common) as progress:
        found = verify.verify(
            lake,
            settings.ledger,
            trusted_keys=trusted,
            trusted_checkpoint=trusted_checkpoint,
            incremental=incremental,
            progress=progress,
            workers=workers,
            now=datetime.now(UTC),
        )
    stamps = timestamps.check(Log.open(opening.folder(lake)), settings.ledger, lake.root)
    found.findings += stamps.findings
    found.unverifiable += stamps.unverifiable
    rows = ", ".join(
        f"{table} {count} ({found.references[table]} references)"
        for table, count in sorted(found.rows.items())
    )
    lines = [
        *(f"time stamp: {size} events existed at {at.isoformat()}" for size, at in stamps.newest()),
        f"{found.checkpoints} checkpoints, {found.events} events, rows: {rows or 'none'}",
        *(f"erased: {sentence}" for sentence in erasures.sentences(found.erasures)),
        *(f"note: {notice}" for notice in found.notices),
        *(f"unverifiable: {sentence}" for sentence in found.unverifiable),
        *(f"FAILED: {sentence}" for sentence in found.findings),
        found.statement,
    ]
    common.answer(found.as_dict() | {"timestamps": stamps.as_dict()}, lines)
    found.require()
    return DONE


@contextmanager
def events_counted(common: Common) -> Iterator[Callable[[int, int], None]]:
    """Shows how many events were verified, of which it is called with the sum so far."""
    from flows.progress import counter

    with counter(common.shows_progress, "verifying") as advance:
        before = 0

        def progress(done: int, _total: int) -> None:
            nonlocal before
            if advance is not None:
                advance(done - before)
            before = done

        yield progress


@app.command
def prove(
    event_id: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="File to write, *.tlog-proof.")],
    disclose: Annotated[
        list[str] | None, Parameter(help="Field to disclose: claim, 'passage 0', reviewer, or all.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Write a proof of one event: a single file that anybody can check offline with the public key.

    Takes the id of the event, or of the verdict, action or review that it is about.

    Example: claimledger ledger prove 4f1c… -o verdict.tlog-proof --disclose claim
    """
    from tasks.ledger import prove
    from tasks.review import disclosed

    settings = common.reading()
    lake = common.open_lake(settings)
    text, body = prove.prove(lake, settings.ledger, event_id, disclose=disclose or ())
    if disclose and body.get("output_id"):
        disclosed.remember(lake, output, [str(body["output_id"])])
    prove.write_proof(output, text)
    document = {"file": str(output), "bytes": len(text.encode()), "kind": body["kind"], "event": body}
    common.answer(
        document, [f"wrote {output}: {body['kind']} of {body['subject_id'][:12]}, {len(text)} bytes"]
    )
    return DONE


@app.command
def check(
    file: Path,
    /,
    *,
    key: Annotated[list[str], Parameter(help="Public key of the log (or of a witness), or a file of keys.")],
    common: Common = DEFAULTS,
) -> int:
    """Check a proof, or all proofs of a sample, offline, with only the files and the public key.

    Exit status 3: a proof is bad. 2: unverifiable, as a key or a schema is unknown or a proof is missing.

    Example: claimledger ledger check verdict.tlog-proof --key 'NAME+ID+KEY'
    """
    from tasks.ledger import prove, words

    if file.is_dir():
        checked = prove.check_folder(file, key)
        common.answer(
            {"folder": str(file), "proven": len(checked), "proofs": [one.as_dict() for one in checked]},
            [f"proven: all {len(checked)} items of {file}, in {checked[0].checkpoint.origin}"],
        )
        return DONE
    found = prove.check_file(file, key)
    event = found.event
    lines = [
        f"proven: event {found.index} of {found.checkpoint.size} in {found.checkpoint.origin}",
        *words.lines(event, found.disclosed),
        f"about: {event['subject_id']}",
        *(f"cosigned by: {name} at {words.moment(at * 1_000_000)}" for name, at in found.cosigned),
    ]
    common.answer(found.as_dict(), lines)
    return DONE
