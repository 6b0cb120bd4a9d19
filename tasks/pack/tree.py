"""The part of the log that a period covers, tied to the signed root: leaves inside, subtrees outside."""

from __future__ import annotations

from tasks.ledger import merkle


def outside(low: int, high: int, size: int, node: merkle.Node) -> list[bytes]:
    """Roots of the largest subtrees of the tree of `size` leaves that hold no leaf of [low, high), left to
    right: with those leaves they give the root (RFC 6962, section 2.1).
    """
    found: list[bytes] = []

    def walk(start: int, end: int) -> None:
        if end <= low or start >= high:
            found.append(merkle.subtree_root(start, end, node))
        elif not (low <= start and end <= high):
            middle = start + (1 << ((end - start - 1).bit_length() - 1))
            walk(start, middle)
            walk(middle, end)

    walk(0, size)
    return found
