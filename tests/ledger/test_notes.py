import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger import keys, merkle, notes
from tasks.ledger.notes import Checkpoint, Note, NoteError, Proof, PublicKey, UnknownKey

LOG = keys.new_signer("example.com/log", private=b"\x01" * 32)
WITNESS = keys.new_signer("witness.example/w1", notes.COSIGNATURE_V1, private=b"\x02" * 32)
ROOT = merkle.leaf_hash(b"only")


def _signed(text: str) -> Note:
    return Note(text, (notes.sign(text, LOG.public, LOG.sign),))


CHECKPOINT = _signed(notes.checkpoint_text("example.com/log", 1, ROOT))

SPEC_EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_the_checkpoint_of_the_specification_is_read_and_written_byte_for_byte():
    checkpoint = Checkpoint.parse(SPEC_EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(checkpoint.note) == SPEC_EXAMPLE


def test_the_key_of_the_go_checksum_database_has_the_id_that_go_computes():
    vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(PublicKey.parse(vkey)) == vkey


def test_a_good_signature_is_found_by_its_key():
    [(key, _)] = CHECKPOINT.signers([LOG.public], keys.verify)
    assert key == LOG.public


def test_a_signature_by_an_unknown_key_is_neither_good_nor_bad():
    with pytest.raises(UnknownKey):
        CHECKPOINT.signers([WITNESS.public], keys.verify)


@pytest.mark.parametrize("signer", [LOG, WITNESS], ids=["log", "witness"])
def test_a_bad_signature_by_a_known_key_is_refused_beside_a_good_one(signer):
    note = CHECKPOINT.with_signature(
        notes.cosign(CHECKPOINT.text, WITNESS.public, WITNESS.sign, 1_700_000_000)
    )
    keep = [
        notes.Signature(s.name, s.key_id, s.value[:-1] + bytes([s.value[-1] ^ 1]))
        if s.name == signer.public.name
        else s
        for s in note.signatures
    ]
    with pytest.raises(NoteError, match="bad"):
        Note(note.text, tuple(keep)).signers([LOG.public, WITNESS.public], keys.verify)


def test_a_cosignature_says_when_and_is_bound_to_that_time():
    line = notes.cosign(CHECKPOINT.text, WITNESS.public, WITNESS.sign, 1_700_000_000)
    assert line.timestamp() == 1_700_000_000
    moved = notes.Signature(line.name, line.key_id, (1_700_000_001).to_bytes(8, "big") + line.value[8:])
    with pytest.raises(NoteError):
        CHECKPOINT.with_signature(moved).signers([WITNESS.public], keys.verify)


def test_a_signature_for_another_text_is_refused():
    forged = Note(notes.checkpoint_text("example.com/log", 2, ROOT), CHECKPOINT.signatures)
    with pytest.raises(NoteError):
        forged.signers([LOG.public], keys.verify)


@pytest.mark.parametrize(
    "defect",
    [
        "no signatures\n",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— name !!!!\n",
        "text\n\n— name AAAA\n",
        "text\x07\n\n— name AAAAAAAAAAA=\n",
        "text\n\n— name AAAAAAAAAAB=\n",
        "text\n\n— two names AAAAAAAAAAA=\n",
    ],
)
def test_a_malformed_note_is_refused(defect):
    with pytest.raises(NoteError):
        Note.parse(defect)


@pytest.mark.parametrize("size", ["01", "-1", "1e3", "", "١", "9" * 20])
def test_a_tree_size_that_is_not_a_plain_decimal_is_refused(size):
    text = notes.checkpoint_text("o", 1, ROOT).replace("\n1\n", f"\n{size}\n")
    with pytest.raises(NoteError):
        Checkpoint.parse(Note(text, CHECKPOINT.signatures))


@given(
    path=st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    index=st.integers(0, 2**62),
    extra=st.none() | st.binary(max_size=100),
)
def test_a_proof_is_read_back_as_it_was_written(path, index, extra):
    proof = Proof(index, tuple(path), Checkpoint.parse(CHECKPOINT), extra)
    assert Proof.parse(str(proof)) == proof


def test_a_submission_to_a_witness_is_read_back_as_it_was_written():
    old, proof, checkpoint = notes.parse_submission(notes.submission(7, [ROOT, ROOT], CHECKPOINT).encode())
    assert (old, proof, checkpoint.note) == (7, (ROOT, ROOT), CHECKPOINT)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_in_words_and_never_crash(data):
    for read in (Note.parse, Proof.parse, notes.parse_submission, Checkpoint.parse):
        with contextlib.suppress(NoteError):
            read(data)
