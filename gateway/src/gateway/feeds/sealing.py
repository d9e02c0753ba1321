"""Keys of the feeds: people as keyed hashes, contents sealed, both from one secret outside the database."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_TOKEN = 48
"""A subscription's id and a proof (HMAC-SHA-256)."""


def _derive(secret: bytes, use: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"ndx feeds: " + use).derive(secret)


@dataclass(frozen=True, slots=True)
class Box:
    """Hashes people and seals contents.

    There are only 10^12 personal numbers: a hash without a key could be undone by trying all of them.
    """

    secret: bytes = field(repr=False)
    _people: bytes = field(init=False, repr=False)
    _cipher: AESGCM = field(init=False, repr=False)
    _tokens: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_people", _derive(self.secret, b"people"))
        object.__setattr__(self, "_tokens", _derive(self.secret, b"confirmations"))
        object.__setattr__(self, "_cipher", AESGCM(_derive(self.secret, b"contents")))

    def person(self, personal_id: str) -> bytes:
        """Return the keyed hash of a personal number (HMAC-SHA-256)."""
        return hmac.new(self._people, personal_id.encode(), hashlib.sha256).digest()

    def token(self, subscription: UUID, endpoint: str) -> str:
        """Return the token by which whoever reads at the endpoint confirms the subscription."""
        proof = hmac.new(self._tokens, subscription.bytes + endpoint.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(subscription.bytes + proof).decode().rstrip("=")

    def seal(self, content: bytes, subscription: UUID, of: bytes) -> bytes:
        """Seal a content to its place (AES-256-GCM); `of` is the event's id or the person's hash."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, subscription.bytes + of)

    def open(self, sealed: bytes, subscription: UUID, of: bytes) -> bytes:
        """Return a content.

        Raises:
            cryptography.exceptions.InvalidTag: another key sealed it, or it lay in another place.
        """
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], subscription.bytes + of)


def subscription_of(token: str) -> UUID | None:
    """Return the subscription that a token names; whether it is its token is not said."""
    try:
        found = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return UUID(bytes=found[:16]) if len(found) == _TOKEN else None
