"""Use case: search by name with birth date, commune or household, nearest first, a record of each shown."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import Any

import orjson
from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_chassis.consents import consenting
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.disclosures.errors import CursorInvalid
from svc_population.matching import repository
from svc_population.matching.birth_dates import DateAgreement, PartialDate
from svc_population.matching.errors import SearchTooBroad
from svc_population.matching.name_folding import (
    NameAgreement,
    agreement,
    end_spellings,
    given_name_spellings,
    spellings,
    tokens,
    unaccented_key,
)
from svc_population.matching.repository import Names, Place, Scope
from svc_population.matching.schemas import MOST_FOUND, PersonSearchIn
from svc_population.persons import field_groups
from svc_population.persons import service as persons

_FEW = 20
"""So few people of exactly this name make a look at similar names worthwhile."""
_MOST_SHORTER = 16
_LEAST_DATE = DateAgreement.SWAPPED


@dataclass(frozen=True, slots=True)
class Found:
    """A person with how near they are."""

    row: Mapping[str, Any]
    name: NameAgreement
    birth_date: DateAgreement | None

    @property
    def order(self) -> tuple[int, int, str]:
        """Return what sorts the nearest first, and always in one order."""
        return (-self.name, -(self.birth_date or 0), self.row["personal_id"])


def scope_of(grant: Grant) -> Scope:
    scope = grant.agreement.admin_scope
    return Scope(scope.provinces, scope.communes)


def covered(scope: Scope, row: Mapping[str, Any]) -> bool:
    """Tell whether a row read by number lies within the scope, as the queries by name do."""
    if not scope.bounded:
        return True
    young = row["birth_date"] >= persons.PROVINCES_OF_TODAY_FROM
    province = row["permanent_province_code"] or (row["birth_registration_province_code"] if young else None)
    commune = row["permanent_commune_code"] or (row["birth_registration_commune_code"] if young else None)
    return province in scope.provinces or commune in scope.communes


def full_name(row: Mapping[str, Any]) -> str:
    return " ".join(p for p in (row["surname"], row["middle_name"], row["given_name"]) if p)


async def search(
    session: AsyncSession, *, reading: AsyncSession, caller: Caller, grant: Grant, asked: PersonSearchIn
) -> bytes:
    """Return a page of the people who fit, as JSON, and record each of them.

    `reading`: where the people are read; a copy of the database may do. The records go to `session`, whose
    transaction ends before the answer is sent.

    Raises:
        FieldGroupNotCovered: a group is shown or searched by that the agreement does not cover.
        SearchTooBroad: more people fit than a search may show.
        CursorInvalid: the cursor is not of this search.
    """
    groups = asked.field_groups
    grant.require_field_groups(groups)
    start = _start(asked)
    found, complete = await nearest(reading, asked, scope_of(grant))
    found = await given(session, caller, grant, found, groups)
    page = found[start : start + asked.limit]
    for one in page:
        await disclose(
            session,
            caller,
            grant=grant,
            subjects=[one.row["personal_id"]],
            field_groups=groups,
            outcome=Outcome.DISCLOSED,
        )
    if not page:
        await disclose(
            session, caller, grant=grant, subjects=[], field_groups=groups, outcome=Outcome.NOT_FOUND
        )
    more = start + len(page) < len(found)
    return orjson.dumps(
        {
            "items": [_shown(one, asked) for one in page],
            "next_cursor": _cursor(asked, start + len(page)) if more else None,
            "complete": complete,
        }
    )


def _shown(one: Found, asked: PersonSearchIn) -> dict[str, Any]:
    return {
        "name": one.name.name,
        "birth_date": None if one.birth_date is None else one.birth_date.name,
        "person": orjson.Fragment(field_groups.answer(one.row, frozenset(asked.fields))),
    }


async def given(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    found: list[Found],
    groups: frozenset[FieldGroup],
) -> list[Found]:
    """Return those of whom the agency may have these groups: who did not consent is not found."""
    numbers = [one.row["personal_id"] for one in found]
    may = await consenting(session, caller, grant, subjects=numbers, field_groups=groups)
    return [one for one in found if one.row["personal_id"] in may]


async def nearest(session: AsyncSession, asked: PersonSearchIn, scope: Scope) -> tuple[list[Found], bool]:
    """Return who fits, nearest first, and whether everybody with a similar name was looked at.

    Raises:
        SearchTooBroad: more people fit than a search may show.
    """
    born = None if asked.birth_date is None else PartialDate.parse(asked.birth_date)

    async def read(names: Names, most: int) -> list[Any]:
        return await repository.people(
            session,
            names,
            spans=() if born is None else born.near_spans(),
            sex=asked.sex,
            place=Place(asked.province_code, asked.commune_code, asked.household_number),
            scope=scope,
            most=most,
        )

    rows = await read(same_names(asked.name), MOST_FOUND + 1)
    found = _fitting(rows, asked.name, born)
    if len(rows) > MOST_FOUND:
        raise SearchTooBroad
    complete = True
    few = (
        asked.commune_code is not None
        or asked.household_number is not None
        or (born is not None and born.day is not None)
    )
    if len(found) < _FEW and (similar := similar_names(asked.name, few=few)) is not None:
        more = await read(similar, repository.MOST_READ)
        seen = {one.row["personal_id"] for one in found}
        found += _fitting([r for r in more if r["personal_id"] not in seen], asked.name, born)
        complete = len(more) < repository.MOST_READ and len(found) <= MOST_FOUND
    return sorted(found, key=lambda one: one.order)[:MOST_FOUND], complete


def same_names(name: str) -> Names:
    """Return the keys of the name itself: in its spellings, in another order, without some middle names."""
    words = tokens(name)
    if len(words) == 1:
        return Names(given=given_name_spellings(words[0]))
    turned = [(*words[1:], words[0]), (words[-1], *words[:-1]), tuple(reversed(words))]
    # A female name may be stored with `Thị` where the clerk left it out.
    marked = (words[0], "THI", *words[1:])
    # Made one by one: a name of n words has 2^n of them.
    shorter = (
        (words[0], *left, words[-1])
        for kept in range(len(words) - 2)
        for left in combinations(words[1:-1], kept)
    )
    others = (end_spellings(w) for w in (marked, *islice(shorter, _MOST_SHORTER)))
    whole = dict.fromkeys(chain(spellings(" ".join(words)), map(" ".join, turned), *others))
    return Names(given=tuple(dict.fromkeys(w.rsplit(" ", 1)[1] for w in whole)), whole=tuple(whole))


def similar_names(name: str, *, few: bool) -> Names | None:
    """Return keys of names that have further middle names: the same beginning and given name.

    `few`: a day, a commune or a household leaves so few people that the surname is enough, and a middle name
    that is missed may be the first; else the first one that is stated narrows.
    """
    words = tokens(name)
    if len(words) == 1:
        return None
    starts = spellings(f"{words[0]} X")
    first = words[1:2] if len(words) > 2 and not few else ()  # noqa: PLR2004 - surname and given name
    beginnings = (" ".join((s.split(" ", 1)[0], *first)) for s in starts)
    return Names(given=given_name_spellings(words[-1]), beginnings=tuple(dict.fromkeys(beginnings)))


def _fitting(rows: Sequence[Mapping[str, Any]], name: str, born: PartialDate | None) -> list[Found]:
    whole = " " in unaccented_key(name)
    least = NameAgreement.UNACCENTED_MIDDLE_MISSING if whole else NameAgreement.GIVEN_NAME_ONLY
    graded = (
        Found(row, agreement(full_name(row), name), born.agreement(row["birth_date"]) if born else None)
        for row in rows
    )
    return [
        one
        for one in graded
        if one.name >= least and (one.birth_date is None or one.birth_date >= _LEAST_DATE)
    ]


def _question(asked: PersonSearchIn) -> str:
    """Return what two pages of one search have in common, without saying it."""
    plain = asked.model_dump_json(exclude={"cursor", "limit"})
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _cursor(asked: PersonSearchIn, start: int) -> str:
    return base64.urlsafe_b64encode(f"{_question(asked)}|{start}".encode()).decode().rstrip("=")


def _start(asked: PersonSearchIn) -> int:
    if asked.cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(asked.cursor + "=" * (-len(asked.cursor) % 4)).decode()
        question, start = text.split("|")
        if question != _question(asked) or not 0 < int(start) <= MOST_FOUND:
            raise CursorInvalid
        return int(start)
    except (ValueError, binascii.Error):
        raise CursorInvalid from None
