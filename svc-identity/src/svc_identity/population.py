"""The outside link to the population database: one read through the gateway, as much as is needed."""

import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import Any

from ndx_chassis.app import Runtime
from ndx_chassis.gateway_client import ProviderRefused
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose
from pydantic import BaseModel, ConfigDict

_UNKNOWN = frozenset({404, 410})


class Person(BaseModel):
    """The particulars that identity compares or counts from; other members are not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    birth_date: date | None = None
    birth_name: str | dict[str, Any] | None = None

    @property
    def full_name(self) -> str | None:
        """Return surname, middle and given name in this order."""
        if not isinstance(self.birth_name, dict):
            return self.birth_name
        parts = (self.birth_name.get(k) for k in ("surname", "middle_name", "given_name"))
        return " ".join(str(p) for p in parts if p)


def folded(name: str) -> str:
    """Return a name for comparison: composed form, one blank, no difference of case."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


async def get_person(
    runtime: Runtime, personal_id: str, *, groups: Sequence[FieldGroup], case_id: str | None = None
) -> Person | None:
    """Ask the population database; None when it knows no such person.

    Raises:
        ProviderUnavailable: ask again later.
        ProviderRefused: no agreement, or not for these groups.
    """
    try:
        reply = await runtime.gateway.call(
            "GET",
            "/population/v1/persons/{personal_id}",
            path={"personal_id": personal_id},
            purpose=Purpose.ELECTRONIC_IDENTIFICATION,
            params={"fields": ",".join(g.value for g in groups)},
            case_id=case_id,
        )
    except ProviderRefused as refused:
        if refused.status in _UNKNOWN:
            return None
        raise
    return Person.model_validate(reply.json())
