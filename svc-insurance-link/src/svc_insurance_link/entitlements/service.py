"""Use cases of entitlements: a birth opens, a death ends, a correction moves, an agency reads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, Grant, OutsideAdminScope
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.consumer import Event
from ndx_chassis.disclosure import disclose
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_chassis.told import Told
from ndx_contracts.disclosure import Outcome
from ndx_contracts.events import BirthRegistered
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_insurance_link.entitlements import events, repository, rules
from svc_insurance_link.entitlements.intervals import Cover
from svc_insurance_link.entitlements.models import EndCause, Entitlement
from svc_insurance_link.entitlements.schemas import EntitlementOut, EntitlementsOut, IdentityCopyOut
from svc_insurance_link.participants import service as participants
from svc_insurance_link.participants.errors import ParticipantNotFound
from svc_insurance_link.participants.service import KnownParticipant

ENTITY = "entitlement"
IDENTITY_GROUPS = frozenset({"birth_name", "birth_date", "sex"})


def today() -> date:
    """Return the day in Vietnam."""
    return vietnamese_day(datetime.now(UTC))


def vietnamese_day(instant: datetime) -> date:
    return instant.astimezone(VIETNAM).date()


async def open_for_births(
    session: AsyncSession, births: Sequence[Event[BirthRegistered]], *, gateway: GatewayClient
) -> None:
    """Make the children participants and open the entitlement that the rule in force gives each.

    Nothing is opened where it was before, or where the birth was registered too late for the rule. A death
    that was heard of before the birth ends the entitlement at once.
    """
    told = [birth.data.personal_id for birth in births]
    await participants.hold(session, *told)
    # A number may lead to another one before its birth is told: the child is known by that of today.
    now = await participants.numbers_of_today(session, told)
    await participants.hold(session, *now.values())
    by_child = {now[birth.data.personal_id]: birth for birth in births}
    known = await participants.known(session, list(by_child))
    unknown = {number: birth for number, birth in by_child.items() if number not in known}
    new = await participants.take_over(session, unknown, gateway=gateway)
    for number, birth in by_child.items():
        participant = new.get(number) or known[number]
        if number in known and await repository.has_kind(session, participant.id, rules.CHILD_UNDER_6):
            continue
        with birth.trace():
            await _open(session, birth, participant, on=vietnamese_day(birth.data.registered_at))


async def _open(
    session: AsyncSession, actor: Actor, participant: KnownParticipant, *, on: date
) -> Entitlement | None:
    given = rules.child_under_6(participant.birth_date, on=on)
    if given is None or given.valid_to < on:
        return None
    entitlement = Entitlement(
        id=new_id(),
        participant_id=participant.id,
        kind=given.kind,
        participant_group=given.participant_group,
        benefit_level=given.benefit_level,
        valid_from=given.valid_from,
        valid_to=given.valid_to,
        rule=given.rule,
    )
    if participant.died_on is not None:
        entitlement.ended_on = participant.died_on
        entitlement.end_cause = EndCause.DEATH.value
    repository.add(session, entitlement)
    await record_audit(
        session,
        actor,
        action="entitlement_opened",
        entity_type=ENTITY,
        entity_id=entitlement.id,
        details={"kind": given.kind, "rule": given.rule},
    )
    await publish(session, events.opened(entitlement, participant.personal_id))
    if entitlement.ended_on is not None:
        await publish(session, events.ended(entitlement, participant.personal_id))
    return entitlement


async def end_for_death(
    session: AsyncSession, actor: Actor, *, personal_id: str, died_on: date, told: Told | None
) -> Sequence[Entitlement]:
    """End everything that runs beyond the day of death; a death before its birth's event is remembered.

    A death that was told with another day before ends it on this one.
    """
    await participants.hold(session, personal_id)
    participant_id = await participants.note_death(
        session, personal_id=personal_id, died_on=died_on, told=told
    )
    if participant_id is None:
        return ()
    await repository.resume_after_death(session, participant_id, rules.KINDS, other_than=died_on)
    ended = await repository.end_all(session, participant_id, ended_on=died_on, cause=EndCause.DEATH.value)
    for entitlement in ended:
        await record_audit(
            session,
            actor,
            action="entitlement_ended",
            entity_type=ENTITY,
            entity_id=entitlement.id,
            details={"cause": EndCause.DEATH.value},
        )
    await publish(session, *(events.ended(entitlement, personal_id) for entitlement in ended))
    return ended


async def live_on(session: AsyncSession, actor: Actor, *, personal_id: str, told: Told | None) -> None:
    """Let run again what a death ended that was taken back, as far as the rules give it without an office."""
    await participants.hold(session, personal_id)
    participant_id = await participants.forget_death(session, personal_id=personal_id, told=told)
    if participant_id is None:
        return
    kinds = rules.resuming_kinds(today())
    resumed = await repository.resume_after_death(session, participant_id, kinds)
    for entitlement in resumed:
        await record_audit(
            session,
            actor,
            action="entitlement_resumed",
            entity_type=ENTITY,
            entity_id=entitlement.id,
            details={"cause": EndCause.DEATH.value},
        )
    now = (await participants.numbers_of_today(session, [personal_id]))[personal_id]
    await publish(session, *(events.opened(entitlement, now) for entitlement in resumed))


async def follow_change(
    session: AsyncSession,
    actor: Actor,
    *,
    gateway: GatewayClient,
    personal_id: str,
    changed: Sequence[str],
) -> None:
    """Refresh the copy of a participant whose identity changed; a corrected birth date moves the interval."""
    if not IDENTITY_GROUPS.intersection(changed):
        return
    await participants.hold(session, personal_id)
    participant = await participants.find(session, personal_id)
    if participant is None:
        return
    person = await participants.refresh_copy(session, actor, gateway=gateway, participant=participant)
    if person is None or participant.died_on is not None:
        return
    participant = replace(participant, birth_date=person.birth_date)
    given = rules.child_under_6(person.birth_date, on=today())
    if given is None:
        return
    if not await repository.has_kind(session, participant.id, given.kind):
        await _open(session, actor, participant, on=today())
        return
    moved = await repository.move(
        session,
        participant.id,
        kind=given.kind,
        valid_from=given.valid_from,
        valid_to=given.valid_to,
        rule=given.rule,
    )
    if moved is not None:
        await record_audit(
            session,
            actor,
            action="entitlement_moved",
            entity_type=ENTITY,
            entity_id=moved.id,
            details={"rule": given.rule},
        )
        await publish(session, events.opened(moved, personal_id))


async def covers_of(session: AsyncSession, participant_id: UUID) -> tuple[Cover, ...]:
    """Return a participant's entitlements, newest first."""
    return tuple(_cover(e) for e in await repository.of_participant(session, participant_id))


async def list_for(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    sessions: async_sessionmaker[AsyncSession],
) -> EntitlementsOut:
    """Disclose all entitlements of one participant.

    Raises:
        FieldGroupNotCovered, OutsideAdminScope: the agreement does not go that far.
        ParticipantNotFound: recorded as a disclosure too, for the asker learnt that.
    """
    wanted = (FieldGroup.INSURANCE_ENTITLEMENT,)
    grant.require_field_groups(wanted)
    # Residence is not kept here, so a bounded agreement can't be shown to cover anybody.
    if not grant.covers(None, None):
        raise OutsideAdminScope
    participant = await participants.find(session, personal_id)
    if participant is None:
        # With this connection given back first: many refused at once would wait for one another's.
        await session.rollback()
        async with sessions() as own, own.begin():
            await disclose(
                own,
                caller,
                grant=grant,
                subjects=[personal_id],
                field_groups=wanted,
                outcome=Outcome.NOT_FOUND,
            )
        raise ParticipantNotFound
    covers = await covers_of(session, participant.id)
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[personal_id],
        field_groups=wanted,
        outcome=Outcome.DISCLOSED,
    )
    return EntitlementsOut(
        personal_id=personal_id,
        items=tuple(EntitlementOut.model_validate(c, from_attributes=True) for c in covers),
        identity_copy=copy_shown(participant.fetched_at),
    )


def _cover(entitlement: Entitlement) -> Cover:
    return Cover(
        entitlement_id=entitlement.id,
        kind=entitlement.kind,
        participant_group=entitlement.participant_group,
        benefit_level=entitlement.benefit_level,
        valid_from=entitlement.valid_from,
        valid_to=entitlement.valid_to,
        ended_on=entitlement.ended_on,
        end_cause=entitlement.end_cause,
    )


def copy_shown(fetched_at: datetime) -> IdentityCopyOut:
    age = datetime.now(UTC) - fetched_at
    return IdentityCopyOut(fetched_at=fetched_at, age_seconds=max(0, int(age.total_seconds())))
