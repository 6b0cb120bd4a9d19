#!/usr/bin/env python3
"""Checks the evidence pack that it lies in, offline: Python 3.9+ and its standard library, nothing else.

    python check.py [KEY ...]

KEY: the log's public key (NAME+ID+KEY), or a file with one a line, as you were given it. Without one the key
that the pack names is taken, which proves nothing about who signed; that is said. Copy the sample's
results.csv elsewhere before you fill it in. In order:
(1) every file is the one of manifest.json, and no other is there; (2) the checkpoint is signed; (3) the
events of the period follow one another without a gap, and with the rest of the tree give the signed root;
(4) every proof is of that log; (5) the sample's seed draws its items; (6) every number of the pages comes out
of the CSV files again; (7) manifest.json is itself in the log.
Exit status: 0 ok, 3 a check failed, 2 unverifiable or unreadable.
"""
# ruff: noqa: B905, D103, PLR0917, PTH100, PTH118, PTH120, PTH123, T201 - one file, read before it is run

import csv
import hashlib
import html
import json
import math
import os
import re
import sys
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import check_proof  # noqa: E402 - the checker of single proofs, beside this file

OUTSIDE = {"manifest.json", "proofs/manifest.tlog-proof"}  # what manifest.json cannot list
csv.field_size_limit(1 << 24)


def read(name):
    with open(os.path.join(HERE, *name.split("/")), "rb") as file:
        return file.read()


def fail(text):
    raise ValueError(text)


def files(manifest):
    """(1)"""
    there = set()
    for folder, folders, names in os.walk(HERE):
        folders[:] = [name for name in folders if name != "__pycache__"]
        there |= {os.path.relpath(os.path.join(folder, name), HERE).replace(os.sep, "/") for name in names}
    for name in sorted(there - set(manifest["files"]) - OUTSIDE):
        fail(f"{name} is not a file of the manifest")
    for name, told in sorted(manifest["files"].items()):
        if name not in there:
            fail(f"{name} is missing")
        digest, size = hashlib.sha256(), 0
        with open(os.path.join(HERE, *name.split("/")), "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
                size += len(block)
        if digest.hexdigest() != told["sha256"] or size != told["bytes"]:
            fail(f"{name} was changed: its SHA-256 is not the manifest's")
    return f"{len(manifest['files'])} files are those of the manifest"


def checkpoint(manifest, keys):
    """(2)"""
    text, _, block = read("proofs/checkpoint").decode().rpartition("\n\n")
    origin, size, root = text.split("\n")[:3]
    told = manifest["checkpoint"]
    if (origin, int(size), check_proof.b64(root).hex()) != (told["origin"], told["size"], told["root"]):
        fail("proofs/checkpoint is another checkpoint than the manifest's")
    signed = check_proof.signers(text + "\n", block[:-1].split("\n"), keys)
    names = {name for name, kind in signed if kind == 1}
    if origin not in names:
        raise check_proof.Unknown("the checkpoint is signed by none of the log keys given")
    return f"the checkpoint of {size} events is signed by {origin}"


def root_of(leaves):
    """RFC 6962, section 2.1: level by level; a node without a sibling goes up as it is."""
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2])
        leaves = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in pairs] + leaves[len(leaves) // 2 * 2 :]
    return leaves[0]


def tree(low, high, start, end, leaves, outside):
    """The root over [start, end), of which [low, high) are leaves at hand and the rest are subtrees."""
    if end <= low or start >= high:
        return next(outside)
    if low <= start and end <= high:
        return root_of(leaves[start - low : end - low])
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    left = tree(low, high, start, middle, leaves, outside)
    right = tree(low, high, middle, end, leaves, outside)
    return hashlib.sha256(b"\x01" + left + right).digest()


def rows(name):
    """Header and rows of a CSV file."""
    with open(os.path.join(HERE, *name.split("/")), encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        for row in reader:
            if len(row) != len(header):
                fail(f"{name}: a row of {len(row)} cells, expected {len(header)}")
            yield header, row


def events(manifest):
    """(3) What it says, and the indexes that a sample may be drawn from."""
    told, leaves, population = json.loads(read("proofs/range.json")), [], []
    low, high = told["low"], told["high"]
    for header, row in rows("populations/events.csv"):
        cells = dict(zip(header, row))
        if int(cells["sequence"]) != low + len(leaves):
            fail(f"populations/events.csv: event {low + len(leaves)} is missing")
        leaves.append(bytes.fromhex(cells["leaf_hash"]))
        if cells["is_sampled_from"] == "true":
            population.append(int(cells["sequence"]))
    if len(leaves) != high - low:
        fail(f"populations/events.csv ends at event {low + len(leaves)}, expected {high}")
    if not leaves:
        return "no event of the period is in the log", population
    rest = iter([bytes.fromhex(each) for each in told["outside"]])
    root = tree(low, high, 0, manifest["checkpoint"]["size"], leaves, rest)
    if root.hex() != manifest["checkpoint"]["root"] or next(rest, None) is not None:
        fail("populations/events.csv: these leaves do not give the signed root")
    return f"events {low} to {high - 1} follow one another without a gap up to the signed root", population


def proofs(manifest, keys):
    """(4)"""
    names = [n for n in manifest["files"] if n.endswith(".tlog-proof")]
    for name in sorted(names):
        try:
            index, _, _, _, body, _ = check_proof.check(read(name), keys)
        except check_proof.Unknown:
            raise
        except (ValueError, KeyError, TypeError, IndexError) as error:
            fail(f"{name}: {error}")
        if name.rsplit("/", 1)[-1] != f"{index}.tlog-proof":
            fail(f"{name} proves event {index}, {body.get('kind')}")
    return f"{len(names)} proofs hold"


def sample(manifest, population):
    """(5)"""
    if "samples/verdicts/sample.json" not in manifest["files"]:
        return "no sample was drawn: nothing was judged in the period"
    told = json.loads(read("samples/verdicts/sample.json"))
    root, nonce = bytes.fromhex(manifest["checkpoint"]["root"]), told["nonce"]
    seed = hashlib.sha256(root + nonce.encode()).digest()
    ranked = sorted(population, key=lambda i: hashlib.sha256(seed + i.to_bytes(8, "big")).digest())
    if seed.hex() != told["seed"] or sorted(ranked[: told["size"]]) != told["indexes"]:
        fail("samples/verdicts: these are not the items that its seed draws")
    if told["population"] != len(population):
        fail("samples/verdicts: its population is not that of populations/events.csv")
    return f"the seed draws the {told['size']} items of the sample from {len(population)}"


COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
}


def counted(name, measures):
    """Values of the measures of one file; cells are compared as text."""
    used = sorted({column for m in measures for column, _, _ in m["where"]})
    counts, values = Counter(), {m["name"]: [] for m in measures}
    places, matching, at = None, {}, {}
    for header, row in rows(name):
        if places is None:
            places = [header.index(column) for column in used]
            at = {
                column: header.index(column)
                for m in measures
                for _, _, column in [m["of"].partition(":")]
                if column
            }
        key = tuple([row[place] for place in places])
        counts[key] += 1
        if key not in matching:
            cells = dict(zip(used, key))
            hits = [m for m in measures if all(COMPARE[op](cells[c], v) for c, op, v in m["where"])]
            valued = [(values[m["name"]], at[m["of"].partition(":")[2]]) for m in hits if ":" in m["of"]]
            matching[key] = [m["name"] for m in hits], valued
        for found, place in matching[key][1]:
            found.append(row[place])
    totals = Counter()
    for key, count in counts.items():
        for measure in matching[key][0]:
            totals[measure] += count
    return {
        m["name"]: reduced(m["of"].partition(":")[0], totals[m["name"]], values[m["name"]]) for m in measures
    }


def reduced(what, count, found):
    numbers = [cell for cell in found if cell != ""]
    if what == "sum":
        return sum(int(cell) for cell in numbers)
    if what == "distinct":
        return len(set(numbers))
    if what == "median":  # the lower one of an even number
        return sorted(int(cell) for cell in numbers)[(len(numbers) - 1) // 2] if numbers else None
    return count


def ratio(part, whole):
    return None if not whole or part is None else round(part / whole, 6)


def wilson(part, whole):
    """95% (Wilson, Journal of the American Statistical Association 22, 1927)."""
    if not whole:
        return None
    z, share = 1.959963984540054, part / whole
    middle, scale = share + z * z / (2 * whole), 1 + z * z / whole
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return [round(max(0.0, (middle - reach) / scale), 6), round(min(1.0, (middle + reach) / scale), 6)]


def numbers(manifest):
    """(6)"""
    told, computed = json.loads(read("measures.json")), {}
    by_file = {}
    for measure in told["measures"]:
        by_file.setdefault(measure["file"], []).append(measure)
    for name, measures in by_file.items():
        computed.update(counted(name, measures))
    for each in told["ratios"]:
        part, whole = computed[each["part"]], computed[each["whole"]]
        computed[each["name"]] = ratio(part, whole)
        if each["interval"] != (wilson(part, whole) if each["is_sampled"] else None):
            fail(f"measures.json: the interval of {each['name']} comes out as {wilson(part, whole)}")
    for each in told["measures"] + told["ratios"]:
        if computed[each["name"]] != each["value"]:
            fail(f"measures.json: {each['name']} is {each['value']}, the CSV says {computed[each['name']]}")
    shown = 0
    for page in [name for name in manifest["files"] if re.fullmatch(r"\w+\.html", name)]:
        for name, value in re.findall(r'<data data-measure="([^"]+)" value="([^"]*)">', read(page).decode()):
            shown += 1
            if html.unescape(value) != ("" if computed[name] is None else str(computed[name])):
                fail(f"{page}: {name} is {value}, the CSV says {computed[name]}")
    return f"{shown} numbers of the pages come out of the CSV files again"


def itself(manifest_bytes, keys):
    """(7)"""
    try:
        proof = read("proofs/manifest.tlog-proof")
    except FileNotFoundError:
        raise check_proof.Unknown("proofs/manifest.tlog-proof is missing") from None
    index, _, _, _, body, _ = check_proof.check(proof, keys)
    if body.get("manifest_sha256") != hashlib.sha256(manifest_bytes).hexdigest():
        fail("the manifest is not the one whose digest was logged")
    return f"manifest.json is event {index} of the log"


def main(arguments):
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        data = read("manifest.json")
        manifest = json.loads(data)
        keys = [key for text in arguments or manifest["keys"] for key in check_proof.parse_keys(text)]
        said = [files(manifest), checkpoint(manifest, keys)]
        text, population = events(manifest)
        said += [
            text,
            proofs(manifest, keys),
            sample(manifest, population),
            numbers(manifest),
            itself(data, keys),
        ]
    except (OSError, check_proof.Unknown) as error:
        return print(f"unverifiable: {error}") or 2
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
        return print(f"FAILED: {error}") or 3
    print("\n".join(said))
    if not arguments:
        print("signatures were checked with the key that the pack names; give the key that you were given")
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
