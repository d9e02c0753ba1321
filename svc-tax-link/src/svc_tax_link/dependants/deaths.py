"""Use cases of a death: it closes a dependant and a taxpayer, and taken back it opens them again."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.told import Told
from sqlalchemy.ext.asyncio import AsyncSession

from svc_tax_link.dependants import repository
from svc_tax_link.dependants.models import Claim, ClaimState, Dependant, DependantState
from svc_tax_link.dependants.months import Months, common_months, month_after, month_of
from svc_tax_link.dependants.repository import Cut
from svc_tax_link.dependants.service import ENTITY, announce
from svc_tax_link.taxpayers import service as taxpayers


async def close_for_death(
    session: AsyncSession, actor: Actor, *, personal_id: str, died_on: date, told: Told | None
) -> None:
    """Close a person who died as dependant and as taxpayer; whom they counted waits for another payer.

    The month of death is the last one counted. Of two words about one record the later version counts.
    """
    await taxpayers.hold(session, personal_id)
    noted = await taxpayers.close_for_death(session, personal_id=personal_id, died_on=died_on, told=told)
    if noted is None:
        return
    number = (await taxpayers.today(session, [personal_id]))[personal_id]
    # Where another day was told before: what that one had stopped is stopped anew.
    before = await _unstop(session, number, noted.cut)
    cut: list[Cut] = []
    last_month = month_of(died_on)
    dependant = await repository.close_dependant(session, number, died_on)
    if dependant is not None:
        cut += await repository.stop_claims(
            session,
            last_month=max(last_month, month_of(dependant.birth_date)),
            dependant_number=dependant.number,
        )
        await record_audit(
            session, actor, action="dependant_closed", entity_type=ENTITY, entity_id=dependant.id
        )
    if noted.taxpayer_id is not None:
        cut += await _close_payer(session, actor, noted.taxpayer_id, last_month)
    await taxpayers.note_cut(session, personal_id, [*before, *(_note(each) for each in cut)])


async def _unstop(
    session: AsyncSession, number: str, cut: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Give claims the months back that a death had stopped; return what was changed since, and stays."""
    if not cut:
        return []
    await repository.reopen_dependant(session, number)
    claims = await _claims(session, cut)
    stays = []
    for note in reversed(cut):
        claim = claims.get(UUID(note["claim"]))
        if claim is not None:
            await session.refresh(claim)
        if claim is None or not await _is_free(session, claim, note):
            stays.append(note)
            continue
        months = _read(note["before"])
        await repository.write_months(session, claim.id, state=ClaimState.ACTIVE, months=months)
    return stays[::-1]


async def _close_payer(session: AsyncSession, actor: Actor, taxpayer_id: UUID, last_month: date) -> list[Cut]:
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
    numbers = [each.dependant_number for each in cut]
    for freed in await repository.set_unclaimed(session, numbers) if numbers else ():
        # A claim that never counted a month leaves the child free from birth on.
        first_free = max(month_after(last_month), month_of(freed.birth_date))
        await announce(session, actor, freed, action="dependant_unclaimed", payer=None, from_month=first_free)
    return cut


async def live_on(
    session: AsyncSession, actor: Actor, *, personal_id: str, told: Told | None, beside: str | None = None
) -> None:
    """Open a person again whose death was taken back, or was that of `beside`, with whom they were merged.

    Claims count again what they counted before, unless somebody else counts one of these months by now, or
    the other one of the two has died: those months are claimed anew at an office.
    """
    await taxpayers.hold(session, personal_id)
    noted = await taxpayers.reopen(session, personal_id=personal_id, told=told)
    if noted is None:
        return
    number = (await taxpayers.today(session, [personal_id]))[personal_id]
    dependant = await repository.reopen_dependant(session, number)
    if dependant is not None:
        await record_audit(
            session, actor, action="dependant_reopened", entity_type=ENTITY, entity_id=dependant.id
        )
    if noted.taxpayer_id is not None:
        await record_audit(
            session,
            actor,
            action="taxpayer_reopened",
            entity_type=taxpayers.ENTITY,
            entity_id=noted.taxpayer_id,
        )
    cut = [*noted.cut, *(await taxpayers.cut_of(session, beside) if beside is not None else ())]
    await _give_back(session, actor, cut)
    if dependant is not None:
        await _tell_unclaimed(session, actor, dependant)


async def _tell_unclaimed(session: AsyncSession, actor: Actor, dependant: Dependant) -> None:
    """Tell of a child whom nobody counts again from which month on somebody may."""
    await session.refresh(dependant)
    if dependant.state != DependantState.UNCLAIMED:
        return
    counted = [claim.to_month for claim in await repository.active_claims(session, dependant.number)]
    last = max((month for month in counted if month is not None), default=None)
    first_free = month_of(dependant.birth_date) if last is None else month_after(last)
    await announce(session, actor, dependant, action="dependant_unclaimed", payer=None, from_month=first_free)


async def _give_back(session: AsyncSession, actor: Actor, cut: Sequence[Mapping[str, Any]]) -> None:
    claims = await _claims(session, cut)
    held = await repository.hold_dependants(session, sorted({c.dependant_number for c in claims.values()}))
    dependants = {dependant.number: dependant for dependant in held}
    for note in reversed(cut):
        claim = claims.get(UUID(note["claim"]))
        if claim is None:
            continue
        await session.refresh(claim)
        dependant = dependants[claim.dependant_number]
        payer = await taxpayers.living_payer(session, claim.taxpayer_id)
        if dependant.died_on is None and payer is not None and await _is_free(session, claim, note):
            await _resume(session, actor, claim, dependant, note, payer)


async def _claims(session: AsyncSession, cut: Sequence[Mapping[str, Any]]) -> dict[UUID, Claim]:
    """Return the claims that are noted; their dependants are locked, as always before claims."""
    found = [await repository.claim(session, UUID(note["claim"])) for note in cut]
    claims = {claim.id: claim for claim in found if claim is not None}
    await repository.hold_dependants(session, sorted({c.dependant_number for c in claims.values()}))
    return claims


async def _is_free(session: AsyncSession, claim: Claim, note: Mapping[str, Any]) -> bool:
    """Tell whether a claim is as the death left it, and its months are nobody else's."""
    if [claim.state, *_noted(claim.months)] != note["after"]:
        return False
    before = _read(note["before"])
    others = await repository.active_claims(session, claim.dependant_number)
    return not any(o.id != claim.id and common_months(o.months, before) is not None for o in others)


async def _resume(  # noqa: PLR0917 - the facts of one claim
    session: AsyncSession,
    actor: Actor,
    claim: Claim,
    dependant: Dependant,
    note: Mapping[str, Any],
    payer: str,
) -> None:
    before = _read(note["before"])
    counted_to = None if claim.state == ClaimState.VOID else claim.to_month
    await repository.write_months(session, claim.id, state=ClaimState.ACTIVE, months=before)
    await repository.set_claimed(session, claim.dependant_number)
    await session.refresh(dependant)
    first = before[0] if counted_to is None else month_after(counted_to)
    await announce(session, actor, dependant, action="dependant_claimed", payer=payer, from_month=first)


def _note(cut: Cut) -> dict[str, Any]:
    return {
        "claim": str(cut.claim_id),
        "before": _noted(cut.before),
        "after": [cut.state.value, *_noted(cut.after)],
    }


def _noted(months: Months) -> list[str | None]:
    first, last = months
    return [first.isoformat(), None if last is None else last.isoformat()]


def _read(noted: Sequence[str | None]) -> Months:
    first, last = noted
    return date.fromisoformat(str(first)), None if last is None else date.fromisoformat(last)
