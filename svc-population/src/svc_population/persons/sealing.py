"""Sealed columns: sensitive values leave the process encrypted, under keys that the database never sees.

A sealed value is `enc1:<key id>:<base64 of nonce and ciphertext>`, AES-256-GCM. Column and person are part of
what is authenticated: a value that is copied to another person or column cannot be opened. Keys are in a
file, `{"current": "2026a", "keys": {"2026a": "<base64 of 32 bytes>"}}`: the current one seals, all of them
open, so that a new key can be added before values are sealed anew. Without a file, values stay as they are.
"""

import base64
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from svc_population.persons.errors import SensitiveKeyMissing

SENSITIVE = ("religion", "blood_group")
"""Columns that are sealed (Decree 356/2025). Ethnicity is not: whether it is sensitive is not verified."""
_PREFIX = "enc1:"
_NONCE = 12
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one process; `current` None = values are kept as they are."""

    current: str | None = None
    keys: Mapping[str, AESGCM] = field(default_factory=dict)

    @classmethod
    def of_file(cls, path: Path | None) -> "Keyring":
        """Read the key file.

        Raises:
            SensitiveKeyMissing: it cannot be read, or does not hold what it should.
        """
        if path is None:
            return cls()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            current: str = found["current"]
            raw = {name: base64.b64decode(key, validate=True) for name, key in found["keys"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise SensitiveKeyMissing("The key file of the sensitive columns cannot be read.") from None
        if current not in raw or any(len(k) != _KEY_BYTES or ":" in name for name, k in raw.items()):
            raise SensitiveKeyMissing("The key file of the sensitive columns does not hold what it should.")
        return cls(current, {name: AESGCM(key) for name, key in raw.items()})

    def seal(self, value: str, *, column: str, person_id: UUID) -> str:
        """Return a value as the database keeps it."""
        if self.current is None:
            return value
        nonce = os.urandom(_NONCE)
        sealed = self.keys[self.current].encrypt(nonce, value.encode(), _about(column, person_id))
        return f"{_PREFIX}{self.current}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, value: str, *, column: str, person_id: UUID) -> str:
        """Return a value as it was before it was sealed.

        Raises:
            SensitiveKeyMissing: the key of the value is not in the file, is another one under the same id, or
                the value was sealed for another column or person.
        """
        if not value.startswith(_PREFIX):
            return value
        _, key_id, text = value.split(":", 2)
        key = self.keys.get(key_id)
        if key is None:
            raise SensitiveKeyMissing(f"The key {key_id!r} is not in the key file of the sensitive columns.")
        raw = base64.b64decode(text)
        try:
            return key.decrypt(raw[:_NONCE], raw[_NONCE:], _about(column, person_id)).decode()
        except InvalidTag:
            raise SensitiveKeyMissing(
                f"The key {key_id!r} of the key file does not open what was sealed under this id."
            ) from None

    def is_current(self, value: str) -> bool:
        """Tell whether a value needs no sealing anew."""
        return self.current is None or value.startswith(f"{_PREFIX}{self.current}:")

    def sealed(self, values: Mapping[str, Any], person_id: UUID) -> dict[str, Any]:
        """Return columns with the sensitive ones sealed."""
        return self._each(values, person_id, self.seal)

    def opened(self, values: Mapping[str, Any], person_id: UUID) -> dict[str, Any]:
        """Return columns with the sensitive ones opened."""
        return self._each(values, person_id, self.open)

    def resealed(self, values: Mapping[str, Any], person_id: UUID) -> dict[str, str]:
        """Return only the sensitive columns that are not sealed with the current key, sealed with it."""
        old = {c: v for c in _held(values) if not self.is_current(v := values[c])}
        return self.sealed(self.opened(old, person_id), person_id)

    def _each(self, values: Mapping[str, Any], person_id: UUID, step: Any) -> dict[str, Any]:
        done = {c: step(values[c], column=c, person_id=person_id) for c in _held(values)}
        return {**values, **done}


NO_KEYS = Keyring()


def _held(values: Mapping[str, Any]) -> Iterable[str]:
    return [c for c in SENSITIVE if values.get(c) is not None]


def _about(column: str, person_id: UUID) -> bytes:
    return f"{column}:{person_id}".encode()
