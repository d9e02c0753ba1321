"""From a person to the events that the population database announces."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ndx_contracts.events import PersonalIdCancelled, PersonChanged, PersonDeceased, PersonRegistered


def person_registered(
    *,
    person_id: UUID,
    personal_id: str,
    birth_date: date,
    mother: str | None,
    father: str | None,
    province_code: str | None,
    commune_code: str | None,
) -> PersonRegistered:
    return PersonRegistered(
        person_id=person_id,
        personal_id=personal_id,
        version=1,
        birth_date=birth_date,
        mother_personal_id=mother,
        father_personal_id=father,
        province_code=province_code,
        commune_code=commune_code,
    )


def person_changed(
    *,
    person_id: UUID,
    personal_id: str,
    version: int,
    changed: Sequence[str],
    province_code: str | None,
    commune_code: str | None,
) -> PersonChanged:
    return PersonChanged(
        person_id=person_id,
        personal_id=personal_id,
        version=version,
        changed=tuple(changed),
        province_code=province_code,
        commune_code=commune_code,
    )


def person_deceased(
    *,
    person_id: UUID,
    personal_id: str,
    version: int,
    died_on: date,
    province_code: str | None,
    commune_code: str | None,
) -> PersonDeceased:
    return PersonDeceased(
        person_id=person_id,
        personal_id=personal_id,
        version=version,
        died_on=died_on,
        province_code=province_code,
        commune_code=commune_code,
    )


def personal_id_cancelled(*, person_id: UUID, old: str, new: str) -> PersonalIdCancelled:
    return PersonalIdCancelled(person_id=person_id, old_personal_id=old, superseded_by=new)
