"""A dry run says what would become of a call: allowed or refused, by whom, why, and what to do next."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "consumer_systems": ["his"],
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
    "admin_scope": {"provinces": ["79"]},
    "quotas": {"per_second": 5, "per_day": 1000},
}
GOOD = {"operation": "insurance.check", "purpose": "HEALTH_ENTITLEMENT"}


@pytest.fixture
def ask(bus: Any, client: httpx.AsyncClient, as_agency: Do) -> Do:
    """Ask as a system of the hospital."""

    async def send(body: dict[str, Any], system: str = "his", status: int = 200) -> Any:
        reply = await client.post("/v1/decisions", json=body, headers=as_agency("H79.001", system=system))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


@pytest.fixture
def agreed(post: Do, hospital: Any) -> Do:
    """Activate the hospital and bring an agreement into force."""

    async def approve(**terms: Any) -> str:
        await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        made = await post("NDX:an", "/v1/agreements", TERMS | terms, 201)
        number: str = made["agreement_id"]
        await post("NDX:an", f"/v1/agreements/{number}/submit")
        await post("G03:giang", f"/v1/agreements/{number}/approve")
        return number

    return approve


@pytest.fixture
async def active(session: Any, bus: Any, hospital: Any) -> None:
    from sqlalchemy import text

    await session.execute(text("UPDATE agencies SET state = 'ACTIVE' WHERE code = 'H79.001'"))
    await session.commit()


def code(answer: dict[str, Any]) -> str | None:
    refusal = answer["refusal"]
    return None if refusal is None else str(refusal["code"])


class TestExplain:
    async def test_an_allowed_call_names_agreement_fields_and_quota(
        self, ask: Do, agreed: Do, active: None
    ) -> None:
        number = await agreed()
        answer = await ask(GOOD)
        assert (answer["allowed"], answer["agreement"], answer["agreement_version"]) == (True, number, 1)
        assert answer["field_groups"] == ["insurance_entitlement"]
        assert (answer["quota"]["per_second"], answer["quota"]["per_day"]) == (5, 1000)
        assert answer["still_to_be_checked"] == ["admin_scope"]

    async def test_a_refusal_says_who_refuses_and_what_helps(self, ask: Do, agreed: Do, active: None) -> None:
        await agreed()
        answer = await ask(GOOD | {"purpose": "STATISTICS"})
        assert answer["allowed"] is False
        refusal = answer["refusal"]
        assert (refusal["code"], refusal["status"]) == ("purpose-not-covered", 403)
        assert refusal["refused_by"] == "GATEWAY"
        assert refusal["page"] == "/problems/purpose-not-covered"
        assert refusal["remedy"]
        assert refusal["title_vi"]
        assert refusal["who_can_help"]

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"purpose": None}, "purpose-missing"),
            ({"purpose": "health_entitlement"}, "purpose-unknown"),
            ({"purpose": "STATISTICS,HEALTH_ENTITLEMENT"}, "header-repeated"),
            ({"operation": "insurance.nothing"}, "operation-unknown"),
            ({"operation": None, "method": "GET", "path": "/x"}, "method-not-allowed"),
            ({"operation": None, "method": "POST", "path": "/nowhere"}, "operation-unknown"),
            ({"operation": None, "method": "POST", "path": "/x?a=1"}, None),
            ({"field_groups": ["religion"]}, "field-group-not-covered"),
            ({"province_code": "01"}, "outside-admin-scope"),
            ({"province_code": "79"}, None),
        ],
    )
    async def test_each_reason_has_its_code(
        self, ask: Do, agreed: Do, active: None, change: dict[str, Any], expected: str | None
    ) -> None:
        await agreed()
        assert code(await ask(GOOD | change)) == expected

    async def test_conditions_are_explained_too(self, ask: Do, agreed: Do, active: None) -> None:
        await agreed(
            conditions={
                "officer_required": True,
                "consent_required": True,
                "time_of_day": {"start": "06:00", "end": "22:00"},
            }
        )
        assert code(await ask(GOOD)) == "officer-missing"
        noon = GOOD | {"officer": "BS-7", "at": "2026-11-24T12:00:00+07:00"}
        assert (await ask(noon))["still_to_be_checked"] == ["consent", "admin_scope"]
        night = await ask(noon | {"at": "2026-11-24T23:00:00+07:00"})
        assert code(night) == "outside-agreed-hours"
        assert night["refusal"]["refused_by"] == "SERVICE"

    async def test_another_system_has_no_agreement(self, ask: Do, agreed: Do, active: None) -> None:
        await agreed()
        assert code(await ask(GOOD, system="archive")) == "agency-unknown"

    async def test_an_operator_asks_for_an_agency(self, post: Do, agreed: Do, hospital: Any) -> None:
        await agreed()
        answer = await post("NDX:mai", "/v1/agencies/H79.001/systems/his/decisions", GOOD)
        # The agency has no certificate yet, so it is not active.
        assert code(answer) == "agency-unknown"

    async def test_a_question_with_two_meanings_is_refused(self, ask: Do, bus: Any) -> None:
        assert (await ask(GOOD | {"method": "GET", "path": "/x"}, status=422))["code"] == "invalid-input"
        assert (await ask({"method": "GET"}, status=422))["code"] == "invalid-input"
