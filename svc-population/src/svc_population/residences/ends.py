"""What ends by itself: everything at a death, and what had a last day when that day is past."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.persons import service as persons
from svc_population.persons.errors import RecordsChangedSince
from svc_population.residences import projection, register, repository
from svc_population.residences.vocabulary import EndCause, ResidenceKind, ResidenceState

_A_RUN = 500


async def close_by_death(session: AsyncSession, actor: Actor, *, person_id: UUID, died_on: date) -> None:
    """End everything that runs for a person who died; the person's own row keeps the last residence."""
    for row in await repository.close_all(session, person_id, day=died_on, actor=actor.actor):
        await record_audit(
            session,
            actor,
            action="residence_ended",
            entity_type=register.ENTITY,
            entity_id=row.id,
            details={"kind": row.kind, "cause": EndCause.DEATH.value},
        )


async def resume_after_death(session: AsyncSession, actor: Actor, *, personal_id: str) -> None:
    """Let run again what a death ended that was taken back, as the person's own row has kept it.

    What had a planned last day that is past by now ends with it, by the clock. A stay is not resumed: it is
    over, and the row keeps none.
    """
    person = await persons.find(session, personal_id, lock=True)
    if person is None or person.locked:
        return
    ended = await repository.ended_by_death(session, person.person_id)
    for kind in (
        ResidenceKind.PERMANENT,
        ResidenceKind.TEMPORARY,
        ResidenceKind.CURRENT,
        ResidenceKind.ABSENCE,
    ):
        what = projection.shown(kind, person)
        row = next((r for r in ended if r.kind == kind), None)
        if what is None or row is None or await repository.running(session, person.person_id, kind):
            continue
        if not projection.same(kind, replace(register.held(row), valid_to=what.valid_to), what):
            continue
        values = {
            "state": ResidenceState.REGISTERED.value,
            "valid_to": what.valid_to,
            "end_cause": None,
            "ended_by": None,
            "ended_at": None,
        }
        await repository.alter(session, row.id, values)
        await record_audit(
            session,
            actor,
            action="residence_resumed",
            entity_type=register.ENTITY,
            entity_id=row.id,
            details={"kind": row.kind, "cause": EndCause.DEATH.value},
        )


async def merge(session: AsyncSession, actor: Actor, *, giver: UUID, taker: UUID) -> dict[str, list[str]]:
    """Let a duplicate's registrations stand with the survivor's record, which says where the person lives.

    What ran for the duplicate is void. Returns what `part` needs.
    """
    rows = await repository.hand_over(session, giver=giver, taker=taker, actor=actor.actor)
    return {"rows": [str(r.id) for r in rows], "running": [str(r.id) for r in rows if r.running]}


async def part(session: AsyncSession, kept: dict[str, list[str]], *, giver: UUID, taker: UUID) -> None:
    """Give a separated record its registrations back, running where they ran.

    Raises:
        RecordsChangedSince: one of them was corrected since.
    """
    ids = {name: [UUID(i) for i in kept[name]] for name in ("rows", "running")}
    if await repository.corrected_among(session, ids["rows"]):
        raise RecordsChangedSince("A former residence was corrected since.")
    await repository.give_back(session, giver=giver, taker=taker, **ids)


async def expire(runtime: Runtime) -> int:
    """End registrations whose planned last day is past; return how many."""
    today = admin_units.today()
    async with runtime.sessions() as session:
        due = await repository.expired(session, day=today, limit=_A_RUN)
    for found in due:
        async with runtime.sessions() as session, session.begin():
            await _expire(session, found.personal_id, found.id, today)
        runtime.nudge()
    return len(due)


async def _expire(session: AsyncSession, personal_id: str, residence_id: UUID, today: date) -> None:
    person = await persons.find(session, personal_id, lock=True)
    row = await repository.registered(session, residence_id)
    if person is None or row is None or not row.running or row.valid_to is None or row.valid_to >= today:
        return
    kind = ResidenceKind(row.kind)
    now = await register.running(session, person, kind)
    last = row.valid_to
    await register.end(session, row, last=last, cause=EndCause.EXPIRED, actor=_CLOCK.actor)
    # A merged person's number leads to another one, whose own residence goes on.
    overtaken = now is None or now.row is not row
    if person.locked or overtaken:
        return
    await register.apply(
        session,
        person,
        projection.columns_of(kind, None),
        row=row,
        action="residence_ended",
        actor=_CLOCK,
        valid_from=last + timedelta(days=1),
    )


class _Clock:
    """The actor of what ends by itself."""

    actor = "clock/residences"
    officer: str | None = None
    case_id: str | None = None
    request_id = "residences_expired"


_CLOCK: Actor = _Clock()
