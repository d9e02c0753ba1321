"""`event-to-effect`: single births, from the answer until a clinic is told 000: the asynchronous half."""

import time
from datetime import date
from uuid import uuid4

from birth_chain import _LETTERS
from harness import Result, result, timed
from ndx_demo import walk
from ndx_demo.door import Door
from system import System

BIRTHS, ROUNDS, PATIENCE_SECONDS = 10, 3, 10


def _one(door: Door, clinic: Door) -> float | None:
    """Return the milliseconds, or None when the clinic was never told 000."""
    mark = uuid4().hex[:8].translate(_LETTERS)
    body = walk.birth_of(
        given=f"Nhanh {mark}", sex="MALE", born=date(2025, 3, 1), mother=("", f"Mẹ Thị {mark}"), father=None
    )
    reply = door.post("/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=uuid4().hex)
    started = time.perf_counter()
    question = {
        "personal_id": reply.json()["personal_id"],
        "name": f"Nguyễn Minh {body['child']['given_name']}",
        "birth_date": "2025-03-01",
        "clerk_name": "Đo đạc",
        "clerk_id": "BENCH",
    }
    while time.perf_counter() - started < PATIENCE_SECONDS:
        answer = clinic.post("/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT")
        if answer.is_success and answer.json()["result_code"] == "000":
            return (time.perf_counter() - started) * 1000
        time.sleep(0.01)
    return None


def measure(system: System) -> list[Result]:
    url = system.description["gateway_url"]
    office, his = system.enrolment.systems["X26740/one-stop"], system.enrolment.systems["H79.001/his"]
    rounds = []
    with (
        Door(url, office.certificate, office.key, office.ca) as door,
        Door(url, his.certificate, his.key, his.ca) as clinic,
    ):
        for _ in range(ROUNDS):
            tried = [_one(door, clinic) for _ in range(BIRTHS)]
            took = [t for t in tried if t is not None]
            seconds = sum(took) / 1000 or 1.0
            rounds.append(timed(len(took) / seconds, took, errors=len(tried) - len(took)))
    words = "one birth at a time on an idle stack, the clinic asks every 10 ms"
    return [result("event-to-effect", "chains/s", rounds, words)]
