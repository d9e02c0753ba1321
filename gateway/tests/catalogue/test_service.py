"""Metadata services: what is on the bus, and what this caller may call now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from gateway.quotas import repository
from gateway.quotas.periods import Period
from gateway.quotas.repository import Use
from gateway.settings import Settings
from ndx_chassis.app import Runtime

pytestmark = pytest.mark.integration
Headers = dict[str, str]
Post = Callable[..., Any]
AsAgency = Callable[..., Headers]
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
    "quotas": {"per_second": 7, "burst": 9, "per_day": 1000},
}


@pytest.fixture
def ask(bus: FastAPI, client: httpx.AsyncClient, as_agency: AsAgency) -> Post:
    """Get a metadata service as a system of an agency."""

    async def send(path: str, agency: str = "H79.001", system: str = "his", status: int = 200) -> Any:
        reply = await client.get(path, headers=as_agency(agency, system=system))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


@pytest.fixture
def agreed(post: Post, hospital: Any) -> Post:
    """Bring an agreement into force."""

    async def approve(**terms: Any) -> str:
        await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        made = await post("NDX:an", "/v1/agreements", TERMS | terms, 201)
        number: str = made["agreement_id"]
        await post("NDX:an", f"/v1/agreements/{number}/submit")
        await post("G03:giang", f"/v1/agreements/{number}/approve")
        return number

    return approve


class TestServices:
    async def test_services_and_their_operations_are_listed(self, ask: Post) -> None:
        services = (await ask("/v1/services"))["items"]
        assert [s["service"] for s in services] == ["insurance", "population"]
        (found,) = (await ask("/v1/services/insurance/operations"))["items"]
        assert found == {
            "operation": "insurance.check",
            "method": "POST",
            "path": "/x",
            "door": "agency",
            "personal_data": True,
            "field_groups": ["insurance_entitlement"],
            "cost": 1,
        }

    async def test_the_document_holds_what_the_caller_may_call_and_why(self, ask: Post, agreed: Post) -> None:
        assert (await ask("/v1/services/insurance/openapi"))["paths"] == {}
        number = await agreed()
        document = await ask("/v1/services/insurance/openapi")
        assert document["paths"]["/x"]["post"]["x-ndx-agreements"] == [
            {
                "agreement": number,
                "purposes": ["HEALTH_ENTITLEMENT"],
                "field_groups": ["insurance_entitlement"],
            }
        ]
        assert document["servers"][0]["url"].startswith("https://")
        assert (await ask("/v1/services/population/openapi"))["paths"] == {}
        assert (await ask("/v1/services/insurance/openapi", agency="G04"))["paths"] == {}

    @pytest.mark.parametrize("part", ["operations", "openapi"])
    async def test_an_unknown_service(self, ask: Post, part: str) -> None:
        assert (await ask(f"/v1/services/nothing/{part}", status=404))["code"] == "service-unknown"


class TestAllowedOperations:
    async def test_it_says_under_which_agreement_and_for_which_purpose(self, ask: Post, agreed: Post) -> None:
        number = await agreed()
        (found,) = (await ask("/v1/allowed-operations"))["items"]
        assert (found["operation"], found["agreement"]) == ("insurance.check", number)
        assert found["purposes"] == ["HEALTH_ENTITLEMENT"]
        assert found["field_groups"] == ["insurance_entitlement"]
        assert (found["per_second"], found["burst"], found["per_day"]) == (7, 9, 1000)
        assert (found["left_today"], found["left_this_month"]) == (1000, None)
        assert (found["valid_until"], found["cost"]) == (None, 1)
        assert found["conditions"]["officer_required"] is False

    async def test_it_says_what_is_left_of_the_quota(self, ask: Post, agreed: Post, runtime: Runtime) -> None:
        number = await agreed()
        assert isinstance(runtime.settings, Settings)
        use = Use(
            ("H79.001", number),
            Period.DAY,
            runtime.settings.quota_calendar.start(Period.DAY, datetime.now(UTC)),
            units=990,
            calls=990,
            refused=0,
            limit=1000,
        )
        async with runtime.sessions() as session, session.begin():
            await repository.count(session, [use], datetime.now(UTC))
        (found,) = (await ask("/v1/allowed-operations"))["items"]
        assert found["left_today"] == 10

    async def test_nothing_without_an_agreement_or_for_another_agency(self, ask: Post, agreed: Post) -> None:
        assert (await ask("/v1/allowed-operations"))["items"] == []
        await agreed()
        assert (await ask("/v1/allowed-operations", agency="G04"))["items"] == []

    async def test_only_the_systems_of_the_agreement(self, ask: Post, agreed: Post) -> None:
        await agreed(consumer_systems=["his"])
        assert len((await ask("/v1/allowed-operations", system="his"))["items"]) == 1
        assert (await ask("/v1/allowed-operations", system="archive"))["items"] == []

    async def test_not_while_it_is_suspended(self, ask: Post, agreed: Post, post: Post) -> None:
        number = await agreed()
        await post("NDX:an", f"/v1/agreements/{number}/suspend", {"reason": "misuse suspected"})
        assert (await ask("/v1/allowed-operations"))["items"] == []

    async def test_not_before_its_first_day(self, ask: Post, agreed: Post) -> None:
        later = datetime.now(UTC) + timedelta(days=3)
        await agreed(valid_from=later.date().isoformat())
        assert (await ask("/v1/allowed-operations"))["items"] == []
