"""PostgreSQL away or restarted: clear refusals meanwhile, all resumes by itself, nothing is doubled."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from ndx_client import citizen

AWAY_SECONDS = 10.0
INSIDE = ("Traceback", "asyncpg", "sqlalchemy", "psycopg", "Connection refused", 'File "')
"""Words from behind the door, which no caller may read."""


@dataclass
class Commune:
    """Declares births one after another, each until it is registered, and keeps every answer it got."""

    system: Any
    answers: list[httpx.Response] = field(default_factory=list)
    registered: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(60)

    def work(self) -> None:
        with self.system.door("X26740/one-stop") as door:
            while not self.over.is_set():
                self.one_birth(door)

    def one_birth(self, door) -> None:
        body, key = self.system.declaration(), uuid4().hex
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                reply = self.system.declare(door, body, key)
            except httpx.TimeoutException:
                continue
            except httpx.HTTPError as error:
                self.broken.append(type(error).__name__)
                time.sleep(0.2)
                continue
            self.answers.append(reply)
            if reply.status_code == 201:
                self.registered[reply.json()["birth_id"]] = reply.json()["personal_id"]
                time.sleep(0.05)
                return
            time.sleep(0.2)
        raise AssertionError(f"a birth could not be registered: {reply.status_code} {reply.text[:300]}")


def is_a_clear_refusal(reply: httpx.Response) -> bool:
    assert reply.status_code == 503, f"{reply.status_code} {reply.text[:300]}"
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["code"] in {"service-unavailable", "provider-unavailable", "agreement-not-synchronised"}
    assert problem["title"]
    assert not [word for word in INSIDE if word in reply.text]
    return True


def activation(system) -> httpx.Response:
    ca = system.enrolment.operators["NDX-an"].ca
    body = {"handle": "nobody", "activation_code": "ABCD-EFGH-JKLM", "passcode": "583206"}
    with citizen.citizen_http(system.description["citizen_url"], ca) as http:
        return http.post("/auth/v1/activations", json=body)


def check(system, commune: Commune) -> None:
    """Every answer was a birth, a birth that waits, or a clear refusal; and each birth is there once."""
    for reply in commune.answers:
        assert reply.status_code in {201, 202} or is_a_clear_refusal(reply)
    assert commune.broken == []
    births, numbers = sorted(commune.registered), sorted(commune.registered.values())
    assert len(set(numbers)) == len(births)
    issued = "request_id = ANY($1::text[]::uuid[]) AND state = 'ISSUED'"
    assert system.count("population", "personal_id_requests", issued, births) == len(births)
    opened = "entitlements e JOIN participants p ON p.id = e.participant_id"
    mine = "p.personal_id = ANY($1)"
    system.wait_for(lambda: system.count("insurance", opened, mine, numbers) == len(births), 90)
    kept = "SELECT count(DISTINCT payload::jsonb->>'personal_id') AS n, count(*) AS all FROM outbox"
    only = " WHERE type = 'civil-registry.birth-registered.v1' AND payload::jsonb->>'personal_id' = ANY($1)"
    (events,) = system.rows("civil-registry", kept + only, numbers)
    assert (events["n"], events["all"]) == (len(births), len(births))


class TestPostgresAway:
    def test_stopped_for_a_while_every_door_says_so_and_births_resume(self, system, walked) -> None:
        child = walked.child_personal_id
        read = f"/population/v1/persons/{child}?fields=birth_name"
        question = {
            "personal_id": child,
            "name": "Nguyễn Minh An",
            "birth_date": "2025-01-01",
            "clerk_name": "Phạm Thị Quầy",
            "clerk_id": "NV-001",
        }
        with (
            system.door("X26740/one-stop") as commune_door,
            system.door("H79.001/his") as clinic,
            system.door("G04/tax-office") as tax_office,
            system.door("G01/police-office") as police,
            system.door("NDX-an") as operator,
            Commune(system) as commune,
        ):
            system.wait_for(lambda: len(commune.registered) >= 3)
            system.stack.stop_part("postgres")
            away = time.monotonic()
            try:
                before = len(commune.answers)
                refusals = [
                    commune_door.get(read, purpose="CIVIL_REGISTRATION"),
                    commune_door.get("/civil-registry/v1/births/awaiting-number"),
                    clinic.post("/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT"),
                    tax_office.get(f"/tax/v1/taxpayers/{child}", purpose="TAX_ADMINISTRATION"),
                    police.get(f"/identity/v1/accounts/{uuid4()}", purpose="ELECTRONIC_IDENTIFICATION"),
                    operator.get("/v1/agreements"),
                    activation(system),
                ]
                for reply in refusals:
                    assert is_a_clear_refusal(reply), reply.url
                    assert child not in reply.text
                uncovered = commune_door.get(read, purpose="STATISTICS")
                assert uncovered.json()["code"] == "purpose-not-covered", "Envoy goes on enforcing"
                time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - away)))
                assert {r.status_code for r in commune.answers[before + 1 :]} == {503}
            finally:
                system.stack.start_part("postgres")
            resumed = len(commune.registered)
            system.wait_for(lambda: len(commune.registered) >= resumed + 3)
        check(system, commune)
        again, _failures = system.walk_again(60)
        assert again.child_personal_id != child

    @pytest.mark.parametrize("how", ["restarted", "killed"])
    def test_a_restart_under_births_loses_and_doubles_none(self, system, walked, how: str) -> None:
        del walked
        with Commune(system) as commune:
            system.wait_for(lambda: len(commune.registered) >= 3)
            before = system.stack.restarts_of("postgres")
            if how == "killed":
                system.stack.kill("postgres")
                system.stack.wait_ready("postgres", restarts_over=before)
            else:
                system.stack.stop_part("postgres")
                system.stack.start_part("postgres")
            resumed = len(commune.registered)
            system.wait_for(lambda: len(commune.registered) >= resumed + 3)
        check(system, commune)
