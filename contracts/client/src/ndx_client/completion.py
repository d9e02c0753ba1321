"""Names that only the exchange knows, for a shell that completes: those that were shown here before.

Completing asks nobody and so never waits. Services, operations and numbers of agreements are kept when a list
of them is shown on a terminal, by door, in the user's cache folder; nothing else of a list is.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

KINDS = {
    "service": "service",
    "operation": "operation",
    "agreement": "agreement",
    "agreement_id": "agreement",
}
"""Keys of lists that hold names, and which names."""
MOST = 5000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""Anything else would mean something to a shell."""


def _file(gateway: str) -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "ndx" / f"names-{hashlib.sha256(gateway.encode()).hexdigest()[:16]}.json"


def _kept(gateway: str) -> dict[str, list[str]]:
    try:
        found = json.loads(_file(gateway).read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(gateway: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Keep the names in a list that was shown; where nothing can be written nothing is kept."""
    kept = {kind: set(names) for kind, names in _kept(gateway).items()}
    new = [(KINDS[key], row[key]) for row in rows for key in row.keys() & KINDS.keys()]
    for kind, name in new:
        if isinstance(name, str) and _NAME.fullmatch(name):
            kept.setdefault(kind, set()).add(name)
    if not new:
        return
    with suppress(OSError, RuntimeError):
        file = _file(gateway)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = file.with_suffix(f".{os.getpid()}")
        beside.touch(mode=0o600)
        beside.write_text(json.dumps({kind: sorted(names)[:MOST] for kind, names in kept.items()}), "utf-8")
        beside.replace(file)


def names_of(kind: str) -> Callable[[typer.Context, str], list[str]]:
    """Return what completes names of a kind at the door that the command line or the environment says."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        names = _kept(str(ctx.find_root().params.get("gateway"))).get(kind, [])
        return [name for name in names if _NAME.fullmatch(name) and name.startswith(incomplete)]

    return complete
