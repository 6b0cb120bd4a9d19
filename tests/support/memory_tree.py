"""A Merkle tree in memory, as the reader of nodes that proofs are made from."""

from __future__ import annotations

from tasks.ledger import merkle


def memory_node(hashes: bytes) -> merkle.Node:
    """A node reader over leaf hashes held in memory."""
    levels = [hashes]

    def node(level: int, index: int) -> bytes:
        while len(levels) <= level:
            last = levels[-1]
            levels.append(merkle.parents(last[: len(last) // 64 * 64]))
        return levels[level][index * merkle.HASH_BYTES : (index + 1) * merkle.HASH_BYTES]

    return node
