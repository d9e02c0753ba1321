"""Tells the configuration compiler, in the changing transaction, that something changed."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL = "ndx_config"


async def announce(session: AsyncSession, kind: str) -> None:
    """Send NOTIFY at commit; kinds: agency, certificate, agreement, suspension."""
    await session.execute(text("SELECT pg_notify(:channel, :kind)"), {"channel": CHANNEL, "kind": kind})
