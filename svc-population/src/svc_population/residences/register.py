"""The register beside the person's own row: what runs, what is derived from an import, what an end writes.

The person's row is what everybody reads, so it wins: where a correction or a change file altered it, the
register follows when it is touched next, and shows it that way before.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid5

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.residences import events, repository
from svc_population.residences.models import Residence
from svc_population.residences.projection import Held, same, shown
from svc_population.residences.vocabulary import GROUP_OF, EndCause, ResidenceKind, ResidenceState

ENTITY = "residence"


@dataclass(frozen=True, slots=True)
class Running:
    """What runs of a kind: a row of the register, or one derived from the person's row (`stored` false)."""

    row: Residence
    stored: bool
    stale: Residence | None = None
    """A row of the register that the person's row has overtaken."""


def held(row: Residence) -> Held:
    return Held(
        row.province_code,
        row.commune_code,
        row.address,
        row.valid_from,
        row.valid_to,
        row.residence_file_number,
    )


def derived(person: Person, kind: ResidenceKind, what: Held) -> Residence:
    """Return the row that an imported residence becomes; it has the same id whenever it is made."""
    words = f"{kind}|{what.commune_code}|{what.address}|{what.valid_from}|{what.valid_to}"
    begin = what.valid_from or person.birth_date
    return Residence(
        id=uuid5(person.person_id, words),
        person_id=person.person_id,
        personal_id=person.personal_id,
        kind=kind.value,
        state=ResidenceState.REGISTERED.value,
        province_code=what.province_code,
        commune_code=what.commune_code,
        address=what.address,
        units_on=persons.PROVINCES_OF_TODAY_FROM,
        valid_from=begin,
        valid_to=None if what.valid_to is None else max(what.valid_to, begin),
        end_cause=None,
        residence_file_number=what.residence_file_number,
        basis=None,
        source=person.source,
        registered_by="",
    )


async def running(session: AsyncSession, person: Person, kind: ResidenceKind) -> Running | None:
    """Return what runs of a kind; nothing is written."""
    row = await repository.running(session, person.person_id, kind)
    if kind is ResidenceKind.STAY or person.locked:
        # The row of the dead keeps their last residence, which is no registration any more.
        return None if row is None else Running(row, stored=True)
    what = shown(kind, person)
    if what is None:
        return None
    if row is not None and same(kind, held(row), what):
        return Running(row, stored=True)
    return Running(derived(person, kind, what), stored=False, stale=row)


async def settle(session: AsyncSession, now: Running) -> Residence:
    """Make what runs a row of the register."""
    if now.stale is not None:
        await end(session, now.stale, last=now.row.valid_from - timedelta(days=1), cause=EndCause.MOVED)
    if not now.stored:
        now.row.registered_by = "import"
        await repository.add(session, now.row)
    return now.row


async def end(
    session: AsyncSession, row: Residence, *, last: date, cause: EndCause, actor: str = "import"
) -> None:
    """End a row of the register on a day, or on its planned last day if that is earlier."""
    never = cause is EndCause.WRONG_ENTRY or last < row.valid_from
    row.state = (ResidenceState.REVOKED if never else ResidenceState.ENDED).value
    row.end_cause = cause.value
    row.ended_by = actor
    row.ended_at = datetime.now(UTC)
    if not never:
        row.valid_to = last if row.valid_to is None else min(row.valid_to, last)
    await session.flush()


async def apply(
    session: AsyncSession,
    person: Person,
    columns: dict[str, Any],
    *,
    row: Residence,
    action: str,
    actor: Actor,
    valid_from: date | None = None,
) -> None:
    """Let the person's row follow the register, and tell of it."""
    former = persons.place_of(person)
    news = persons.Change(
        columns,
        valid_from=valid_from or row.valid_from,
        source=row.source,
        agency=row.source.partition(":")[0],
        document=row.basis,
    )
    changed = await persons.change(session, person, news, actor=actor)
    await session.refresh(person)
    now = persons.place_of(person)
    await record_audit(
        session,
        actor,
        action=action,
        entity_type=ENTITY,
        entity_id=row.id,
        details={"kind": row.kind, "state": row.state, "cause": row.end_cause},
    )
    # A stay has no column, and is a change all the same.
    groups = changed or [GROUP_OF[ResidenceKind(row.kind)].value]
    about: dict[str, Any] = {
        "person_id": person.person_id,
        "personal_id": person.personal_id,
        "version": person.version,
    }
    await publish(session, events.residence_changed(**about, changed=groups, former=former, now=now))
    if changed:
        await persons.announce_change(session, person, changed, version=person.version)
    log.info("residence_changed", residence_id=str(row.id), state=row.state)


def last_of_the_dead(person: Person, kind: ResidenceKind) -> Residence | None:
    """Return what an import knew of somebody who died: a residence that ended with the life."""
    what = shown(kind, person) if person.locked else None
    died_on = person.death_or_missing_date
    if what is None or died_on is None:
        return None
    row = derived(person, kind, what)
    row.state, row.end_cause = ResidenceState.ENDED.value, EndCause.DEATH.value
    row.valid_to = max(row.valid_from, died_on)
    return row


def as_shown(rows: list[Residence], now: Running | None) -> list[tuple[Residence, bool]]:
    """Return the rows of a kind as they are to be shown, with whether each is stored."""
    stale = None if now is None else now.stale
    found = [(row, True) for row in rows if row is not stale]
    if now is not None and not now.stored:
        found.append((now.row, False))
    return found
