"""Looks up hosts outside in threads of its own: a name server that hangs keeps nobody else waiting."""

import asyncio
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_Places = list[tuple[Any, ...]]


class Names(AbstractResolver):
    """Asks the machine's resolver, once for all who want the same name at the same moment.

    A question that nobody waits for any more goes on until the resolver gives up, and cannot be taken back:
    so a name that hangs holds one thread, however often it is wanted. No answer is kept.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._under_way: dict[tuple[str, int, int], Future[_Places]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            OSError: there is no such name, or nobody knows.
        """
        asked = (host, port, int(family))
        question = self._under_way.get(asked)
        if question is None:
            question = self._threads.submit(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
            self._under_way[asked] = question
            question.add_done_callback(lambda _: self._under_way.pop(asked, None))
        # Who stops waiting does not take the question from the others.
        found = await asyncio.shield(asyncio.wrap_future(question))
        return [
            ResolveResult(
                hostname=host, host=str(place[0]), port=int(place[1]), family=kind, proto=proto, flags=0
            )
            for kind, _, proto, _, place in found
        ]

    async def close(self) -> None:
        """Do nothing: the threads are everybody's."""
