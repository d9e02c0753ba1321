"""`signing`: reads through Envoy unsigned, with signed replies, and with signed calls and replies, in turns.

For the unsigned turns the service runs without its key for replies, which is the only way to switch them off.
The ceiling of both other figures is the unsigned one of the same round.
"""

import asyncio
import time
from dataclasses import replace
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from harness import CannotMeasure, Load, Result, Round, request, result
from lookup import SYSTEM, paths
from ndx_contracts.signatures import Request
from ndx_contracts.signed_exchange import sign_request
from ndx_demo.door import Door
from ndx_local.parts import Part
from system import System

ROUNDS, SECONDS, CONNECTIONS = 3, 6.0, 32
PEOPLE = 2000
"""Fewer than in `lookup`: each of their calls is signed before a turn, and a signature holds five minutes."""
_OK = 200
_PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
_SERVICE, _KEY = "population", "POPULATION_REPLY_KEY_FILE"


def _signed(system: System, wanted: list[str]) -> list[bytes]:
    """Return the calls signed as the insurer's system signs: the demo's has published this key of its own."""
    file = system.stack.paths.pki / "keys" / "insurance-replies.pem"
    key = load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise CannotMeasure(f"{file} is no Ed25519 key")
    found = []
    for path in wanted:
        named = {**_PURPOSE, "NDX-Request-Id": str(uuid4())}
        made = Request("GET", f"https://localhost{path}", named, b"")
        sign_request(key, made)
        found.append(request("GET", path, made.headers))
    return found


def _restart(system: System, part: Part) -> None:
    system.stack.remove_part(_SERVICE)
    system.stack.add_part(part)


def _check(system: System, path: str, *, signed: bool) -> None:
    """Make sure that the turn measures what it says.

    Raises:
        CannotMeasure: replies are signed when they should not be, or the other way round.
    """
    found = system.enrolment.systems[SYSTEM]
    url = system.description["gateway_url"]
    with Door(url, found.certificate, found.key, found.ca) as door:
        ends = time.monotonic() + 20
        # Envoy's next look at the service's health may be some seconds away.
        while (reply := door.get(path, **_PURPOSE)).status_code != _OK and time.monotonic() < ends:
            time.sleep(0.2)
    if reply.status_code != _OK or ("signature" in reply.headers) is not signed:
        raise CannotMeasure(f"answer {reply.status_code}, signed: {'signature' in reply.headers}")


def measure(system: System) -> list[Result]:
    wanted = paths(asyncio.run(system.personal_ids(PEOPLE)))
    plain = [request("GET", path, _PURPOSE) for path in wanted]
    with_key = system.stack.planned(_SERVICE)
    without = replace(with_key, env={k: v for k, v in with_key.env.items() if k != _KEY})
    parts = ("envoy", _SERVICE, "postgres")
    rounds: dict[str, list[Round]] = {"unsigned": [], "replies": [], "both": []}

    def turn(name: str, load: Load) -> None:
        load.run(connections=CONNECTIONS, seconds=2)
        made, _ = load.run(connections=CONNECTIONS, seconds=SECONDS)
        if name != "unsigned":
            below = rounds["unsigned"][-1]
            made.ceiling, made.ceiling_cpu_us = below.value, below.cpu_us
        rounds[name].append(made)

    try:
        for _ in range(ROUNDS):
            _restart(system, without)
            _check(system, wanted[0], signed=False)
            turn("unsigned", system.through_gateway(SYSTEM, plain, *parts))
            _restart(system, with_key)
            _check(system, wanted[0], signed=True)
            turn("replies", system.through_gateway(SYSTEM, plain, *parts))
            turn("both", system.through_gateway(SYSTEM, _signed(system, wanted), *parts))
    finally:
        _restart(system, with_key)
    words = f"lookup's read through Envoy, {CONNECTIONS} connections, all parts on the same cores"
    ceiling = "the same reads unsigned, in the same round"
    return [
        result("signing-off", "reads/s", rounds["unsigned"], f"{words}; nothing is signed"),
        result(
            "signing-replies", "reads/s", rounds["replies"], f"{words}; replies are signed", ceiling=ceiling
        ),
        result(
            "signing-both",
            "reads/s",
            rounds["both"],
            f"{words}; calls are signed and checked, replies are signed",
            ceiling=ceiling,
        ),
    ]
