import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ledger import merkle, tiles
from tasks.ledger.merkle import ProofError
from tasks.ledger.tiles import Tile, Tree
from tests.support.memory_tree import memory_node

VECTORS = Path(__file__).parents[1] / "data" / "rfc6962-vectors"
INCLUSION = sorted((VECTORS / "inclusion").rglob("*.json"))
CONSISTENCY = sorted((VECTORS / "consistency").rglob("*.json"))


def _b64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _leaves(count: int) -> bytes:
    return merkle.leaf_hashes(str(i).encode() for i in range(count))


def test_every_published_vector_is_there():
    assert (len(INCLUSION), len(CONSISTENCY)) == (98, 98)


@pytest.mark.parametrize("file", INCLUSION, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_inclusion_vectors_are_judged_as_published(file):
    case = json.loads(file.read_text())
    proof = [_b64(step) for step in case["proof"] or []]
    arguments = (case["leafIdx"], case["treeSize"], _b64(case["leafHash"]), proof, _b64(case["root"]))
    if case["wantErr"]:
        with pytest.raises(ProofError):
            merkle.check_inclusion(*arguments)
    else:
        merkle.check_inclusion(*arguments)


@pytest.mark.parametrize("file", CONSISTENCY, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_consistency_vectors_are_judged_as_published(file):
    case = json.loads(file.read_text())
    proof = [_b64(step) for step in case["proof"] or []]
    arguments = (case["size1"], case["size2"], _b64(case["root1"]), _b64(case["root2"]), proof)
    if case["wantErr"]:
        with pytest.raises(ProofError):
            merkle.check_consistency(*arguments)
    else:
        merkle.check_consistency(*arguments)


def _naive_root(entries: list[bytes]) -> bytes:
    """MTH word for word as RFC 6962 2.1 states it."""
    if not entries:
        return merkle.EMPTY_ROOT
    if len(entries) == 1:
        return merkle.leaf_hash(entries[0])
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return merkle.node_hash(_naive_root(entries[:k]), _naive_root(entries[k:]))


@pytest.mark.parametrize("size", [*range(40), 255, 256, 257, 1000])
def test_the_root_is_the_recursive_definition(size):
    entries = [str(i).encode() for i in range(size)]
    assert merkle.root_of(merkle.leaf_hashes(entries)) == _naive_root(entries)


def test_all_inclusion_and_consistency_proofs_up_to_size_64_verify():
    leaves = _leaves(64)
    node = memory_node(leaves)
    roots = [merkle.root_of(leaves[: 32 * n]) for n in range(65)]
    for size in range(1, 65):
        for index in range(size):
            leaf = leaves[32 * index : 32 * index + 32]
            proof = merkle.inclusion_proof(index, size, node)
            merkle.check_inclusion(index, size, leaf, proof, roots[size])
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, node)
            merkle.check_consistency(old, size, roots[old], roots[size], proof)


@given(data=st.data(), size=st.integers(2, 300))
@settings(max_examples=150, deadline=None)
def test_a_forged_inclusion_proof_is_refused(data, size):
    leaves = _leaves(size)
    root = merkle.root_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, memory_node(leaves))
    leaf = leaves[32 * index : 32 * index + 32]
    forgery = data.draw(st.sampled_from(["bit", "extra", "short", "index", "root", "swap"]))
    if forgery == "bit":
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytearray(proof[at])
        flipped[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        proof = [*proof[:at], bytes(flipped), *proof[at + 1 :]]
    elif forgery == "extra":
        proof = [*proof, merkle.EMPTY_ROOT]
    elif forgery == "short":
        proof = proof[:-1]
    elif forgery == "index":
        index = data.draw(st.integers(-1, size + 1).filter(lambda other: other != index))
    elif forgery == "root":
        root = merkle.root_of(leaves + leaf)
    else:
        leaf = merkle.leaf_hash(b"another entry")
    with pytest.raises(ProofError):
        merkle.check_inclusion(index, size, leaf, proof, root)


def _all_tiles(size: int) -> list[tiles.Tile]:
    """Every hash tile of a tree of that size, by the words of tlog-tiles."""
    every, level = [], 0
    while count := size >> (8 * level):
        every += [tiles.Tile(level, at, min(256, count - 256 * at)) for at in range(-(-count // 256))]
        level += 1
    return every


@given(cuts=st.lists(st.integers(0, 700), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_appending_in_any_pieces_gives_the_same_tree_and_tiles(cuts):
    leaves = _leaves(sum(cuts))
    stored: dict[str, bytes] = {}
    tree, at = Tree(), 0
    for count in cuts:
        tree = Tree.load(tree.size, lambda tile: stored[tile.path])
        filled = tree.extend(leaves[32 * at : 32 * (at + count)])
        at += count
        stored.update({tile.path: hashes for tile, hashes in filled + tree.partial()})
    assert tree.root() == merkle.root_of(leaves)
    for tile in _all_tiles(at):
        low = tile.index * 256 * 256 ** int(tile.level)
        width = 256 ** int(tile.level)
        expected = b"".join(
            merkle.root_of(leaves[32 * (low + i * width) : 32 * (low + (i + 1) * width)])
            for i in range(tile.width)
        )
        assert stored[tile.path] == expected
    if at:
        node = tiles.node_reader(at, lambda tile: stored[tile.path])
        for index in {0, at // 2, at - 1}:
            proof = merkle.inclusion_proof(index, at, node)
            merkle.check_inclusion(index, at, leaves[32 * index : 32 * index + 32], proof, tree.root())


def test_an_append_reads_a_partial_tile_per_level_and_nothing_else():
    stored: dict[str, bytes] = {}
    tree = Tree()
    stored.update({t.path: h for t, h in tree.extend(_leaves(70_000)) + tree.partial()})
    read: list[Tile] = []

    def reading(tile: Tile) -> bytes:
        read.append(tile)
        return stored[tile.path]

    Tree.load(70_000, reading).extend(_leaves(10))
    # The specification's own example: 70,000 entries are 273 full level-0 tiles and these partial ones.
    assert [(t.level, t.index, t.width) for t in read] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


def test_tile_paths_are_those_of_the_specification():
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(1, 0, 17).path == "tile/1/000.p/17"
    assert Tile("entries", 5).path == "tile/entries/005"


@given(st.sampled_from(["entries", *range(8)]), st.integers(0, 10**8), st.integers(1, 256))
def test_a_tile_path_is_read_back(level, index, width):
    assert tiles.parse_path(Tile(level, index, width).path) == Tile(level, index, width)


@pytest.mark.parametrize(
    "path", ["tile/0/1", "tile/0/x000/001", "tile/0/001.p/256", "tile/0/001.tmp", "tile/-1/001"]
)
def test_a_path_that_is_no_tiles_is_none(path):
    assert tiles.parse_path(path) is None


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_gives_back_its_entries(entries):
    assert tiles.unbundle(tiles.bundle(entries)) == entries


def test_a_bundle_that_ends_inside_an_entry_is_refused():
    with pytest.raises(ValueError, match="entry 1"):
        tiles.unbundle(tiles.bundle([b"one", b"two"])[:-1])
