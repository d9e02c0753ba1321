"""Which columns make up each field group, and the group's value in an answer."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup

from svc_population.persons.sealing import NO_KEYS, Keyring

Values = Mapping[str, Any]


def _place(prefix: str, *dates: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{part}" for part in ("province_code", "commune_code", "address", *dates))


COLUMNS: dict[FieldGroup, tuple[str, ...]] = {
    FieldGroup.BIRTH_NAME: ("surname", "middle_name", "given_name"),
    FieldGroup.OTHER_NAME: ("other_name",),
    FieldGroup.PERSONAL_ID: ("personal_id",),
    FieldGroup.BIRTH_DATE: ("birth_date",),
    FieldGroup.SEX: ("sex",),
    FieldGroup.BIRTH_PLACE: ("birth_place_code", "birth_place"),
    FieldGroup.BIRTH_REGISTRATION_PLACE: (
        "birth_registration_province_code",
        "birth_registration_commune_code",
    ),
    FieldGroup.HOME_TOWN: ("home_town_province_code", "home_town"),
    FieldGroup.ETHNICITY: ("ethnicity_code",),
    FieldGroup.RELIGION: ("religion",),
    FieldGroup.NATIONALITY: ("nationality",),
    FieldGroup.BLOOD_GROUP: ("blood_group",),
    FieldGroup.LEGACY_ID_NUMBER: ("legacy_id_number",),
    FieldGroup.PERMANENT_RESIDENCE: _place("permanent", "since"),
    FieldGroup.TEMPORARY_RESIDENCE: _place("temporary", "since", "until"),
    FieldGroup.CURRENT_RESIDENCE: _place("current"),
    FieldGroup.TEMPORARY_ABSENCE: ("absence_from", "absence_until"),
    FieldGroup.RESIDENCE_FILE_NUMBER: ("residence_file_number",),
    FieldGroup.MARITAL_STATUS: ("marital_status",),
    FieldGroup.RELATION_TO_HEAD: ("relation_to_head",),
    FieldGroup.HOUSEHOLD: ("household_number",),
    FieldGroup.DEATH_OR_MISSING_DATE: ("life_status", "death_or_missing_date"),
    FieldGroup.CONTACT: ("phone", "email"),
    FieldGroup.OTHER_INFORMATION: ("other_information",),
}
"""Groups 14 and 15 (cards, family) stand in tables of their own."""

CARDS = "cards"
"""Stands among changed columns for the rows of group 14."""
_GROUP_OF: dict[str, FieldGroup] = {
    **{c: group for group, columns in COLUMNS.items() for c in columns},
    CARDS: FieldGroup.CARD_HISTORY,
}
_MEMBERS: dict[FieldGroup, dict[str, str]] = {
    FieldGroup.BIRTH_NAME: {c: c for c in COLUMNS[FieldGroup.BIRTH_NAME]},
    FieldGroup.BIRTH_PLACE: {"commune_code": "birth_place_code", "text": "birth_place"},
    FieldGroup.BIRTH_REGISTRATION_PLACE: {
        "province_code": "birth_registration_province_code",
        "commune_code": "birth_registration_commune_code",
    },
    FieldGroup.HOME_TOWN: {"province_code": "home_town_province_code", "text": "home_town"},
    FieldGroup.PERMANENT_RESIDENCE: {
        c.removeprefix("permanent_"): c for c in COLUMNS[FieldGroup.PERMANENT_RESIDENCE]
    },
    FieldGroup.TEMPORARY_RESIDENCE: {
        c.removeprefix("temporary_"): c for c in COLUMNS[FieldGroup.TEMPORARY_RESIDENCE]
    },
    FieldGroup.CURRENT_RESIDENCE: {
        c.removeprefix("current_"): c for c in COLUMNS[FieldGroup.CURRENT_RESIDENCE]
    },
    FieldGroup.TEMPORARY_ABSENCE: {"from": "absence_from", "until": "absence_until"},
    FieldGroup.DEATH_OR_MISSING_DATE: {"status": "life_status", "date": "death_or_missing_date"},
    FieldGroup.CONTACT: {"phone": "phone", "email": "email"},
}
_DOCUMENTS: dict[FieldGroup, str] = {
    FieldGroup.CARD_HISTORY: CARDS,
    FieldGroup.FAMILY_RELATIONS: "family",
    FieldGroup.OTHER_INFORMATION: "other_information",
}
"""Groups whose value the database gives as a JSON text."""

Builder = Callable[[Values], Any]


def changed_groups(columns: Iterable[str]) -> list[str]:
    """Return the names of the groups that the columns belong to, in the order of article 9."""
    groups = {_GROUP_OF[c] for c in columns if c in _GROUP_OF}
    return [g.value for g in FieldGroup if g in groups]


def columns_of(group: FieldGroup, value: Any) -> dict[str, Any]:
    """Return a group's new value as columns: the other way round than `answer`; None empties the group."""
    if group is FieldGroup.DEATH_OR_MISSING_DATE and value is None:
        return {"life_status": "ALIVE", "death_or_missing_date": None}
    if group in _MEMBERS:
        return {column: (value or {}).get(name) for name, column in _MEMBERS[group].items()}
    if group is FieldGroup.CARD_HISTORY:
        return {CARDS: value or []}
    (column,) = COLUMNS[group]
    return {column: value}


def _builder(group: FieldGroup) -> Builder:
    if group in _DOCUMENTS:
        column = _DOCUMENTS[group]
        return lambda row: None if row[column] is None else orjson.Fragment(row[column])
    if group is FieldGroup.HOUSEHOLD:
        return _household
    if group is FieldGroup.DEATH_OR_MISSING_DATE:
        return _end_of_life
    if group in _MEMBERS:
        members = _MEMBERS[group]
        if group is FieldGroup.BIRTH_NAME:
            return lambda row: {name: row[column] for name, column in members.items()}
        return lambda row: _object(row, members)
    (column,) = COLUMNS[group]
    return lambda row: row[column]


def _object(row: Values, members: dict[str, str]) -> dict[str, Any] | None:
    value = {name: row[column] for name, column in members.items()}
    return value if any(v is not None for v in value.values()) else None


def _household(row: Values) -> dict[str, Any] | None:
    if row["household_number"] is None:
        return None
    return {"number": row["household_number"], "members": orjson.Fragment(row["household"] or "[]")}


def _end_of_life(row: Values) -> dict[str, Any] | None:
    if row["life_status"] == "ALIVE":
        return None
    return {"status": row["life_status"], "date": row["death_or_missing_date"]}


@lru_cache(maxsize=1024)
def _builders(groups: frozenset[FieldGroup]) -> tuple[tuple[str, Builder], ...]:
    return tuple((g.value, _builder(g)) for g in FieldGroup if g in groups and g in POPULATION_GROUPS)


_SEALED = frozenset({FieldGroup.RELIGION, FieldGroup.BLOOD_GROUP})


def answer(row: Values, groups: frozenset[FieldGroup], keys: Keyring = NO_KEYS) -> bytes:
    """Return the JSON of exactly these groups; a group without a value is null.

    Raises:
        SensitiveKeyMissing: a sealed group was asked for, and its key is not there.
    """
    if not groups.isdisjoint(_SEALED):
        row = keys.opened(row, row["person_id"])
    return orjson.dumps({name: build(row) for name, build in _builders(groups)})


def storable(value: Any) -> Any:
    """Return a column's value in the form in which the history keeps it."""
    if isinstance(value, list):
        return [{name: storable(member) for name, member in entry.items()} for entry in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else value
