"""Verifies the ledger offline, from the public specifications alone.

RFC 6962 says how leaves become a root and how an audit path leads there; C2SP `tlog-checkpoint` and
`signed-note` say how a root is signed. Nothing here is shared with the code that keeps the ledger: a fault
there is not repeated here.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ndx_contracts.bodies import Reading
from pydantic import Field

_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)

PROVEN = (
    "each record listed as proven is, byte for byte, the leaf at its position in a signed tree",
    "none of these records can be changed, moved or taken out without another root than the signed one",
)
NOT_PROVEN = (
    "that the ledger holds every disclosure: compare its counts with those of the services",
    "whom a pseudonym stands for: only the holder of the pseudonym key can tell",
    "that later trees continue these: no consistency proof is in the bundle",
    "that everybody is shown the same tree: no witness has signed the checkpoints",
    "when the checkpoints were signed: no time stamp of a third party is in the bundle",
)


class NotProven(Exception):
    """A check failed; the words say which."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public key of a ledger, written `<name>+<key id>+<base64 of type and key>` (C2SP signed-note)."""

    name: str
    key_id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the written form.

        Raises:
            NotProven: it is no Ed25519 verifier key, or its id is another key's.
        """
        name, _, rest = text.strip().partition("+")
        written_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded, "the verifier key")
        if not name or len(raw) != 1 + _KEY_BYTES or raw[:1] != _ED25519:
            raise NotProven("the verifier key is not of the form <name>+<id>+<Ed25519 key>")
        key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:_ID_BYTES]
        if written_id != key_id.hex():
            raise NotProven("the verifier key's id does not belong to its name and key")
        return cls(name, key_id, Ed25519PublicKey.from_public_bytes(raw[1:]))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed state of the ledger."""

    origin: str
    size: int
    root: bytes


class Entry(Reading):
    """One leaf with its audit path and the checkpoint that the path leads to, as the ledger hands it out."""

    disclosure_id: UUID
    position: int = Field(ge=0)
    leaf: str
    proof: tuple[str, ...]
    checkpoint: str


class Bundle(Reading):
    """What is exported for an auditor; the key in it is only as good as the way that it came."""

    verifier_key: str
    entries: tuple[Entry, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one entry: the disclosure in its leaf, or why nothing is proven."""

    entry: Entry
    checkpoint: Checkpoint | None
    record: dict[str, Any]
    fault: str | None


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotProven(f"{what} is not base64") from None


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an audit path leads to, as RFC 6962, section 2.1.1 defines the path.

    Raises:
        NotProven: the path is too short or too long for a leaf at that place.
    """
    if not 0 <= index < size:
        raise NotProven("the position lies outside the tree")
    if size == 1:
        if path:
            raise NotProven("the audit path is too long")
        return leaf_hash(leaf)
    if not path:
        raise NotProven("the audit path is too short")
    split = 1 << ((size - 1).bit_length() - 1)
    if index < split:
        return node_hash(root_from_path(leaf, index, split, path[:-1]), path[-1])
    return node_hash(path[-1], root_from_path(leaf, index - split, size - split, path[:-1]))


def read_note(note: str, key: VerifierKey) -> str:
    """Return the text of a signed note.

    Raises:
        NotProven: it has no signature of this key, or a wrong one.
    """
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines() if separator else ():
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if mark != "—" or name != key.name:
            continue
        raw = _decoded(encoded, "a signature")
        if raw[:_ID_BYTES] != key.key_id:
            continue
        try:
            key.public.verify(raw[_ID_BYTES:], text.encode())
        except InvalidSignature:
            raise NotProven("the checkpoint's signature is wrong") from None
        return text
    raise NotProven("the checkpoint is not signed with the given key")


def read_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Return a checkpoint whose signature is right.

    Raises:
        NotProven: the signature or the form is wrong, or it is another log's.
    """
    lines = read_note(note, key).split("\n")
    origin, size, root = (*lines, "", "", "")[:3]
    if origin != key.name:
        raise NotProven("the checkpoint is another log's")
    if not _SIZE.fullmatch(size):
        raise NotProven("the checkpoint has no size")
    return Checkpoint(origin, int(size), _decoded(root, "the root"))


def verify_entry(entry: Entry, key: VerifierKey) -> tuple[Checkpoint, dict[str, Any]]:
    """Return the signed tree that holds an entry, and the disclosure in its leaf.

    Raises:
        NotProven: says which check failed.
    """
    checkpoint = read_checkpoint(entry.checkpoint, key)
    path = [_decoded(part, "the audit path") for part in entry.proof]
    if root_from_path(entry.leaf.encode(), entry.position, checkpoint.size, path) != checkpoint.root:
        raise NotProven("the audit path does not lead to the signed root")
    try:
        record = json.loads(entry.leaf)
    except ValueError:
        raise NotProven("the leaf is no record") from None
    if not isinstance(record, dict) or record.get("id") != str(entry.disclosure_id):
        raise NotProven("the leaf is the record of another disclosure")
    return checkpoint, record


def verify(bundle: Bundle, key: VerifierKey) -> list[Finding]:
    """Check every entry of a bundle, and that the ledger signed one root only for each size."""
    findings: list[Finding] = []
    roots: dict[int, bytes] = {}
    for entry in bundle.entries:
        try:
            checkpoint, record = verify_entry(entry, key)
            if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
                raise NotProven("the ledger signed two trees of one size: it shows different views")  # noqa: TRY301 - one place tells all faults
        except NotProven as fault:
            findings.append(Finding(entry, None, {}, str(fault)))
        else:
            findings.append(Finding(entry, checkpoint, record, None))
    return findings
