"""Names of webhooks and of lists: who waits for one waits for no other."""

import asyncio
import socket
import threading
from typing import Any

import pytest
from gateway.feeds.lookups import Names

PLACE = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 443))


async def test_a_name_that_hangs_holds_one_thread_and_its_answer_is_everybodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, asked = threading.Event(), []

    def resolve(host: str, *_: Any) -> Any:
        asked.append(host)
        if host.startswith("hangs"):
            over.wait(20)
        return [PLACE]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    names = Names(2, "test-names")
    waiting = [asyncio.create_task(names.resolve("hangs.example", 443)) for _ in range(5)]
    try:
        async with asyncio.timeout(10):
            (found,) = await names.resolve("answers.example", 443)
        waiting[0].cancel()
    finally:
        over.set()
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert [found, *(one[0] for one in others if isinstance(one, list))] == [
        {"hostname": host, "host": "192.0.2.7", "port": 443, "family": 2, "proto": 6, "flags": 0}
        for host in ("answers.example", *["hangs.example"] * 4)
    ]
    assert asked.count("hangs.example") == 1
    await names.resolve("hangs.example", 443)
    assert asked.count("hangs.example") == 2, "no answer is kept"
