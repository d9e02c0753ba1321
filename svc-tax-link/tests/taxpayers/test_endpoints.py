"""Registering and reading taxpayers over HTTP, on the real database."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import httpx
import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.agreements import AdminScope, AgreementState, Conditions
from ndx_contracts.events import PersonalIdCancelled
from ndx_contracts.field_groups import FieldGroup
from ndx_testing.gateway import Call, RecordingGateway
from sqlalchemy import QueuePool, text
from sqlalchemy.ext.asyncio import AsyncSession
from svc_tax_link.taxpayers import repository, service

pytestmark = pytest.mark.integration

MOTHER, FATHER, NEW = "079195000021", "079093000034", "079195000099"
CODE, OTHER_CODE = "0100233488", "0314409058"
GET_PERSON = "/population/v1/persons/{personal_id}"
Make = Callable[..., Any]


class TestRegisterTaxpayer:
    async def test_name_and_birth_date_come_from_the_population_database(
        self,
        register: Make,
        gateway: RecordingGateway,
        disclosed: Make,
        emitted: Make,
        session: AsyncSession,
    ) -> None:
        body = await register(MOTHER)
        assert (body["state"], body["name"], body["birth_date"]) == ("MATCHED", "Trần Thị Lan", "1995-03-08")
        (call,) = gateway.calls
        assert (call.purpose, call.params) == (
            "TAX_ADMINISTRATION",
            {"fields": "personal_id,birth_name,birth_date"},
        )
        (record,) = await disclosed()
        assert (record["operation"], record["subjects"]) == ("tax.register_taxpayer", [MOTHER])
        actions = await session.execute(text("SELECT action FROM audit_entries"))
        assert [row[0] for row in actions] == ["taxpayer_registered"]
        await register(MOTHER)
        (event,) = await emitted()
        assert (event["type"], event["key"]) == ("tax.taxpayer-registered.v1", body["taxpayer_id"])

    async def test_a_legacy_code_is_linked_to_the_personal_id(self, register: Make) -> None:
        body = await register(MOTHER, legacy_tax_code=CODE, name="TRẦN THỊ LAN", birth_date="1995-03-08")
        assert (body["state"], body["legacy_tax_codes"]) == ("MATCHED", [CODE])

    @pytest.mark.parametrize(
        ("members", "mismatches"),
        [
            ({"name": "Trần Thị Lành"}, ["name"]),
            ({"name": "Trần Thị Lành", "birth_date": "1995-08-03"}, ["name", "birth_date"]),
        ],
    )
    async def test_what_does_not_fit_waits_with_its_code(
        self, members: dict[str, str], mismatches: list[str], register: Make, disclosed: Make
    ) -> None:
        body = await register(MOTHER, legacy_tax_code=CODE, **members)
        assert (body["state"], body["mismatches"]) == ("PENDING_ID_UPDATE", mismatches)
        assert (body["legacy_tax_codes"], body["name"], body["birth_date"]) == ([CODE], None, None)
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED"]

    async def test_who_waits_is_matched_when_the_data_fit_at_last(self, register: Make) -> None:
        await register(MOTHER, legacy_tax_code=CODE, name="Trần Thị Lành")
        body = await register(MOTHER, legacy_tax_code=CODE, name="Trần Thị Lan")
        assert (body["state"], body["legacy_tax_codes"]) == ("MATCHED", [CODE])

    async def test_data_that_do_not_fit_never_change_who_is_matched(
        self, register: Make, disclosed: Make
    ) -> None:
        await register(MOTHER, legacy_tax_code=CODE)
        problem = await register(MOTHER, legacy_tax_code=OTHER_CODE, name="Lê An", status=409)
        assert problem["code"] == "taxpayer-mismatch"
        assert [r["outcome"] for r in await disclosed()] == ["DISCLOSED", "NOT_MATCHED"]
        assert (await register(MOTHER))["legacy_tax_codes"] == [CODE]

    async def test_an_unknown_number_waits_too(self, register: Make, gateway: RecordingGateway) -> None:
        gateway.answers("GET", GET_PERSON, json={"code": "person-not-found"}, status=404)
        body = await register(MOTHER, legacy_tax_code=CODE)
        assert (body["state"], body["mismatches"]) == ("PENDING_ID_UPDATE", ["personal_id"])

    async def test_a_second_code_of_one_person_is_a_duplicate_but_a_branch_is_not(
        self, register: Make
    ) -> None:
        await register(MOTHER, legacy_tax_code=CODE)
        assert (await register(MOTHER, legacy_tax_code=f"{CODE}-001"))["state"] == "MATCHED"
        body = await register(MOTHER, legacy_tax_code=OTHER_CODE)
        assert (body["state"], body["legacy_tax_codes"]) == (
            "DUP_TAX_CODE",
            [CODE, f"{CODE}-001", OTHER_CODE],
        )

    async def test_a_code_leads_to_one_person_even_when_two_come_at_once(
        self, client: httpx.AsyncClient, office: dict[str, str], session: AsyncSession
    ) -> None:
        replies = await asyncio.gather(
            *(
                client.post(
                    "/tax/v1/taxpayers",
                    json={"personal_id": number, "legacy_tax_code": CODE},
                    headers=office,
                )
                for number in (MOTHER, FATHER)
            )
        )
        assert sorted(reply.status_code for reply in replies) == [200, 409]
        assert {"tax-code-held"} == {r.json()["code"] for r in replies if r.status_code == 409}
        assert await session.scalar(text("SELECT count(*) FROM taxpayers")) == 1

    async def test_one_key_gives_one_answer(
        self, client: httpx.AsyncClient, office: dict[str, str], gateway: RecordingGateway
    ) -> None:
        keyed = {**office, "Idempotency-Key": "a-1"}
        first = await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        again = await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        other = await client.post("/tax/v1/taxpayers", json={"personal_id": FATHER}, headers=keyed)
        assert first.json() == again.json()
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
        assert len(gateway.calls) == 1

    async def test_a_repeated_answer_is_a_record_of_its_own(
        self, client: httpx.AsyncClient, office: dict[str, str], disclosed: Make
    ) -> None:
        keyed = {**office, "Idempotency-Key": "a-2"}
        await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        later = {**keyed, "NDX-Officer": "CB-77"}
        again = await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=later)
        assert again.status_code == 200
        first, repeated = await disclosed()
        assert (first["outcome"], repeated["outcome"]) == ("DISCLOSED", "REPEATED")
        for member in ("subjects", "field_groups", "operation", "purpose", "agreement"):
            assert repeated[member] == first[member]
        assert repeated["officer"] == "CB-77"

    @pytest.mark.parametrize(
        ("narrowed", "code"),
        [
            ({"groups": [FieldGroup.CONTACT]}, "field-group-not-covered"),
            ({"admin_scope": AdminScope(provinces=("01",))}, "outside-admin-scope"),
            ({"state": AgreementState.SUSPENDED}, "agreement-suspended"),
            ({"conditions": Conditions(consent_required=True)}, "consent-missing"),
        ],
        ids=["groups", "scope", "suspended", "consent"],
    )
    async def test_what_the_agreement_no_longer_gives_is_not_repeated(
        self,
        narrowed: dict[str, Any],
        code: str,
        client: httpx.AsyncClient,
        office: dict[str, str],
        agree: Make,
        disclosed: Make,
    ) -> None:
        keyed = {**office, "Idempotency-Key": "a-3"}
        await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        groups = narrowed.pop("groups", [FieldGroup.TAX_REGISTRATION])
        agree("G04", {"tax.register_taxpayer": groups}, purposes=["TAX_ADMINISTRATION"], **narrowed)
        again = await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        assert (again.status_code, again.json()["code"]) == (403, code)
        assert MOTHER not in again.text
        assert len(await disclosed()) == 1

    async def test_another_system_of_the_agency_has_its_own_keys(
        self, client: httpx.AsyncClient, office: dict[str, str], as_agency: Make, disclosed: Make
    ) -> None:
        other = as_agency("G04", purpose="TAX_ADMINISTRATION", system="other", agreement="DSA-G04-1")
        for headers in (office, other):
            keyed = {**headers, "Idempotency-Key": "a-4"}
            reply = await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
            assert reply.status_code == 200
        assert [r["outcome"] for r in await disclosed()] == ["DISCLOSED", "DISCLOSED"]

    @pytest.mark.parametrize("state", ["old", "unknown"])
    async def test_an_answer_that_is_no_longer_kept_is_not_made_anew(
        self, state: str, client: httpx.AsyncClient, office: dict[str, str], session: AsyncSession
    ) -> None:
        keyed = {**office, "Idempotency-Key": "a-5"}
        await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        age = {
            "old": "UPDATE idempotency_keys SET created_at = now() - interval '8 days'",
            "unknown": "UPDATE idempotency_keys SET response = '{}'",
        }
        await session.execute(text(age[state]))
        await session.commit()
        again = await client.post("/tax/v1/taxpayers", json={"personal_id": MOTHER}, headers=keyed)
        assert (again.status_code, again.json()["code"]) == (410, "idempotency-answer-gone")

    async def test_nothing_is_kept_while_the_population_database_is_away(
        self, register: Make, gateway: RecordingGateway, session: AsyncSession
    ) -> None:
        gateway.unavailable()
        problem = await register(MOTHER, status=503)
        assert problem["code"] == "provider-unavailable"
        assert await session.scalar(text("SELECT count(*) FROM taxpayers")) == 0

    async def test_who_died_before_is_closed_from_the_start(
        self, register: Make, deliver: Make, death: Make
    ) -> None:
        await deliver(death(MOTHER, date(2026, 10, 2)))
        body = await register(MOTHER)
        assert (body["state"], body["died_on"]) == ("DECEASED_CLOSE", "2026-10-02")

    async def test_a_death_under_a_former_number_closes_as_well(
        self, register: Make, deliver: Make, death: Make, people: Any
    ) -> None:
        people[NEW] = people[MOTHER]
        await deliver(death(MOTHER, date(2026, 10, 2)))
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=MOTHER, superseded_by=NEW))
        for number in (NEW, MOTHER):
            body = await register(number)
            assert (body["personal_id"], body["state"]) == (NEW, "DECEASED_CLOSE")

    async def test_who_is_registered_under_both_numbers_at_once_is_one_taxpayer(
        self, register: Make, deliver: Make, people: Any
    ) -> None:
        people[NEW] = people[MOTHER]
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=MOTHER, superseded_by=NEW))
        bodies = await asyncio.gather(*(register(number) for number in (NEW, MOTHER) * 3))
        assert len({body["taxpayer_id"] for body in bodies}) == 1

    async def test_a_former_number_and_todays_are_held_together(
        self, register: Make, deliver: Make, people: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        people[NEW] = people[MOTHER]
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=MOTHER, superseded_by=NEW))
        held: list[set[str]] = []

        async def lock(session: AsyncSession, personal_ids: Sequence[str]) -> None:
            held.append(set(personal_ids))
            await in_order(session, personal_ids)

        in_order = repository.lock
        monkeypatch.setattr(repository, "lock", lock)
        await register(MOTHER)
        assert held == [{MOTHER, NEW}]

    async def test_nobody_gathers_codes_without_end(
        self, register: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "MOST_CODES", 3)
        branches = [f"{OTHER_CODE}-{number:03d}" for number in range(1, 7)]
        statuses = await asyncio.gather(*(_status(register, code) for code in branches))
        assert sorted(statuses) == [200] * 3 + [409] * 3
        held = (await register(MOTHER))["legacy_tax_codes"]
        assert (await register(MOTHER, legacy_tax_code=held[0]))["legacy_tax_codes"] == held
        problem = await register(MOTHER, legacy_tax_code=CODE, status=409)
        assert problem["code"] == "tax-code-limit-reached"

    async def test_a_refusal_about_a_code_leaves_a_record_about_the_payer(
        self, register: Make, disclosed: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await register(MOTHER, legacy_tax_code=CODE)
        await register(FATHER)
        held = await register(FATHER, legacy_tax_code=CODE, status=409)
        monkeypatch.setattr(service, "MOST_CODES", 1)
        full = await register(MOTHER, legacy_tax_code=OTHER_CODE, status=409)
        assert (held["code"], full["code"]) == ("tax-code-held", "tax-code-limit-reached")
        told = [(r["subjects"], r["outcome"]) for r in await disclosed()]
        assert told[2:] == [([FATHER], "NOT_MATCHED"), ([MOTHER], "NOT_MATCHED")]

    async def test_nobody_is_held_while_the_population_database_is_asked(
        self, register: Make, gateway: RecordingGateway, runtime: Runtime, people: Any
    ) -> None:
        connections: list[int] = []
        pool = runtime.engine.sync_engine.pool

        def answer(call: Call) -> dict[str, Any]:
            assert isinstance(pool, QueuePool)
            connections.append(pool.checkedout())
            return {
                "personal_id": MOTHER,
                "birth_name": {"surname": "Trần", "middle_name": "Thị", "given_name": "Lan"},
                "birth_date": "1995-03-08",
            }

        gateway.answers("GET", GET_PERSON, json=answer)
        assert (await register(MOTHER))["state"] == "MATCHED"
        assert connections == [0]

    @pytest.mark.parametrize("code", ["0100233480", "12", "0314409058-000"])
    async def test_an_impossible_code_is_refused(self, code: str, register: Make) -> None:
        problem = await register(MOTHER, legacy_tax_code=code, status=422)
        assert problem["code"] == "invalid-input"
        assert code not in str(problem["errors"])


async def _status(register: Make, code: str) -> int:
    try:
        await register(MOTHER, legacy_tax_code=code)
    except AssertionError:
        return 409
    return 200


class TestGetTaxpayer:
    async def test_a_read_leaves_a_record(
        self, register: Make, client: httpx.AsyncClient, office: dict[str, str], disclosed: Make
    ) -> None:
        await register(MOTHER, legacy_tax_code=CODE)
        reply = await client.get(f"/tax/v1/taxpayers/{MOTHER}", headers=office)
        assert reply.json()["legacy_tax_codes"] == [CODE]
        record = (await disclosed())[-1]
        assert (record["operation"], record["outcome"]) == ("tax.get_taxpayer", "DISCLOSED")

    async def test_nobody_found_is_a_record_too(
        self, client: httpx.AsyncClient, office: dict[str, str], disclosed: Make
    ) -> None:
        reply = await client.get(f"/tax/v1/taxpayers/{MOTHER}", headers=office)
        assert (reply.status_code, reply.json()["code"]) == (404, "taxpayer-not-found")
        assert MOTHER not in reply.text
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"]

    class TestMoreAtOnceThanConnections:
        @pytest.fixture
        def service_settings(self) -> dict[str, Any]:
            return {"database_pool_size": 2}

        async def test_each_is_told_that_nobody_was_found(
            self, client: httpx.AsyncClient, office: dict[str, str], disclosed: Make
        ) -> None:
            asked = [client.get(f"/tax/v1/taxpayers/{MOTHER}", headers=office) for _ in range(6)]
            statuses = [reply.status_code for reply in await asyncio.gather(*asked)]
            assert statuses == [404] * 6
            assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"] * 6

        async def test_each_is_told_that_it_does_not_fit(self, register: Make, disclosed: Make) -> None:
            await register(MOTHER)
            await asyncio.gather(*(register(MOTHER, name="Lê An", status=409) for _ in range(6)))
            assert [r["outcome"] for r in await disclosed()] == ["DISCLOSED"] + ["NOT_MATCHED"] * 6

    async def test_nobody_reads_without_the_gateway_or_an_agreement(
        self, client: httpx.AsyncClient, as_agency: Make, agree: Make
    ) -> None:
        path = f"/tax/v1/taxpayers/{MOTHER}"
        assert (await client.get(path)).status_code == 401
        agree("B01", {"tax.get_taxpayer": []}, purposes=["CREDIT_INSTITUTION_KYC"])
        reply = await client.get(path, headers=as_agency("B01", purpose="CREDIT_INSTITUTION_KYC"))
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
