"""Time-based one-time passwords (RFC 6238): six digits, thirty seconds, SHA-1 as every app supports."""

import base64
import hmac
import secrets
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

PERIOD = 30
DIGITS = 6
SECRET_BYTES = 20
_DRIFT = 1
"""Steps before and after now that a holder's clock may be off."""


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def base32(secret: bytes) -> str:
    """Return the form that authenticator apps take, without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, *, issuer: str, label: str) -> str:
    """Return the otpauth URI for a QR code; the label must not hold personal data."""
    query = urlencode(
        {"secret": base32(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD},
        quote_via=quote,
    )
    return f"otpauth://totp/{quote(issuer)}:{quote(label)}?{query}"


def password_at(secret: bytes, step: int) -> str:
    """Return the password of a time step (seconds since 1970 divided by 30)."""
    # SHA-1 is sound inside HMAC, and the only hash that all authenticator apps know.
    totp = TOTP(secret, DIGITS, SHA1(), PERIOD)  # noqa: S303 - see above
    return totp.generate(step * PERIOD).decode()


def accepted_step(secret: bytes, password: str, *, now: float, last_step: int) -> int | None:
    """Return the step whose password this is, or None; steps up to the last accepted one are spent."""
    current = int(now) // PERIOD
    found = None
    for step in range(current - _DRIFT, current + _DRIFT + 1):
        same = hmac.compare_digest(password_at(secret, step).encode(), password.encode())
        if same and step > last_step:
            found = step
    return found
