"""Tells the configuration compiler, in the changing transaction, that something changed."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL = "ndx_config"


async def announce(session: AsyncSession, kind: str, key: str = "") -> None:
    """Send NOTIFY at commit.

    Kinds: `agency` with its code, `agreement` with its id, `certificate` with the agency that it names or
    without, `issued` with the agency that got a certificate: that one may wait a second for others.
    With any other kind, or without the key, everything is looked at.
    """
    word = f"{kind} {key}".rstrip()
    await session.execute(text("SELECT pg_notify(:channel, :word)"), {"channel": CHANNEL, "word": word})
