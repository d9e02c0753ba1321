"""Signed notes as C2SP defines them: a text, an em dash, the signer's name, key id and Ed25519 signature."""

import base64
import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

_ED25519 = b"\x01"


def _raw_public(key: ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_id(name: str, public: ed25519.Ed25519PublicKey) -> bytes:
    """Return the four bytes that name a key in a note."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + _raw_public(public)).digest()[:4]


def verifier_key(name: str, public: ed25519.Ed25519PublicKey) -> str:
    """Return the public key as verifiers read it."""
    encoded = base64.b64encode(_ED25519 + _raw_public(public)).decode()
    return f"{name}+{key_id(name, public).hex()}+{encoded}"


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the body of a C2SP tlog checkpoint."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def sign(name: str, key: ed25519.Ed25519PrivateKey, text: str) -> str:
    """Return the signed note."""
    signature = key_id(name, key.public_key()) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"
