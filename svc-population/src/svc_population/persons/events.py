"""From a person to the events that the population database announces."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ndx_contracts.events import (
    PersonalIdCancelled,
    PersonChanged,
    PersonDeathCancelled,
    PersonDeceased,
    PersonRegistered,
    PersonsMerged,
    PersonsSeparated,
)


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


def person_death_cancelled(
    *,
    person_id: UUID,
    personal_id: str,
    version: int,
    died_on: date,
    province_code: str | None,
    commune_code: str | None,
) -> PersonDeathCancelled:
    return PersonDeathCancelled(
        person_id=person_id,
        personal_id=personal_id,
        version=version,
        died_on=died_on,
        province_code=province_code,
        commune_code=commune_code,
    )


def persons_merged(
    *, survivor: tuple[UUID, str, int], merged: tuple[UUID, str], place: tuple[str | None, str | None]
) -> PersonsMerged:
    """`survivor` is (person_id, personal_id, version), `merged` is (person_id, personal_id)."""
    return PersonsMerged(
        person_id=survivor[0],
        personal_id=survivor[1],
        version=survivor[2],
        merged_person_id=merged[0],
        merged_personal_id=merged[1],
        province_code=place[0],
        commune_code=place[1],
    )


def persons_separated(
    *,
    remaining: tuple[UUID, str, int],
    separated: tuple[UUID, str],
    undone: bool,
    place: tuple[str | None, str | None],
) -> PersonsSeparated:
    """`remaining` is (person_id, personal_id, version), `separated` is (person_id, personal_id)."""
    return PersonsSeparated(
        person_id=remaining[0],
        personal_id=remaining[1],
        version=remaining[2],
        separated_person_id=separated[0],
        separated_personal_id=separated[1],
        undone=undone,
        province_code=place[0],
        commune_code=place[1],
    )


def personal_id_cancelled(*, person_id: UUID, old: str, new: str) -> PersonalIdCancelled:
    return PersonalIdCancelled(person_id=person_id, old_personal_id=old, superseded_by=new)
