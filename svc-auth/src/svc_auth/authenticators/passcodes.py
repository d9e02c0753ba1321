"""Passcodes and activation codes: which are too simple, and slow hashes that take the same time for all."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

PASSCODE_DIGITS = 6
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
"""Two at a time: a flood of attempts cannot take all memory (19 MiB each) and both cores' event loops."""


def is_passcode(passcode: str) -> bool:
    return len(passcode) == PASSCODE_DIGITS and passcode.isascii() and passcode.isdigit()


def folded(handle: str) -> str:
    """Return a log-in name in its one form: no blanks, no full-width digits."""
    return "".join(unicodedata.normalize("NFKC", handle).split())


def is_too_simple(passcode: str, handle: str) -> bool:
    """Tell codes that are tried first: one digit, two alternating, runs, and parts of the log-in name."""
    digits = [int(c) for c in passcode]
    steps = {(b - a) % 10 for a, b in pairwise(digits)}
    halves = passcode[:3] == passcode[3:]
    pairs = passcode[:2] * 3 == passcode
    return steps <= {0} or steps in ({1}, {9}) or halves or pairs or passcode in folded(handle)


def normalised_code(code: str) -> str:
    """Return an activation code without hyphens and blanks, capitals, O and I and L read as digits."""
    kept = code.upper().replace("-", "").replace(" ", "")
    return kept.replace("O", "0").replace("I", "1").replace("L", "1")


async def hashed(secret: str) -> str:
    """Return an Argon2id hash."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, secret)


async def fits(secret_hash: str | None, secret: str) -> bool:
    """Compare with a hash; without one the same work is done for nothing, and the answer is no."""
    right = await asyncio.get_running_loop().run_in_executor(
        _threads, _compare, secret_hash or _decoy(), secret
    )
    return right and secret_hash is not None


@cache
def _decoy() -> str:
    return _hasher.hash("nobody's secret")


def prepare() -> None:
    """Make the decoy hash ahead, so that the first unknown name takes no longer than the others."""
    _decoy()


def _compare(secret_hash: str, secret: str) -> bool:
    try:
        return _hasher.verify(secret_hash, secret)
    except (Argon2Error, InvalidHashError):
        return False
