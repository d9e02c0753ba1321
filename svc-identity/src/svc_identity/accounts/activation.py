"""The one-time activation code: made here, handed over at the counter, known afterwards only as a hash."""

import secrets

from argon2 import PasswordHasher

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letters that look like digits."""
_GROUP = 4
_LENGTH = 12

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def new_code() -> str:
    """Return twelve random characters (60 bits) in groups of four: `7QK2-M0XD-9TRA`."""
    raw = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return "-".join(raw[i : i + _GROUP] for i in range(0, _LENGTH, _GROUP))


def normalised(code: str) -> str:
    """Return the characters that count: no hyphens or blanks, capitals, O and I and L read as digits."""
    kept = code.upper().replace("-", "").replace(" ", "")
    return kept.replace("O", "0").replace("I", "1").replace("L", "1")


def hashed(code: str) -> str:
    """Return the Argon2id hash of the normalised code: this, and only this, travels in an event."""
    return _hasher.hash(normalised(code))
