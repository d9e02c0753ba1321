"""Signed messages: RFC 9421 signatures over a request and the RFC 9530 digest of its body, with Ed25519 keys.

Keys are published as a JSON Web Key Set (RFC 7517, 8037); a key's id is its thumbprint (RFC 7638).
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

LABEL = "ndx"
COVERED = ("@method", "@target-uri", "content-type")
"""What a request's signature covers, beside the digest of its body."""
MAX_AGE = timedelta(minutes=5)
CLOCK_SKEW = timedelta(seconds=30)
"""By which the clocks of two sides may differ, as for the tokens of citizens."""


class SignatureInvalid(Exception):
    """The message is not what the holder of a known key signed for this purpose lately."""


@dataclass(slots=True)
class Request:
    """A request as its signature sees it; the URL is absolute, as it was called."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """Return a public key as a JSON Web Key with its thumbprint as id."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _text(key.public_bytes_raw())}
    digest = hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    return {**members, "kid": _text(digest), "use": "sig", "alg": "EdDSA"}


def keys_of(key_set: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """Return the Ed25519 keys of a JSON Web Key Set by id; others are passed over.

    Raises:
        ValueError: a key is malformed.
    """
    found = {}
    for member in key_set["keys"]:
        if member.get("kty") == "OKP" and member.get("crv") == "Ed25519":
            raw = base64.urlsafe_b64decode(member["x"] + "=" * (-len(member["x"]) % 4))
            found[str(member["kid"])] = Ed25519PublicKey.from_public_bytes(raw)
    return found


@dataclass(slots=True)
class _Keys(HTTPSignatureKeyResolver):
    public: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)
    private: Ed25519PrivateKey | None = None

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        if key_id not in self.public:
            raise InvalidSignature("unknown key")
        return self.public[key_id]

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        del key_id
        if self.private is None:
            raise InvalidSignature("no key to sign with")
        return self.private


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = CLOCK_SKEW


def verifier(keys: Mapping[str, Ed25519PublicKey]) -> HTTPMessageVerifier:
    """Return what checks signatures of the keys that are trusted."""
    return _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(public=keys))


class Signer:
    """Signs requests with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.public = jwk(key.public_key())
        self._signer = HTTPMessageSigner(
            signature_algorithm=algorithms.ED25519, key_resolver=_Keys(private=key)
        )

    def sign(self, request: Request, *, tag: str, covered: Sequence[str] = COVERED) -> None:
        """Add `Content-Digest`, `Signature-Input` and `Signature`; `tag` says what the signature is for."""
        self._signer.sign(
            request,
            key_id=self.public["kid"],
            label=LABEL,
            tag=tag,
            covered_component_ids=covered,
            body=request.body,
        )


def verify(
    request: Request,
    keys: Mapping[str, Ed25519PublicKey],
    *,
    tag: str,
    max_age: timedelta | None = MAX_AGE,
    covered: Sequence[str] = COVERED,
) -> str:
    """Check a signature and the digest of the body; return the id of the key.

    Raises:
        SignatureInvalid: missing, of another key, for another purpose, too old, or something was changed.
    """
    try:
        found = verifier(keys).verify(
            request, max_age=max_age, expect_tag=tag, require_components=covered, body=request.body
        )
    except HTTPMessageSignaturesException as error:
        raise SignatureInvalid(str(error)) from None
    return str(found[0].parameters["keyid"])
