"""Cursors of the list of faulty persons: sealed, as they stand in addresses and the place is a person's key.

A cursor is AES-256-GCM under a key derived from the secret of the numbers' order, bound to caller, rule and
commune. Two cursors of one place differ: nobody can tell that the same person is behind them.
"""

import base64
import binascii
import os
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from svc_population.disclosures.errors import CursorInvalid
from svc_population.personal_ids.errors import PersonalIdKeyMissing

_NONCE = 12
_USE = b"ndx-population quality cursor/1"


class Cursors:
    """Seals and opens the places of one list."""

    def __init__(self, key_file: Path | None, *bound_to: str) -> None:
        """Take the key's file; it is read when a cursor is given or taken."""
        self._key_file = key_file
        self._bound_to = "\n".join(bound_to).encode()

    def seal(self, place: UUID) -> str:
        """Return the cursor of a place.

        Raises:
            PersonalIdKeyMissing: the secret cannot be read.
        """
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._key().encrypt(nonce, place.bytes, self._bound_to)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, cursor: str) -> UUID:
        """Return the place of a cursor.

        Raises:
            CursorInvalid: it was not given for this list.
            PersonalIdKeyMissing: the secret cannot be read.
        """
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            return UUID(bytes=self._key().decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound_to))
        except (ValueError, binascii.Error, InvalidTag):
            raise CursorInvalid from None

    def _key(self) -> AESGCM:
        if self._key_file is None:
            raise PersonalIdKeyMissing("POPULATION_PERSONAL_ID_KEY_FILE is not set.", retry_after=30)
        try:
            secret = self._key_file.read_bytes()
        except OSError:
            raise PersonalIdKeyMissing(retry_after=30) from None
        return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_USE).derive(secret))
