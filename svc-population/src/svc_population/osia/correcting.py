"""Use case of partialUpdateIdentity: a change of the record by its source, decided on the version seen."""

from collections.abc import Mapping
from typing import Any

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError, Kind
from ndx_contracts.field_groups import FieldGroup
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.changes import service as changes
from svc_population.changes.schemas import ChangesIn, PersonChangeIn
from svc_population.histories import service as histories
from svc_population.osia.attributes import GENDERS, attributes
from svc_population.osia.errors import NothingFound, OsiaRefused
from svc_population.osia.registry import question
from svc_population.osia.schemas import IdentityPatchIn
from svc_population.osia.vocabulary import OsiaCode, Value

_WHOLE: dict[str, FieldGroup] = {
    "dateOfBirth": FieldGroup.BIRTH_DATE,
    "gender": FieldGroup.SEX,
    "nationality": FieldGroup.NATIONALITY,
    "ethnicity": FieldGroup.ETHNICITY,
    "maritalStatus": FieldGroup.MARITAL_STATUS,
    "previousIdNumber": FieldGroup.LEGACY_ID_NUMBER,
}
_PARTS: dict[str, tuple[FieldGroup, str]] = {
    "firstName": (FieldGroup.BIRTH_NAME, "given_name"),
    "lastName": (FieldGroup.BIRTH_NAME, "surname"),
    "placeOfBirth": (FieldGroup.BIRTH_PLACE, "text"),
    "placeOfBirthCode": (FieldGroup.BIRTH_PLACE, "commune_code"),
    "birthRegistrationProvince": (FieldGroup.BIRTH_REGISTRATION_PLACE, "province_code"),
    "birthRegistrationCommune": (FieldGroup.BIRTH_REGISTRATION_PLACE, "commune_code"),
    "homeTown": (FieldGroup.HOME_TOWN, "text"),
    "homeTownProvince": (FieldGroup.HOME_TOWN, "province_code"),
}
_GROUPS: dict[str, FieldGroup] = {**_WHOLE, **{name: group for name, (group, _) in _PARTS.items()}}
CHANGED: tuple[FieldGroup, ...] = tuple(g for g in FieldGroup if g in set(_GROUPS.values()))
_SEX = {number: sex for sex, number in GENDERS.items()}
_UNFIT = frozenset({Kind.CONFLICT, Kind.PRECONDITION_FAILED, Kind.PRECONDITION_REQUIRED})
"""Refusals for which the file's answers to this operation have only 400."""


async def change(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    person_id: str,
    number: int,
    patch: IdentityPatchIn,
) -> None:
    """Change the record where the version says what it says now; what it says already is no change.

    Raises:
        OsiaRefused: an attribute is not changed so, a value is none, or the change does not fit the record.
        NothingFound: the record never had this version.
        FieldGroupNotCovered, PersonNotFound, SourceElsewhere, CaseMissing: as in any change.
    """
    stated = _stated(patch.biographic_data)
    groups = frozenset(_GROUPS[name] for name in stated)
    grant.require_field_groups(groups)
    # The agreement's own view decides what was seen: a version that differs elsewhere does not count.
    found = await histories.versions_of(session, runtime, question(caller, grant, person_id), record=False)
    seen = found.at(number)
    if seen is None:
        raise NothingFound
    now = found.items[-1].person
    new = _new_values(stated, now)
    # A call that is repeated because its answer was lost finds its own change, and changes nothing.
    said = all(now[name] == value for name, value in new.items())
    if found.merged or (seen is not found.items[-1] and not said):
        raise OsiaRefused(OsiaCode.CONTRADICTED, "The record was changed or merged after this version")
    body = _change(patch, new)
    try:
        await changes.change_person(
            session,
            runtime,
            caller=caller,
            grant=grant,
            personal_id=person_id,
            body=body,
            if_match=str(found.latest),
        )
    except DomainError as error:
        if error.kind not in _UNFIT:
            raise
        raise OsiaRefused(OsiaCode.CONTRADICTED, f"{error.code}: {error.detail}") from None


def _stated(values: Mapping[str, Value | None]) -> dict[str, str | None]:
    table = attributes()
    if unknown := [name for name in values if name not in table]:
        raise OsiaRefused(OsiaCode.UNKNOWN_ATTRIBUTE, f"Unknown attribute name ({len(unknown)})")
    if other := sorted(name for name in values if name not in _GROUPS):
        raise OsiaRefused(
            OsiaCode.NOT_CHANGEABLE,
            f"Changed by a procedure of its own, or made of others: {', '.join(other)}",
        )
    return {name: None if value is None else table[name].stated(value) for name, value in values.items()}


def _change(patch: IdentityPatchIn, new: Mapping[str, Any]) -> PersonChangeIn:
    about = patch.contextual_data
    try:
        return PersonChangeIn.model_validate(
            {
                "kind": about.kind,
                "effective_from": about.effective_from,
                "document": {
                    "kind": about.document_type,
                    "number": about.document_number,
                    "issued_by": about.document_issuer,
                    "issued_on": about.document_date,
                },
                "changes": new,
            }
        )
    except ValidationError as error:
        # The names of our members, never what was sent.
        wrong = sorted({".".join(str(p) for p in e["loc"][:2]) for e in error.errors()})
        raise OsiaRefused(OsiaCode.INVALID, f"Missing or not valid: {', '.join(wrong)}") from None


def _new_values(stated: Mapping[str, str | None], known: Mapping[str, Any]) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for name, value in stated.items():
        if name in _WHOLE:
            found = _SEX.get(value, value) if name == "gender" and value is not None else value
            new[_WHOLE[name].value] = found
            continue
        group, member = _PARTS[name]
        # RFC 7396: what is left out stays.
        parts = new.setdefault(group.value, dict(known[group.value] or {}))
        parts[member] = value
        if name == "firstName":
            *middle, given = (value or "").split() or [""]
            parts["middle_name"], parts["given_name"] = " ".join(middle) or None, given
    emptied = {name for name, parts in new.items() if isinstance(parts, dict) and not any(parts.values())}
    return {name: None if name in emptied and name in _MAY_BE_EMPTY else parts for name, parts in new.items()}


_MAY_BE_EMPTY = frozenset(
    {FieldGroup.BIRTH_PLACE.value, FieldGroup.HOME_TOWN.value, FieldGroup.BIRTH_REGISTRATION_PLACE.value}
)
assert set(ChangesIn.model_fields) >= {group.value for group in CHANGED}  # noqa: S101 - two tables, one vocabulary
