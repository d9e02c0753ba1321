"""Where an attempt comes from: the address that the gateway saw."""

from fastapi import Request


def source_of(request: Request) -> str:
    """Return the last address of X-Forwarded-For, which the gateway appends; only it can connect here."""
    forwarded = request.headers.get("x-forwarded-for", "").rsplit(",", 1)[-1].strip()
    if forwarded:
        return forwarded[:64]
    return request.client.host if request.client else "unknown"
