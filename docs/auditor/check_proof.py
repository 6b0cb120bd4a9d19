#!/usr/bin/env python3
"""Checks one claimledger proof file offline. Python 3.9+ and `cryptography`, or ed25519.py beside it.

    python check_proof.py FILE.tlog-proof KEY [KEY ...]

KEY: NAME+ID+KEY, or a file with one a line. The log's public key, and any witness's, as you were given them,
never as they lie beside the proof. Says what the event says, for people first, then the event as logged.
Exit status: 0 proven, 3 a check failed, 2 unverifiable or unreadable. The format is in formats.md.
"""
# ruff: noqa: SIM905, D103, N818, PTH123, T201, D101 - one short file, read before it is run

import base64
import hashlib
import hmac
import json
import re
import sys
from datetime import datetime, timedelta

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # slower, but with nothing installed: the file beside this one
    from ed25519 import Ed25519PublicKey, InvalidSignature

SCHEMAS = """
0006ed1f60b3f2a2e7d4 01099cab2c2164d6d835 0248a94b6e174375719f 0e09353546610b2bf02b 1172e239d3206983b0eb
1962e0dbaea2b8ae1e22 1ba1478e31526ac08a44 1f6bb5976c3d758a3c9b 20a611a36cc1bfc2f917 280112ed8778ee3cb6ac
2840eaf34b6b36eb7906 2fe975b90d47540b3565 492d7f16566839703394 4b7a0d79d229d161c63e 4bc2182438c3f596266d
4c785aa7dab33c614489 57da2d962c711e00c4df 5b6e36af6ec6605599e4 64352f1a8765b15dd472 6b4aac646fa2fb8cbd43
714421c2160b41e90013 766cf1c3db0e31884a11 7e5f6938a0890315e919 86f80a8e3ad3b666584b 94c0b6c7480664ad2bf4
a13693865e62ed7f9115 a3be19f4584ed58cbd8c aacb473caf17bed08c4d ac1ee15f3922d1d7eed5 ac4eec5550acd38ebbe8
bf700f6a2c79b6e95ee4 c4fafa60490fb03b8c3e d57db0059d87d7355dde fbe3ea3064403214e703
""".split()  # first 20 digits of each digest that formats.md lists


class Unknown(Exception): ...  # neither good nor bad; a failed check is a ValueError


def b64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 that is not canonical")
    return data


def canonical(data):
    """JSON that could not have been written otherwise: RFC 8785 without floats."""
    refuse = {}.__getitem__  # every float, NaN and infinity is a KeyError
    value = json.loads(data, parse_float=refuse, parse_constant=refuse)
    if json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != data:
        raise ValueError("JSON that is not canonical")
    return value


def parse_keys(text):
    """A public key, or those of a file that holds one a line."""
    parts = text.strip().split("+", 2)
    if len(parts) == 3 and re.fullmatch("[0-9a-f]{8}", parts[1]):
        return [parse_key(text.strip())]
    try:
        with open(text, encoding="utf-8") as file:
            lines = file.read().split()
    except (OSError, ValueError):
        lines = []
    if not lines:
        raise Unknown(f"{text[:80]!a} is neither a public key (NAME+ID+KEY) nor a file of public keys")
    return [parse_key(line) for line in lines]


def parse_key(text):
    name, key_id, encoded = text.split("+", 2) if text.count("+") > 1 else ("", "", "")
    material = b64(encoded)
    found = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
    if len(material) != 33 or material[0] not in (1, 4) or found.hex() != key_id:
        raise Unknown(f"{text[:80]!a} is no public key (NAME+ID+KEY)")
    return name, found, material[0], Ed25519PublicKey.from_public_bytes(material[1:])


def signers(text, lines, keys):
    """Trusted keys that signed the checkpoint; a bad signature by a trusted key is a failure."""
    found = []
    for line in lines:
        match = re.fullmatch("\u2014 (\\S+) ([A-Za-z0-9+/]+={0,2})", line)
        if not match:
            raise ValueError("a malformed signature line")
        data = b64(match[2])
        for name, key_id, kind, key in keys:
            if (name, key_id) != (match[1], data[:4]):
                continue
            signature, message = data[4:], text.encode()
            if kind == 4:  # cosignature/v1: eight bytes of time come first and are signed too
                message = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + message
                signature = signature[8:]
            try:
                key.verify(signature, message)
            except InvalidSignature:
                raise ValueError(f"the signature by {name} is bad") from None
            found.append((name, kind))
    return found


def root_of(index, size, leaf, path):
    """RFC 9162 section 2.1.3.2."""
    position, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise ValueError("the path does not fit the tree")
        if position & 1 or position == last:
            found = hashlib.sha256(b"\x01" + step + found).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + step).digest()
        position, last = position >> 1, last >> 1
    if last:
        raise ValueError("the path does not fit the tree")
    return found


def check(data, keys):
    head, _, note = data.decode("utf-8").partition("\n\n")
    lines, (text, _, block) = head.split("\n"), note.rpartition("\n\n")
    extra = b64(lines.pop(1)[6:]) if lines[1].startswith("extra ") else None
    index, path, (origin, size, root) = int(lines[1][6:]), [b64(x) for x in lines[2:]], text.split("\n")[:3]
    if lines[:2] != ["c2sp.org/tlog-proof@v1", f"index {index}"] or any(len(x) != 32 for x in path):
        raise ValueError("not a tlog-proof")
    if size != str(int(size)) or not 0 <= index < int(size) or not block.endswith("\n") or "\n\n" in text:
        raise ValueError("a malformed checkpoint, or an index that is not in its tree")
    size, root = int(size), b64(root)
    signed = signers(text + "\n", block[:-1].split("\n"), keys)
    if not any(kind == 1 and name == origin for name, kind in signed):
        raise Unknown("the checkpoint is signed by none of the log keys given")
    if extra is None:
        raise Unknown("the proof carries no event")
    extra = canonical(extra)
    event = extra["event"].encode()
    if root_of(index, size, hashlib.sha256(b"\x00" + event).digest(), path) != root:
        raise ValueError("the event is not in the signed log")
    body = canonical(event)
    if str(body.get("_schema"))[:20] not in SCHEMAS:
        raise Unknown("the event is in the log, but its schema is unknown to this checker")
    fields = {name: body.get(name) for name in ("claim", "reviewer")}
    fields.update({f"passage {p['rank']}": p["commitment"] for p in body.get("evidence") or []})
    for item in extra["disclosed"]:
        made = hmac.new(bytes.fromhex(item["key"]), item["text"].encode(), "sha256").hexdigest()
        if len(item) != 4 or made != item["commitment"] or fields.get(item["field"]) != made:
            raise ValueError(f"the disclosed {item['field']} is not what was logged")
    return index, size, origin, signed, body, extra["disclosed"]


def visible(text):
    return "".join(c if c.isprintable() or c == "\t" else f"\\u{ord(c):04x}" for c in text)


def words(body, disclosed):
    """What the event says, for people: disclosed texts, then times and shares; digests are left out."""
    yield from (f"{item['field']}: {visible(item['text'])}" for item in disclosed)
    first = [name for name in ("kind", "verdict", "outcome", "action", "reason", "actor") if name in body]
    for name in [*first, *(name for name in body if name not in first)]:
        stem, _, unit = name.rpartition("_")
        value = body[name]
        if value is None or isinstance(value, list) or re.fullmatch("[0-9a-f]{64}", str(value)):
            continue
        if unit == "us":
            at = datetime(1970, 1, 1) + timedelta(microseconds=value)
            yield f"{stem.replace('_', ' ')}: {at:%Y-%m-%d %H:%M:%S} UTC"
        elif unit == "u6":
            yield f"{stem.replace('_', ' ')}: {value / 10000:.1f}%"
        else:
            yield f"{name.replace('_', ' ')}: {visible(str(value))}"


def main(arguments):
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        keys = [key for text in arguments[1:] for key in parse_keys(text)]
        with open(arguments[0], "rb") as file:
            data = file.read()
    except (OSError, ValueError, IndexError, Unknown) as error:
        return print(f"unverifiable: {error}\n{__doc__}") or 2
    try:
        index, size, origin, signed, body, disclosed = check(data, keys)
        said = list(words(body, disclosed))
    except Unknown as error:
        return print(f"unverifiable: {error}") or 2
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        return print(f"FAILED: {error}") or 3
    names = ", ".join(sorted({name for name, _ in signed}))
    print(f"proven: event {index} of {size} in {origin}, signed by {names}")
    print("\n".join(said))
    if not disclosed:
        print("texts: none is disclosed in this proof; `ledger prove --disclose all` opens them")
    print("\nThe event as it was logged:\n" + json.dumps(body, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
