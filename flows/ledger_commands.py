"""The commands about proof: `ledger init|witness|verify|prove|check`, `sample`, `erase`.

The command line mounts `app` under `ledger`, and `sample` and `erase` beside it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from flows.console import DEFAULTS, Common

DONE = 0


app = App(
    name="ledger",
    help="The signed log of everything that was judged: make its key, witness it, verify it, prove from it."
    "\n\n"
    "Example: claimledger ledger verify --trusted-checkpoint checkpoint-of-last-month",
)


def _lake(settings: Any) -> Any:
    from tasks.store import Lake

    return Lake.open(settings.lake)


def _run_id(what: str) -> tuple[str, Any]:
    """An id and a moment for a command that is no scheduled run."""
    import os
    from datetime import UTC, datetime

    from tasks.pure import ids

    now = datetime.now(UTC)
    return ids.digest("run", what, now.isoformat(), os.getpid()), now


@app.command
def init(
    *,
    rotate: Annotated[bool, Parameter(negative="", help="Hand over to a new key.")] = False,
    common: Common = DEFAULTS,
) -> int:
    """Make the signing key (outside the lake, readable by you alone) and the empty log.

    The nightly audit does it by itself at first use. With --rotate, the old and the new key both sign the
    hand-over, which becomes an event.

    Example: claimledger ledger init
    """
    from tasks import ledger

    settings = common.settings()
    lake = _lake(settings)
    if rotate:
        run_id, now = _run_id("ledger init")
        public = ledger.rotate(lake, settings.ledger, run_id=run_id, now=now)
        lines = [f"the ledger has a new key: {public}", "give it to your auditors and witnesses"]
        common.answer({"public_key": str(public), "rotated": True}, lines)
        return DONE
    with lake.lock("making the ledger"):
        made = ledger.initialise(lake, settings.ledger)
    document = {
        "origin": made.log.origin,
        "public_keys": [str(k) for k in made.public],
        "notices": made.notices,
    }
    common.answer(document, [*made.notices, *(f"public key: {k}" for k in made.public)])
    return DONE


@app.command
def witness(
    *,
    folder: Annotated[Path, Parameter(help="The witness's own folder: its key and what it has seen.")],
    log: Annotated[list[str], Parameter(help="Public key of a log to witness, or a file of them.")],
    name: Annotated[
        str | None, Parameter(help="Name of a new witness, for example witness.example/w1.")
    ] = None,
    host: str = "127.0.0.1",
    port: int = 8089,
    common: Common = DEFAULTS,
) -> int:
    """Run a witness: it cosigns a checkpoint only with proof that the history it saw before goes on.

    It speaks C2SP tlog-witness (POST /add-checkpoint). It listens on this machine alone unless --host says
    otherwise; put a TLS proxy before it then.

    Example: claimledger ledger witness --folder /srv/witness --name witness.example/w1 --log LOGKEY
    """
    import time

    from tasks import keys
    from tasks import witness as witnesses

    opened = witnesses.Witness.open(folder, keys.parse_keys(log), name=name)
    with witnesses.server(opened, host, port, time.time) as server:
        address, bound = server.server_address[:2]
        common.answer(
            {"public_key": str(opened.signer.public), "address": f"http://{address!s}:{bound}"},
            [f"witness key: {opened.signer.public}", f"listening on http://{address!s}:{bound}"],
        )
        server.serve_forever()
    return DONE


@app.command
def verify(
    *,
    trusted_checkpoint: Annotated[Path | None, Parameter(help="A checkpoint kept outside the lake.")] = None,
    key: Annotated[list[str] | None, Parameter(help="The log's public key as you were given it.")] = None,
    incremental: Annotated[
        bool, Parameter(negative="", help="Only what came since the last full check.")
    ] = False,
    common: Common = DEFAULTS,
) -> int:
    """Check the whole lake against the ledger: every row, every leaf, every tile, every checkpoint.

    Says exactly what is wrong, and how far it trusts what: without a checkpoint kept elsewhere or a
    witness, a lake can only be self-consistent.

    Example: claimledger ledger verify --trusted-checkpoint checkpoint-of-last-month --key 'NAME+ID+KEY'
    """
    from flows.progress import counter
    from tasks import keys, ledger_verify

    settings = common.settings()
    trusted = keys.parse_keys(key) if key else []
    with counter(common.quiet or common.json, "verifying") as advance:
        at = 0

        def progress(done: int, _total: int) -> None:
            nonlocal at
            if advance is not None:
                advance(done - at)
            at = done

        found = ledger_verify.verify(
            _lake(settings),
            settings.ledger,
            trusted_keys=trusted,
            trusted_checkpoint=trusted_checkpoint,
            incremental=incremental,
            progress=progress,
        )
    rows = ", ".join(f"{count} of {table}" for table, count in sorted(found.rows.items()))
    lines = [
        f"{found.checkpoints} checkpoints, {found.events} events, rows: {rows or 'none'}",
        *(f"note: {notice}" for notice in found.notices),
        *(f"unverifiable: {sentence}" for sentence in found.unverifiable),
        *(f"FAILED: {sentence}" for sentence in found.findings),
        found.statement,
    ]
    common.answer(found.as_dict(), lines)
    found.require()
    return DONE


@app.command
def prove(
    event_id: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="File to write, *.tlog-proof.")],
    disclose: Annotated[
        list[str] | None, Parameter(help="Field to open: claim, 'passage 0', reviewer, or all.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Write a proof for one event: one file that anybody can check offline with the public key.

    Takes an event's id, or the id of the verdict, action or review that it is about.

    Example: claimledger ledger prove 4f1c… -o verdict.tlog-proof --disclose claim
    """
    from tasks import ledger_proofs

    settings = common.settings()
    text, body = ledger_proofs.prove(_lake(settings), settings.ledger, event_id, disclose=disclose or ())
    ledger_proofs.write_proof(output, text)
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
    key: Annotated[list[str], Parameter(help="Public key of the log (or of a witness), or a file of them.")],
    common: Common = DEFAULTS,
) -> int:
    """Check a proof offline, with nothing but the file and the public key.

    Exit status 3: the proof is bad. 2: nothing can be said, because the key or the schema is unknown.

    Example: claimledger ledger check verdict.tlog-proof --key 'NAME+ID+KEY'
    """
    from tasks import ledger_proofs

    found = ledger_proofs.check_file(file, key)
    event = found.event
    lines = [
        f"proven: event {found.index} of {found.checkpoint.size} in {found.checkpoint.origin}",
        f"kind {found.kind}, about {event['subject_id']}, at {event['occurred_at_us']} us since 1970",
        *(f"cosigned by {name} at {at} s since 1970" for name, at in found.cosigned),
        *(f"{field}: {text}" for field, text in found.disclosed.items()),
    ]
    from flows.console import plain

    common.answer(found.as_dict(), [plain(line) for line in lines])
    return DONE


def sample(
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"], help="Folder to make.")],
    seed: Annotated[str, Parameter(help="The auditor's nonce: any words, chosen beforehand.")],
    size: Annotated[int | None, Parameter(help="Items to draw.")] = None,
    confidence: Annotated[float | None, Parameter(help="For example 0.95.")] = None,
    tolerable: Annotated[float | None, Parameter(help="Tolerable deviation rate, for example 0.05.")] = None,
    stratify: Annotated[str | None, Parameter(help="agent, model, use_case or verdict.")] = None,
    from_: Annotated[date | None, Parameter(name="--from", help="First UTC day.")] = None,
    to: Annotated[date | None, Parameter(help="Last UTC day, included.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Draw an auditor's random sample: a page, a proof per item, an empty result sheet. Reproducible.

    By size, or by confidence and tolerable deviation rate (exact hypergeometric size for no deviations). The
    draw depends on the seed and the ledger's checkpoint alone.

    Example: claimledger sample --confidence 0.95 --tolerable 0.05 --seed 'auditor 2026-11' -o sample
    """
    from tasks.sample import draw_sample

    settings = common.settings()
    drawn = draw_sample(
        _lake(settings),
        settings.ledger,
        output,
        nonce=seed,
        size=size,
        confidence=confidence,
        tolerable=tolerable,
        stratify=stratify,
        since=from_,
        until=to,
    )
    line = (
        f"{drawn.size} of {drawn.population} verifications at {drawn.checkpoint_size} events: {drawn.folder}"
    )
    common.answer(drawn.as_dict(), [line])
    return DONE


def erase(
    *,
    output_id: Annotated[str, Parameter(help="The output to erase.")],
    reason: Annotated[str, Parameter(help="Why; it stays in the ledger, so no personal data.")],
    common: Common = DEFAULTS,
) -> int:
    """Erase an output's content everywhere in the lake; the ledger still verifies.

    Example: claimledger erase --output-id 4f1c… --reason 'request of the data subject'
    """
    from tasks.erase import erase as erase_output

    settings = common.settings()
    run_id, now = _run_id("erase")
    done = erase_output(_lake(settings), settings.ledger, output_id, reason=reason, run_id=run_id, now=now)
    rows = ", ".join(f"{count} of {table}" for table, count in sorted(done.rows.items()))
    lines = [
        f"erased: rows {rows or 'none left'}; {len(done.files)} other files",
        f"recorded as event {done.event_index}; copies outside the lake (proofs, backups) stay",
    ]
    common.answer(done.as_dict(), lines)
    return DONE
