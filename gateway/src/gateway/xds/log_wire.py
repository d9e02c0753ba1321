"""How a standby and the control plane speak of a log: a line of JSON, and after it the log's own lines."""

from dataclasses import dataclass
from typing import Any

import orjson

from gateway.calls.log_file import Piece, Place

SERVICE, METHOD = "ndx.calls.v1.Log", "Follow"


@dataclass(frozen=True, slots=True)
class Known:
    """How far a node's log has been read; None = not at all."""

    node: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Sent:
    """Lines that follow a place, and the place after them."""

    since: Place | None
    place: Place
    lost: bool
    lines: list[bytes]


def opened(channel: Any) -> Any:
    """Open a stream to the control plane; messages go as they are."""
    return channel.stream_stream(f"/{SERVICE}/{METHOD}")()


def _pair(place: Place | None) -> list[int] | None:
    return None if place is None else [place.file_id, place.position]


def _place(pair: Any) -> Place | None:
    return None if pair is None else Place(int(pair[0]), int(pair[1]))


def say_place(node: str, place: Place | None) -> bytes:
    return orjson.dumps({"node": node, "place": _pair(place)})


def place_of(message: bytes) -> Known:
    """Read what `say_place` wrote.

    Raises:
        ValueError: it is something else.
    """
    said = orjson.loads(message)
    if not isinstance(said, dict) or not isinstance(said.get("node"), str) or not said["node"]:
        raise ValueError("no node is named")
    return Known(said["node"][:100], _place(said.get("place")))


def say_piece(since: Place | None, piece: Piece) -> bytes:
    head = {"since": _pair(since), "place": _pair(piece.place), "lost": piece.lost}
    return b"\n".join([orjson.dumps(head), *piece.lines])


def read_sent(message: bytes) -> Sent:
    """Read what `say_piece` wrote.

    Raises:
        ValueError: it is something else.
    """
    head, *lines = message.split(b"\n")
    said = orjson.loads(head)
    place = _place(said["place"])
    if place is None:
        raise ValueError("a piece needs a place")
    return Sent(_place(said["since"]), place, bool(said["lost"]), lines)
