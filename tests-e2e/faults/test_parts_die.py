"""Any part may die: what waits, what goes on, and that nothing is lost or doubled."""

import time
from datetime import date, timedelta
from uuid import uuid4

import httpx
import pytest
from ndx_demo import walk

BIRTHS = "/civil-registry/v1/births"


def wait_for(condition, seconds: float = 60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = condition()
        except httpx.HTTPError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("did not come true in time")


def letters(count: int = 6) -> str:
    return uuid4().hex[:count].translate(str.maketrans("0123456789", "ghijklmnop"))


def declaration() -> dict:
    return walk.birth_of(
        given=f"Bền {letters()}",
        sex="FEMALE",
        born=date(2025, 1, 1) + timedelta(days=int(uuid4().int % 300)),
        mother=("", f"Hồ Thị {letters()}"),
        father=None,
    )


def send(door, body, key=None):
    return door.post(BIRTHS, body, purpose="CIVIL_REGISTRATION", key=key or uuid4().hex)


class TestPopulationAway:
    def test_births_wait_visibly_and_complete_by_themselves(self, system, walked) -> None:
        del walked
        with system.door("X26740/one-stop") as door:
            system.stack.stop_part("population")
            try:
                replies = [send(door, declaration()) for _ in range(3)]
                assert [r.status_code for r in replies] == [202, 202, 202], replies[0].text
                ids = {r.json()["birth_id"] for r in replies}
                queue = door.get(f"{BIRTHS}/awaiting-number").json()["items"]
                assert ids <= {i["birth_id"] for i in queue}
            finally:
                system.stack.start_part("population")
            numbers = set()
            for birth in ids:

                def registered(birth=birth):
                    found = door.get(f"{BIRTHS}/{birth}", purpose="CIVIL_REGISTRATION").json()
                    return found.get("personal_id")

                numbers.add(wait_for(registered))
            assert len(numbers) == 3


class TestKafkaAway:
    def test_writes_go_on_and_events_arrive_after(self, system, walked) -> None:
        del walked
        with system.door("X26740/one-stop") as door, system.door("H79.001/his") as clinic:
            system.stack.stop_part("kafka")
            try:
                body = declaration()
                reply = send(door, body)
                assert reply.status_code == 201, reply.text
            finally:
                system.stack.start_part("kafka")
            child = body["child"]
            question = {
                "personal_id": reply.json()["personal_id"],
                "name": f"{child['surname']} {child['middle_name']} {child['given_name']}",
                "birth_date": child["birth_date"],
                "clerk_name": "Phạm Thị Quầy",
                "clerk_id": "NV-001",
            }

            def covered():
                answer = clinic.post(
                    "/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT"
                )
                return answer.status_code == 200 and answer.json()["result_code"] == "000"

            wait_for(covered, 90)


class TestControlPlaneAway:
    def test_envoy_goes_on_enforcing(self, system, walked) -> None:
        url = f"/population/v1/persons/{walked.child_personal_id}?fields=birth_name"
        with system.door("X26740/one-stop") as door:
            system.stack.stop_part("gateway")
            try:
                assert door.get(url, purpose="CIVIL_REGISTRATION").status_code == 200
                assert door.get(url, purpose="STATISTICS").json()["code"] == "purpose-not-covered"
            finally:
                system.stack.start_part("gateway")


@pytest.mark.parametrize(
    "part",
    ["population", "civil-registry", "insurance", "tax", "identity", "auth", "gateway", "envoy", "postgres"],
)
def test_a_killed_part_comes_back_and_the_walk_passes_again(system, walked, part: str) -> None:
    del walked
    before = system.stack.restarts_of(part)
    system.stack.kill(part)
    system.stack.wait_ready(part, restarts_over=before, seconds=60)

    def alive():
        with system.door("X26740/one-stop") as door:
            reply = send(door, declaration())
            return reply.status_code == 201

    wait_for(alive)
    with system.door("NDX-an") as operator:
        wait_for(lambda: operator.get("/v1/agreements").status_code == 200)
