"""Personal numbers stay in bodies and paths: none is in what the system writes about its work.

The numbers looked for are those that really crossed a door while somebody walked, and besides them whatever
has the grammar of a number: a leak of somebody whom no test knows is one too.
"""

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from ndx_contracts.topics import SERVICES, TOPICS, dead_letter_topic
from svc_population.personal_ids.personal_id import faults, parse

IDENTIFIERS = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16,64}\b")
"""UUIDs, trace and span ids: their digits are chance."""
TWELVE = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]{12}(?![0-9])")


def numbers_in(text: str) -> set[str]:
    """Return whatever in a text has the grammar of a personal number of somebody who may live."""
    found = TWELVE.findall(IDENTIFIERS.sub(" ", text))
    return {n for n in found if not faults(n) and parse(n).birth_year <= datetime.now(UTC).year}


@dataclass(slots=True)
class Overheard:
    """What crossed the doors while somebody walked."""

    numbers: set[str] = field(default_factory=set)
    headers: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)

    def answered(self, reply: httpx.Response) -> None:
        reply.read()
        for part in (str(reply.request.url), reply.request.content.decode(errors="replace"), reply.text):
            self.numbers |= numbers_in(part)
        self.headers.append(str(reply.headers.multi_items()))
        if reply.status_code >= 400:
            self.refusals.append(f"{reply.status_code} {reply.text}")
            if reply.headers["content-type"] == "application/problem+json":
                self.codes.add(reply.json()["code"])


@dataclass(frozen=True, slots=True)
class Sought:
    """The numbers that nobody may find."""

    numbers: frozenset[str]

    def absent(self, text: str, where: str) -> None:
        told = {n for n in self.numbers if n in text} | numbers_in(text)
        assert not told, f"{where} tells {sorted(told)[:3]}"


def annoy(system: Any, number: str, unknown: str) -> None:
    """Send calls with numbers in every place where one can be, that are refused in as many ways."""
    persons, births = "/population/v1/persons", "/civil-registry/v1/births"
    with (
        system.door("X26740/one-stop") as commune,
        system.door("B01/core") as bank,
        system.door("G04/tax-office") as tax,
        system.door("G01/police-office") as police,
        system.door("H79.001/his") as clinic,
    ):
        eid, registration = "ELECTRONIC_IDENTIFICATION", "CIVIL_REGISTRATION"
        for who in (number, unknown, f"{number}0"):
            commune.get(f"{persons}/{who}?fields=birth_name", purpose=registration)
            commune.get(f"{persons}/{who}?fields=birth_name,{who}", purpose=registration)
            commune.get(f"{persons}/{who}?fields=birth_name,religion", purpose=registration)
            commune.get(f"{persons}/{who}?fields=birth_name", purpose=who)
            commune.get(f"{births}/{who}/certificate", purpose=registration)
            commune.get(f"{persons}/{who}/nothing/{who}", purpose=registration)
            bank.get(f"{persons}/{who}?fields=birth_name", purpose="CREDIT_INSTITUTION_KYC")
            claims = {"claims": [{"kind": "EQUALS", "field": who, "value": who}], who: who}
            bank.post(f"{persons}/{who}/verify", claims, purpose="CREDIT_INSTITUTION_KYC")
            tax.get(f"/tax/v1/taxpayers/{who}", purpose="TAX_ADMINISTRATION")
            tax.post("/tax/v1/taxpayers", {"personal_id": who, "name": "Ai Đó"}, purpose="TAX_ADMINISTRATION")
            account = {"personal_id": who, "level": 2, "birth_date": "1980-01-01", "birth_name": "Ai Đó"}
            police.post("/identity/v1/accounts", account, purpose=eid, key=uuid4().hex)
            police.get(f"/identity/v1/accounts/{who}", purpose=eid)
            question = {
                "personal_id": who,
                "name": who,
                "birth_date": who,
                "clerk_name": "A",
                "clerk_id": "B",
            }
            clinic.post("/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT")
            osia, notification = "/population/osia", "/v1/osia/notification/v1"
            clinic.get(
                f"{osia}/dataaccess/v1/persons/{who}?attributeNames={who}", purpose="HEALTH_ENTITLEMENT"
            )
            clinic.get(f"{osia}/dataaccess/v1/persons/{who}?attributeNames=uin", purpose=who)
            bank.get(f"{osia}/pr/v1/persons/{who}?transactionId={who}", purpose="CREDIT_INSTITUTION_KYC")
            bank.request("DELETE", f"{osia}/pr/v1/persons/{who}/identities/{who}?transactionId={who}")
            bank.post(f"{notification}/subscriptions?topic={who}&address=https://x.example/{who}", None)
            bank.get(f"{notification}/subscriptions/confirm?token={who}")
            birth = system.declaration()
            birth["mother"] = {**birth["mother"], "personal_id": who}
            commune.post(births, birth, purpose=registration, key=uuid4().hex)
            commune.post(births, {**birth, who: who, "office": who}, purpose=registration, key=uuid4().hex)
            commune.request(
                "POST",
                births,
                content=f'{{"mother": "{who}"',
                headers={"NDX-Purpose": registration, "Content-Type": "application/json"},
            )
            commune.request(who, births, headers={"NDX-Purpose": registration, "NDX-Request-Id": who})


@contextmanager
def unreadable_event(system: Any, number: str) -> Iterator[None]:
    """Announce a death in a form that nobody reads, and wait until it lies among the dead letters."""
    event = str(uuid4())
    body = json.dumps({"personal_id": f"{number}x", number: number}).encode()
    system.produce("civil-registry.death.v1", body, ce_id=event, ce_type="civil-registry.death-registered.v1")
    letters = dead_letter_topic("population")
    try:
        system.wait_for(lambda: any(m.event_id == event for m in system.messages(letters)))
        yield
    finally:
        system.rows("population", "DELETE FROM inbox WHERE event_id = $1::text::uuid", event)


@pytest.fixture(scope="module")
def overheard(system, walked) -> Iterator[Overheard]:
    """One more walk and many refused calls, overheard at every door; and an event that nobody can read."""
    heard = Overheard()
    send = httpx.Client.send

    def listened(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        reply = send(client, request, **options)
        heard.answered(reply)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.Client, "send", listened)
        again, _ = system.walk_again()
        heard.numbers.add(again.child_personal_id)
        annoy(system, walked.child_personal_id, unknown="079300999999")
    with unreadable_event(system, walked.child_personal_id):
        yield heard


@pytest.fixture(scope="module")
def sought(system, walked, overheard: Overheard) -> Sought:
    """What to look for, once a call that came after all others is in Envoy's log and in the trace store."""
    with system.door("X26740/one-stop") as door:
        reply = door.get("/v1/allowed-operations")
    name = reply.request.headers["NDX-Request-Id"]
    system.wait_for(lambda: name in system.stack.paths.access_log.read_text())
    base = system.description["trace_url"].replace("/zipkin/", "")
    query = {"annotationQuery": f"ndx.request_id={name}", "lookback": "3600000"}
    system.wait_for(lambda: httpx.get(f"{base}/api/v2/traces", params=query).json())
    return Sought(frozenset(overheard.numbers | {walked.child_personal_id}))


class TestTheSearchItself:
    """A search that finds nothing proves nothing: it must know what it looks for, and be able to find it."""

    def test_the_walk_used_numbers_of_more_people_than_the_child(self, walked, sought: Sought) -> None:
        assert walked.child_personal_id in sought.numbers
        assert len(sought.numbers) >= 5  # two children, mother, father, an old person

    def test_calls_were_refused_in_many_ways(self, overheard: Overheard) -> None:
        expected = {
            "person-not-found",
            "invalid-input",
            "malformed-json",
            "field-group-not-covered",
            "no-agreement",
            "operation-unknown",
            "agreement-suspended",
        }
        assert expected <= overheard.codes, overheard.codes

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("person=079300123456 seen", True),
            ("person079300123456seen", True),
            ('"/v1/persons/079300123456?"', True),
            ("079*******56", False),
            ("1764340319079300123456", False),
            ("000300123456", False),  # no such place
            ("079399123456", False),  # born in 2199
            ("01a22291-d7b0-778b-8b8c-079300123456", False),
            ("took 0.079300123456 s", False),
        ],
    )
    def test_what_has_the_grammar_of_a_number(self, text: str, found: bool) -> None:
        assert numbers_in(text) == ({"079300123456"} if found else set())


class TestNoNumbersAnywhere:
    def test_in_logs(self, system, sought: Sought) -> None:
        logs = list(system.stack.paths.logs.glob("*.log"))
        assert {f"{service}.log" for service in SERVICES} <= {log.name for log in logs}
        for log in logs:
            sought.absent(log.read_text(errors="replace"), log.name)

    def test_in_envoys_access_log(self, system, sought: Sought) -> None:
        lines = [json.loads(line) for line in system.stack.paths.access_log.read_text().splitlines()]
        assert {"population.get_person", "civil-registry.declare_birth"} <= {
            line["operation"] for line in lines
        }
        for line in lines:
            sought.absent(json.dumps(line, ensure_ascii=False), "gateway-access.log")

    def test_in_spans(self, system, sought: Sought) -> None:
        base = system.description["trace_url"].replace("/zipkin/", "")
        found = httpx.get(f"{base}/api/v2/traces?limit=10000&lookback=3600000", timeout=60)
        assert "population.get_person" in found.text
        sought.absent(found.text, "the trace store")

    def test_in_kafka_headers_of_any_topic(self, system, sought: Sought) -> None:
        found = system.records()
        assert {topic.name for topic in TOPICS} <= set(found)
        for busy in ("population.person.v1", "population.disclosure.v1", dead_letter_topic("population")):
            assert found[busy], f"nothing to look at in {busy}"
        for topic, records in found.items():
            for record in records:
                for name, value in record.headers:
                    sought.absent(f"{name}: {value.decode()}", f"a header in {topic}")

    def test_on_pages_of_metrics(self, system, sought: Sought) -> None:
        pki = system.stack.paths.pki
        context = ssl.create_default_context(cafile=str(pki / "internal-ca.crt"))
        context.load_cert_chain(pki / "gateway-client.crt", pki / "gateway-client.key")
        for service in SERVICES:
            port = system.description["ports"][service]
            page = httpx.get(f"https://localhost:{port}/metrics", verify=context, timeout=20)
            assert page.status_code == 200
            assert "ndx_" in page.text
            sought.absent(page.text, f"/metrics of {service}")

    @pytest.mark.parametrize("page", ["stats", "stats/prometheus", "stats?format=json"])
    def test_on_envoys_stats(self, system, sought: Sought, page: str) -> None:
        reply = httpx.get(f"http://127.0.0.1:{system.description['ports']['admin']}/{page}", timeout=20)
        assert "downstream_rq" in reply.text
        sought.absent(reply.text, page)

    def test_in_refusals(self, overheard: Overheard, sought: Sought) -> None:
        assert len(overheard.refusals) > 30
        for refusal in overheard.refusals:
            sought.absent(refusal, "a refusal")

    def test_in_headers_of_answers(self, overheard: Overheard, sought: Sought) -> None:
        for headers in overheard.headers:
            sought.absent(headers, "an answer's headers")
