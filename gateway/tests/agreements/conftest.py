"""Agreements of an agency with a system, as drafts and in force."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from gateway.agreements import reading
from gateway.agreements.steps import today
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import Agreement
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Do = Callable[..., Any]
NUMBER = "DSA-H79.001-1"
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "consumer_systems": ["his"],
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}
MORE: dict[str, Any] = TERMS | {"purposes": ["HEALTH_ENTITLEMENT", "STATISTICS"]}


def url(action: str = "") -> str:
    return f"/v1/agreements/{NUMBER}" + (f"/{action}" if action else "")


@pytest.fixture
async def system(post: Do, hospital: Any) -> None:
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)


@pytest.fixture
async def draft(post: Do, system: Any) -> dict[str, Any]:
    made: dict[str, Any] = await post("NDX:an", "/v1/agreements", TERMS, 201)
    return made


@pytest.fixture
async def active(post: Do, draft: Any) -> dict[str, Any]:
    await post("NDX:an", url("submit"))
    made: dict[str, Any] = await post("G03:giang", url("approve"))
    return made


@pytest.fixture
def put(bus: Any, client: httpx.AsyncClient, as_operator: Do) -> Do:
    """Write new terms: `await put(terms, etag)`."""

    async def send(terms: dict[str, Any], etag: str | None = None) -> httpx.Response:
        headers = as_operator("NDX", "an") | ({"If-Match": etag} if etag else {})
        return await client.put(url(), json=terms, headers=headers)

    return send


async def give_roles(runtime: Runtime, agency: str, login: str, roles: list[str]) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO operators (agency, login, roles, state) VALUES (:a, :l, :r, 'ACTIVE')"
                " ON CONFLICT (agency, login) DO UPDATE SET roles = :r"
            ),
            {"a": agency, "l": login, "r": roles},
        )


async def enforced(session: AsyncSession) -> list[Agreement]:
    return (await reading.enforced(session, today(), {}))[1]
