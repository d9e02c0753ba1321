"""Use cases of dependants: a birth registers one, a parent claims one, a death closes, an agency reads."""

from datetime import UTC, date, datetime
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_contracts.disclosure import Outcome
from ndx_contracts.events import BirthRegistered
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_tax_link.dependants import events, repository
from svc_tax_link.dependants.errors import (
    ClaimOutsideRule,
    DependantMonthTaken,
    DependantNotFound,
    PayerCannotClaim,
)
from svc_tax_link.dependants.models import Claim, Dependant, DependantState
from svc_tax_link.dependants.months import ChildRule, child_rule, month_after, month_of, read_month, written
from svc_tax_link.dependants.schemas import DependantClaimIn, DependantOut, DependantsOut
from svc_tax_link.taxpayers import service as taxpayers

ENTITY = "dependant"
CHILD = "CHILD"
_GROUPS = (FieldGroup.TAX_REGISTRATION,)


def vietnamese_day(instant: datetime) -> date:
    return instant.astimezone(VIETNAM).date()


async def register_for_birth(
    session: AsyncSession, actor: Actor, *, gateway: GatewayClient, birth: BirthRegistered
) -> Dependant | None:
    """Register a newborn as dependant, counted with a parent who is a taxpayer, if one is.

    None when the child was registered before, or was of age when the birth was registered. A death that was
    heard of before the birth closes the dependant at once.
    """
    personal_id = birth.personal_id
    await taxpayers.hold(session, personal_id)
    if await repository.by_personal_id(session, personal_id) is not None:
        return None
    asked_at = datetime.now(UTC)
    person = await taxpayers.fetch(gateway, personal_id)
    registered_on = vietnamese_day(birth.registered_at)
    rule = child_rule(registered_on)
    if rule is None or rule.last_month(person.birth_date) < month_of(registered_on):
        return None
    died_on = await taxpayers.death_of(session, personal_id)
    payer = await _first_payer(session, rule, birth)
    dependant = Dependant(
        id=new_id(),
        personal_id=personal_id,
        name=person.birth_name.full,
        birth_date=person.birth_date,
        fetched_at=asked_at,
        mother_personal_id=birth.mother_personal_id,
        father_personal_id=birth.father_personal_id,
        state=_first_state(died_on, payer).value,
        died_on=died_on,
    )
    await repository.add(session, dependant)
    from_month = month_of(person.birth_date)
    last_month = rule.last_month(person.birth_date)
    if died_on is not None:
        last_month = max(from_month, min(last_month, month_of(died_on)))
    if payer is not None:
        await repository.add_claim(session, _claim(dependant.number, payer[1], from_month, last_month, rule))
    await _announce(
        session,
        actor,
        dependant,
        action="dependant_registered",
        payer=payer[0] if payer is not None else None,
        from_month=from_month,
    )
    return dependant


async def _first_payer(
    session: AsyncSession, rule: ChildRule, birth: BirthRegistered
) -> tuple[str, UUID] | None:
    parents = {"MOTHER": birth.mother_personal_id, "FATHER": birth.father_personal_id}
    ordered = [number for role in rule.first_payer if (number := parents[role]) is not None]
    payers = await taxpayers.living_payers(session, ordered)
    first = next((number for number in ordered if number in payers), None)
    return None if first is None else (first, payers[first])


def _first_state(died_on: date | None, payer: object | None) -> DependantState:
    if died_on is not None:
        return DependantState.CLOSED
    return DependantState.UNCLAIMED if payer is None else DependantState.CLAIMED


def _claim(number: int, taxpayer_id: UUID, from_month: date, to_month: date, rule: ChildRule) -> Claim:
    return Claim(
        id=new_id(),
        dependant_number=number,
        taxpayer_id=taxpayer_id,
        relation=CHILD,
        from_month=from_month,
        to_month=to_month,
        rule=rule.name,
    )


async def _announce(
    session: AsyncSession,
    actor: Actor,
    dependant: Dependant,
    *,
    action: str,
    payer: str | None,
    from_month: date,
) -> None:
    await record_audit(
        session,
        actor,
        action=action,
        entity_type=ENTITY,
        entity_id=dependant.id,
        details={"state": dependant.state, "from_month": written(from_month)},
    )
    await publish(
        session,
        events.registered(
            dependant_id=dependant.id,
            personal_id=dependant.personal_id,
            payer_personal_id=payer,
            from_month=from_month,
        ),
    )


async def close_for_death(session: AsyncSession, actor: Actor, *, personal_id: str, died_on: date) -> None:
    """Close a person who died as dependant and as taxpayer; whom they counted waits for another payer.

    The month of death is the last one counted.
    """
    await taxpayers.hold(session, personal_id)
    taxpayer_id = await taxpayers.close_for_death(session, personal_id=personal_id, died_on=died_on)
    last_month = month_of(died_on)
    dependant = await repository.close_dependant(session, personal_id, died_on)
    if dependant is not None:
        await repository.stop_claims(
            session,
            last_month=max(last_month, month_of(dependant.birth_date)),
            dependant_number=dependant.number,
        )
        await record_audit(
            session, actor, action="dependant_closed", entity_type=ENTITY, entity_id=dependant.id
        )
    if taxpayer_id is None:
        return
    await repository.lock_counted_with(session, taxpayer_id)
    cut = await repository.stop_claims(session, last_month=last_month, taxpayer_id=taxpayer_id)
    await record_audit(
        session,
        actor,
        action="taxpayer_closed",
        entity_type=taxpayers.ENTITY,
        entity_id=taxpayer_id,
        details={"claims_stopped": len(cut)},
    )
    for freed in await repository.set_unclaimed(session, cut) if cut else ():
        # A claim that never counted a month leaves the child free from birth on.
        first_free = max(month_after(last_month), month_of(freed.birth_date))
        await _announce(
            session, actor, freed, action="dependant_unclaimed", payer=None, from_month=first_free
        )


async def claim_dependant(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    request: DependantClaimIn,
    sessions: async_sessionmaker[AsyncSession],
) -> DependantOut:
    """Count a child with a parent who is a taxpayer, from a month on; repeating it changes nothing.

    Raises:
        TaxpayerNotFound, PayerCannotClaim: nobody who can claim is registered under the number.
        DependantNotFound: there is no such dependant, or the taxpayer is no parent: not told apart.
        ClaimOutsideRule: the month lies before the birth, after full age, or the child has died.
        DependantMonthTaken: another taxpayer counts one of the months.
    """
    payer = await taxpayers.require_taxpayer(
        session, caller, grant, personal_id=personal_id, sessions=sessions
    )
    await taxpayers.hold(session, request.dependant_personal_id)
    if not await taxpayers.living_payers(session, [personal_id]):
        raise PayerCannotClaim
    dependant = await repository.by_personal_id(session, request.dependant_personal_id)
    if dependant is None or not dependant.parent(personal_id):
        raise DependantNotFound
    from_month = read_month(request.from_month)
    rule = child_rule(vietnamese_day(datetime.now(UTC)))
    outside = (
        rule is None
        or dependant.died_on is not None
        or not month_of(dependant.birth_date) <= from_month <= rule.last_month(dependant.birth_date)
    )
    if rule is None or outside:
        raise ClaimOutsideRule
    claim = _claim(dependant.number, payer.id, from_month, rule.last_month(dependant.birth_date), rule)
    if await repository.add_claim(session, claim):
        await repository.set_claimed(session, dependant.number)
        await _announce(
            session,
            caller,
            dependant,
            action="dependant_claimed",
            payer=personal_id,
            from_month=from_month,
        )
    else:
        held = await repository.active_claim(session, dependant.number, payer.id, from_month)
        if held is None:
            raise DependantMonthTaken
        claim = held
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[personal_id, dependant.personal_id],
        field_groups=_GROUPS,
        outcome=Outcome.DISCLOSED,
    )
    return _shown(dependant, claim)


async def list_dependants(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    sessions: async_sessionmaker[AsyncSession],
) -> DependantsOut:
    """Disclose all dependants of one taxpayer; the record names taxpayer and dependants.

    Raises:
        TaxpayerNotFound: recorded as a disclosure too, for the asker learnt that.
    """
    payer = await taxpayers.require_taxpayer(
        session, caller, grant, personal_id=personal_id, sessions=sessions
    )
    found = await repository.of_taxpayer(session, payer.id)
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=list(dict.fromkeys([personal_id, *(d.personal_id for d, _ in found)])),
        field_groups=_GROUPS,
        outcome=Outcome.DISCLOSED,
    )
    return DependantsOut(items=tuple(_shown(dependant, claim) for dependant, claim in found))


def _shown(dependant: Dependant, claim: Claim) -> DependantOut:
    return DependantOut(
        dependant_id=dependant.id,
        personal_id=dependant.personal_id,
        name=dependant.name,
        birth_date=dependant.birth_date,
        relation=claim.relation,
        from_month=written(claim.from_month),
        to_month=None if claim.to_month is None else written(claim.to_month),
        state=dependant.state,
    )
