"""Use case: match one record of an agency: at most one person, or the reasons why nobody can say."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_chassis.consents import consenting, require_consent
from ndx_chassis.disclosure import disclose, found
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.matching import guesses, repository
from svc_population.matching.birth_dates import PartialDate
from svc_population.matching.grading import Claimed, MatchZone, Verdict, judge, weigh
from svc_population.matching.repository import Names, PersonRow, Scope, Spans
from svc_population.matching.schemas import MatchIn, MatchOut
from svc_population.matching.service import covered, same_names, scope_of
from svc_population.persons import service as persons
from svc_population.persons import verification
from svc_population.persons.errors import TooManyWrongGuesses

MOST_WEIGHED = 200
"""Candidates of one record; when more are alike, nobody can say."""
_OUTCOMES = {
    MatchZone.SURE: Outcome.MATCHED,
    MatchZone.REVIEW: Outcome.NOT_MATCHED,
    MatchZone.NO: Outcome.NOT_FOUND,
}


async def match(
    session: AsyncSession, *, caller: Caller, grant: Grant, record: MatchIn, limits: guesses.Limits
) -> MatchOut:
    """Say whose record it is, if that is sure.

    Raises:
        FieldGroupNotCovered: the record states something that the agreement does not cover.
        ConsentMissing: the agreement asks for the consent of the stated number's holder.
        TooManyWrongGuesses: the agency got too many answers short of SURE about the holder of a stated number
            today, or too often heard that nobody of such a name and birth year is like its record.
    """
    groups = record.field_groups
    grant.require_field_groups(groups)
    claimed = await claimed_by(session, record)
    if claimed.personal_id is not None:
        asked = [claimed.personal_id]
        await require_consent(session, caller, grant, subjects=asked, field_groups=groups)
    verdict = await judged(session, claimed, scope_of(grant))
    given = await consenting(
        session, caller, grant, subjects={*verdict.about, *verdict.holders}, field_groups=groups
    )
    name = guesses.name_of(claimed)
    wrong = await verification.wrong_guesses(session, agency=caller.agency, personal_ids=verdict.about)
    guards = {
        key: await verification.guesses(session, agency=caller.agency, personal_id=key)
        for key in guesses.counting(verdict, name)
    }
    wrong |= {key: guard.wrong for key, guard in guards.items()}
    told = guesses.told(
        verdict,
        name=name,
        left=lambda key: wrong.get(key, 0) < limits.of(key),
        given=lambda number: number in given,
    )
    if told.exhausted:
        people = [key for key in told.exhausted if not guesses.is_name(key)]
        found(session, caller, grant=grant, subjects=people, field_groups=groups)
        raise TooManyWrongGuesses(retry_after=guards[told.exhausted[0]].seconds)
    for key in told.counted:
        await verification.count_guess(session, guards[key])
    verdict = told.verdict
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=verdict.about or [n for n in (claimed.personal_id,) if n is not None],
        field_groups=groups,
        outcome=_OUTCOMES[verdict.zone],
    )
    return MatchOut(zone=verdict.zone, personal_id=verdict.personal_id, reasons=verdict.reasons)


async def claimed_by(session: AsyncSession, record: MatchIn) -> Claimed:
    """Return what a record states, with a former number replaced by that of today."""
    number = record.personal_id
    return Claimed(
        name=record.name,
        birth_date=PartialDate.parse(record.birth_date),
        personal_id=None if number is None else await persons.current_number(session, number),
        sex=record.sex,
        legacy_id_number=record.legacy_id_number,
        province_code=record.province_code,
        commune_code=record.commune_code,
        home_town_province_code=record.home_town_province_code,
    )


async def judged(session: AsyncSession, claimed: Claimed, scope: Scope) -> Verdict:
    """Find the candidates, weigh them, and return the verdict on all of them."""
    if claimed.personal_id is not None:
        # Who is outside the scope is as unknown as nobody: the record is looked for in the same way.
        rows = await repository.by_number(session, claimed.personal_id)
        if within := [row for row in rows if covered(scope, row)]:
            return replace(_judged(claimed, within), searched=False)
    found: dict[str, PersonRow] = {}
    if claimed.legacy_id_number is not None:
        for row in await repository.by_legacy_number(session, claimed.legacy_id_number, most=MOST_WEIGHED):
            found[row["personal_id"]] = row
    rows, too_many = await _namesakes(session, claimed, scope)
    found |= {row["personal_id"]: row for row in rows}
    return _judged(claimed, [r for r in found.values() if covered(scope, r)], too_many=too_many)


async def judged_together(
    session: AsyncSession, claimed: Mapping[int, Claimed], scope: Scope
) -> dict[int, Verdict]:
    """Return what `judged` says of several records without a number of today, by their places.

    A search each costs a journey to the database and a plan: here all of them share a few. Who has more
    namesakes than can be looked at is rare, and searched alone.
    """
    verdicts: dict[int, Verdict] = {}
    legacy = {c.legacy_id_number for c in claimed.values() if c.legacy_id_number is not None}
    holders = await repository.by_legacy_numbers(session, sorted(legacy), most=MOST_WEIGHED)
    for whole, mine in _alike(claimed).items():
        found = await repository.people_together(
            session, mine, whole=whole, scope=scope, most=MOST_WEIGHED + 1
        )
        crowded = {place for place, namesakes in found.items() if len(namesakes) > MOST_WEIGHED}
        for place in crowded:
            verdicts[place] = await judged(session, claimed[place], scope)
            del found[place]
        # In a thread: calls that wait for an answer are not held up by thousands of candidates.
        verdicts |= await asyncio.to_thread(_weigh_all, claimed, holders, found, scope)
    return verdicts


def _weigh_all(
    claimed: Mapping[int, Claimed],
    holders: Mapping[str, list[PersonRow]],
    namesakes: Mapping[int, list[PersonRow]],
    scope: Scope,
) -> dict[int, Verdict]:
    """Return the verdicts on whoever has a stated old number and on all namesakes, by place."""
    verdicts = {}
    for place, alike in namesakes.items():
        one = claimed[place]
        rows = {row["personal_id"]: row for row in holders.get(one.legacy_id_number or "", ())}
        rows |= {row["personal_id"]: row for row in alike}
        verdicts[place] = _judged(one, [row for row in rows.values() if covered(scope, row)])
    return verdicts


def _alike(claimed: Mapping[int, Claimed]) -> dict[bool, dict[int, tuple[Names, Spans]]]:
    """Return how to look for namesakes, by whether the whole name narrows as it does for one record."""
    found: dict[bool, dict[int, tuple[Names, Spans]]] = {False: {}, True: {}}
    for place, one in claimed.items():
        names, spans = same_names(one.name), one.birth_date.match_spans()
        found[one.birth_date.day is None and bool(names.whole)][place] = (names, spans)
    return found


def _judged(claimed: Claimed, rows: list[PersonRow], *, too_many: bool = False) -> Verdict:
    """Return the verdict, with whoever has a stated number: each answer tells something about them.

    Else the rest of a record could be guessed with a number for ever, as long as each guess is bad enough.
    """
    verdict = judge([weigh(claimed, row) for row in rows], too_many=too_many)
    holders = tuple(sorted(row["personal_id"] for row in rows if _numbered(claimed, row)))
    return replace(verdict, holders=holders, searched=True)


def _numbered(claimed: Claimed, row: PersonRow) -> bool:
    legacy = claimed.legacy_id_number
    return row["personal_id"] == claimed.personal_id or (
        legacy is not None and row["legacy_id_number"] == legacy
    )


async def _namesakes(session: AsyncSession, claimed: Claimed, scope: Scope) -> tuple[list[PersonRow], bool]:
    """Return people of that given name and birth date, and whether there are too many to look at.

    Not by surname, which nearly four of ten share; the whole name narrows where the rest is not enough.
    """
    names = same_names(claimed.name)
    spans = claimed.birth_date.match_spans()
    wide = Names(given=names.given)
    for keys in (wide, names) if claimed.birth_date.day is not None else (names,):
        rows = await repository.people(session, keys, spans=spans, scope=scope, most=MOST_WEIGHED + 1)
        if len(rows) <= MOST_WEIGHED:
            return rows, False
    return rows[:MOST_WEIGHED], True
