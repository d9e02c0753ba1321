"""A register that was counted, an office that may read quality, and what to ask it."""

from datetime import date

import pytest
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from sqlalchemy import text
from svc_population.quality import recounting, repository

BASE = "/population/v1/quality"
FULL = {
    "surname": "Lê",
    "given_name": "An",
    "birth_date": date(1988, 5, 17),
    "birth_place": "Huế",
    "birth_registration_province_code": "46",
    "home_town": "Huế",
    "ethnicity_code": "01",
    "permanent_address": "12 Lê Lợi",
    "household_number": "H1",
    "relation_to_head": "HEAD",
    "marital_status": "SINGLE",
    "phone": "0912345678",
}
GOOD = "046088000001"


@pytest.fixture
async def counted(runtime) -> None:
    await recounting.bring_up_to_date(runtime.sessions)


@pytest.fixture
def office(agree, as_agency) -> dict[str, str]:
    """Headers of an agency that may see everything, everywhere."""
    groups = [g for g in FieldGroup if g in POPULATION_GROUPS]
    agree(
        "G01",
        {
            "population.list_quality_rules": [],
            "population.get_quality_indicators": [],
            "population.list_faulty_persons": groups,
        },
        purposes=["STATISTICS"],
    )
    return as_agency("G01", system="quality", purpose="STATISTICS")


async def run(runtime, statement: str, **values: object) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(text(statement), values)


async def unit(client, office, **asked: str) -> dict:
    reply = await client.get(f"{BASE}/indicators", params={"level": "COUNTRY", **asked}, headers=office)
    assert reply.status_code == 200, reply.text
    (item,) = reply.json()["items"]
    return item


async def broken(client, office, **asked: str) -> set[str]:
    """Return the codes of the rules that somebody breaks."""
    return {r["rule"] for r in (await unit(client, office, **asked))["rules"] if r["broken"]}


def recount_before(monkeypatch, runtime, name: str) -> None:
    """Let a recount end between the look at the generation and the first statement about it."""
    real = getattr(repository, name)

    async def late(*args: object, **values: object) -> object:
        monkeypatch.setattr(repository, name, real)
        await recounting.bring_up_to_date(runtime.sessions, anew=True)
        return await real(*args, **values)

    monkeypatch.setattr(repository, name, late)
