"""Use case: register a list of agencies; safe to repeat, and a wrong one does not hinder the others."""

from ndx_chassis.caller import Operator
from ndx_chassis.errors import DomainError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.errors import AgencyExists
from gateway.agencies.vocabulary import AgencyState, Role
from gateway.enrolments import repository
from gateway.enrolments.schemas import EnrolledOut, EnrolmentIn, EnrolmentsIn, EnrolmentsOut, Outcome
from gateway.notices import announce

_OPEN = frozenset({AgencyState.REGISTERED, AgencyState.ACTIVE})


async def enrol_agencies(session: AsyncSession, operator: Operator, *, wanted: EnrolmentsIn) -> EnrolmentsOut:
    """Register what is not there, and give each system a code unless it has a certificate already."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    await repository.one_at_a_time(session)
    items = []
    for item in wanted.items:
        try:
            items.append(await _enrol(session, operator, item))
        except DomainError as refused:
            # Each is checked before anything of it is written: the others stand.
            items.append(
                EnrolledOut(
                    agency=item.agency.code,
                    system=item.system,
                    outcome=Outcome.REFUSED,
                    problem=refused.code,
                    detail=refused.detail or refused.title,
                )
            )
    # Once for all of them: the compiler reads the tables whole, not agency by agency.
    await announce(session, "agency")
    return EnrolmentsOut(items=items)


async def _enrol(session: AsyncSession, operator: Operator, item: EnrolmentIn) -> EnrolledOut:
    wanted = item.agency
    known = await agencies.find(session, wanted.code)
    if known is None:
        await agencies.register_agency(session, operator, wanted=wanted, notify=False)
    elif known.agency_class != wanted.agency_class:
        raise AgencyExists(f"{wanted.code} is registered as {known.agency_class}.")
    elif known.state not in _OPEN:
        raise AgencyExists(f"{wanted.code} is {known.state}.")
    enrolled = await agencies.enrolled(session, wanted.code, item.system)
    if enrolled and not item.renew:
        return EnrolledOut(agency=wanted.code, system=item.system, outcome=Outcome.ENROLLED_BEFORE)
    again = enrolled is not None
    made = await agencies.add_system(
        session, operator, agency=wanted.code, code=item.system, renew=again, notify=False
    )
    return EnrolledOut(
        agency=made.agency,
        system=made.system,
        outcome=Outcome.CODE_RENEWED if again else Outcome.REGISTERED,
        enrolment_code=made.enrolment_code,
        expires_at=made.expires_at,
    )
