"""What a call takes in Envoy itself, in microseconds, by Envoy's own log: without providers and callers.

The log's usual fields are whole milliseconds. Envoy cannot tell how long a call lay in a socket before it
was read; that is in the caller's figures only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bus import Documents
from gateway.xds import protos

FLUSHED = 1.2
"""Seconds after which the last line is in the file."""
_FIELDS = {
    "own_out_us": "%COMMON_DURATION(DS_RX_BEG:US_TX_END:us)%",
    "beyond_us": "%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%",
    "own_back_us": "%COMMON_DURATION(US_RX_BEG:DS_TX_END:us)%",
}


def in_microseconds(found: Documents) -> None:
    """Let the agencies' door tell the parts of a call's time as finely as Envoy knows them."""
    manager = found[protos.LDS]["agencies"]["filter_chains"][0]["filters"][-1]["typed_config"]
    for log in manager["access_log"]:
        log["typed_config"]["log_format"]["json_format"] |= _FIELDS


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of the calls of one turn."""

    own: list[float]
    """In Envoy: until the request was out, and from the reply's first byte until its last was handed on."""
    beyond: list[float]
    """From the request's last byte to the provider until Envoy read the first of its reply."""


def read_times(
    log: Path, turns: Sequence[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool] = lambda _: True
) -> list[Times]:
    """Return what Envoy's log says of each turn; a call is of the turn in which it began."""
    found = [Times([], []) for _ in turns]
    at = 0
    with log.open(encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            # What was refused has been nowhere.
            if line.get("beyond_us") is None or not wanted(line):
                continue
            began = datetime.fromisoformat(line["time"]).timestamp()
            # Lines are in the order in which calls ended, which is nearly that in which they began.
            while at < len(turns) - 1 and began > turns[at]["ended"] + 0.1:
                at += 1
            if turns[at]["began"] <= began <= turns[at]["ended"]:
                found[at].own.append((line["own_out_us"] + line["own_back_us"]) / 1000)
                found[at].beyond.append(line["beyond_us"] / 1000)
    return found
