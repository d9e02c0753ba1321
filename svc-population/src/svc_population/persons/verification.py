"""Answers claims about a person with yes or no, records the answer, and stops fishing for values.

Each wrong answer is a guess, counted per agency and person in the database. Questions about an order of dates
(an age, before, after) tell something by a yes too, and a few of them close in on a birth date: the first day
that an agency compares it with is free, each further one within the window is a guess, whatever the answer.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Protocol

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.names import composed, same_name
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons import repository, service
from svc_population.persons.errors import TooManyWrongGuesses
from svc_population.persons.schemas import (
    AliveClaim,
    AtLeastAgeClaim,
    Claim,
    ClaimField,
    ClaimOut,
    DateOrderClaim,
    FoldedEqualsClaim,
    VerifyIn,
    VerifyOut,
)
from svc_population.persons.vocabulary import LifeStatus


class Claimable(Protocol):
    """A person as far as claims go; the other fields are found by their names."""

    @property
    def birth_date(self) -> date: ...
    @property
    def life_status(self) -> str: ...
    @property
    def full_name(self) -> str: ...


_COLUMN = {ClaimField.ETHNICITY: "ethnicity_code"}


async def verify(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    claims: VerifyIn,
    wrong_guesses: int,
) -> VerifyOut:
    """Say yes or no to each claim.

    Raises:
        FieldGroupNotCovered: a claim is about a group outside the agreement.
        PersonNotFound: no such person within the agreement's scope; this is recorded, too.
        TooManyWrongGuesses: the agency got too many wrong answers about this person today.
    """
    groups = claims.field_groups
    grant.require_field_groups(groups)
    person = await service.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=groups,
        lock=False,
    )
    guard = await guesses_left(
        session, agency=caller.agency, personal_id=person.personal_id, most=wrong_guesses
    )
    day = datetime.now(UTC).astimezone(VIETNAM).date()
    answer, _ = answered(person, claims, day)
    answers = [(r.matched, _bound(c, day)) for r, c in zip(answer.results, claims.claims, strict=True)]
    await count_answers(session, guard, answers)
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[person.personal_id],
        field_groups=groups,
        outcome=Outcome.MATCHED if answer.all_matched else Outcome.NOT_MATCHED,
    )
    return answer


def answered(person: Claimable, claims: VerifyIn, day: date) -> tuple[VerifyOut, frozenset[date]]:
    """Return the answers on a day, and the days that the birth date is compared with; nothing is written."""
    results = tuple(
        ClaimOut(kind=c.kind, field=_field(c), matched=holds(person, c, day)) for c in claims.claims
    )
    compared = frozenset(bound for c in claims.claims if (bound := _bound(c, day)) is not None)
    return VerifyOut(all_matched=all(r.matched for r in results), results=results), compared


async def guesses_left(
    session: AsyncSession, *, agency: str, personal_id: str, most: int
) -> repository.Guesses:
    """Lock and return what an agency has tried about a person within 24 hours.

    Raises:
        TooManyWrongGuesses: as many as it may.
    """
    guard = await guesses(session, agency=agency, personal_id=personal_id)
    if guard.wrong >= most:
        raise TooManyWrongGuesses(retry_after=guard.seconds)
    return guard


async def guesses(session: AsyncSession, *, agency: str, personal_id: str) -> repository.Guesses:
    """Lock and return what an agency has tried about a person within 24 hours; of several in their order."""
    return await repository.guesses(session, agency, personal_id)


async def wrong_guesses(session: AsyncSession, *, agency: str, personal_ids: Sequence[str]) -> dict[str, int]:
    """Return the wrong guesses of the last 24 hours about some people; nothing is locked."""
    return await repository.wrong_guesses(session, agency, personal_ids) if personal_ids else {}


async def count_guesses(session: AsyncSession, agency: str, wrong: Mapping[str, int]) -> dict[str, int]:
    """Count wrong guesses about several people; return how many there are now, held until the end."""
    return await repository.count_guesses(session, agency, wrong)


async def count_guess(session: AsyncSession, guard: repository.Guesses) -> None:
    """Count one more wrong guess."""
    await repository.add_guesses(session, guard, 1, sorted(guard.bounds))


async def count_answers(
    session: AsyncSession, guard: repository.Guesses, answers: Sequence[tuple[bool, date | None]]
) -> None:
    """Count the guesses of a call: was each answer yes, and which day was an order of dates about."""
    bounds = guard.bounds | {bound for _, bound in answers if bound is not None}
    further = max(0, len(bounds) - max(1, len(guard.bounds)))
    in_order = sum(not matched for matched, bound in answers if bound is not None)
    failed = sum(not matched for matched, _ in answers)
    wrong = failed - in_order + max(in_order, further)
    if wrong or bounds != guard.bounds:
        await repository.add_guesses(session, guard, wrong, sorted(bounds))


def _field(claim: Claim) -> str | None:
    return None if isinstance(claim, (AtLeastAgeClaim, AliveClaim)) else claim.field.value


def _bound(claim: Claim, day: date) -> date | None:
    """Return the day that a claim about the order of dates compares the birth date with."""
    if isinstance(claim, DateOrderClaim):
        return claim.value
    if isinstance(claim, AtLeastAgeClaim):
        # The year may have no 29 February; which day stands for it only has to be always the same.
        return date(day.year - claim.years, day.month, min(day.day, 28))
    return None


def holds(person: Claimable, claim: Claim, day: date) -> bool:
    """Tell whether a claim is true on a day."""
    if isinstance(claim, AliveClaim):
        return person.life_status == LifeStatus.ALIVE
    if isinstance(claim, AtLeastAgeClaim):
        return has_reached(person.birth_date, claim.years, day)
    if isinstance(claim, DateOrderClaim):
        born = person.birth_date
        return born < claim.value if claim.kind == "BEFORE" else born > claim.value
    if isinstance(claim, FoldedEqualsClaim):
        return same_name(person.full_name, claim.value)
    if claim.field is ClaimField.BIRTH_NAME:
        return composed(person.full_name) == composed(claim.value)
    value = getattr(person, _COLUMN.get(claim.field, claim.field.value))
    return value is not None and str(value) == claim.value


def has_reached(birth_date: date, years: int, day: date) -> bool:
    """Tell whether a person has completed that many years; who is born on 29 February does on 1 March."""
    try:
        birthday = birth_date.replace(year=birth_date.year + years)
    except ValueError:
        birthday = date(birth_date.year + years, 3, 1)
    return birthday <= day
