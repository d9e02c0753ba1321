"""A bank with an agreement on deaths, and a feed of them."""

from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonDeceased

Do = Callable[..., Any]
DEAD = "079190000011"
OTHER = "001185000029"
FOLLOW = "population.follow_person_deceased"
FOLLOW_ALL = "population.follow_every_person_deceased"
GROUPS = ["personal_id", "death_or_missing_date", "permanent_residence"]


def death(personal_id: str = DEAD, *, province: str | None = "79", version: int = 2) -> PersonDeceased:
    return PersonDeceased(
        person_id=new_id(),
        personal_id=personal_id,
        version=version,
        died_on=date(2026, 11, 20),
        province_code=province,
        commune_code=None if province is None else f"{province}001",
    )


@pytest.fixture
async def enact(post: Do, bus: Any) -> Do:
    """Bring an agreement of the bank's into force: `await enact({operation: [groups]}, **terms)`; its id."""

    async def make(
        operations: dict[str, list[str]], *, provider: str = "G01", approver: str = "chi", **terms: Any
    ) -> str:
        body = {
            "consumer_agency": "B01",
            "provider_agency": provider,
            "operations": [{"operation": o, "field_groups": g} for o, g in operations.items()],
            "purposes": ["CREDIT_INSTITUTION_KYC"],
            "legal_basis": {"text": "Banks close accounts of the dead", "reference": "32/2024/QH15"},
            "valid_from": "2025-07-01",
        } | terms
        made = await post("NDX:an", "/v1/agreements", body, 201)
        await post("NDX:an", f"/v1/agreements/{made['agreement_id']}/submit")
        await post(f"{provider}:{approver}", f"/v1/agreements/{made['agreement_id']}/approve")
        return str(made["agreement_id"])

    return make


@pytest.fixture
async def bank(post: Do, runtime: Any, session: Any) -> str:
    """Give an active bank with a system."""
    from sqlalchemy import text

    body = {"code": "B01", "name": "Ngân hàng Minh Họa", "name_en": "Demonstration Bank"}
    await post("NDX:an", "/v1/agencies", body | {"agency_class": "BANK"}, 201)
    await post("NDX:an", "/v1/agencies/B01/systems", {"code": "core"}, 201)
    async with runtime.sessions() as own, own.begin():
        # Its first certificate would make it active.
        await own.execute(text("UPDATE agencies SET state = 'ACTIVE' WHERE code = 'B01'"))
    return "B01"


@pytest.fixture
async def agreement(bank: str, enact: Do) -> str:
    made: str = await enact({FOLLOW: GROUPS, FOLLOW_ALL: GROUPS})
    return made


@pytest.fixture
def ask(client: httpx.AsyncClient, as_agency: Do) -> Do:
    """Call as the bank: `await ask("POST", "/subscriptions", {...}, 201)`."""

    async def send(
        method: str, path: str, body: Any = None, status: int = 200, agency: str = "B01", **params: Any
    ) -> Any:
        reply = await client.request(
            method,
            f"/v1/feeds{path}",
            json=body,
            params=params,
            headers=as_agency(agency, system="core", agreement=""),
        )
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


@pytest.fixture
def subscribe(ask: Do, agreement: str) -> Do:
    """Subscribe: `await subscribe(**changes)`; its id."""

    async def make(status: int = 201, **changes: Any) -> Any:
        body = {
            "agreement": agreement,
            "purpose": "CREDIT_INSTITUTION_KYC",
            "event_types": ["population.person-deceased.v1"],
        } | changes
        made = await ask("POST", "/subscriptions", body, status)
        return made["id"] if status == 201 else made

    return make


@pytest.fixture
async def feed(subscribe: Do, ask: Do) -> str:
    """Give a subscription to pull, with interest in one person."""
    made: str = await subscribe()
    people = {"people": [{"personal_id": DEAD, "reference": "KH-4711"}]}
    await ask("POST", f"/subscriptions/{made}/interests", people)
    return made
