"""RFC 6962 Merkle trees: hashes, growing roots, and proofs from the roots of full tiles (256 leaves each).

A tree is kept as its leaf hashes and, for each full tile, its root: level 0 holds leaf hashes, level 1 roots
over 256 leaves, level 2 over 65,536, as in C2SP tlog-tiles. Any proof needs a few short runs of one level.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

TILE_HEIGHT = 8


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def empty_root() -> bytes:
    return hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class TileRoot:
    """The root of a full tile: what level `level` holds at `index`."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """`count` neighbouring hashes of a level; their root is the root of one full subtree."""

    level: int
    first: int
    count: int


class Frontier:
    """The roots of the complete subtrees of a growing tree, largest first: all that appending needs."""

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        if size.bit_count() != len(roots):
            raise ValueError("a tree has one root per bit of its size")
        self.size = size
        self.roots = list(roots)

    def append(self, leaf: bytes) -> list[TileRoot]:
        """Add one leaf hash; return the roots of the tiles that it made full."""
        node, size, height, full = leaf, self.size, 0, []
        while size & 1:
            node = node_hash(self.roots.pop(), node)
            size >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                full.append(TileRoot(height // TILE_HEIGHT, size, node))
        self.roots.append(node)
        self.size += 1
        return full

    def root(self) -> bytes:
        """Return the tree's root hash."""
        return fold(self.roots) if self.roots else empty_root()


def fold(roots: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees that stand side by side, largest first."""
    node = roots[-1]
    for left in reversed(roots[:-1]):
        node = node_hash(left, node)
    return node


def full_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def siblings(index: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges of leaves whose roots are the audit path of a leaf, nearest first (RFC 6962)."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    low, high, found = 0, size, []
    while high - low > 1:
        middle = low + _largest_power_below(high - low)
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def runs(low: int, high: int) -> list[Run]:
    """Return the runs over the complete subtrees that make up a range of a proof, largest first."""
    found = []
    while low < high:
        height = (high - low).bit_length() - 1
        level, rest = divmod(height, TILE_HEIGHT)
        found.append(Run(level, low >> (level * TILE_HEIGHT), 1 << rest))
        low += 1 << height
    return found
