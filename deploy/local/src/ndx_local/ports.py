"""Chooses free ports once per stack, remembers them, and says who holds one that should be free."""

import json
import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from ndx_local.errors import StackError

WELL_KNOWN: Mapping[str, int] = {"agencies": 8443, "citizens": 8444, "zipkin": 9411}
"""What the demo stack takes when it is free, so that its addresses are easy to remember."""
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


def require_free(ports: Mapping[str, int], file: Path) -> None:
    """Raise one sentence about the first port that somebody else holds."""
    for name, port in ports.items():
        if not is_free(port):
            raise StackError(
                f"Port {port} (for {name}) is in use by {holder(port)}:"
                f" stop it, or remove {file} so that other ports are chosen."
            )


def _choose(taken: set[int]) -> int:
    for _ in range(1_000):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311  a free port, not a secret
        if port not in taken and is_free(port):
            return port
    raise StackError(f"No free port between {LOWEST} and {HIGHEST} was found.")


def choose(file: Path, names: Iterable[str], *, well_known: bool) -> dict[str, int]:
    """Return the port of each name: the remembered one, else a free one that is remembered from now on."""
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    chosen = dict(known)
    for name in names:
        if name in chosen:
            continue
        wish = WELL_KNOWN.get(name) if well_known else None
        taken = set(chosen.values()) | set(WELL_KNOWN.values())
        chosen[name] = wish if wish is not None and is_free(wish) else _choose(taken)
    if chosen != known:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(chosen, indent=2) + "\n")
    return chosen
