"""RFC 6962 section 2.1: leaf and node hashes, roots, inclusion and consistency proofs.

A run of hashes is one `bytes` of 32 bytes each, so that a tile on disk, a level in memory and an argument
are the same thing. Proof verification follows RFC 9162 sections 2.1.3.2 and 2.1.4.2, which state as
algorithms what RFC 6962 leaves to the reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""RFC 6962: the root of the empty tree is the hash of the empty string."""

Node = Callable[[int, int], bytes]
"""(level, index) to the root of the complete subtree over leaves [index << level, (index + 1) << level)."""


class ProofError(ValueError):
    """A proof that does not verify; the message says which step failed."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> bytes:
    """The leaf hashes of many entries, one after the other."""
    sha256 = hashlib.sha256
    return b"".join([sha256(b"\x00" + entry).digest() for entry in entries])


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def parents(hashes: bytes) -> bytes:
    """The level above: an even number of hashes in, half as many out."""
    sha256 = hashlib.sha256
    return b"".join(
        [sha256(b"\x01" + hashes[i : i + 64]).digest() for i in range(0, len(hashes), 2 * HASH_BYTES)]
    )


def complete_subtrees(hashes: bytes) -> list[bytes]:
    """Roots of the largest complete subtrees that cover a run of sibling hashes, left to right."""
    count = len(hashes) // HASH_BYTES
    roots, start = [], 0
    while start < count:
        width = 1 << ((count - start).bit_length() - 1)
        level = hashes[start * HASH_BYTES : (start + width) * HASH_BYTES]
        while len(level) > HASH_BYTES:
            level = parents(level)
        roots.append(level)
        start += width
    return roots


def fold(roots: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of falling size; the empty root where there are none."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def root_of(hashes: bytes) -> bytes:
    """MTH over leaf hashes."""
    return fold(complete_subtrees(hashes))


def subtree_root(low: int, high: int, node: Node) -> bytes:
    """MTH(D[low:high]), where `low` is a multiple of the least power of two that is not below the width."""
    if low == high:
        return EMPTY_ROOT
    roots = []
    while low < high:
        level = (high - low).bit_length() - 1
        roots.append(node(level, low >> level))
        low += 1 << level
    return fold(roots)


def _split(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 2.1.1, from the leaf's sibling up.

    Raises:
        ValueError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(subtree_root(middle, high, node))
            high = middle
        else:
            proof.append(subtree_root(low, middle, node))
            low = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 2.1.2; empty where the old tree is empty or the same.

    Raises:
        ValueError: the old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot extend one of {old}")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    low, high, is_old_root = 0, new, True
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(subtree_root(middle, high, node))
            high = middle
        else:
            proof.append(subtree_root(low, middle, node))
            low, is_old_root = middle, False
    if not is_old_root:
        proof.append(subtree_root(low, high, node))
    return proof[::-1]


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 2.1.3.2.

    Raises:
        ProofError: the leaf is not proven to be at that index of the tree with that root.
    """
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not below the tree's size {size}")
    _hash_lengths(leaf, *proof)
    _, result = _climb("inclusion", index, size - 1, leaf, proof)
    if result != root:
        raise ProofError("the inclusion proof leads to another root")


def _climb(name: str, position: int, last: int, start: bytes, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The loop of RFC 9162 2.1.3.2 and 2.1.4.2: the root over left siblings alone, and over all."""
    old = new = start
    for step in steps:
        if last == 0:
            raise ProofError(f"the {name} proof has more hashes than the tree has levels")
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError(f"the {name} proof has fewer hashes than the tree has levels")
    return old, new


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 2.1.4.2. That every tree extends the empty one needs no proof, and none is accepted.

    Raises:
        ProofError: the new tree is not proven to extend the old one.
    """
    _hash_lengths(*proof)
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} cannot extend one of {old}")
    for size, root in ((old, old_root), (new, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError("the root of an empty tree is not the empty root")
    if old == new:
        if old_root != new_root:
            raise ProofError("two trees of the same size have different roots")
        if proof:
            raise ProofError("a proof between equal trees must be empty")
        return
    if old == 0:
        raise ProofError("a proof from the empty tree proves nothing")
    if not proof:
        raise ProofError("the consistency proof is empty")
    start, *steps = proof if old & (old - 1) else [old_root, *proof]
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    results = _climb("consistency", position, last, start, steps)
    for name, result, root in zip(("old", "new"), results, (old_root, new_root), strict=True):
        if result != root:
            raise ProofError(f"the consistency proof does not lead to the {name} root")


def _hash_lengths(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ProofError(f"a hash is not {HASH_BYTES} bytes long")
