"""Asks the population database, through the gateway, for the little that insurance needs of a person."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ndx_chassis.gateway_client import GatewayClient
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose

from svc_insurance_link.participants.errors import PopulationAnswerUnusable

FIELD_GROUPS = (FieldGroup.PERSONAL_ID, FieldGroup.BIRTH_NAME, FieldGroup.BIRTH_DATE, FieldGroup.SEX)


@dataclass(frozen=True, slots=True)
class PersonCopy:
    """Identity as the population database gave it, and when it was asked."""

    personal_id: str
    name: str
    birth_date: date
    sex: str
    fetched_at: datetime


async def fetch_person(gateway: GatewayClient, personal_id: str) -> PersonCopy:
    """Ask `population.get_person` under the insurer's agreement.

    Raises:
        ProviderUnavailable: no answer; ask again later.
        ProviderRefused: the gateway or the population database says no.
        PopulationAnswerUnusable: the answer lacks a field.
    """
    asked_at = datetime.now(UTC)
    reply = await gateway.call(
        "GET",
        "/population/v1/persons/{personal_id}",
        path={"personal_id": personal_id},
        params={"fields": ",".join(g.value for g in FIELD_GROUPS)},
        purpose=Purpose.SOCIAL_INSURANCE,
    )
    return _read(reply.json(), personal_id, asked_at)


def _read(document: Any, personal_id: str, asked_at: datetime) -> PersonCopy:
    try:
        if document["personal_id"] != personal_id:
            raise PopulationAnswerUnusable("The answer is about another number.")
        return PersonCopy(
            personal_id=personal_id,
            name=_full_name(document["birth_name"]),
            birth_date=date.fromisoformat(document["birth_date"]),
            sex=str(document["sex"]),
            fetched_at=asked_at,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PopulationAnswerUnusable(f"Unreadable: {type(error).__name__}.") from None


def _full_name(value: Any) -> str:
    parts = [value.get("surname"), value.get("middle_name"), value["given_name"]]
    name = " ".join(part for part in parts if part)
    if not name:
        raise ValueError("the name is empty")
    return name
