"""Asks the population database, through the gateway, for the little that insurance needs of a person."""

from collections.abc import Sequence
from datetime import date

from ndx_chassis.gateway_client import GatewayClient, ProviderAnswerUnusable, ProviderRefused, read_answer
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import (
    MOST_LOOKUPS,
    PERSON_LOOKUPS_PATH,
    PERSON_PATH,
    PersonName,
    PersonReading,
    PersonsFound,
    Sex,
)
from ndx_contracts.purposes import Purpose


class InsuredPerson(PersonReading):
    """Identity as the population database gives it."""

    personal_id: PersonalId
    birth_name: PersonName
    birth_date: date
    sex: Sex


async def fetch_person(gateway: GatewayClient, personal_id: str) -> InsuredPerson:
    """Ask `population.get_person` under the insurer's agreement.

    Raises:
        ProviderUnavailable: no answer; ask again later.
        ProviderRefused: the gateway or the population database says no.
        ProviderAnswerUnusable: the answer lacks a field, or is about another number.
    """
    reply = await gateway.call(
        "GET",
        PERSON_PATH,
        path={"personal_id": personal_id},
        params=InsuredPerson.query(),
        purpose=Purpose.SOCIAL_INSURANCE,
    )
    person = read_answer(reply, InsuredPerson)
    if person.personal_id != personal_id:
        raise ProviderAnswerUnusable("The answer is about another number.")
    return person


async def fetch_people(gateway: GatewayClient, personal_ids: Sequence[str]) -> dict[str, InsuredPerson]:
    """Ask for each of these numbers, many in one call; raises as `fetch_person` does."""
    if len(personal_ids) == 1:
        return {personal_ids[0]: await fetch_person(gateway, personal_ids[0])}
    found: dict[str, InsuredPerson] = {}
    for start in range(0, len(personal_ids), MOST_LOOKUPS):
        some = personal_ids[start : start + MOST_LOOKUPS]
        reply = await gateway.call(
            "POST", PERSON_LOOKUPS_PATH, purpose=Purpose.SOCIAL_INSURANCE, json=InsuredPerson.lookups(some)
        )
        for asked, person in read_answer(reply, PersonsFound[InsuredPerson]).by_number().items():
            if person is None:
                raise ProviderRefused(404, "person-not-found")
            if person.personal_id != asked:
                raise ProviderAnswerUnusable("The answer is about another number.")
            found[asked] = person
    if found.keys() != set(personal_ids):
        raise ProviderAnswerUnusable("The answer is about other numbers.")
    return found
