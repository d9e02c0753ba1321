"""The outside link to the population database: one read through the gateway, as much as is needed."""

from datetime import date
from typing import TypeVar

from ndx_chassis.app import Runtime
from ndx_chassis.gateway_client import ProviderRefused, read_answer
from ndx_contracts.bodies import Reading
from ndx_contracts.population import PERSON_PATH, PersonName, PersonReading
from ndx_contracts.purposes import Purpose

_UNKNOWN = frozenset({404, 410})
_Person = TypeVar("_Person", bound=PersonReading)


class EndOfLife(Reading):
    """How the register knows that somebody is not among the living, or is missing."""

    status: str


class Applicant(PersonReading):
    """What is compared with the statements of somebody who asks for an account; null = not known.

    The number is the one that stands: another than was asked for if that was cancelled or merged.
    """

    personal_id: str
    birth_name: PersonName | None
    birth_date: date | None
    death_or_missing_date: EndOfLife | None

    @property
    def is_dead(self) -> bool:
        """A missing person who comes to the counter is not; a court's declaration of death is ended there."""
        end = self.death_or_missing_date
        return end is not None and end.status in {"DECEASED", "DECLARED_DEAD"}


class Newborn(PersonReading):
    """What the age limit of a dependant counts from; null = not known."""

    birth_date: date | None


async def find_person(
    runtime: Runtime, personal_id: str, reading: type[_Person], *, case_id: str | None = None
) -> _Person | None:
    """Ask the population database; None when it knows no such person.

    Raises:
        ProviderUnavailable: ask again later.
        ProviderRefused: no agreement, or not for these groups.
        ProviderAnswerUnusable: the answer lacks a field.
    """
    try:
        reply = await runtime.gateway.call(
            "GET",
            PERSON_PATH,
            path={"personal_id": personal_id},
            params=reading.query(),
            purpose=Purpose.ELECTRONIC_IDENTIFICATION,
            case_id=case_id,
        )
    except ProviderRefused as refused:
        if refused.status in _UNKNOWN:
            return None
        raise
    return read_answer(reply, reading)
