"""Which service these tests are about, and what they all need."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from sqlalchemy import text

MOTHER = "079190000011"
FATHER = "079088000022"
NAMES = {MOTHER: ("Trần", "Thị", "Hoà"), FATHER: ("Nguyễn", "Văn", "Nam")}

AddPerson = Callable[..., Awaitable[str]]


@pytest.fixture
def few_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test's database have fewer files: it is copied for every test."""
    monkeypatch.setenv("POPULATION_PERSON_PARTITIONS", "4")


@pytest.fixture
def database_template(few_partitions: None, database_template: str) -> str:
    return database_template


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_population"


@pytest.fixture
def service_settings(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "personal-id.key"
    key.write_bytes(b"a key for tests only, 32 bytes..")
    return {
        "personal_id_key_file": key,
        "verify_wrong_guesses": 3,
        "match_job_folder": tmp_path / "match-jobs",
    }


@pytest.fixture
def add_person(runtime: Runtime) -> AddPerson:
    """Put a person into the database."""

    async def add(personal_id: str, **values: Any) -> str:
        from datetime import date

        surname, middle, given = NAMES.get(personal_id, ("Lê", None, "An"))
        row = {
            "personal_id": personal_id,
            "surname": surname,
            "middle_name": middle,
            "given_name": given,
            "birth_date": date(1990 if personal_id == MOTHER else 1988, 5, 17),
            "sex": "FEMALE" if personal_id == MOTHER else "MALE",
            "permanent_province_code": "79",
            "permanent_commune_code": "26740",
            "source": "test",
            **values,
        }
        names = ", ".join(row)
        marks = ", ".join(f":{n}" for n in row)
        async with runtime.sessions() as session, session.begin():
            await session.execute(text(f"INSERT INTO persons ({names}) VALUES ({marks})"), row)  # noqa: S608 - test data
        return personal_id

    return add


@pytest.fixture
def insurer(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of an agency that may read everything and verify everything, in the whole country."""
    groups = [g for g in FieldGroup if g in POPULATION_GROUPS]
    agree(
        "G03",
        {
            "population.get_person": groups,
            "population.verify_person": groups,
            "population.lookup_persons": groups,
        },
        purposes=["SOCIAL_INSURANCE"],
    )
    return as_agency("G03", system="insurance-link", purpose="SOCIAL_INSURANCE")


@pytest.fixture
def registry(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of the civil registry."""
    agree(
        "G02",
        {
            "population.create_personal_id_request": [FieldGroup.PERSONAL_ID],
            "population.cancel_personal_id": [FieldGroup.PERSONAL_ID],
        },
        purposes=["CIVIL_REGISTRATION"],
    )
    return as_agency("G02", system="civil-registry", purpose="CIVIL_REGISTRATION")


@pytest.fixture
def birth() -> Callable[..., dict[str, Any]]:
    """Make the body of a request for a number."""
    from uuid import uuid4

    def make(**values: Any) -> dict[str, Any]:
        return {
            "request_id": str(uuid4()),
            "surname": "Nguyễn",
            "middle_name": "Minh",
            "given_name": "Hòa",
            "birth_date": "2026-11-20",
            "sex": "FEMALE",
            "birth_registration_commune_code": "26740",
            "birth_registration_province_code": "79",
            "mother": {"personal_id": MOTHER, "name": "Trần Thị Hòa"},
            "father": {"personal_id": FATHER, "name": "Nguyễn Văn Nam"},
            "office": "X26740",
            **values,
        }

    return make
