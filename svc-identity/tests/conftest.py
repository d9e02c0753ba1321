"""Fixtures of svc-identity's tests: people at the population database, an office with an agreement."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose
from ndx_testing.gateway import Call, RecordingGateway

GET_PERSON = "/population/v1/persons/{personal_id}"
OPERATIONS = ("open_account", "show_account", "lock_account", "unlock_account", "issue_activation_code")


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_identity"


@pytest.fixture
def people(gateway: RecordingGateway) -> dict[str, dict[str, Any]]:
    """What the population database knows; a test may change it."""
    known: dict[str, dict[str, Any]] = {
        "079190000017": {"birth_date": "1990-05-17", "name": ("Nguyễn", "Thị", "Hòa")},
        "079088000023": {"birth_date": "1988-01-02", "name": ("Trần", None, "An")},
        "079226000017": {"birth_date": "2026-11-20", "name": ("Trần", "Minh", "Anh")},
    }

    def answer(call: Call) -> dict[str, Any]:
        person = known[call.path["personal_id"]]
        surname, middle, given = person["name"]
        return {
            "personal_id": person.get("now", call.path["personal_id"]),
            "death_or_missing_date": person.get("end"),
            "birth_date": person["birth_date"],
            "birth_name": {"surname": surname, "middle_name": middle, "given_name": given},
        }

    gateway.answers("GET", GET_PERSON, json=answer)
    return known


@pytest.fixture
def office(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    agree(
        "G01",
        {f"identity.{name}": [FieldGroup.EID_ACCOUNT] for name in OPERATIONS},
        purposes=[Purpose.ELECTRONIC_IDENTIFICATION],
    )
    return as_agency("G01", system="identity", purpose="ELECTRONIC_IDENTIFICATION", NDX_Officer="CA-4711")


Open = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def open_account(client: httpx.AsyncClient, office: dict[str, str], people: dict[str, Any]) -> Open:
    async def run(key: str | None = None, **changes: Any) -> httpx.Response:
        body = {"personal_id": "079190000017", "level": 2, "birth_date": "1990-05-17", **changes}
        headers = {**office, **({"Idempotency-Key": key} if key else {})}
        return await client.post("/identity/v1/accounts", json=body, headers=headers)

    return run
