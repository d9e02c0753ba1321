"""`quota-overshoot`: calls that get through beyond a quota by day, asked for far more than it allows.

One Envoy, the real control plane and its tables. What counts are the answers that the caller got; the tally
is read afterwards through the operators' door and must say the same.
"""

import asyncio
import time

from harness import CannotMeasure, Result, Round, request, result
from ndx_demo.door import Door
from ndx_demo.enrolment import approve
from system import QUOTA, System

QUOTA_UNITS, RATE, SECONDS, CONNECTIONS, TRIALS = 1000, 300, 5.0, 16, 5
INTERVAL_SECONDS = 5.0
"""How often Envoy reports."""
CONSUMER, OPERATION, PURPOSE = "B01/core", "population.get_person", "CREDIT_INSTITUTION_KYC"
SECOND_PURPOSE, SETTLED_SECONDS = "PUBLIC_SERVICE_DELIVERY", 70.0


def _agreed(drafter: Door, approver: Door, purpose: str = PURPOSE, per_day: int | None = QUOTA_UNITS) -> str:
    """Bring an agreement into force, with a small quota if it is to have one, and return its id."""
    terms = {
        "consumer_agency": CONSUMER.split("/", maxsplit=1)[0],
        "provider_agency": "G01",
        "operations": [{"operation": OPERATION, "field_groups": ["birth_name"]}],
        "purposes": [purpose],
        "legal_basis": {"text": "Measures a quota", "reference": "benchmark"},
        "valid_from": "2025-07-01",
        "quotas": QUOTA | {"per_day": per_day},
    }
    number: str = drafter.post("/v1/agreements", terms).raise_for_status().json()["agreement_id"]
    drafter.post(f"/v1/agreements/{number}/submit", None).raise_for_status()
    approve(approver, number)
    return number


def _limit(operator: Door, per_day: int | None) -> None:
    body = {"per_day": per_day, "reason": "benchmark"}
    agency = CONSUMER.split("/", maxsplit=1)[0]
    operator.request("PUT", f"/v1/agencies/{agency}/quotas", json=body).raise_for_status()


def _used(operator: Door) -> int:
    """Return what the whole agency has used today, as far as it has been reported."""
    agency = CONSUMER.split("/", maxsplit=1)[0]
    items = operator.get(f"/v1/usage?agency={agency}&agreement=*").json()["items"]
    used: int = items[0]["day"]["used"] if items else 0
    return used


def _known(system: System, numbers: set[str]) -> None:
    """Wait until Envoy goes by these agreements."""
    found = system.enrolment.systems[CONSUMER]
    with Door(system.description["gateway_url"], found.certificate, found.key, found.ca) as door:
        while not numbers <= {i["agreement"] for i in door.get("/v1/allowed-operations").json()["items"]}:
            time.sleep(0.05)


def _whole_agency(system: System, drafter: Door, approver: Door, numbers: list[str]) -> list[Round]:
    """Ask under two agreements in turn, without quotas of their own, of an agency that has one."""
    agreed = [_agreed(drafter, approver, purpose, None) for purpose in (PURPOSE, SECOND_PURPOSE)]
    sent = [
        request(
            "GET",
            f"/population/v1/persons/{n}?fields=birth_name",
            {"NDX-Purpose": (PURPOSE, SECOND_PURPOSE)[index % 2]},
        )
        for index, n in enumerate(numbers)
    ]
    rounds = []
    try:
        _limit(drafter, 10**9)
        _known(system, set(agreed))
        # What was called today before the quota was set is added from Envoy's log within a minute.
        time.sleep(SETTLED_SECONDS)
        load = system.through_gateway(CONSUMER, sent, "envoy")
        for _ in range(TRIALS):
            before = _used(drafter)
            _limit(drafter, before + QUOTA_UNITS)
            time.sleep(1.0)
            made, count = load.run(connections=CONNECTIONS, seconds=SECONDS, warmup=0, rate=RATE)
            served = count - made.errors
            time.sleep(2 * INTERVAL_SECONDS)
            counted = _used(drafter) - before
            made.value, made.errors = served - QUOTA_UNITS, abs(counted - served)
            made.label = f"{served} of {QUOTA_UNITS} served, {counted} counted"
            rounds.append(made)
    finally:
        _limit(drafter, None)
        for number in agreed:
            drafter.post(f"/v1/agreements/{number}/terminate", {"reason": "benchmark"})
    return rounds


def _tally(operator: Door, number: str, expected: int) -> int:
    """Return what the control plane has counted, once it has counted all or two intervals are over."""
    ends = time.monotonic() + 2 * INTERVAL_SECONDS
    while True:
        items = operator.get(f"/v1/usage?agreement={number}").json()["items"]
        used: int = items[0]["day"]["used"] if items else 0
        if used >= expected or time.monotonic() > ends:
            return used
        time.sleep(0.2)


def _trial(system: System, drafter: Door, approver: Door, numbers: list[str]) -> Round:
    agreed = _agreed(drafter, approver)
    sent = [
        request("GET", f"/population/v1/persons/{n}?fields=birth_name", {"NDX-Purpose": PURPOSE})
        for n in numbers
    ]
    try:
        with Door(
            system.description["gateway_url"],
            *(getattr(system.enrolment.systems[CONSUMER], part) for part in ("certificate", "key", "ca")),
        ) as door:
            while door.get("/v1/allowed-operations").json()["items"][-1]["agreement"] != agreed:
                time.sleep(0.05)
        load = system.through_gateway(CONSUMER, sent, "envoy")
        time.sleep(1.0)
        made, count = load.run(connections=CONNECTIONS, seconds=SECONDS, warmup=0, rate=RATE)
        served = count - made.errors
        counted = _tally(drafter, agreed, served)
        if counted != served:
            print(f"  the tally says {counted}, the caller got {served}")
        made.value, made.errors = served - QUOTA_UNITS, abs(counted - served)
        made.label = f"{served} of {QUOTA_UNITS} served, {counted} counted"
        return made
    finally:
        drafter.post(f"/v1/agreements/{agreed}/terminate", {"reason": "benchmark"})


def measure(system: System) -> list[Result]:
    people = asyncio.run(system.personal_ids(int(RATE * SECONDS) + 100))
    if not people:
        raise CannotMeasure("the population is empty")
    numbers = [people[n % len(people)] for n in range(int(RATE * SECONDS) + 100)]
    found = system.enrolment.operators
    url = system.description["gateway_url"]
    with (
        Door(url, found["NDX-an"].certificate, found["NDX-an"].key, found["NDX-an"].ca) as drafter,
        Door(url, found["G01-chi"].certificate, found["G01-chi"].key, found["G01-chi"].ca) as approver,
    ):
        rounds = [_trial(system, drafter, approver, numbers) for _ in range(TRIALS)]
        together = _whole_agency(system, drafter, approver, numbers)
    words = (
        f"a quota of {QUOTA_UNITS} a day, {RATE} calls/s for {SECONDS:g} s over {CONNECTIONS} connections,"
        f" one Envoy; bound: the calls of one reporting interval ({RATE * INTERVAL_SECONDS:.0f}); errors are"
        " calls by which the tally differs from what the caller got"
    )
    return [
        result("quota-overshoot", "calls beyond the quota", rounds, words),
        result(
            "quota-overshoot-agency",
            "calls beyond the quota",
            together,
            f"of a whole agency, asked under two agreements in turn; {words}",
        ),
    ]
