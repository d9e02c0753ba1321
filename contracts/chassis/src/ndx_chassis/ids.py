"""Identifiers: UUID version 7, so that rows and log entries sort by the time of their making."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562), increasing within this process."""
    return uuid7()
