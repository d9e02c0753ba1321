"""Use cases of dependants: a birth registers one, a parent claims one, a death closes, an agency reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.consumer import Event
from ndx_chassis.disclosure import disclose, found
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
from svc_tax_link.dependants.months import (
    ChildRule,
    child_rule,
    common_months,
    month_of,
    read_month,
    written,
)
from svc_tax_link.dependants.schemas import (
    CountedDependantOut,
    DependantClaimIn,
    DependantOut,
    DependantsOut,
    MonthsOut,
)
from svc_tax_link.taxpayers import service as taxpayers

ENTITY = "dependant"
CHILD = "CHILD"
GROUPS = (FieldGroup.TAX_REGISTRATION,)


def vietnamese_day(instant: datetime) -> date:
    return instant.astimezone(VIETNAM).date()


@dataclass(frozen=True, slots=True)
class _Newborn:
    """A birth's child as it is about to be registered."""

    birth: Event[BirthRegistered]
    dependant: Dependant
    rule: ChildRule
    payer: tuple[str, UUID] | None

    @property
    def from_month(self) -> date:
        return month_of(self.dependant.birth_date)

    @property
    def last_month(self) -> date:
        last = self.rule.last_month(self.dependant.birth_date)
        if self.dependant.died_on is None:
            return last
        return max(self.from_month, min(last, month_of(self.dependant.died_on)))


async def register_for_births(
    session: AsyncSession, births: Sequence[Event[BirthRegistered]], *, gateway: GatewayClient
) -> None:
    """Register newborns as dependants, each counted with a parent who is a taxpayer, if one is.

    Passed over are children who were registered before, or were of age when the birth was registered. A death
    that was heard of before the birth closes the dependant at once.
    """
    asked_at = datetime.now(UTC)
    # Asked before anybody is held: others need not wait for the population database.
    seen = set((await taxpayers.today(session, [birth.data.personal_id for birth in births])).values())
    unknown = sorted(seen - await repository.known(session, sorted(seen)))
    people = await taxpayers.fetch(gateway, unknown) if unknown else {}
    named = {n for b in births for n in (b.data.personal_id, *_parents(b.data).values())}
    today = await taxpayers.hold_today(session, sorted(named))
    by_child = {today[birth.data.personal_id]: birth for birth in births}
    for number in await repository.known(session, list(by_child)):
        del by_child[number]
    if not by_child:
        return
    # A number that was replaced since it was asked about, which is rare.
    replaced = sorted(by_child.keys() - people.keys())
    people |= await taxpayers.fetch(gateway, replaced) if replaced else {}
    deaths = await taxpayers.deaths_of(session, list(by_child))
    parents = {child: _parents(birth.data, today) for child, birth in by_child.items()}
    numbers = {number for both in parents.values() for number in both.values()}
    payers = await taxpayers.living_payers(session, sorted(numbers))
    newborns = []
    for number, birth in by_child.items():
        person, registered_on = people[number], vietnamese_day(birth.data.registered_at)
        rule = child_rule(registered_on)
        if rule is None or rule.last_month(person.birth_date) < month_of(registered_on):
            continue
        payer = _first_payer(rule, parents[number], payers)
        dependant = Dependant(
            id=new_id(),
            personal_id=number,
            name=person.birth_name.full,
            birth_date=person.birth_date,
            fetched_at=asked_at,
            mother_personal_id=parents[number].get("MOTHER"),
            father_personal_id=parents[number].get("FATHER"),
            state=_first_state(deaths.get(number), payer).value,
            died_on=deaths.get(number),
        )
        newborns.append(_Newborn(birth, dependant, rule, payer))
    await repository.add(session, [newborn.dependant for newborn in newborns])
    for newborn in newborns:
        await _count(session, newborn)


async def _count(session: AsyncSession, newborn: _Newborn) -> None:
    dependant, payer = newborn.dependant, newborn.payer
    if payer is not None:
        claim = _claim(dependant.number, payer[1], newborn.from_month, newborn.last_month, newborn.rule)
        await repository.add_claim(session, claim)
    with newborn.birth.trace():
        await announce(
            session,
            newborn.birth,
            dependant,
            action="dependant_registered",
            payer=payer[0] if payer is not None else None,
            from_month=newborn.from_month,
        )


def _parents(birth: BirthRegistered, today: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    numbers = {"MOTHER": birth.mother_personal_id, "FATHER": birth.father_personal_id}
    return {role: today.get(number, number) for role, number in numbers.items() if number is not None}


def _first_payer(
    rule: ChildRule, parents: Mapping[str, str], payers: Mapping[str, UUID]
) -> tuple[str, UUID] | None:
    ordered = [parents[role] for role in rule.first_payer if role in parents]
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


async def announce(
    session: AsyncSession,
    actor: Actor,
    dependant: Dependant,
    *,
    action: str,
    payer: str | None,
    from_month: date,
) -> None:
    """Write down and tell who counts a dependant from a month on."""
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
    # Each refusal from here on is an answer about the payer, and soon about the child.
    found(session, caller, grant=grant, subjects=[personal_id], field_groups=GROUPS)
    await taxpayers.hold(session, request.dependant_personal_id)
    if not await taxpayers.living_payers(session, [payer.personal_id]):
        raise PayerCannotClaim
    asked = request.dependant_personal_id
    child = (await taxpayers.today(session, [asked]))[asked]
    dependant = await repository.by_personal_id(session, child)
    if dependant is None or not dependant.parent(payer.personal_id):
        raise DependantNotFound
    found(session, caller, grant=grant, subjects=[dependant.personal_id], field_groups=GROUPS)
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
    if await _taken_under_former_number(session, claim, child):
        raise DependantMonthTaken
    if await repository.add_claim(session, claim):
        await repository.set_claimed(session, dependant.number)
        await announce(
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
        field_groups=GROUPS,
        outcome=Outcome.DISCLOSED,
    )
    return _shown(dependant, claim)


async def _taken_under_former_number(session: AsyncSession, claim: Claim, child: str) -> bool:
    """Tell whether a claim for another record of the child counts one of the months already.

    The claim itself may stand with the record already: that is no second one.
    """
    held = await repository.active_claim(session, claim.dependant_number, claim.taxpayer_id, claim.from_month)
    former = await taxpayers.leading_to(session, [child])
    if held is not None or not former:
        return False
    others = await repository.claims_by_number(session, sorted(former))
    return any(common_months(claim.months, other.months) is not None for _, other in others)


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
        field_groups=GROUPS,
        outcome=Outcome.DISCLOSED,
    )
    beside = await _counted_beside(session, found)
    return DependantsOut(
        items=tuple(
            CountedDependantOut(
                **_shown(dependant, claim).model_dump(), counted_twice=_months(claim, beside[claim.id])
            )
            for dependant, claim in found
        )
    )


async def _counted_beside(
    session: AsyncSession, found: Sequence[tuple[Dependant, Claim]]
) -> dict[UUID, list[Claim]]:
    """Return for each claim those that count the same person under another record."""
    now = await taxpayers.today(session, [dependant.personal_id for dependant, _ in found])
    former = await taxpayers.leading_to(session, sorted(set(now.values())))
    people = now | former | {number: number for number in now.values()}
    claims = await repository.claims_by_number(session, sorted(people)) if former else ()
    beside: dict[UUID, list[Claim]] = {}
    for dependant, claim in found:
        person = people[dependant.personal_id]
        beside[claim.id] = [
            other
            for number, other in claims
            if people[number] == person and other.dependant_number != claim.dependant_number
        ]
    return beside


def _months(claim: Claim, beside: Sequence[Claim]) -> tuple[MonthsOut, ...]:
    common = (common_months(claim.months, other.months) for other in beside)
    return tuple(
        MonthsOut(from_month=written(first), to_month=None if last is None else written(last))
        for first, last in (months for months in common if months is not None)
    )


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
