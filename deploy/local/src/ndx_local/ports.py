"""Finds free ports, and says who holds one that should be free."""

import random
import socket
from collections.abc import Iterable
from contextlib import suppress

import psutil

from ndx_local.errors import StackError

LOWEST, HIGHEST = 20_000, 32_000
"""Below the range from which systems take ports for outgoing connections."""


def is_free(port: int) -> bool:
    """Tell whether nobody listens; a listener that shares its port counts as a listener."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Name the process that listens on the port, as far as the system tells."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
                if connection.pid is None:
                    break
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another program"


def choose(taken: Iterable[int]) -> int:
    """Return a free port that is not among the taken ones."""
    closed = set(taken)
    for _ in range(1_000):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311  a free port, not a secret
        if port not in closed and is_free(port):
            return port
    raise StackError(f"no port between {LOWEST} and {HIGHEST} is free")
