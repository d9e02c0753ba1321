"""Any part may die: what waits, what goes on, and that nothing is lost or doubled."""

import signal
import time
from uuid import uuid4

import httpx
import pytest

BIRTHS = "/civil-registry/v1/births"
PARTS = (
    "postgres",
    "kafka",
    "zipkin",
    "gateway",
    "standby",
    "envoy",
    "population",
    "civil-registry",
    "insurance",
    "tax",
    "identity",
    "auth",
)
KAFKA_AWAY_SECONDS = 15.0
"""Longer than the ten seconds after which Kafka gives a silent consumer up."""


class TestPopulationAway:
    def test_births_wait_visibly_and_complete_by_themselves(self, system, walked) -> None:
        del walked
        with system.door("X26740/one-stop") as door:
            system.stack.stop_part("population")
            try:
                replies = [system.declare(door, system.declaration()) for _ in range(3)]
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

                numbers.add(system.wait_for(registered))
            assert len(numbers) == 3
            issued = "state = 'ISSUED' AND request_id = ANY($1::text[]::uuid[])"
            assert system.count("population", "personal_id_requests", issued, sorted(ids)) == 3
            queue = door.get(f"{BIRTHS}/awaiting-number").json()["items"]
            assert not ids & {i["birth_id"] for i in queue}


class TestKafkaAway:
    def test_writes_go_on_and_every_event_arrives_with_one_effect(self, system, walked) -> None:
        del walked
        children: list[str] = []
        with system.door("X26740/one-stop") as door:
            system.stack.stop_part("kafka")
            try:
                end = time.monotonic() + KAFKA_AWAY_SECONDS
                while time.monotonic() < end or len(children) < 10:
                    reply = system.declare(door, system.declaration())
                    assert reply.status_code == 201, reply.text
                    children.append(reply.json()["personal_id"])
                    time.sleep(0.2)
                assert system.count("insurance", "participants", "personal_id = ANY($1)", children) == 0
            finally:
                system.stack.start_part("kafka")
        mine = "personal_id = ANY($1)"
        for service, table in (("insurance", "participants"), ("tax", "dependants")):
            system.wait_for(
                lambda s=service, t=table: system.count(s, t, mine, children) == len(children), 90
            )
        opened = "entitlements e JOIN participants p ON p.id = e.participant_id"
        assert system.count("insurance", opened, "p.personal_id = ANY($1)", children) == len(children)
        announced = [
            m for m in system.messages("civil-registry.birth.v1") if any(c in m.value for c in children)
        ]
        assert len({m.event_id for m in announced}) == len(children)
        self.the_ledger_has_every_read(system, children)

    @staticmethod
    def the_ledger_has_every_read(system, children: list[str]) -> None:
        """Records of reads made while Kafka was away reach the ledger, each at one place."""
        about = "SELECT id::text FROM disclosures WHERE subjects && $1"
        records = {
            row["id"]
            for service in ("civil-registry", "population")
            for row in system.rows(service, about, children)
        }
        assert len(records) >= 2 * len(children)
        kept = "disclosure_id = ANY($1::text[]::uuid[])"
        system.wait_for(
            lambda: system.count("gateway", "ledger_entries", kept, sorted(records)) == len(records), 90
        )


class TestControlPlaneAway:
    def test_envoy_goes_on_enforcing(self, system, walked) -> None:
        url = f"/population/v1/persons/{walked.child_personal_id}?fields=birth_name"
        with system.door("X26740/one-stop") as door, system.door("B01/core") as bank:
            system.stack.stop_part("gateway")
            try:
                assert door.get(url, purpose="CIVIL_REGISTRATION").status_code == 200
                assert door.get(url, purpose="STATISTICS").json()["code"] == "purpose-not-covered"
                refused = bank.get(url, purpose="CREDIT_INSTITUTION_KYC")
                assert refused.json()["code"] == "no-agreement"
                away = door.get("/v1/allowed-operations")
                assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
                assert system.declare(door, system.declaration()).status_code == 201
                self.an_envoy_that_starts_meanwhile_enforces_the_same(system, url)
            finally:
                system.stack.start_part("gateway")

    @staticmethod
    def an_envoy_that_starts_meanwhile_enforces_the_same(system, url: str) -> None:
        """Its standby has kept the configuration."""
        before = system.stack.part("envoy")
        system.stack.kill("envoy", signal.SIGKILL)
        system.stack.wait_ready("envoy", restarts_over=before["restarts"], seconds=60)
        with system.door("X26740/one-stop") as door:
            assert door.get(url, purpose="CIVIL_REGISTRATION").status_code == 200
            assert door.get(url, purpose="STATISTICS").json()["code"] == "purpose-not-covered"


class TestKilled:
    def test_no_part_is_forgotten_here(self, system) -> None:
        assert {p["name"] for p in system.stack.status() if not p["once"]} == set(PARTS)

    @pytest.mark.parametrize("part", PARTS)
    def test_a_killed_part_comes_back_and_the_walk_passes_again(self, system, walked, part: str) -> None:
        before = system.stack.part(part)
        system.stack.kill(part, signal.SIGKILL)
        system.stack.wait_ready(part, restarts_over=before["restarts"], seconds=60)
        after = system.stack.part(part)
        assert after["pid"] != before["pid"]
        again, _failures = system.walk_again(60)
        assert again.child_personal_id != walked.child_personal_id
        if part == "zipkin":
            page = system.description["trace_url"].replace("/zipkin/", f"/api/v2/trace/{again.trace_id}")
            system.wait_for(lambda: httpx.get(page).status_code == 200, 20)

    def test_a_birth_at_the_moment_of_a_kill_is_registered_once(self, system, walked) -> None:
        """The registry dies with the answer on its lips: the commune asks again under the same key."""
        del walked
        body, key = system.declaration(), uuid4().hex
        with system.door("X26740/one-stop") as door, system.closed("civil-registry", "outbox"):
            # Its number is given out already, its registration waits for the table that is closed here.
            try:
                door.request(
                    "POST",
                    BIRTHS,
                    json=body,
                    headers={"NDX-Purpose": "CIVIL_REGISTRATION", "Idempotency-Key": key},
                    timeout=3,
                )
            except httpx.TimeoutException:
                pass
            else:
                raise AssertionError("the birth was registered although it could not be announced")
            before = system.stack.restarts_of("civil-registry")
            system.stack.kill("civil-registry", signal.SIGKILL)
        system.stack.wait_ready("civil-registry", restarts_over=before)
        with system.door("X26740/one-stop") as door:

            def registered():
                reply = system.declare(door, body, key)
                return reply.status_code == 201 and reply.json()

            birth = system.wait_for(registered)
        issued = "request_id = $1::text::uuid AND state = 'ISSUED'"
        assert system.count("population", "personal_id_requests", issued, birth["birth_id"]) == 1
        child = "payload LIKE $1 AND type = 'civil-registry.birth-registered.v1'"
        assert system.count("civil-registry", "outbox", child, f"%{birth['personal_id']}%") == 1
        name = "child_key = (SELECT child_key FROM births WHERE record_id = $1::text::uuid)"
        assert system.count("civil-registry", "births", name, birth["birth_id"]) == 1
