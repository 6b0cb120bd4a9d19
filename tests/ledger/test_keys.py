"""Keys: where they may stand, who may sign instead, and how one hands over to another."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tasks import ids
from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.ledger import events, keys, opening, rotate, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, night


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def wanted(tmp_path: Path) -> LedgerSettings:
    return ledger_lake.settings(tmp_path)


def sound(lake: Lake, wanted: LedgerSettings, **options: object) -> verify.Verified:
    """The whole invariant, walked: every check holds."""
    found = verify.verify(lake, wanted, **options)  # type: ignore[arg-type]
    assert (found.findings, found.unverifiable) == ([], [])
    return found


def signing_command(folder: Path, signer: keys.KeySigner) -> tuple[str, ...]:
    """A command that signs like a KMS: message in, signature out, the key its own affair."""
    script = folder / f"sign-{signer.public.key_id.hex()}.py"
    script.write_text(
        "import base64, sys\n"
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
        f"key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex({signer.private.hex()!r}))\n"
        "sys.stdout.write(base64.b64encode(key.sign(sys.stdin.buffer.read())).decode())\n"
    )
    return (sys.executable, str(script))


# Where a key may stand -------------------------------------------------------------------------------------


def test_the_key_is_for_its_owner_alone_and_git_never_sees_it(lake, wanted, tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    night(lake, wanted, 0, outputs=1)
    [path] = (tmp_path / "keys").glob("*.key")
    assert path.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(
        ["git", "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard", "keys"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout == ""


@pytest.mark.parametrize("place", ["lake/ledger.key", "repository/ledger.key"])
def test_a_key_that_would_leave_with_the_lake_or_a_repository_is_refused(lake, tmp_path, place):
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "repository")], check=True)
    wanted = LedgerSettings(origin="example.com/test", key_file=str(tmp_path / place))
    with pytest.raises(ConfigError, match=r"inside the lake|must never be committed"):
        night(lake, wanted, 0, outputs=1)
    assert not (tmp_path / place).exists()
    (tmp_path / "repository" / ".gitignore").write_text("*.key\n")
    ignored = LedgerSettings(origin="example.com/test", key_file=str(tmp_path / "repository" / "ledger.key"))
    night(lake, ignored, 0, outputs=1)
    assert (tmp_path / "repository" / "ledger.key").exists()


def test_a_key_that_others_can_read_is_refused(lake, wanted, tmp_path):
    night(lake, wanted, 0, outputs=1)
    [path] = (tmp_path / "keys").glob("*.key")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        night(lake, wanted, 1, outputs=1)


# Commands --------------------------------------------------------------------------------------------------


def test_a_command_can_sign_instead_of_a_key_file(lake, tmp_path):
    signer = keys.new_signer("example.com/kms")
    command = signing_command(tmp_path, signer)
    wanted = LedgerSettings(
        origin="example.com/kms",
        key_folder=str(tmp_path / "keys"),
        signer=command,
        signer_key=str(signer.public),
    )
    night(lake, wanted, 0, outputs=1)
    sound(lake, wanted)
    assert not list((tmp_path / "keys").glob("*.key"))
    Path(command[1]).write_text("import sys; sys.stdout.buffer.write(bytes(64))")
    with pytest.raises(ConfigError, match="did not answer with a signature by"):
        night(lake, wanted, 1, outputs=1)


# Handing over ----------------------------------------------------------------------------------------------


def test_a_rotated_key_is_followed_from_either_side(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    [path] = (tmp_path / "keys").glob("*.key")
    old = keys.read_key(path).public
    new = rotate.rotate(lake, wanted, run_id=ids.digest("rotation"), now=NIGHT, actor=ACTOR).public
    night(lake, wanted, 1)
    assert keys.read_key(path).public == new
    for trusted in (old, new):
        found = verify.verify(lake, wanted, trusted_keys=[trusted])
        assert (found.findings, found.unverifiable) == ([], [])
    stranger = keys.new_signer("example.com/test").public
    found = verify.verify(lake, wanted, trusted_keys=[stranger])
    assert found.findings == []
    assert found.unverifiable


def hand_over(lake: Lake, wanted: LedgerSettings, **options: object) -> rotate.Rotated:
    return rotate.rotate(lake, wanted, run_id=ids.digest("rotation"), now=NIGHT, actor=ACTOR, **options)  # type: ignore[arg-type]


def test_the_hand_over_is_an_event_and_its_checkpoint_carries_both_signatures(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    [path] = (tmp_path / "keys").glob("*.key")
    old = keys.read_key(path).public
    done = hand_over(lake, wanted)
    head = Log.open(lake.root / "ledger").head
    assert {key for key, _ in head.note.signers([old, done.public], keys.verify)} == {old, done.public}
    [event] = lake.scan("events").filter(pl.col("sequence") == done.event_index).collect().to_dicts()
    assert event["kind"] == "configuration"
    assert str(old) in event["body"]
    assert str(done.public) in event["body"]
    assert (tmp_path / "keys" / f"{path.name}.retired-{old.key_id.hex()}").exists()
    assert (lake.root / "ledger" / "vkey").read_text() == f"{done.public}\n"


def test_a_key_that_was_handed_over_signs_nothing_any_more(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    [path] = (tmp_path / "keys").glob("*.key")
    stolen = path.read_bytes()
    done = hand_over(lake, wanted)
    path.write_bytes(stolen)
    with pytest.raises(ConfigError, match="handed over to another key") as refused:
        night(lake, wanted, 1)
    assert str(done.public) in str(refused.value)


def test_what_a_stolen_old_key_signs_after_the_hand_over_is_found(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    [path] = (tmp_path / "keys").glob("*.key")
    old = keys.read_key(path)
    done = hand_over(lake, wanted)
    opened = Log.open(lake.root / "ledger")
    frame = events.one(
        "erasure",
        occurred_at=NIGHT,
        subject_id="ab" * 32,
        run_id="cd" * 32,
        actor=ACTOR,
        output_id="ab" * 32,
        rows_erased=0,
    )
    opened.append(frame, (old,), ids.digest("thief"))
    for trusted in (old.public, done.public):
        found = verify.verify(lake, wanted, trusted_keys=[trusted])
        assert any("handed over to another before" in sentence for sentence in found.findings)


def test_a_log_moves_from_a_file_to_a_command_and_back(lake, wanted, tmp_path):
    night(lake, wanted, 0)
    kms = keys.new_signer("example.com/test")
    command = signing_command(tmp_path, kms)
    done = hand_over(lake, wanted, command=command, command_key=str(kms.public))
    assert "ledger.signer" in done.advice[0]
    assert not list((tmp_path / "keys").glob("*.key"))
    held = replace(wanted, signer=command, signer_key=str(kms.public))
    night(lake, held, 1)
    back = hand_over(lake, held)
    night(lake, wanted, 2)
    sound(lake, wanted, trusted_keys=[kms.public])
    sound(lake, wanted, trusted_keys=[back.public])


@pytest.mark.parametrize("defect", ["wrong name", "no command", "a command that does not sign"])
def test_a_new_signer_that_cannot_sign_takes_nothing_over(lake, wanted, tmp_path, defect):
    night(lake, wanted, 0)
    size = Log.open(lake.root / "ledger").head.size
    kms = keys.new_signer("example.com/other" if defect == "wrong name" else "example.com/test")
    command = () if defect == "no command" else signing_command(tmp_path, kms)
    if defect.startswith("a command"):
        Path(command[1]).write_text("raise SystemExit(1)")
    with pytest.raises(ConfigError, match="signer"):
        hand_over(lake, wanted, command=command, command_key=str(kms.public))
    assert Log.open(lake.root / "ledger").head.size == size
    night(lake, wanted, 1)


@pytest.mark.parametrize("step", ["append", "finish_hand_over", "rename"])
def test_a_hand_over_that_is_killed_loses_neither_key(lake, wanted, tmp_path, monkeypatch, step):
    """Killed before the append, between the signed event and the renames, and between the two renames."""
    night(lake, wanted, 0)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "append":
            patch.setattr(Log, "append", stop)
        elif step == "finish_hand_over":
            patch.setattr(rotate.key_places, "finish_hand_over", stop)
        else:
            calls: list[Path] = []
            rename = Path.rename

            def second(path: Path, target: Path) -> Path:
                calls.append(path)
                if len(calls) == 2:
                    raise KeyboardInterrupt
                return rename(path, target)

            original = rotate._put_in_place

            def placed(*arguments: object) -> list[str]:
                patch.setattr(Path, "rename", second)
                return original(*arguments)  # type: ignore[arg-type]

            patch.setattr(rotate, "_put_in_place", placed)
        with pytest.raises(KeyboardInterrupt):
            hand_over(lake, wanted)
    night(lake, wanted, 1)
    done = hand_over(lake, wanted)
    night(lake, wanted, 2)
    sound(lake, wanted, trusted_keys=[done.public])


def test_there_is_nothing_to_hand_over_before_there_is_a_ledger(lake, wanted):
    with pytest.raises(ConfigError, match="no ledger yet"):
        hand_over(lake, wanted)
    assert not opening.folder(lake).exists()
