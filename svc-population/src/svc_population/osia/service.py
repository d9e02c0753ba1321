"""Use cases of data access: read attributes by number, find persons by attributes."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.population import PersonLookupIn
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.matching import service as matching
from svc_population.matching.schemas import SHOWN, PersonSearchIn
from svc_population.osia.attributes import GENDERS, attributes, groups_of, known, record
from svc_population.osia.errors import NothingFound, OsiaRefused
from svc_population.osia.vocabulary import OsiaCode
from svc_population.persons import hot_read
from svc_population.persons.errors import PersonNotFound
from svc_population.persons.field_groups import answer

RESERVED = frozenset({"names", "offset", "limit"})
"""Words of the query itself; no attribute has such a name."""
_NEVER_IN_QUERIES = frozenset({"uin", "previousIdNumber"})
_SEARCHABLE = {
    "gender": "sex",
    "dateOfBirth": "birth_date",
    "permanentProvince": "province_code",
    "permanentCommune": "commune_code",
}
_NAMES = ("lastName", "firstName", "fullName")
_SEX = {number: sex for sex, number in GENDERS.items()}


async def read_attributes(
    runtime: Runtime, *, caller: Caller, grant: Grant, uin: str, names: Sequence[str]
) -> bytes:
    """Return the named attributes of a person, by the same way as any other read by number.

    Raises:
        FieldGroupNotCovered: the agreement does not cover what one of them tells.
        PersonNotFound: no such person within the agreement's scope; this is recorded, too.
    """
    groups = groups_of(known(names))
    asked = PersonLookupIn(personal_ids=(uin,), fields=tuple(sorted(groups)))
    (found,) = orjson.loads(await hot_read.get_persons(runtime, caller, grant, asked))["items"]
    if found["person"] is None:
        raise PersonNotFound
    return orjson.dumps(record(names, found["person"]))


async def query(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    stated: Sequence[tuple[str, str]],
    names: Sequence[str],
    offset: int,
    limit: int,
) -> bytes:
    """Return the numbers of those who fit, nearest first, or their named attributes; a record of each.

    Raises:
        OsiaRefused: the attributes are no search that this registry does.
        FieldGroupNotCovered, SearchTooBroad: as in any search.
        NothingFound: nobody fits; this is recorded, too.
    """
    wanted = groups_of(known(names)) if names else groups_of([attributes()["uin"]])
    if hidden := [a.name for a in known(names) if a.group not in SHOWN]:
        raise OsiaRefused(OsiaCode.NOT_SHOWN_BY_QUERY, f"Read by number only: {', '.join(hidden)}")
    for name, _ in stated:
        _refuse_in_query(name)
    asked = search_of(stated, fields=sorted(wanted))
    page = await nearest_page(
        session, runtime, caller=caller, grant=grant, asked=asked, offset=offset, limit=limit
    )
    if not names:
        return orjson.dumps([row["personal_id"] for row in page])
    return orjson.dumps([record(names, orjson.loads(answer(row, wanted))) for row in page])


async def nearest_page(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    asked: PersonSearchIn,
    offset: int,
    limit: int,
) -> list[Mapping[str, Any]]:
    """Return those who fit, nearest first, with a record of each.

    Raises:
        FieldGroupNotCovered, SearchTooBroad: as in any search.
        NothingFound: nobody fits; this is recorded, too.
    """
    groups = asked.field_groups
    grant.require_field_groups(groups)
    found, _ = await matching.nearest(session, asked, matching.scope_of(grant))
    found = await matching.given(session, caller, grant, found, groups)
    page = found[offset : offset + limit]
    if not page:
        # With this connection given back first: many refused at once would wait for one another's.
        await session.rollback()
        async with runtime.sessions() as own, own.begin():
            await disclose(
                own, caller, grant=grant, subjects=[], field_groups=groups, outcome=Outcome.NOT_FOUND
            )
        raise NothingFound
    for one in page:
        await disclose(
            session,
            caller,
            grant=grant,
            subjects=[one.row["personal_id"]],
            field_groups=groups,
            outcome=Outcome.DISCLOSED,
        )
    return [one.row for one in page]


def search_of(stated: Sequence[tuple[str, str]], *, fields: Sequence[str]) -> PersonSearchIn:
    """Return our own search.

    Raises:
        OsiaRefused: the attributes are no search that this registry does.
    """
    given: dict[str, str] = {}
    for name, value in stated:
        _refuse_unsearchable(name)
        if name in given:
            raise OsiaRefused(OsiaCode.REPEATED, f"{name} stands twice")
        given[name] = value
    try:
        return PersonSearchIn.model_validate({"name": _name(given), "fields": fields, **_narrowing(given)})
    except ValidationError:
        # Pydantic's words could quote what was given.
        raise OsiaRefused(
            OsiaCode.NOT_SEARCHABLE,
            "A search takes lastName and firstName, or fullName, with dateOfBirth (a year will do) or"
            " permanentCommune; gender and permanentProvince narrow it.",
        ) from None


def _refuse_in_query(name: str) -> None:
    if name in _NEVER_IN_QUERIES:
        raise OsiaRefused(
            OsiaCode.IDENTIFIER_IN_QUERY,
            f"{name} does not belong into a query string; a known number is read by its path, or matched.",
        )


def _refuse_unsearchable(name: str) -> None:
    if name not in attributes():
        raise OsiaRefused(OsiaCode.UNKNOWN_ATTRIBUTE, "Unknown attribute name")
    if name not in _SEARCHABLE and name not in _NAMES:
        raise OsiaRefused(OsiaCode.NOT_SEARCHABLE, f"Nobody is searched for by {name}")


def _name(given: Mapping[str, str]) -> str:
    first, last, full = (given.get(name, "").strip() for name in ("firstName", "lastName", "fullName"))
    if (full and (first or last)) or (not full and not first) or (" " in first and not last):
        raise OsiaRefused(
            OsiaCode.NOT_SEARCHABLE,
            "A search needs lastName with firstName, fullName, or one word of firstName",
        )
    return full or f"{last} {first}".strip()


def _narrowing(given: Mapping[str, str]) -> dict[str, Any]:
    found = {_SEARCHABLE[name]: value for name, value in given.items() if name in _SEARCHABLE}
    if "sex" in found:
        if found["sex"] not in _SEX:
            raise OsiaRefused(OsiaCode.VALUE_INVALID, "gender: 1 (male) or 2 (female)")
        found["sex"] = _SEX[found["sex"]]
    return found
