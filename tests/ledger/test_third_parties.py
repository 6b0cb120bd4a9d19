"""Implementations that are not ours judge our proofs, good and bad alike."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from tasks.ledger import canonical, keys, merkle, notes
from tasks.ledger.notes import Note
from tests.support.memory_tree import memory_node

GO = next((p for p in ("/usr/lib/go-1.19/bin/go", shutil.which("go") or "") if p and Path(p).exists()), None)
GO_MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")


def _tree(size: int) -> tuple[list[bytes], bytes]:
    entries = [f"event {i}".encode() for i in range(size)]
    return entries, merkle.leaf_hashes(entries)


def test_sigstore_accepts_our_inclusion_proofs_and_refuses_forged_ones():
    sigstore = pytest.importorskip(
        "sigstore._internal.merkle", reason="dev dependency sigstore is not installed"
    )
    from sigstore.errors import VerificationError

    def judge(index: int, size: int, entry: bytes, path: list[bytes], root: bytes) -> bool:
        proof = SimpleNamespace(log_index=index, tree_size=size, hashes=path, root_hash=root)
        try:
            sigstore.verify_merkle_inclusion(
                SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=entry))
            )
        except VerificationError:
            return False
        return True

    for size in range(1, 50):
        entries, leaves = _tree(size)
        node, root = memory_node(leaves), merkle.root_of(leaves)
        for index, entry in enumerate(entries):
            path = merkle.inclusion_proof(index, size, node)
            assert judge(index, size, entry, path, root)
            assert not judge(index, size, b"another", path, root)
            assert not judge(index, size, entry, [*path, root], root)
            if path:
                assert not judge(index ^ 1, size, entry, path, root)


def test_sigstore_reads_our_checkpoints():
    sigstore = pytest.importorskip(
        "sigstore._internal.rekor.checkpoint", reason="dev dependency sigstore missing"
    )
    signer = keys.new_signer("example.com/log")
    _, leaves = _tree(7)
    text = notes.checkpoint_text("example.com/log", 7, merkle.root_of(leaves))
    note = Note(text, (notes.sign(text, signer.public, signer.sign),))
    read = sigstore.SignedCheckpoint.from_text(str(note))
    assert (read.checkpoint.origin, read.checkpoint.log_size) == ("example.com/log", 7)
    assert read.checkpoint.log_hash == merkle.root_of(leaves).hex()
    [signature] = read.signed_note.signatures
    assert signature.sig_hash == signer.public.key_id


def test_the_rfc8785_package_gives_our_canonical_bytes():
    rfc8785 = pytest.importorskip("rfc8785", reason="dev dependency rfc8785 is not installed")
    texts = [chr(c) for c in range(0xFFFF) if not 0xD800 <= c <= 0xDFFF] + ["😀", "\U0010ffff"]
    frame = pl.DataFrame({"text": texts, "n_us": range(len(texts)), "none": [None] * len(texts)})
    encoded = canonical.encode(frame).to_list()
    assert encoded == [rfc8785.dumps(row) for row in frame.iter_rows(named=True)]


_PROGRAM = r"""
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type Case struct {
	Kind         string
	Old, New     int64
	Leaf         []byte
	Root, Before []byte
	Proof        [][]byte
	Note, Key    string
}

func hash(b []byte) (h tlog.Hash) { copy(h[:], b); return }

func judge(c Case) bool {
	var hashes []tlog.Hash
	for _, p := range c.Proof {
		hashes = append(hashes, hash(p))
	}
	switch c.Kind {
	case "inclusion":
		return tlog.CheckRecord(hashes, c.New, hash(c.Root), c.Old, hash(c.Leaf)) == nil
	case "consistency":
		return tlog.CheckTree(hashes, c.New, hash(c.Root), c.Old, hash(c.Before)) == nil
	case "note":
		verifier, err := note.NewVerifier(c.Key)
		if err != nil {
			return false
		}
		_, err = note.Open([]byte(c.Note), note.VerifierList(verifier))
		return err == nil
	}
	return false
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	decoder := json.NewDecoder(in)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for decoder.More() {
		var c Case
		if err := decoder.Decode(&c); err != nil {
			panic(err)
		}
		fmt.Fprintln(out, judge(c))
	}
}
"""


@pytest.mark.slow
@pytest.mark.skipif(
    GO is None or not GO_MODULES.exists(),
    reason="needs Debian's golang-1.19-go and golang-golang-x-mod-dev",
)
def test_go_sumdb_judges_every_proof_at_sizes_0_to_300_as_we_do(tmp_path):
    (tmp_path / "main.go").write_text(_PROGRAM)
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(tmp_path / "cache"),
        "GOFLAGS": "",
    }
    subprocess.run([str(GO), "build", "-o", "judge", "main.go"], cwd=tmp_path, env=environment, check=True)
    _, leaves = _tree(300)
    node = memory_node(leaves)
    roots = [merkle.root_of(leaves[: 32 * n]) for n in range(301)]
    lines, expected = [], []

    def add(good: bool, **case: object) -> None:
        encoded = {
            name: base64.b64encode(v).decode() if isinstance(v, bytes) else v for name, v in case.items()
        }
        lines.append(json.dumps(encoded))
        expected.append("true" if good else "false")

    def b64s(hashes: list[bytes]) -> list[str]:
        return [base64.b64encode(h).decode() for h in hashes]

    for size in range(1, 301):
        for index in range(size):
            path = b64s(merkle.inclusion_proof(index, size, node))
            leaf = leaves[32 * index : 32 * index + 32]
            add(True, Kind="inclusion", Old=index, New=size, Leaf=leaf, Root=roots[size], Proof=path)
            if index % 7 == 0:
                add(
                    False,
                    Kind="inclusion",
                    Old=index,
                    New=size,
                    Leaf=roots[1][::-1],
                    Root=roots[size],
                    Proof=path,
                )
        for old in range(1, size + 1):
            path = b64s(merkle.consistency_proof(old, size, node))
            add(True, Kind="consistency", Old=old, New=size, Before=roots[old], Root=roots[size], Proof=path)
            if old % 7 == 0:
                wrong = leaves[:32]
                add(False, Kind="consistency", Old=old, New=size, Before=wrong, Root=roots[size], Proof=path)
    for size in range(0, 301, 10):
        signer = keys.new_signer("example.com/log")
        text = notes.checkpoint_text("example.com/log", size, roots[size])
        line = notes.sign(text, signer.public, signer.sign)
        add(True, Kind="note", Note=str(Note(text, (line,))), Key=str(signer.public))
        other = text.replace("example.com/log", "example.com/lag")
        add(False, Kind="note", Note=str(Note(other, (line,))), Key=str(signer.public))
    done = subprocess.run(
        [str(tmp_path / "judge")], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    assert len(expected) > 90_000
    assert done.stdout.split() == expected
