"""A keyed permutation of the million serials of a prefix: a counter in, a number that looks random out.

A balanced Feistel network over Z/1000 × Z/1000 with HMAC-SHA-256 as round function, the construction of
format-preserving encryption (NIST SP 800-38G). It is a bijection whatever the round function is, so two
counter values never meet in one number; without the key, which is kept outside the database, earlier
numbers do not tell the next one. The prefix is the tweak: each has its own order.
"""

import hashlib
import hmac

HALF = 1000
ROUNDS = 12
MIN_KEY_BYTES = 16


class SerialPermutation:
    """The order in which the serials of every prefix are given out, fixed by one secret key."""

    def __init__(self, key: bytes) -> None:
        """Take the key.

        Raises:
            ValueError: the key is too short to be a secret.
        """
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the key must have at least {MIN_KEY_BYTES} bytes")
        self._key = key

    def serial(self, prefix: str, counter: int) -> int:
        """Return the serial that a counter value of a prefix stands for.

        Raises:
            ValueError: the counter lies outside 0 to 999,999.
        """
        _check(counter)
        left, right = divmod(counter, HALF)
        for number in range(ROUNDS):
            left, right = right, (left + self._round(prefix, number, right)) % HALF
        return left * HALF + right

    def counter(self, prefix: str, serial: int) -> int:
        """Return the counter value behind a serial: the inverse of `serial`."""
        _check(serial)
        left, right = divmod(serial, HALF)
        for number in reversed(range(ROUNDS)):
            left, right = (right - self._round(prefix, number, left)) % HALF, left
        return left * HALF + right

    def _round(self, prefix: str, number: int, half: int) -> int:
        message = f"ndx-personal-id/1|{prefix}|{number}|{half}".encode()
        return int.from_bytes(hmac.digest(self._key, message, hashlib.sha256)[:8], "big") % HALF


def _check(value: int) -> None:
    if not 0 <= value < HALF * HALF:
        raise ValueError("a prefix has the serials 0 to 999999")
