"""The tree against a naive reading of RFC 6962."""

import hashlib

import pytest
from gateway.ledger.merkle import (
    Frontier,
    empty_root,
    fold,
    full_root,
    leaf_hash,
    runs,
    siblings,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from ndx_client.ledger import NotProven, root_from_path


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def grown(leaves: list[bytes]) -> tuple[Frontier, dict[int, list[bytes]]]:
    """Return the tree and what is stored of it: hashes by level."""
    tree = Frontier()
    levels: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for leaf in leaves:
        levels[0].append(leaf_hash(leaf))
        for full in tree.append(leaf_hash(leaf)):
            assert full.index == len(levels[full.level])
            levels[full.level].append(full.hash)
    return tree, levels


def proof_of(index: int, size: int, levels: dict[int, list[bytes]]) -> list[bytes]:
    return [
        fold([full_root(levels[r.level][r.first : r.first + r.count]) for r in runs(low, high)])
        for low, high in siblings(index, size)
    ]


def leads(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Ask the auditors' verifier, which knows nothing of how the tree is kept."""
    try:
        return root_from_path(leaf, index, size, proof) == root
    except NotProven:
        return False


class TestRoot:
    def test_known_values(self):
        assert empty_root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"

    @given(st.lists(st.binary(max_size=8), max_size=70))
    def test_growing_gives_the_naive_root(self, leaves: list[bytes]):
        assert grown(leaves)[0].root() == naive_root(leaves)

    @given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
    def test_growing_goes_on_from_what_a_checkpoint_keeps(self, leaves: list[bytes], data: st.DataObject):
        stop = data.draw(st.integers(0, len(leaves)))
        first = grown(leaves[:stop])[0]
        tree = Frontier(first.size, first.roots)
        for leaf in leaves[stop:]:
            tree.append(leaf_hash(leaf))
        assert tree.root() == naive_root(leaves)

    def test_a_frontier_that_does_not_fit_its_size_is_refused(self):
        with pytest.raises(ValueError, match="one root per bit"):
            Frontier(3, [b"x" * 32])


class TestInclusion:
    @given(st.integers(1, 700), st.data())
    @settings(max_examples=60, deadline=None)
    def test_every_leaf_is_proven_from_tiles(self, size: int, data: st.DataObject):
        leaves = [str(i).encode() for i in range(size)]
        index = data.draw(st.integers(0, size - 1))
        tree, levels = grown(leaves)
        proof = proof_of(index, size, levels)
        assert leads(leaves[index], index, size, proof, naive_root(leaves))
        assert tree.root() == naive_root(leaves)

    @given(st.integers(2, 64), st.data())
    def test_no_other_leaf_position_or_proof_passes(self, size: int, data: st.DataObject):
        leaves = [str(i).encode() for i in range(size)]
        index = data.draw(st.integers(0, size - 1))
        other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
        root, (_, levels) = naive_root(leaves), grown(leaves)
        proof = proof_of(index, size, levels)
        assert not leads(leaves[other], index, size, proof, root)
        assert not leads(leaves[index], other, size, proof, root)
        assert not leads(leaves[index], index, size, proof[:-1], root)
        assert not leads(leaves[index], index, size, [*proof, b"x" * 32], root)

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 65_536, 65_537, 70_000])
    def test_sizes_around_tiles(self, size: int):
        leaves = [str(i).encode() for i in range(size)]
        tree, levels = grown(leaves)
        assert len(levels[1]) == size // 256
        assert len(levels[2]) == size // 65_536
        for index in {0, size // 2, size - 1}:
            proof = proof_of(index, size, levels)
            assert leads(leaves[index], index, size, proof, tree.root())

    def test_a_leaf_outside_the_tree(self):
        with pytest.raises(ValueError, match="not in the tree"):
            siblings(3, 3)
        assert not leads(b"", 0, 0, [], b"")
