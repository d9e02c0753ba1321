"""What is answered about households, each with its disclosure record."""

from collections.abc import Sequence
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.households import book, repository
from svc_population.households.errors import HouseholdNotFound
from svc_population.households.models import Household
from svc_population.households.schemas import (
    FormerMemberOut,
    HeadlessHouseholdOut,
    HeadlessHouseholdsOut,
    HouseholdDetailOut,
    HouseholdMemberOut,
)
from svc_population.households.vocabulary import HouseholdState, RelationToHead

GROUPS = (FieldGroup.HOUSEHOLD, FieldGroup.RELATION_TO_HEAD)


def require_scope(grant: Grant, household: Household) -> None:
    if not grant.covers(household.province_code, household.commune_code):
        raise HouseholdNotFound


async def get_household(
    session: AsyncSession, *, caller: Caller, grant: Grant, number: str
) -> HouseholdDetailOut:
    """Return a household with its members and those who left, with a record of the read about each.

    Raises:
        FieldGroupNotCovered: the agreement does not hold both groups.
        HouseholdNotFound: there is none, or it lies outside the agreement's scope.
    """
    grant.require_field_groups(GROUPS)
    household = await repository.household(session, number)
    if household is None:
        members = await repository.members(session, number)
        if not members:
            raise HouseholdNotFound
        household = Household(**book.derived(number, members), version=0, id=None)
    require_scope(grant, household)
    return await answer(session, caller, grant, household)


async def answer(
    session: AsyncSession, caller: Caller, grant: Grant, household: Household, *, also: Sequence[str] = ()
) -> HouseholdDetailOut:
    members = await repository.members(session, household.number)
    former = await repository.former(session, household.number)
    numbers = [*(m.personal_id for m in members), *(m.personal_id for m in former), *also]
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=list(dict.fromkeys(numbers)),
        field_groups=GROUPS,
        outcome=Outcome.DISCLOSED,
    )
    household_id: UUID | None = household.id
    return HouseholdDetailOut(
        number=household.number,
        household_id=household_id,
        state=HouseholdState(household.state),
        version=household.version,
        province_code=household.province_code,
        commune_code=household.commune_code,
        address=household.address,
        members=tuple(
            HouseholdMemberOut(
                personal_id=m.personal_id,
                name=m.name,
                relation_to_head=RelationToHead(m.relation_to_head) if m.relation_to_head else None,
            )
            for m in members
        ),
        former_members=tuple(
            FormerMemberOut.model_validate(
                {
                    name: getattr(m, name)
                    for name in ("personal_id", "relation_to_head", "since", "ended_on", "end_cause")
                }
            )
            for m in former
        ),
    )


async def list_headless_households(
    session: AsyncSession, *, grant: Grant, cursor: str | None, limit: int
) -> HeadlessHouseholdsOut:
    """Return the households of the agreement's scope that wait for another head; no names, no numbers."""
    scope = grant.agreement.admin_scope
    waiting = await repository.headless(
        session, provinces=scope.provinces, communes=scope.communes, after=cursor or "", limit=limit + 1
    )
    items = tuple(
        HeadlessHouseholdOut(
            number=h.number, commune_code=h.commune_code, since=h.recorded_at.astimezone(VIETNAM).date()
        )
        for h in waiting[:limit]
    )
    return HeadlessHouseholdsOut(items=items, next_cursor=items[-1].number if len(waiting) > limit else None)
