#!/usr/bin/env python3
"""Receives the events of a ledger and proves that none is missing, altered or out of order.

    WEBHOOK_SECRET=whsec_... python receiver.py --listen 127.0.0.1:8090 --keep leaves.sqlite
    python receiver.py --keep leaves.sqlite events.jsonl      (what an endpoint of the kind `file` wrote)

Standard library only; a reference to read, and to rewrite in whatever your SIEM speaks. What it finds goes to
standard output, one line each; exit status 1 if there is any. Signatures of checkpoints are not checked here:
compare `root` with what `claimledger ledger verify --trusted-checkpoint` says of the note that is kept.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Witness:
    """The leaf hashes that came, and the Merkle tree of RFC 6962 over those from 0 on without a gap."""

    def __init__(self, file):
        self.db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        self.db.execute("CREATE TABLE IF NOT EXISTS leaf (at INTEGER PRIMARY KEY, hash BLOB)")
        self.db.execute("CREATE TABLE IF NOT EXISTS point (size INTEGER, root BLOB, note TEXT, ok INTEGER)")
        self.size, self.peaks, self.repeats = 0, [], 0
        self.newest = self.db.execute("SELECT coalesce(max(at), -1) FROM leaf").fetchone()[0]
        self.grow()

    def take(self, record):
        """Keeps one record; what is wrong, in sentences."""
        if record["kind"] == "checkpoint":
            return self.checkpoint(record["size"], base64.b64decode(record["root"]), record["checkpoint"])
        hashes = record.get("leaf_hashes") or [record["leaf_hash"]]
        at = record.get("first", record.get("index"))
        wrong = [] if at + len(hashes) - 1 == record.get("last", at) else [f"CHANGED: {at} counts wrongly"]
        if "event" in record and "redacted" not in record:
            text = json.dumps(record["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if hashlib.sha256(b"\0" + text.encode()).hexdigest() != record["leaf_hash"]:
                wrong.append(f"CHANGED: event {at} does not have its leaf hash")
        for index, leaf in enumerate(map(bytes.fromhex, hashes), start=at):
            (old,) = self.db.execute("SELECT hash FROM leaf WHERE at = ?", (index,)).fetchone() or (None,)
            if old is None:
                self.db.execute("INSERT INTO leaf VALUES (?, ?)", (index, leaf))
                if index < self.newest:
                    wrong.append(f"REORDERED: event {index} came after event {self.newest}")
            elif old != leaf:
                wrong.append(f"CHANGED: event {index} came before with another leaf hash")
            self.repeats += old == leaf
            self.newest = max(self.newest, index)
        return wrong + self.grow()

    def checkpoint(self, size, root, note):
        """Compares a signed root with that of the first `size` leaves."""
        self.db.execute("INSERT INTO point VALUES (?, ?, ?, ?)", (size, root, note, size <= self.size))
        if size > self.size:
            have = {at for (at,) in self.db.execute("SELECT at FROM leaf WHERE at >= ?", (self.size,))}
            missing = [at for at in range(self.size, size) if at not in have]
            return [f"MISSING: events {missing[:10]}, {len(missing)} in all, at the checkpoint of {size}"]
        return self.compare(size, root)

    def compare(self, size, root):
        """Whether the first leaves have that root."""
        peaks = self.peaks
        if size < self.size:  # a checkpoint that came late, or again: from the beginning
            peaks = []
            for at, leaf in self.db.execute("SELECT at, hash FROM leaf WHERE at < ? ORDER BY at", (size,)):
                grown(peaks, at, leaf)
        top = b"" if peaks else hashlib.sha256(b"").digest()
        for peak in reversed(peaks):
            top = hashlib.sha256(b"\1" + peak + top).digest() if top else peak
        return [] if top == root else [f"CHANGED: the {size} events have another root than their checkpoint"]

    def grow(self):
        """Goes on with the tree up to the next gap, and settles the checkpoints that waited."""
        wrong = []
        later = "SELECT at, hash FROM leaf WHERE at >= ? ORDER BY at"
        for at, leaf in self.db.execute(later, (self.size,)):
            if at != self.size:
                break
            grown(self.peaks, at, leaf)
            self.size += 1
        for size, root in self.db.execute("SELECT size, root FROM point WHERE NOT ok").fetchall():
            if size <= self.size:
                self.db.execute("UPDATE point SET ok = 1 WHERE size = ?", (size,))
                wrong += self.compare(size, root)
        return wrong


def grown(peaks, at, leaf):
    """Adds a leaf: complete subtrees of equal height become one."""
    peaks.append(leaf)
    while at & 1:
        right = peaks.pop()
        peaks[-1] = hashlib.sha256(b"\1" + peaks[-1] + right).digest()
        at >>= 1


def signed(headers, body, secrets):
    """Whether one of the signatures of Standard Webhooks is ours, and not older than five minutes."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
        return False
    text = f"{name}.{stamp}.".encode() + body
    ours = [base64.b64encode(hmac.digest(secret, text, "sha256")).decode() for secret in secrets]
    given = [each.partition(",")[2] for each in headers.get("webhook-signature", "").split()]
    return any(hmac.compare_digest(one, other) for one in ours for other in given)


class Handler(BaseHTTPRequestHandler):
    """Takes POSTs of an endpoint of the kind `standard`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """2xx only once the record is kept."""
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), 1 << 20))
        status = 204 if signed(self.headers, body, self.server.secrets) else 401
        if status == 204:
            told(self.server.witness.take(json.loads(body)["data"]))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Findings alone are told."""


def told(sentences):
    """Prints findings; whether there are any."""
    for sentence in sentences:
        print(sentence, flush=True)  # noqa: T201
    return bool(sentences)


def main():
    """Reads files, then listens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keep", default="leaves.sqlite", help="file of the leaf hashes")
    parser.add_argument("--listen", help="HOST:PORT to receive at")
    parser.add_argument("files", nargs="*", help="JSON Lines to read")
    asked = parser.parse_args()
    witness = Witness(asked.keep)
    bad = False
    for name in asked.files:
        with open(name, encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                bad |= told(witness.take(json.loads(line)))
    if asked.listen:
        host, _, port = asked.listen.rpartition(":")
        server = HTTPServer((host, int(port)), Handler)
        keys = os.environ["WEBHOOK_SECRET"].split()
        server.witness = witness
        server.secrets = [base64.b64decode(key.removeprefix("whsec_")) for key in keys]
        server.serve_forever()
    print(f"{witness.size} events without a gap, {witness.repeats} repeats")  # noqa: T201
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
