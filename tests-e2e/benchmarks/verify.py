"""`verify`: name, birth date and sex confirmed with a durable record; pgbench is the ceiling."""

import asyncio
import json
from uuid import uuid4

from harness import Result, Round, request, result
from lookup import MOST, ROUNDS, SECONDS, PgBench
from system import System

CONNECTIONS = 64
AGENCY, AGENCY_SYSTEM, PURPOSE = "B01", "core", "CREDIT_INSTITUTION_KYC"
_PEOPLE = (
    "SELECT personal_id, concat_ws(' ', surname, middle_name, given_name) AS name,"
    " birth_date::text AS born, sex FROM persons WHERE personal_id = ANY ($1)"
)


def _requests(system: System) -> list[bytes]:
    """Return one question about each person, to which every answer is yes: nobody runs out of guesses."""
    (agreement, *_) = system.agreements[AGENCY]
    rows = asyncio.run(system.rows("population", _PEOPLE, asyncio.run(system.personal_ids(MOST))))
    found = []
    for n, row in enumerate(rows):
        claims = [
            {"kind": "FOLDED_EQUALS", "field": "birth_name", "value": row["name"]},
            {"kind": "EQUALS", "field": "birth_date", "value": row["born"]},
            {"kind": "EQUALS", "field": "sex", "value": row["sex"]},
        ]
        headers = {
            "NDX-Purpose": PURPOSE,
            "NDX-Agency": AGENCY,
            "NDX-System": AGENCY_SYSTEM,
            "NDX-Agreement": agreement,
            "NDX-Request-Id": str(uuid4()),
            "traceparent": f"00-{uuid4().hex}-{uuid4().hex[:16]}-{'01' if n % 10 == 0 else '00'}",
        }
        body = json.dumps({"claims": claims}).encode()
        found.append(request("POST", f"/population/v1/persons/{row['personal_id']}/verify", headers, body))
    return found


def measure(system: System) -> list[Result]:
    load = system.to_service("population", _requests(system), "population", "postgres")
    ceiling = PgBench(system)
    load.run(connections=CONNECTIONS, seconds=3)
    rounds: list[Round] = []
    for _ in range(ROUNDS):
        top, spent = ceiling.run(CONNECTIONS)
        made, _ = load.run(connections=CONNECTIONS, seconds=SECONDS)
        made.ceiling, made.ceiling_cpu_us = top, spent
        rounds.append(made)
    return [
        result(
            "verify",
            "answers/s",
            rounds,
            f"name, birth date and sex of one person of {system.people:,} at random, all three right, a"
            f" durable record each; mutual TLS to the service, {CONNECTIONS} connections, 10 % traced; all"
            " parts share the cores",
            ceiling="pgbench, one read and record, prepared",
        )
    ]
