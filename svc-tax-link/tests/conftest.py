"""Which service these tests are about, and what they all need."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import BirthRegistered, PersonDeceased
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import PERSON_LOOKUPS_PATH
from ndx_contracts.purposes import Purpose
from ndx_testing.gateway import Call, RecordingGateway

GET_PERSON = "/population/v1/persons/{personal_id}"
CHILD, MOTHER, FATHER = "079226000017", "079195000021", "079093000034"


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_tax_link"


@pytest.fixture(autouse=True)
def people(gateway: RecordingGateway) -> dict[str, dict[str, Any]]:
    """The population database as these tests need it; a test may change or remove people."""
    known: dict[str, dict[str, Any]] = {
        CHILD: {"name": ("Nguyễn", "Minh", "Hòa"), "birth_date": "2026-11-20"},
        MOTHER: {"name": ("Trần", "Thị", "Lan"), "birth_date": "1995-03-08"},
        FATHER: {"name": ("Nguyễn", None, "An"), "birth_date": "1993-07-01"},
    }

    def shown(number: str) -> dict[str, Any]:
        person = known[number]
        surname, middle, given = person["name"]
        return {
            "personal_id": number,
            "birth_name": {"surname": surname, "middle_name": middle, "given_name": given},
            "birth_date": person["birth_date"],
        }

    def many(call: Call) -> dict[str, Any]:
        numbers = call.json["personal_ids"]
        return {"items": [{"personal_id": n, "person": shown(n) if n in known else None} for n in numbers]}

    gateway.answers("GET", GET_PERSON, json=lambda call: shown(call.path["personal_id"]))
    gateway.answers("POST", PERSON_LOOKUPS_PATH, json=many)
    return known


@pytest.fixture
def birth() -> Callable[..., BirthRegistered]:
    def make(
        personal_id: str = CHILD, *, mother: str | None = MOTHER, father: str | None = FATHER
    ) -> BirthRegistered:
        return BirthRegistered(
            birth_id=new_id(),
            person_id=new_id(),
            personal_id=personal_id,
            mother_personal_id=mother,
            father_personal_id=father,
            registered_at=datetime(2026, 11, 24, 2, tzinfo=UTC),
            office="X26740",
        )

    return make


@pytest.fixture
def death() -> Callable[..., PersonDeceased]:
    def make(personal_id: str, died_on: date) -> PersonDeceased:
        return PersonDeceased(person_id=new_id(), personal_id=personal_id, version=2, died_on=died_on)

    return make


@pytest.fixture
def office(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of a tax office's system that may do everything here."""
    operations = (
        "register_taxpayer",
        "get_taxpayer",
        "list_dependants",
        "claim_dependant",
        "settle_dependant",
    )
    agree(
        "G04",
        {f"tax.{name}": [FieldGroup.TAX_REGISTRATION] for name in operations},
        purposes=[Purpose.TAX_ADMINISTRATION],
        provider_agency="G04",
    )
    return as_agency("G04", system="tax-office", purpose="TAX_ADMINISTRATION")


@pytest.fixture
def register(client: httpx.AsyncClient, office: dict[str, str]) -> Callable[..., Any]:
    """Register a taxpayer; answers with the body of the reply."""

    async def send(personal_id: str, *, status: int = 200, **members: Any) -> dict[str, Any]:
        reply = await client.post(
            "/tax/v1/taxpayers", json={"personal_id": personal_id, **members}, headers=office
        )
        assert reply.status_code == status, reply.text
        body: dict[str, Any] = reply.json()
        return body

    return send
