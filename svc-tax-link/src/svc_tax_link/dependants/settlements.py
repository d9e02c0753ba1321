"""Use case: an office decides whose months they are that claims for merged records count twice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.agreements import Grant
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import found
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_tax_link.dependants import events, repository, service
from svc_tax_link.dependants.errors import DependantNotFound
from svc_tax_link.dependants.models import Claim, ClaimState, Dependant
from svc_tax_link.dependants.months import Months, common_months, without
from svc_tax_link.dependants.schemas import DependantsOut, SettlementIn
from svc_tax_link.taxpayers import service as taxpayers


async def settle_dependant(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    request: SettlementIn,
    sessions: async_sessionmaker[AsyncSession],
) -> DependantsOut:
    """Let one payer keep the months that several claims count; the others lose these months and no other.

    The answer is what the payer counts from now on. Where nothing is counted twice, nothing changes. When the
    merger is undone, both records are people again and every claim has its months back.

    Raises:
        TaxpayerNotFound: nobody is registered under the payer's number.
        DependantNotFound: the payer does not count this dependant.
    """
    payer = await taxpayers.require_taxpayer(
        session, caller, grant, personal_id=request.payer_personal_id, sessions=sessions
    )
    child = (await taxpayers.today(session, [personal_id]))[personal_id]
    former = await taxpayers.leading_to(session, [child])
    await taxpayers.hold(session, child, *sorted(former))
    claims = await repository.claims_by_number(session, sorted({child, *former}))
    theirs = [claim for _, claim in claims if claim.taxpayer_id == payer.id]
    found(session, caller, grant=grant, subjects=[child], field_groups=service.GROUPS)
    dependant = await repository.by_personal_id(session, child)
    if dependant is None or not theirs:
        raise DependantNotFound
    # The payer's own claims come first, of these the one for the record that stands.
    ranked = sorted(claims, key=lambda c: (c[1].taxpayer_id != payer.id, c[0] != child, c[1].from_month))
    kept: list[tuple[str, Claim]] = []
    freed: list[Months] = []
    for number, claim in ranked:
        for holder, other in kept:
            common = common_months(claim.months, other.months)
            if other.dependant_number != claim.dependant_number and common is not None:
                # What is noted with a former number is given back when its merger is undone.
                noted_with, beside = (number, holder) if number != child else (holder, number)
                await _cut(session, claim, other.months, noted_with=noted_with, beside=beside)
                freed.append(common)
                break
        else:
            kept.append((number, claim))
    if freed:
        await _tell(session, caller, dependant, freed, request)
    return await service.list_dependants(
        session, caller, grant, personal_id=payer.personal_id, sessions=sessions
    )


async def _cut(session: AsyncSession, claim: Claim, months: Months, *, noted_with: str, beside: str) -> None:
    """Take months from a claim: it keeps its first rest, another rest is a claim of its own."""
    before = _noted(claim.months)
    rests = without(claim.months, months)
    state, first = (ClaimState.ACTIVE, rests[0]) if rests else (ClaimState.VOID, claim.months)
    await repository.write_months(session, claim.id, state=state, months=first)
    more = [
        Claim(
            id=new_id(),
            dependant_number=claim.dependant_number,
            taxpayer_id=claim.taxpayer_id,
            relation=claim.relation,
            from_month=rest[0],
            to_month=rest[1],
            rule=claim.rule,
        )
        for rest in rests[1:]
    ]
    for rest in more:
        await repository.add_claim(session, rest)
    note = {
        "beside": beside,
        "claim": str(claim.id),
        "before": before,
        "after": [state.value, *_noted(first)],
        "more": [str(rest.id) for rest in more],
    }
    settled = (await former_numbers.kept_of(session, noted_with)).get("settled", [])
    await former_numbers.keep(session, noted_with, {"settled": [*settled, note]})


@dataclass(frozen=True, slots=True)
class Settled:
    """What one settlement took from a claim, and the two numbers that had to be one person for it."""

    numbers: tuple[str, str]
    note: Mapping[str, Any]


async def settled_among(session: AsyncSession, numbers: Iterable[str]) -> list[Settled]:
    """Return what was settled between records of these numbers."""
    found = []
    for number in sorted(numbers):
        for note in (await former_numbers.kept_of(session, number)).get("settled", []):
            beside = note.get("beside") or (await taxpayers.today(session, [number]))[number]
            found.append(Settled((number, beside), note))
    return found


async def review(session: AsyncSession, settled: Sequence[Settled]) -> None:
    """Give claims the months back where the two numbers are two people again; the rest stays settled.

    What stays is noted anew with a number that leads to another one: parting a number forgets its notes.
    """
    numbers = sorted({number for each in settled for number in each.numbers})
    now = await taxpayers.today(session, numbers)
    stays: dict[str, list[Mapping[str, Any]]] = {number: [] for number in numbers if now[number] != number}
    apart = []
    for each in settled:
        one, other = each.numbers
        if now[one] != now[other]:
            apart.append(each.note)
            continue
        noted_with, beside = (one, other) if one in stays else (other, one)
        if noted_with in stays:
            stays[noted_with].append({**each.note, "beside": beside})
    for number, notes in stays.items():
        await former_numbers.keep(session, number, {"settled": notes})
    # Of several cuts of one claim the last one fits first.
    while given := [note for note in apart if await _give_back(session, note)]:
        apart = [note for note in apart if note not in given]


async def _give_back(session: AsyncSession, note: Mapping[str, Any]) -> bool:
    """Give a claim the months back that a settlement took; False when it was changed since.

    So a claim that was closed meanwhile, as by the payer's death, stays as it is.
    """
    claim = await repository.claim(session, UUID(note["claim"]))
    if claim is None:
        return False
    await session.refresh(claim)
    if [claim.state, *_noted(claim.months)] != note["after"]:
        return False
    for each in note["more"]:
        rest = await repository.claim(session, UUID(each))
        if rest is not None:
            await repository.write_months(session, rest.id, state=ClaimState.VOID, months=rest.months)
    first, last = note["before"]
    months = (date.fromisoformat(first), None if last is None else date.fromisoformat(last))
    await repository.write_months(session, claim.id, state=ClaimState.ACTIVE, months=months)
    return True


async def _tell(
    session: AsyncSession,
    caller: Caller,
    dependant: Dependant,
    freed: Sequence[Months],
    request: SettlementIn,
) -> None:
    await record_audit(
        session,
        caller,
        action="dependant_settled",
        entity_type=service.ENTITY,
        entity_id=dependant.id,
        details={"document": request.document, "claims_cut": len(freed)},
    )
    about = (dependant.id, dependant.personal_id)
    told = [events.counted_twice(*about, months, undone=True, settled=True) for months in freed]
    await publish(session, *told)


def _noted(months: Months) -> list[str | None]:
    first, last = months
    return [first.isoformat(), None if last is None else last.isoformat()]
