"""Two records of one person with a family, and officers who may decide."""

from datetime import date
from typing import Any

import pytest
import pytest_asyncio
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.changes.schemas import CHANGEABLE
from svc_population.histories.schemas import GROUPS

A, B, CHILD, GRANDMA = "079190000011", "079190000555", "079326000001", "079165000007"
URL = "/population/v1/person-mergers"
DOCUMENT = {"kind": "decision", "number": "9/QĐ", "issued_by": "C06", "issued_on": "2026-11-02"}
MERGE = {"kind": "MERGE", "survivor": A, "duplicate": B, "document": DOCUMENT}


@pytest.fixture
def officer(agree, as_agency):
    names = ("propose_person_merger", "decide_person_merger", "get_person_merger")
    operations = {f"population.{n}": [FieldGroup.PERSONAL_ID] for n in names}
    operations |= {"population.change_person": list(CHANGEABLE)}
    operations |= {f"population.{n}": list(GROUPS) for n in ("get_person_as_of", "list_person_versions")}
    agree("G01", operations, purposes=["RESIDENCE_MANAGEMENT"])

    def headers(name="CA-1", **extra):
        return as_agency("G01", purpose="RESIDENCE_MANAGEMENT", NDX_Officer=name, NDX_Case_Id="HS-9", **extra)

    return headers


@pytest_asyncio.fixture
async def two_records(add_person, session):
    """One woman under two numbers; the second has her child, her mother, a card, an older number."""
    await add_person(A, sex="FEMALE", religion=None, phone="0900000001")
    await add_person(
        B, sex="FEMALE", given_name="Hòa", birth_date=date(1990, 5, 17), religion="Phật giáo", phone="0911"
    )
    await add_person(CHILD, sex="FEMALE", birth_date=date(2026, 1, 2))
    await add_person(GRANDMA, sex="FEMALE", birth_date=date(1965, 1, 1))
    names = {"a": A, "b": B, "child": CHILD, "grandma": GRANDMA}
    for statement in (
        (
            "INSERT INTO relationships (personal_id, relation, related_personal_id, source) VALUES"
            " (:child, 'MOTHER', :b, 't'), (:b, 'MOTHER', :grandma, 't'),"
            " (:b, 'SPOUSE', :grandma, 't'), (:a, 'SPOUSE', :grandma, 't')"
        ),
        (
            "INSERT INTO relationship_history (id, personal_id, relation, related_personal_id, source,"
            " recorded_at, end_cause, end_source)"
            " VALUES (uuidv7(), :child, 'GUARDIAN', :b, 't', '2026-01-01', 'ENDED', 't')"
        ),
        "INSERT INTO person_cards VALUES (:b, '2021-05-01', 'CCCD', 'Cục', NULL)",
        (
            "INSERT INTO former_personal_ids"
            " SELECT '079190000777', person_id, :b, 'WRONG_ENTRY', '{}', 't' FROM persons"
            " WHERE personal_id = :b"
        ),
    ):
        await session.execute(text(statement), {k: v for k, v in names.items() if f":{k}" in statement})
    await session.commit()


async def everything(session, *, versions=False):
    """Return what is on record of all four, apart from the version's own members."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in (
        "persons",
        "relationships",
        "relationship_history",
        "person_cards",
        "former_personal_ids",
    ):
        rows = (await session.scalars(text(f"SELECT to_jsonb(t) FROM {table} t"))).all()  # noqa: S608 - fixed names
        hidden = () if versions else ("version", "source", "recorded_at")
        keep = [{k: v for k, v in r.items() if table != "persons" or k not in hidden} for r in rows]
        found[table] = sorted(keep, key=str)
    await session.rollback()
    return found


async def done(client, officer, body):
    proposed = await client.post(URL, json=body, headers=officer("CA-1"))
    assert proposed.status_code == 200, proposed.text
    assert proposed.json()["state"] == "PROPOSED"
    url = f"{URL}/{proposed.json()['id']}/decision"
    return await client.post(url, json={"verdict": "APPROVE"}, headers=officer("CA-2"))
