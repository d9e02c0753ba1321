"""The commune police who register residence, in the ward of Sai Gon and in the whole country."""

from collections.abc import Callable
from typing import Any

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup

OPERATIONS = (
    "register_residence",
    "list_residences",
    "change_residence",
    "end_residence",
    "correct_residences",
    "get_person_as_of",
)
GROUPS = [
    FieldGroup.PERMANENT_RESIDENCE,
    FieldGroup.TEMPORARY_RESIDENCE,
    FieldGroup.CURRENT_RESIDENCE,
    FieldGroup.TEMPORARY_ABSENCE,
]


@pytest.fixture
def police(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of the police, for the whole country."""
    agree("G01", {f"population.{n}": GROUPS for n in OPERATIONS}, purposes=["RESIDENCE_MANAGEMENT"])
    return as_agency("G01", system="police-office", purpose="RESIDENCE_MANAGEMENT", ndx_officer="CA-1")


@pytest.fixture
def ward_police(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of the police of one ward, whose agreement reaches no further."""
    agree(
        "P26740",
        {f"population.{n}": GROUPS for n in OPERATIONS},
        purposes=["RESIDENCE_MANAGEMENT"],
        admin_scope=AdminScope(communes=("26740",)),
    )
    return as_agency("P26740", system="police-office", purpose="RESIDENCE_MANAGEMENT")


@pytest.fixture
def move() -> Callable[..., dict[str, Any]]:
    """Make the body of a registration."""

    def make(**values: Any) -> dict[str, Any]:
        return {
            "kind": "PERMANENT",
            "province_code": "01",
            "commune_code": "00070",
            "address": "Số 1 Đường Thử Nghiệm",
            "valid_from": "2026-06-01",
            "basis": {"document": "QĐ-1", "decided_on": "2026-06-01"},
            **values,
        }

    return make
