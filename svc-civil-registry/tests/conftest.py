"""Fixtures of the civil registry's tests: a commune office and a population database that issues numbers."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from ndx_contracts.field_groups import FieldGroup
from ndx_testing.gateway import Call, RecordingGateway
from svc_civil_registry.deadlines.service import today

OFFICE = "X26740"
OTHER_OFFICE = "X00070"
PURPOSE = "CIVIL_REGISTRATION"
NUMBERS = "/population/v1/personal-id-requests"
BIRTHS = "/civil-registry/v1/births"
DEATHS = "/civil-registry/v1/deaths"
OPERATIONS = (
    "declare_birth",
    "list_births",
    "list_births_awaiting_number",
    "get_birth",
    "resubmit_birth",
    "mark_birth_not_duplicate",
    "mark_birth_duplicate",
    "get_birth_certificate",
    "register_death",
    "get_death",
    "request_death_cancellation",
    "decide_death_cancellation",
)


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_civil_registry"


@pytest.fixture
def service_settings() -> dict[str, Any]:
    return {"number_first_delay_seconds": 0.001, "number_longest_delay_seconds": 0.001}


def days_ago(days: int) -> str:
    """Tests that compare with legal limits must hold on any day."""
    return (today() - timedelta(days=days)).isoformat()


@pytest.fixture(name="days_ago")
def _days_ago() -> Callable[[int], str]:
    return days_ago


class Population:
    """The population database as the registry sees it: one number per request id, whatever is repeated."""

    def __init__(self) -> None:
        self.issued: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.refusals: dict[str, tuple[str, list[str]]] = {}
        """Given name of a child → the state and reasons with which its requests are answered."""
        self._counter = itertools.count(1)

    def __call__(self, call: Call) -> dict[str, Any]:
        body = call.json
        self.requests.append(body)
        refusal = self.refusals.get(body["given_name"])
        if refusal is not None and not body["confirmed_not_duplicate"]:
            return {"request_id": body["request_id"], "state": refusal[0], "reasons": refusal[1]}
        if body["request_id"] not in self.issued:
            self.issued[body["request_id"]] = {
                "request_id": body["request_id"],
                "state": "ISSUED",
                "personal_id": f"079226{next(self._counter):06d}",
                "person_id": str(uuid4()),
            }
        return self.issued[body["request_id"]]


@pytest.fixture
def population(gateway: RecordingGateway) -> Population:
    made = Population()
    gateway.answers("POST", NUMBERS, json=made)
    return made


@pytest.fixture
def office(agree: Any, as_agency: Any) -> Callable[..., dict[str, str]]:
    """Headers of a commune office's system; an agreement over the whole country stands behind it."""
    groups = {f"civil-registry.{name}": [FieldGroup.CIVIL_STATUS_RECORD] for name in OPERATIONS}
    for code in (OFFICE, OTHER_OFFICE):
        agree(code, groups, purposes=[PURPOSE], provider_agency="G02")

    def headers(code: str = OFFICE, **extra: str) -> dict[str, str]:
        made: dict[str, str] = as_agency(code, purpose=PURPOSE, **extra)
        return made

    return headers


@pytest.fixture
def birth() -> Callable[..., dict[str, Any]]:
    """Declarations of births, each of another mother unless told otherwise."""
    counter = itertools.count(1)

    def declaration(
        *,
        given_name: str = "An",
        birth_date: str | None = None,
        mother: dict[str, Any] | None = None,
        notice: str | None = None,
        office: str = OFFICE,
        **child: Any,
    ) -> dict[str, Any]:
        number = next(counter)
        return {
            "office": office,
            "child": {
                "surname": "Nguyễn",
                "middle_name": "Thị Minh",
                "given_name": given_name,
                "sex": "FEMALE",
                "birth_date": birth_date or days_ago(20),
                "birth_place_code": "26740",
                "birth_place": "Bệnh viện Từ Dũ",
                "home_town": "Xã Cần Giờ, Thành phố Hồ Chí Minh",
                "home_town_province_code": "79",
                "ethnicity_code": "01",
                **child,
            },
            "mother": mother
            or {
                "personal_id": f"079198{number:06d}",
                "name": "Trần Thị Hoà",
                "birth_year": 1998,
                "ethnicity_code": "01",
                "residence": "Phường Sài Gòn",
            },
            "declarant": {"name": "Trần Thị Hoà", "relation": "MOTHER"},
            "evidence": {"kind": "BIRTH_NOTICE", "number": notice or f"GCS-{number}"},
        }

    return declaration


@pytest.fixture
def count(session: Any) -> Callable[..., Any]:
    """Number of rows that a statement's FROM clause yields."""
    from sqlalchemy import text

    async def rows(source: str, **values: object) -> int:
        result = await session.execute(text(f"SELECT count(*) FROM {source}"), values)  # noqa: S608 - tests only
        await session.rollback()
        counted: int = result.scalar_one()
        return counted

    return rows
