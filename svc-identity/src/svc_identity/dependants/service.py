"""Use cases of dependants: attach at birth, end by age or death, list for the guardian."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Citizen
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts.locking import is_dead
from svc_identity.accounts.service import record_own_look, usable_account_of
from svc_identity.dependants import events, repository
from svc_identity.dependants.errors import ChildNotKnownYet
from svc_identity.dependants.models import Dependant, EndCause, Relation
from svc_identity.dependants.schemas import DependantList, DependantOut
from svc_identity.population import Newborn, find_person
from svc_identity.rules.calendar import birthday, rules, today

GUARDIAN_LEVEL = 2
"""A child hangs on an account whose holder was seen in person (Decree 69/2024)."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The actor of what happens because a day has come."""

    actor: str = "clock/end_by_age"
    officer: str | None = None
    case_id: str | None = None
    request_id: str = "-"


async def attach_newborn(
    session: AsyncSession,
    runtime: Runtime,
    actor: Actor,
    *,
    child: str,
    parents: Sequence[tuple[Relation, str]],
) -> int:
    """Attach a child to each parent's account of level 2; return how many attachments were made.

    The child's birth date, which the age limit counts from, is asked of the population database, and only
    when a parent has an account: nothing is read in vain.

    Raises:
        ChildNotKnownYet: the population database does not know the child yet; try again.
        ProviderUnavailable: it cannot be asked now.
    """
    accounts: list[tuple[Relation, str, UUID]] = []
    for relation, parent in parents:
        account_id = await usable_account_of(session, parent, level=GUARDIAN_LEVEL)
        if account_id is not None:
            accounts.append((relation, parent, account_id))
    if not accounts:
        return 0
    person = await find_person(runtime, child, Newborn)
    if person is None or person.birth_date is None:
        raise ChildNotKnownYet
    ends_on = birthday(person.birth_date, rules().age("DEPENDANT_UNTIL", today()))
    if ends_on <= today():
        return 0
    made = 0
    for relation, parent, account_id in accounts:
        dependant = await repository.add(
            session,
            id=new_id(),
            account_id=account_id,
            guardian_personal_id=parent,
            dependant_personal_id=child,
            relation=relation,
            birth_date=person.birth_date,
            ends_on=ends_on,
        )
        if dependant is None:
            continue
        made += 1
        await publish(session, events.attached(dependant))
        await record_audit(
            session,
            actor,
            action="dependant_attached",
            entity_type="account",
            entity_id=account_id,
            details={"dependant_id": str(dependant.id), "relation": relation.value},
        )
        log.info("dependant_attached", account_id=str(account_id), relation=relation.value)
    return made


async def end_by_death(session: AsyncSession, actor: Actor, *, personal_id: str) -> int:
    """End what hung on a person who died, be it the child or the guardian."""
    ended = 0
    for cause, ending in (
        (
            EndCause.DEPENDANT_DECEASED,
            await repository.end(session, EndCause.DEPENDANT_DECEASED, dependant=personal_id),
        ),
        (
            EndCause.GUARDIAN_DECEASED,
            await repository.end(session, EndCause.GUARDIAN_DECEASED, guardian=personal_id),
        ),
    ):
        await _announce(session, actor, cause, ending)
        ended += len(ending)
    return ended


async def resume_after_death(
    session: AsyncSession, actor: Actor, *, personal_id: str, but: Collection[UUID] = ()
) -> int:
    """Attach again what a death had ended that was taken back: children below the age, living guardians.

    They hang on the account that stands for the guardian's numbers by now.
    """
    resumed = []
    for dependant in await repository.ended_by_death(session, personal_id, day=today()):
        both = (dependant.dependant_personal_id, dependant.guardian_personal_id)
        if dependant.id in but or any([await is_dead(session, number) for number in both]):
            continue
        account_id = await usable_account_of(session, both[1], level=GUARDIAN_LEVEL)
        if account_id is not None and not await repository.hangs_on(session, account_id, both[0]):
            dependant.account_id = account_id
        dependant.ended_at, dependant.end_cause = None, None
        resumed.append(dependant)
    await session.flush()
    await publish(session, *(events.attached(d) for d in resumed))
    for dependant in resumed:
        await record_audit(
            session,
            actor,
            action="dependant_attached",
            entity_type="account",
            entity_id=dependant.account_id,
            details={"dependant_id": str(dependant.id), "relation": dependant.relation.value},
        )
    return len(resumed)


async def end_by_age(session: AsyncSession, day: date) -> int:
    """End attachments whose age limit has come."""
    ending = await repository.end(session, EndCause.AGE, due=day)
    await _announce(session, Clock(), EndCause.AGE, ending)
    return len(ending)


async def _announce(
    session: AsyncSession, actor: Actor, cause: EndCause, ending: Sequence[Dependant]
) -> None:
    await publish(session, *(events.detached(d, cause) for d in ending))
    for dependant in ending:
        await record_audit(
            session,
            actor,
            action="dependant_detached",
            entity_type="account",
            entity_id=dependant.account_id,
            details={"dependant_id": str(dependant.id), "cause": cause.value},
        )


async def list_dependants(session: AsyncSession, citizen: Citizen) -> DependantList:
    """List the children attached to the citizen's account, youngest first.

    Raises:
        AccountNotFound: the token's subject has no account here.
    """
    await record_own_look(session, citizen, action="own_dependants_viewed")
    found = await repository.current_of(session, citizen.account_id, day=today())
    return DependantList(
        items=tuple(
            DependantOut(
                dependant_id=d.id,
                personal_id=d.dependant_personal_id,
                relation=d.relation,
                birth_date=d.birth_date,
                attached_at=d.attached_at,
                ends_on=d.ends_on,
            )
            for d in found
        )
    )
