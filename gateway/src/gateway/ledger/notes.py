"""Signed notes as C2SP defines them: a text, an em dash, the signer's name, key id and Ed25519 signature."""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

_ED25519 = b"\x01"


def _raw_public(key: ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_id(name: str, public: ed25519.Ed25519PublicKey) -> bytes:
    """Return the four bytes that name a key in a note."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + _raw_public(public)).digest()[:4]


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the body of a C2SP tlog checkpoint."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def sign(name: str, key: ed25519.Ed25519PrivateKey, text: str) -> str:
    """Return the signed note."""
    signature = key_id(name, key.public_key()) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def verify(name: str, public: ed25519.Ed25519PublicKey, note: str) -> str | None:
    """Return the note's text when the named key signed it, else None."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator:
        return None
    text += "\n"
    for line in signatures.splitlines():
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—" or parts[1] != name:  # noqa: PLR2004 - the form of a signature line
            continue
        try:
            raw = base64.b64decode(parts[2], validate=True)
        except ValueError:
            continue
        if raw[:4] != key_id(name, public):
            continue
        try:
            public.verify(raw[4:], text.encode())
        except InvalidSignature:
            return None
        return text
    return None
