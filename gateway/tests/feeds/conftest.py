"""A bank with an agreement on deaths, and a feed of them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from gateway.app import create_app
from gateway.catalogue import service as catalogue
from gateway.settings import Settings
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel
from ndx_contracts import headers as names
from ndx_contracts.events import EventData, PersonDeceased
from ndx_contracts.events import envelope as ce
from ndx_testing import postgres
from sqlalchemy import text

from gateway import bootstrap

Do = Callable[..., Any]
DEAD = "079190000011"
OTHER = "001185000029"
TYPE = "population.person-deceased.v1"
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


def parcel(data: EventData) -> Parcel:
    headers = {ce.CE_ID: str(new_id()), ce.CE_TYPE: data.TYPE, ce.CE_TIME: datetime.now(UTC).isoformat()}
    return Parcel(topic=data.TOPIC, key=data.key, value=data.model_dump_json(), headers=headers)


def terms_of(operations: dict[str, list[str]], **more: Any) -> dict[str, Any]:
    return {
        "consumer_agency": "B01",
        "provider_agency": "G01",
        "operations": [{"operation": o, "field_groups": g} for o, g in operations.items()],
        "purposes": ["CREDIT_INSTITUTION_KYC"],
        "legal_basis": {"text": "Banks close accounts of the dead", "reference": "32/2024/QH15"},
        "valid_from": "2025-07-01",
    } | more


async def _enact(post: Do, operations: dict[str, list[str]], **more: Any) -> str:
    made = await post("NDX:an", "/v1/agreements", terms_of(operations, **more), 201)
    await post("NDX:an", f"/v1/agreements/{made['agreement_id']}/submit")
    await post("G01:chi", f"/v1/agreements/{made['agreement_id']}/approve")
    return str(made["agreement_id"])


async def _seed(settings: Settings) -> None:
    """Write what nearly every test here begins with, by the doors: a bank and its agreement."""
    application = create_app(settings)
    runtime: Runtime = application.state.runtime
    catalogue.read_into(runtime)
    await bootstrap.make_rows(settings)
    transport = httpx.ASGITransport(app=application)

    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:

        async def post(who: str, path: str, body: Any = None, status: int = 200) -> Any:
            headers = {names.OPERATOR: who}
            subject, _, action = path.rpartition("/")
            if action == "approve":
                headers["If-Match"] = (await client.get(subject, headers=headers)).headers["etag"]
            reply = await client.post(path, json=body, headers=headers)
            assert reply.status_code == status, reply.text
            return reply.json()

        body = {"code": "B01", "name": "Ngân hàng Minh Họa", "name_en": "Demonstration Bank"}
        await post("NDX:an", "/v1/agencies", body | {"agency_class": "BANK"}, 201)
        await post("NDX:an", "/v1/agencies/B01/systems", {"code": "core"}, 201)
        await _enact(post, {FOLLOW: GROUPS, FOLLOW_ALL: GROUPS})
    async with runtime.sessions() as session, session.begin():
        # Its first certificate would make it active.
        await session.execute(text("UPDATE agencies SET state = 'ACTIVE' WHERE code = 'B01'"))
    await runtime.engine.dispose()


@pytest.fixture
def database_template(
    postgres_url: str,
    database_template: str,
    database_templates: dict[str, str],
    service_settings: dict[str, Any],
) -> str:
    """Name of a template that holds the bank and its agreement: made once for all tests of this folder."""
    if "feeds" not in database_templates:
        url = asyncio.run(postgres.make_copy(postgres_url, database_template))
        asyncio.run(_seed(Settings(database_url=url, **service_settings)))
        database_templates["feeds"] = url.partition("?")[0].rsplit("/", 1)[1]
    return database_templates["feeds"]


@pytest.fixture
async def bus(app: FastAPI) -> FastAPI:
    return app


@pytest.fixture
def enact(post: Do) -> Do:
    """Bring an agreement of the bank's into force: `await enact({operation: [groups]}, **terms)`; its id."""

    async def make(operations: dict[str, list[str]], **more: Any) -> str:
        return await _enact(post, operations, **more)

    return make


@pytest.fixture
def bank(app: FastAPI) -> str:
    """Give an active bank with a system."""
    return "B01"


@pytest.fixture
def agreement(bank: str) -> str:
    """Give its agreement on deaths, of people of interest and of everybody."""
    return "DSA-B01-1"


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
