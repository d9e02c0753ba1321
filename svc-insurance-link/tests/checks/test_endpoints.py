"""The clinic's question over HTTP, on the real database."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose
from ndx_testing.gateway import RecordingGateway
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from svc_insurance_link.checks import repository
from svc_insurance_link.participants import service as participants
from svc_insurance_link.participants.errors import CodeHeldByAnother
from svc_insurance_link.participants.models import CodeState

pytestmark = pytest.mark.integration

CHILD = "079226000017"
NOBODY = "079226999999"
CHECKS = "/insurance/v1/entitlement-checks"
QR = f"{CHILD}||Nguyễn Minh Hòa|20112026|Nữ|Phường Sài Gòn|24112026"
CLERK = {"clerk_name": "Lê Thị Thu", "clerk_id": "079190000123"}
Make = Callable[..., Any]


def question(**changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "personal_id": CHILD,
        "name": "Nguyễn Minh Hòa",
        "birth_date": "2026-11-20",
        "visit_date": "2026-11-24",
        **CLERK,
    }
    asked.update(changes)
    return {k: v for k, v in asked.items() if v is not None}


@pytest.fixture
async def child(people: Any, deliver: Make, birth: Make) -> str:
    await deliver(birth())
    return CHILD


@pytest.fixture
async def card(child: str, runtime: Runtime) -> str:
    await keep_card(runtime, "TE1797912345678")
    return "TE1797912345678"


async def keep_card(runtime: Runtime, code: str, state: CodeState = CodeState.ACTIVE) -> None:
    async with runtime.sessions() as session, session.begin():
        known = await participants.find(session, CHILD)
        assert known is not None
        await participants.keep_card_code(session, known, card_code=code, state=state)


async def ask(
    client: httpx.AsyncClient, hospital: dict[str, str], **changes: Any
) -> tuple[str, dict[str, Any]]:
    reply = await client.post(CHECKS, json=question(**changes), headers=hospital)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body["result_code"], body


class TestCreateEntitlementCheck:
    async def test_a_covered_child_is_told_in_both_languages(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str], disclosed: Make
    ) -> None:
        code, body = await ask(client, hospital)
        assert (code, body["covered"], body["action"]) == ("000", True, "VALID")
        assert (body["result_vi"], body["result_en"]) == (
            "Thông tin thẻ chính xác",
            "Card information is correct",
        )
        assert body["entitlement"] == {
            "kind": "CHILD_UNDER_6",
            "participant_group": "TE",
            "benefit_level": 1,
            "valid_from": "2026-11-20",
            "valid_to": "2032-11-20",
        }
        assert body["identity_copy"]["source"] == "population"
        assert 0 <= body["identity_copy"]["age_seconds"] < 60
        (record,) = await disclosed()
        assert (record["subjects"], record["outcome"]) == ([CHILD], "MATCHED")
        assert record["operation"] == "insurance.create_entitlement_check"
        assert record["officer"] == "079*******23"

    async def test_the_qr_of_the_identity_card_is_enough(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str]
    ) -> None:
        code, _ = await ask(client, hospital, card_qr=QR, personal_id=None, name=None, birth_date=None)
        assert code == "000"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"personal_id": None, "card_code": "TE1797912345678"}, "000"),
            ({"personal_id": None, "social_insurance_number": "7912345678"}, "000"),
            ({"personal_id": None, "card_code": "TE4797912345678"}, "051"),
            ({"personal_id": None, "card_code": "TE1797900000000"}, "050"),
            ({"personal_id": None, "card_code": "TE17979"}, "051"),
            ({"personal_id": None, "card_code": "TE1007912345678"}, "052"),
            ({"personal_id": None, "card_code": "TE9797912345678"}, "053"),
            ({"personal_id": None, "social_insurance_number": "79x"}, "205"),
            ({"card_qr": "nonsense", "personal_id": None, "name": None, "birth_date": None}, "205"),
            ({"visit_date": "2033-01-01"}, "010"),
            ({"visit_date": "2026-11-19"}, "050"),
        ],
    )
    async def test_every_key_leads_to_its_code(
        self,
        changes: dict[str, Any],
        code: str,
        card: str,
        client: httpx.AsyncClient,
        hospital: dict[str, str],
    ) -> None:
        assert (await ask(client, hospital, **changes))[0] == code

    @pytest.mark.parametrize(
        ("changes", "code", "outcome", "subjects"),
        [
            ({"name": "Trần Minh Hòa"}, "060", "NOT_MATCHED", [CHILD]),
            ({"name": "Nguyễn Mạnh Hà"}, "061", "NOT_MATCHED", [CHILD]),
            ({"birth_date": "2026-11-21"}, "070", "NOT_MATCHED", [CHILD]),
            ({"personal_id": NOBODY}, "050", "NOT_FOUND", [NOBODY]),
        ],
    )
    async def test_what_does_not_fit_gives_no_value_and_leaves_a_record(
        self,
        changes: dict[str, Any],
        code: str,
        outcome: str,
        subjects: list[str],
        child: str,
        client: httpx.AsyncClient,
        hospital: dict[str, str],
        disclosed: Make,
    ) -> None:
        found, body = await ask(client, hospital, **changes)
        assert (found, body["covered"]) == (code, False)
        assert body["entitlement"] is None
        assert body["identity_copy"] is None
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"]) == (outcome, subjects)

    async def test_a_dead_patient_is_not_covered_after_the_death(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str], deliver: Make, death: Make
    ) -> None:
        await deliver(death(date(2026, 11, 23)))
        assert (await ask(client, hospital, visit_date="2026-11-23"))[0] == "000"
        assert (await ask(client, hospital, visit_date="2026-11-24"))[0] == "120"

    async def test_a_replaced_and_a_withdrawn_card_are_told(
        self, card: str, client: httpx.AsyncClient, hospital: dict[str, str], runtime: Runtime
    ) -> None:
        await keep_card(runtime, card, CodeState.REPLACED)
        assert (await ask(client, hospital, personal_id=None, card_code=card))[0] == "004"
        await keep_card(runtime, card, CodeState.WITHDRAWN)
        assert (await ask(client, hospital, personal_id=None, card_code=card))[0] == "110"

    async def test_it_works_while_the_population_database_is_away(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str], gateway: RecordingGateway
    ) -> None:
        gateway.unavailable()
        assert (await ask(client, hospital))[0] == "000"

    async def test_the_visit_is_today_when_no_day_is_given(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str]
    ) -> None:
        _, body = await ask(client, hospital, visit_date=None)
        assert date.fromisoformat(body["visit_date"])

    @pytest.mark.parametrize(
        "changes",
        [
            {"card_code": "TE1797912345678"},
            {"personal_id": None},
            {"name": None},
            {"birth_date": None},
            {"birth_date": "2026-02-30"},
            {"personal_id": "79226000017"},
            {"clerk_id": None},
            {"clerk_name": None},
            {"card_qr": QR, "personal_id": None},
            {"sex": "FEMALE"},
        ],
    )
    async def test_a_question_that_is_none_is_refused(
        self, changes: dict[str, Any], client: httpx.AsyncClient, hospital: dict[str, str], disclosed: Make
    ) -> None:
        reply = await client.post(CHECKS, json=question(**changes), headers=hospital)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        assert CHILD not in reply.text
        assert await disclosed() == []


class TestGuessing:
    async def test_after_five_wrong_guesses_even_the_right_one_must_wait(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str], session: AsyncSession
    ) -> None:
        for day in range(1, 6):
            assert (await ask(client, hospital, birth_date=f"2026-10-0{day}"))[0] == "070"
        reply = await client.post(CHECKS, json=question(), headers=hospital)
        assert (reply.status_code, reply.json()["code"]) == (429, "too-many-wrong-checks")
        assert int(reply.headers["Retry-After"]) > 0
        kept = await session.execute(text("SELECT result_code FROM entitlement_checks ORDER BY id"))
        assert [row[0] for row in kept] == ["070"] * 5 + [None]

    async def test_guesses_sent_at_once_are_counted_one_after_another(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str]
    ) -> None:
        guesses = [
            client.post(CHECKS, json=question(birth_date=f"2026-10-{day:02}"), headers=hospital)
            for day in range(1, 16)
        ]
        statuses = [reply.status_code for reply in await asyncio.gather(*guesses)]
        assert statuses.count(200) == 5

    async def test_asking_again_for_a_child_who_is_not_known_yet_is_no_guess(
        self,
        people: Any,
        deliver: Make,
        birth: Make,
        client: httpx.AsyncClient,
        hospital: dict[str, str],
    ) -> None:
        for _ in range(8):
            assert (await ask(client, hospital))[0] == "050"
        await deliver(birth())
        assert (await ask(client, hospital))[0] == "000"

    async def test_another_patient_and_another_agency_are_not_held_up(
        self,
        child: str,
        client: httpx.AsyncClient,
        hospital: dict[str, str],
        agree: Make,
        as_agency: Make,
    ) -> None:
        for _ in range(5):
            await ask(client, hospital, name="Trần An")
        assert (await ask(client, hospital, personal_id=NOBODY))[0] == "050"
        agree(
            "H01.002",
            {"insurance.create_entitlement_check": [FieldGroup.INSURANCE_ENTITLEMENT]},
            purposes=[Purpose.HEALTH_ENTITLEMENT],
        )
        other = as_agency("H01.002", system="his", purpose="HEALTH_ENTITLEMENT")
        assert (await ask(client, other))[0] == "000"

    async def test_a_flood_about_nobody_hides_no_guesses_and_holds_up_nobody(
        self,
        child: str,
        client: httpx.AsyncClient,
        hospital: dict[str, str],
        session: AsyncSession,
        disclosed: Make,
    ) -> None:
        for day in range(1, 5):
            assert (await ask(client, hospital, birth_date=f"2026-10-0{day}"))[0] == "070"
        assert (await ask(client, hospital, personal_id=NOBODY))[0] == "050"
        # The statement that counts reads few rows, however many were asked: only the first is noted as wrong.
        for _ in range(8):
            assert (await ask(client, hospital, personal_id=NOBODY))[0] == "050"
        assert await session.scalar(text("SELECT count(*) FROM entitlement_checks WHERE wrong")) == 5
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED"] * 4 + ["NOT_FOUND"] * 9
        assert (await ask(client, hospital))[0] == "000"
        assert (await ask(client, hospital, birth_date="2026-10-05"))[0] == "070"
        reply = await client.post(CHECKS, json=question(), headers=hospital)
        assert (reply.status_code, reply.json()["code"]) == (429, "too-many-wrong-checks")

    async def test_a_number_that_is_asked_for_again_and_again_is_no_reason_to_wait(
        self, child: str, client: httpx.AsyncClient, hospital: dict[str, str], session: AsyncSession
    ) -> None:
        assert (await ask(client, hospital, personal_id=NOBODY))[0] == "050"
        await session.execute(
            text(
                "INSERT INTO entitlement_checks (id, agency, system, clerk_name, clerk_id,"
                " asked_by, asked_key, visit_date, result_code, wrong, request_id)"
                " SELECT gen_random_uuid(), agency, system, clerk_name, clerk_id,"
                " asked_by, asked_key, visit_date, result_code, wrong, request_id"
                " FROM entitlement_checks, generate_series(1, 2500)"
            )
        )
        await session.commit()
        assert (await ask(client, hospital, personal_id=NOBODY))[0] == "050"
        assert (await ask(client, hospital))[0] == "000"

    class TestOfManyPeople:
        @pytest.fixture
        def service_settings(self) -> dict[str, Any]:
            return {"wrong_checks_per_agency": 3, "database_pool_size": 2}

        async def test_an_agency_that_tries_number_after_number_must_wait(
            self, child: str, client: httpx.AsyncClient, hospital: dict[str, str]
        ) -> None:
            for n in range(3):
                assert (await ask(client, hospital, personal_id=f"07922600010{n}"))[0] == "050"
            reply = await client.post(CHECKS, json=question(), headers=hospital)
            assert reply.status_code == 429

        async def test_numbers_tried_at_once_are_counted_one_after_another(
            self, child: str, client: httpx.AsyncClient, hospital: dict[str, str]
        ) -> None:
            tries = [
                client.post(CHECKS, json=question(personal_id=f"0792260001{n:02d}"), headers=hospital)
                for n in range(12)
            ]
            statuses = [reply.status_code for reply in await asyncio.gather(*tries)]
            assert sorted(statuses) == [200] * 3 + [429] * 9

        async def test_who_is_refused_anyway_waits_for_nobody(
            self, child: str, client: httpx.AsyncClient, hospital: dict[str, str], session: AsyncSession
        ) -> None:
            for n in range(3):
                assert (await ask(client, hospital, personal_id=f"07922600010{n}"))[0] == "050"
            await repository.count_one_by_one(session, "H79.001")
            reply = await client.post(CHECKS, json=question(), headers=hospital)
            assert (reply.status_code, reply.headers["Retry-After"]) == (429, "900")

        async def test_who_would_wait_long_for_others_is_told_to_come_again(
            self,
            child: str,
            client: httpx.AsyncClient,
            hospital: dict[str, str],
            session: AsyncSession,
            monkeypatch: pytest.MonkeyPatch,
        ) -> None:
            monkeypatch.setattr(repository, "LONGEST_WAIT", "10ms")
            await repository.count_one_by_one(session, "H79.001")
            reply = await client.post(CHECKS, json=question(), headers=hospital)
            assert (reply.status_code, reply.json()["code"]) == (429, "too-many-wrong-checks")
            assert reply.headers["Retry-After"] == "1"
            await session.rollback()
            assert (await ask(client, hospital))[0] == "000"


class TestAgreement:
    async def test_nobody_asks_without_the_gateway(self, client: httpx.AsyncClient) -> None:
        assert (await client.post(CHECKS, json=question())).status_code == 401

    async def test_an_agreement_without_the_field_group_is_refused_by_name(
        self, child: str, client: httpx.AsyncClient, agree: Make, as_agency: Make
    ) -> None:
        agree("H79.001", {"insurance.create_entitlement_check": []}, purposes=[Purpose.HEALTH_ENTITLEMENT])
        headers = as_agency("H79.001", purpose="HEALTH_ENTITLEMENT")
        reply = await client.post(CHECKS, json=question(), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        assert "insurance_entitlement" in reply.json()["detail"]

    async def test_an_agreement_bounded_to_a_place_can_not_be_served(
        self, child: str, client: httpx.AsyncClient, agree: Make, as_agency: Make, disclosed: Make
    ) -> None:
        agree(
            "H79.001",
            {"insurance.create_entitlement_check": [FieldGroup.INSURANCE_ENTITLEMENT]},
            purposes=[Purpose.HEALTH_ENTITLEMENT],
            admin_scope=AdminScope(provinces=("79",)),
        )
        headers = as_agency("H79.001", purpose="HEALTH_ENTITLEMENT")
        reply = await client.post(CHECKS, json=question(), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "outside-admin-scope")
        assert await disclosed() == []


class TestKeepCardCode:
    async def test_a_card_code_belongs_to_one_participant(
        self, card: str, runtime: Runtime, people: Any, deliver: Make, birth: Make
    ) -> None:
        people[NOBODY] = people[CHILD]
        await deliver(birth(NOBODY))
        async with runtime.sessions() as session, session.begin():
            other = await participants.find(session, NOBODY)
            assert other is not None
            with pytest.raises(CodeHeldByAnother):
                await participants.keep_card_code(session, other, card_code=card)
