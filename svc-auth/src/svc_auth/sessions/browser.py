"""Binds a log-in form to the browser that got it: a cookie that scripts cannot read, and a form token."""

import hashlib
import hmac
import re
import secrets
from uuid import UUID

COOKIE = "__Host-ndx-login"
_SHAPE = re.compile(r"^[A-Za-z0-9_-]{43}$")


def browser_secret(cookie: str | None) -> str:
    """Return the browser's secret, a new one when it has none yet; one serves all its open log-ins."""
    return cookie if cookie is not None and _SHAPE.match(cookie) else secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return what the database keeps of the secret."""
    return hashlib.sha256(secret.encode()).digest()


def form_token(secret: str, transaction_id: UUID) -> str:
    """Return the form's token: only a page that was made for this browser and log-in knows it."""
    return hmac.new(secret.encode(), f"form:{transaction_id}".encode(), hashlib.sha256).hexdigest()


def token_fits(secret: str | None, transaction_id: UUID, token: str) -> bool:
    if secret is None or not _SHAPE.match(secret):
        return False
    return hmac.compare_digest(form_token(secret, transaction_id).encode(), token.encode())
