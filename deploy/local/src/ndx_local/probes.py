"""Ways to see that a part is ready: `tcp:PORT`, `http://…` answering 200, `postgres:FOLDER`."""

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit

from ndx_local import postgres

SECONDS = 2.0


async def is_ready(probe: str) -> bool:
    """Try one probe, once, for at most two seconds."""
    kind, _, rest = probe.partition(":")
    if kind == "postgres":
        found = postgres.postmaster(Path(rest))
        return found is not None and found[1]
    try:
        async with asyncio.timeout(SECONDS):
            if kind == "tcp":
                return await _accepts(int(rest))
            return await _answers(probe)
    except (OSError, TimeoutError):
        return False


async def _accepts(port: int) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await _close(writer)
    return True


async def _answers(url: str) -> bool:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(
            f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        return (await reader.readline()).split(b" ")[1:2] == [b"200"]
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
