"""A small country with second records of some people, and with people who only look like others."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import AdminScope
from ndx_demo.population.duplicates import Truth, with_duplicates
from ndx_demo.population.rows import lines
from svc_population.dedupe.working import Asked, Place
from svc_population.imports.service import load_persons
from svc_population.reconciliation.service import GROUPS
from svc_population.settings import Settings

PEOPLE, FEW = 3_000, 1_000
ONE, TWO, THREE = "079190000011", "099190000012", "099190000013"
CASES = "/population/v1/reconciliation-cases"
ASKED = Asked("CA-7", "HS-1", memory="512MB", threads=1)
FAMILY = {
    "surname": "Trần",
    "birth_date": date(1990, 5, 17),
    "sex": "FEMALE",
    "legacy_id_number": "024000001",
    "phone": "+840009000001",
}


async def _load(database_url: str, people: int) -> list[Truth]:
    found: list[Truth] = []
    texts = with_duplicates(lines(people, seed=5), seed=5, share=0.3, truth=found)
    await load_persons(database_url, texts, source="import:test")
    return found


@pytest.fixture
async def truth(database_url: str) -> list[Truth]:
    """Load the country; give what is known of its look-alikes."""
    return await _load(database_url, PEOPLE)


@pytest.fixture
async def few(database_url: str) -> list[Truth]:
    """Load a smaller one."""
    return await _load(database_url, FEW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dedupe"


@pytest.fixture
def place(runtime: Runtime, settings: Settings, folder: Path) -> Place:
    return Place(runtime.sessions, settings.asyncpg_dsn, folder)


@pytest.fixture
async def three_records_of_one(add_person: Callable[..., Awaitable[str]]) -> None:
    await add_person(ONE, **FAMILY, middle_name="Thị", given_name="Hoà")
    await add_person(TWO, **FAMILY, middle_name="Thị", given_name="Hòa", permanent_commune_code="00091")
    # Another tone and no old number: she may be a twin.
    twin = {**FAMILY, "legacy_id_number": None}
    await add_person(THREE, **twin, middle_name="Thị", given_name="Hóa")


@pytest.fixture
def commune(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    operations = ("list_reconciliation_cases", "decide_reconciliation_case")
    agree(
        "X26740",
        {f"population.{n}": list(GROUPS) for n in operations},
        purposes=["DATA_RECONCILIATION"],
        admin_scope=AdminScope(communes=("26740", "00091")),
    )
    return as_agency("X26740", purpose="DATA_RECONCILIATION", ndx_officer="CA-7")
