"""What hangs on events: a consumer that dies at the worst moment, a provider away for long, dead letters."""

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from uuid import uuid4

import pytest
from ndx_chassis.inbox import MAX_ATTEMPTS

BIRTH_TOPIC = "civil-registry.birth.v1"
OPENED = "insurance.entitlement-opened.v1"
EFFECTS = {"insurance": "participants", "tax": "dependants", "identity": "dependants"}
CHILD_COLUMN = {"insurance": "personal_id", "tax": "personal_id", "identity": "dependant_personal_id"}
EVENTS_OF_EFFECT = {
    "insurance": (OPENED, "insurance.entitlement.v1"),
    "tax": ("tax.dependant-registered.v1", "tax.dependant.v1"),
    "identity": ("identity.dependant-attached.v1", "identity.account.v1"),
}


def child_of_the_demo_mother(system) -> dict:
    """Return a birth whose effects reach every consumer: its mother has an e-ID account."""
    family = json.loads((system.stack.paths.home / "demo-family.json").read_text())
    body = system.declaration()
    born = system.rows(
        "population",
        "SELECT max(birth_date) AS d FROM persons WHERE personal_id = ANY($1)",
        children_of(system, family["mother"]["personal_id"]),
    )[0]["d"]
    body["child"]["birth_date"] = born.isoformat()  # a twin by another name, of which there may be any number
    body["mother"] = {
        "personal_id": family["mother"]["personal_id"],
        "name": family["mother"]["full_name"],
        "nationality": "VN",
        "ethnicity_code": "01",
    }
    return body


def children_of(system, mother: str) -> list[str]:
    return [
        row["personal_id"]
        for row in system.rows(
            "civil-registry",
            "SELECT personal_id FROM births WHERE mother_personal_id = $1 AND personal_id IS NOT NULL",
            mother,
        )
    ]


def effects(system, service: str, child: str) -> int:
    return system.count(service, EFFECTS[service], f"{CHILD_COLUMN[service]} = $1", child)


def let_readers_catch_up(system) -> None:
    """Wait until every reader is through with the births of earlier tests.

    One that waits at a closed table with an earlier birth keeps its transaction open, and all relays of this
    PostgreSQL wait for that: the birth of the test would not be announced.
    """
    last: dict[int, int] = {}
    for message in system.messages(BIRTH_TOPIC):
        last[message.partition] = max(message.offset, last.get(message.partition, -1))

    def through(service: str) -> bool:
        committed = system.committed(f"ndx-{service}", BIRTH_TOPIC)
        return all(committed.get(partition, 0) > offset for partition, offset in last.items())

    for service in EFFECTS:
        system.wait_for(lambda s=service: through(s))


class TestKilledBetweenEffectAndOffset:
    def test_every_effect_happens_once(self, system, walked) -> None:
        """Kafka is down while the effects are committed, so no offset can follow; then kill -9."""
        del walked
        stack = system.stack
        let_readers_catch_up(system)
        with ExitStack() as gates, system.door("X26740/one-stop") as door:
            for service, table in EFFECTS.items():
                gates.enter_context(system.closed(service, table))
            reply = system.declare(door, child_of_the_demo_mother(system))
            assert reply.status_code == 201, reply.text
            child = reply.json()["personal_id"]
            for service, table in EFFECTS.items():
                system.wait_for(lambda s=service, t=table: system.waits_at(s, t))
            stack.stop_part("kafka")
            assert not any(effects(system, service, child) for service in EFFECTS)
        for service in EFFECTS:
            system.wait_for(lambda s=service: effects(system, s, child) == 1)
        for service in EFFECTS:
            stack.kill(service, signal.SIGKILL)
        for service in EFFECTS:
            stack.stop_part(service)
        stack.start_part("kafka")

        (event,) = [m for m in system.messages(BIRTH_TOPIC) if child in m.value]
        for service in EFFECTS:
            committed = system.committed(f"ndx-{service}", BIRTH_TOPIC).get(event.partition, 0)
            assert committed <= event.offset, f"{service} had committed its offset before it died"
        for service in EFFECTS:
            stack.start_part(service)
        for service in EFFECTS:
            system.wait_for(
                lambda s=service: (
                    system.committed(f"ndx-{s}", BIRTH_TOPIC).get(event.partition, 0) > event.offset
                )
            )
            assert effects(system, service, child) == 1
            mine = "event_id = $1::text::uuid AND consumer = $2"
            reader = f"{service}:{BIRTH_TOPIC}"
            (inbox,) = system.rows(service, f"SELECT state FROM inbox WHERE {mine}", event.event_id, reader)
            assert inbox["state"] == "DONE"
            kind, topic = EVENTS_OF_EFFECT[service]
            assert system.count(service, "outbox", "type = $1 AND payload LIKE $2", kind, f"%{child}%") == 1
            system.wait_for(lambda t=topic: any(child in m.value for m in system.messages(t)))
            assert len({m.event_id for m in system.messages(topic) if child in m.value}) == 1
        assert (
            system.count(
                "insurance",
                "entitlements e JOIN participants p ON p.id = e.participant_id",
                "p.personal_id = $1",
                child,
            )
            == 1
        )


def inbox_of(system, event_id: str) -> dict:
    (row,) = system.rows(
        "insurance", "SELECT state, attempts, error FROM inbox WHERE event_id = $1::text::uuid", event_id
    ) or [{"state": "", "attempts": 0, "error": ""}]
    return row


def let_time_pass(system, event_id: str, attempts: int) -> None:
    """Put the event where many pauses would have brought it."""
    system.rows(
        "insurance",
        "UPDATE inbox SET attempts = $2, next_attempt_at = clock_timestamp() WHERE event_id = $1::text::uuid",
        event_id,
        attempts,
    )


def birth_event_of(system, child: str) -> str:
    (row,) = system.rows(
        "civil-registry",
        "SELECT id FROM outbox WHERE topic = $1 AND payload LIKE $2",
        BIRTH_TOPIC,
        f"%{child}%",
    )
    return str(row["id"])


def entitlements(system, child: str) -> int:
    table = "entitlements e JOIN participants p ON p.id = e.participant_id"
    return system.count("insurance", table, "p.personal_id = $1", child)


class TestProviderAwayLongerThanTheRetries:
    def test_the_event_waits_and_takes_effect_once_by_itself(self, system, walked) -> None:
        del walked
        stack = system.stack
        stack.stop_part("insurance")
        with system.door("X26740/one-stop") as door:
            children = [system.declare(door, system.declaration()).json()["personal_id"] for _ in range(2)]
        events = [birth_event_of(system, child) for child in children]
        stack.stop_part("population")
        try:
            stack.start_part("insurance")
            for event in events:
                system.wait_for(lambda e=event: inbox_of(system, e)["state"] == "WAITING")
                let_time_pass(system, event, MAX_ATTEMPTS * 5)
                system.wait_for(lambda e=event: inbox_of(system, e)["attempts"] > MAX_ATTEMPTS * 5)
                row = inbox_of(system, event)
                assert (row["state"], row["error"]) == ("WAITING", "unavailable:provider-unavailable")
        finally:
            stack.start_part("population")
        # The pause of the first one is over; the other one's is not, and it does not wait for that.
        let_time_pass(system, events[0], MAX_ATTEMPTS * 5)
        for child, event in zip(children, events, strict=True):
            system.wait_for(lambda e=event: inbox_of(system, e)["state"] == "DONE")
            assert entitlements(system, child) == 1
        assert (
            system.count(
                "insurance",
                "outbox",
                "type = 'ndx.dead-letter.v1' AND headers->>'ndx_original_id' = ANY($1::text[])",
                events,
            )
            == 0
        )


def letters(system, *words: str) -> str:
    """Run the operators' command."""
    command = [sys.executable, "-m", "ndx_local.main", "dead-letters", "insurance", *words]
    outcome = subprocess.run(
        [*command, "--stack", system.stack.paths.name], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


class TestDeadLetters:
    @pytest.fixture
    def suspended(self, system):
        """Suspend the insurer's agreement with the population database, until the end or a call."""
        agreement, *_ = system.enrolment.agreements["G03"]

        def resume() -> None:
            with system.door("NDX-an") as operator:
                operator.post(f"/v1/agreements/{agreement}/resume", {"reason": "the test is over"})

        with system.door("NDX-an") as operator:
            reply = operator.post(f"/v1/agreements/{agreement}/suspend", {"reason": "a test of dead letters"})
            assert reply.status_code == 200, reply.text
        yield resume
        resume()

    def test_a_dead_letter_is_visible_and_takes_effect_once_when_replayed(
        self, system, walked, suspended
    ) -> None:
        del walked
        with system.door("X26740/one-stop") as door:
            child = system.declare(door, system.declaration()).json()["personal_id"]
        event = birth_event_of(system, child)
        system.wait_for(lambda: inbox_of(system, event)["state"] == "WAITING")
        let_time_pass(system, event, MAX_ATTEMPTS - 1)
        system.wait_for(lambda: inbox_of(system, event)["state"] == "DEAD")

        listed = next(line for line in letters(system).splitlines() if event in line)
        assert listed.startswith("DEAD")
        assert "provider-refused:agreement-suspended" in listed
        assert child not in listed
        system.wait_for(
            lambda: any(
                m.event_id == event and child in m.value for m in system.messages("insurance.dead-letter.v1")
            )
        )
        assert "event_buried" in system.stack.paths.log("insurance").read_text()
        assert entitlements(system, child) == 0

        suspended()
        assert "1 dead letter of insurance" in letters(system, "replay")
        system.wait_for(lambda: inbox_of(system, event)["state"] == "DONE")
        assert entitlements(system, child) == 1
        assert "0 dead letters" in letters(system, "replay")
        assert event not in letters(system)
        assert system.count("insurance", "outbox", "type = $1 AND payload LIKE $2", OPENED, f"%{child}%") == 1

    def test_a_message_that_nobody_can_read_holds_up_no_other(self, system, walked) -> None:
        del walked
        broken = str(uuid4())
        system.produce(BIRTH_TOPIC, b"{}", ce_id=broken, ce_type="civil-registry.birth-registered.v1")
        try:
            with system.door("X26740/one-stop") as door:
                child = system.declare(door, system.declaration()).json()["personal_id"]
            system.wait_for(lambda: entitlements(system, child) == 1)
            system.wait_for(lambda: inbox_of(system, broken)["state"] == "DEAD")
            assert inbox_of(system, broken)["error"] == "unreadable:ValidationError"
        finally:
            for service in EFFECTS:
                system.rows(service, "DELETE FROM inbox WHERE event_id = $1::text::uuid", broken)
