"""Use cases of the population registry's reads: a person, versions of the record, people by expressions."""

from collections.abc import Sequence
from typing import Any

import orjson
from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import PersonLookupIn
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.histories import schemas as histories_schemas
from svc_population.histories import service as histories
from svc_population.osia import service
from svc_population.osia.attributes import attributes
from svc_population.osia.errors import NothingFound, OsiaRefused
from svc_population.osia.schemas import Expression
from svc_population.osia.vocabulary import Operator, OsiaCode
from svc_population.persons import hot_read
from svc_population.persons.errors import PersonNotFound

STATUS_GROUPS = (FieldGroup.PERSONAL_ID, FieldGroup.DEATH_OR_MISSING_DATE)
VERSION_GROUPS = tuple(
    sorted(
        {a.group for a in attributes().values()} & set(histories_schemas.GROUPS), key=list(FieldGroup).index
    )
)
IDENTITY_TYPE = "REGISTER"
"""The one kind of identity here: what the register says of a person."""
_DEAD = frozenset({"DECEASED", "DECLARED_DEAD"})
"""A court's declaration has the effect of a death."""


async def read_person(runtime: Runtime, *, caller: Caller, grant: Grant, person_id: str) -> dict[str, str]:
    """Return number and statuses; a former number leads to the person's number of today and is INACTIVE.

    Raises:
        FieldGroupNotCovered: the agreement does not cover the number and the end of life.
        PersonNotFound: no such person within the agreement's scope; this is recorded, too.
    """
    asked = PersonLookupIn(personal_ids=(person_id,), fields=STATUS_GROUPS)
    (found,) = orjson.loads(await hot_read.get_persons(runtime, caller, grant, asked))["items"]
    if found["person"] is None:
        raise PersonNotFound
    number, end = (found["person"][group.value] for group in STATUS_GROUPS)
    return {
        "personId": number,
        "status": "ACTIVE" if number == person_id else "INACTIVE",
        "physicalStatus": "DEAD" if end is not None and end["status"] in _DEAD else "ALIVE",
    }


def question(caller: Caller, grant: Grant, person_id: str) -> histories.Question:
    """Return the question for all that the agreement covers.

    Raises:
        FieldGroupNotCovered: it covers nothing that a version shows.
    """
    covered = grant.field_groups & set(VERSION_GROUPS)
    if not covered:
        grant.require_field_groups(VERSION_GROUPS)
    return histories.Question(caller, grant, person_id, covered)


async def read_identities(
    session: AsyncSession, runtime: Runtime, *, caller: Caller, grant: Grant, person_id: str
) -> list[dict[str, Any]]:
    """Return the versions that differ in what the agreement covers, oldest first.

    Raises:
        FieldGroupNotCovered, PersonNotFound: as `read_person`.
    """
    found = await histories.versions_of(session, runtime, question(caller, grant, person_id))
    return [_identity(found, one) for one in found.items]


async def read_identity(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    person_id: str,
    number: int | None,
) -> dict[str, Any]:
    """Return one version, without a number the last one: the reference.

    Raises:
        FieldGroupNotCovered, PersonNotFound: as `read_person`.
        NothingFound: the record never had this version.
    """
    found = await histories.versions_of(session, runtime, question(caller, grant, person_id))
    one = found.at(found.latest if number is None else number)
    if one is None:
        raise NothingFound
    return _identity(found, one)


def _identity(found: histories.Versions, one: histories.Version) -> dict[str, Any]:
    last = one is found.items[-1]
    values = {a.name: a.value(one.person) for a in attributes().values() if a.group.value in one.person}
    about = {
        "kind": one.kind,
        "effectiveFrom": None if one.effective_from is None else one.effective_from.isoformat(),
        "sourceAgency": one.source_agency,
    }
    return {
        "identityId": str(one.number),
        "identityType": IDENTITY_TYPE,
        "status": ("REVOKED" if found.merged else "VALID") if last else "INVALID",
        "createdDate": one.recorded_at.isoformat(),
        "contextualData": {name: value for name, value in about.items() if value is not None},
        "biographicData": {name: value for name, value in values.items() if value is not None},
    }


def refuse_other_searches(*, reference: bool, gallery: str | None) -> None:
    """Refuse what the file admits and the registry has no use for.

    Raises:
        OsiaRefused: other identities than the reference are to be searched, or a gallery.
    """
    if not reference:
        raise OsiaRefused(OsiaCode.NOT_SEARCHABLE, "Only what records say today is searched")
    if gallery is not None:
        raise OsiaRefused(OsiaCode.NOT_HELD, "There are no galleries")


async def find_persons(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    expressions: Sequence[Expression],
    group: bool,
    offset: int,
    limit: int,
) -> list[dict[str, str]]:
    """Return the numbers of those whose record of today fits, nearest first; nobody is an empty list.

    Raises:
        OsiaRefused: the expressions are no search that this registry does.
        FieldGroupNotCovered, SearchTooBroad: as in any search.
    """
    if any(e.operator is not Operator.EQUAL for e in expressions):
        raise OsiaRefused(OsiaCode.NOT_COMPARABLE, "A search compares by = only; a year is a date, too")
    stated = [(e.attribute_name, str(e.value)) for e in expressions]
    try:
        rows = await service.nearest_page(
            session,
            runtime,
            caller=caller,
            grant=grant,
            asked=service.search_of(stated, fields=[FieldGroup.PERSONAL_ID.value]),
            offset=offset,
            limit=limit,
        )
    except NothingFound:
        return []
    return [
        {"personId": row["personal_id"]} | ({} if group else {"identityId": str(row["version"])})
        for row in rows
    ]
