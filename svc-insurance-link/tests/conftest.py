"""Which service these tests are about, and what they all need."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import BirthRegistered, PersonDeceased
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import PERSON_LOOKUPS_PATH
from ndx_contracts.purposes import Purpose
from ndx_testing.gateway import Call, RecordingGateway

GET_PERSON = "/population/v1/persons/{personal_id}"
CHILD = "079226000017"


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_insurance_link"


@pytest.fixture
def people(gateway: RecordingGateway) -> dict[str, dict[str, Any]]:
    """The population database as these tests need it; a test may change or remove people."""
    known: dict[str, dict[str, Any]] = {
        CHILD: {"name": ("Nguyễn", "Minh", "Hòa"), "birth_date": "2026-11-20", "sex": "FEMALE"}
    }

    def shown(number: str) -> dict[str, Any]:
        person = known[number]
        surname, middle, given = person["name"]
        return {
            "personal_id": number,
            "birth_name": {"surname": surname, "middle_name": middle, "given_name": given},
            "birth_date": person["birth_date"],
            "sex": person["sex"],
        }

    def many(call: Call) -> dict[str, Any]:
        numbers = call.json["personal_ids"]
        return {"items": [{"personal_id": n, "person": shown(n) if n in known else None} for n in numbers]}

    gateway.answers("GET", GET_PERSON, json=lambda call: shown(call.path["personal_id"]))
    gateway.answers("POST", PERSON_LOOKUPS_PATH, json=many)
    return known


@pytest.fixture
def birth() -> Callable[..., BirthRegistered]:
    def make(personal_id: str = CHILD, registered_at: datetime | None = None) -> BirthRegistered:
        return BirthRegistered(
            birth_id=new_id(),
            person_id=new_id(),
            personal_id=personal_id,
            registered_at=registered_at or datetime(2026, 11, 24, 2, tzinfo=UTC),
            office="X26740",
        )

    return make


@pytest.fixture
def death() -> Callable[..., PersonDeceased]:
    def make(died_on: date, personal_id: str = CHILD) -> PersonDeceased:
        return PersonDeceased(person_id=new_id(), personal_id=personal_id, version=2, died_on=died_on)

    return make


@pytest.fixture
def hospital(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of a hospital that may check entitlements and read them."""
    agree(
        "H79.001",
        {
            "insurance.create_entitlement_check": [FieldGroup.INSURANCE_ENTITLEMENT],
            "insurance.list_entitlements": [FieldGroup.INSURANCE_ENTITLEMENT],
        },
        purposes=[Purpose.HEALTH_ENTITLEMENT],
        provider_agency="G03",
    )
    return as_agency("H79.001", system="his", purpose="HEALTH_ENTITLEMENT")
