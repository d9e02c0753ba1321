"""Use cases of a death: it closes the record, and taken back it opens the record again.

The civil registry tells of each registered death once, and of its cancellation; both are kept under the
registration's id, with the number under which it was registered. So a cancellation that comes first leaves
nothing to close, and when a merger is undone each record keeps the deaths of its own numbers.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons import events, registered_deaths
from svc_population.persons import repository as people
from svc_population.persons.errors import PersonNotFound
from svc_population.persons.models import Person, PersonHistory
from svc_population.persons.registered_deaths import Registered
from svc_population.persons.service import ENTITY, Change, change, find, numbers_of, place_of
from svc_population.persons.vocabulary import ChangeKind, LifeStatus

_GROUP = "death_or_missing_date"


@dataclass(frozen=True, slots=True)
class Grounds:
    """On whose word a death is taken back."""

    source: str
    actor: Actor
    agency: str | None = None
    document: dict[str, Any] | None = None
    found_alive: bool = False
    """The person is known to live; else only this death is known to be wrong."""


async def record_death(session: AsyncSession, death: Registered, *, actor: Actor) -> None:
    """Close a person's record after the death was registered; a repeat changes nothing.

    Raises:
        PersonNotFound: nobody has this number.
    """
    person = await find(session, death.personal_id, lock=True)
    if person is None:
        raise PersonNotFound
    if await registered_deaths.keep(session, death):
        await _close(session, person, death, actor=actor)


async def cancel_death(session: AsyncSession, death: Registered, *, grounds: Grounds) -> None:
    """Open a person's record again after the registration of the death was cancelled; once.

    Where another registered death of the person stands, it is that one from now on.

    Raises:
        PersonNotFound: nobody has this number.
    """
    person = await find(session, death.personal_id, lock=True)
    if person is None:
        raise PersonNotFound
    if not await registered_deaths.cancel(session, death) or not person.locked:
        return
    standing = await _standing(session, person)
    basis = await _basis(session, person)
    rests_on_it = basis is not None and basis.source == death.source
    if rests_on_it or (grounds.found_alive and not standing):
        await _open(session, person, basis, grounds=grounds)
        await _close_again(session, person, standing, actor=grounds.actor)


async def part(session: AsyncSession, records: list[Person], *, grounds: Grounds) -> None:
    """Leave each record with the deaths of its own numbers after a merger is undone; both rows are locked."""
    every = [number for person in records for number in await _numbers(session, person)]
    for person in records:
        await session.refresh(person)
        standing = await _standing(session, person)
        basis = await _basis(session, person) if person.locked else None
        theirs = {death.source for death in standing}
        if (
            basis is not None
            and basis.source not in theirs
            and await registered_deaths.known(session, every, basis.source)
        ):
            await _open(session, person, basis, grounds=grounds)
        await _close_again(session, person, standing, actor=grounds.actor)


async def is_registered(session: AsyncSession, person: Person) -> bool:
    """Tell whether a death of the person stands in the civil registry; the caller holds the row's lock."""
    return bool(await _standing(session, person))


async def announce_death(session: AsyncSession, person: Person, *, version: int, died_on: date) -> None:
    """Publish that a person died, or on which other day."""
    province, commune = place_of(person)
    await publish(
        session,
        events.person_deceased(
            person_id=person.person_id,
            personal_id=person.personal_id,
            version=version,
            died_on=died_on,
            province_code=province,
            commune_code=commune,
        ),
    )


async def announce_life(session: AsyncSession, person: Person, *, died_on: date, version: int) -> None:
    """Publish that a death is no more; `person` is what the record says since."""
    province, commune = place_of(person)
    await publish(
        session,
        events.person_death_cancelled(
            person_id=person.person_id,
            personal_id=person.personal_id,
            version=version,
            died_on=died_on,
            province_code=province,
            commune_code=commune,
        ),
    )
    log.info("person_death_cancelled", person_id=str(person.person_id))


async def taken_back_since(session: AsyncSession, person_id: UUID, version: int) -> bool:
    """Tell whether a death that a version of a record brought is no more; serialises what hangs on it."""
    await registered_deaths.hold(session, person_id)
    return any(
        row.version > version and row.before.get("life_status") == LifeStatus.DECEASED
        for row in await people.history(session, person_id)
    )


async def lives_again(session: AsyncSession, person_id: UUID, personal_id: str) -> Person | None:
    """Return the person whose death was taken back; None when they are dead by now after all."""
    await registered_deaths.hold(session, person_id)
    person = await find(session, personal_id)
    return None if person is None or person.locked else person


async def _close(session: AsyncSession, person: Person, death: Registered, *, actor: Actor) -> None:
    if person.locked:
        if person.death_or_missing_date != death.died_on:
            log.warning("death_contradicted", person_id=str(person.person_id))
            await record_audit(
                session,
                actor,
                action="death_contradicted",
                entity_type=ENTITY,
                entity_id=person.person_id,
                details={"source": death.source},
            )
        return
    news = Change(
        {"life_status": LifeStatus.DECEASED.value, "death_or_missing_date": death.died_on},
        valid_from=death.died_on,
        source=death.source,
    )
    version = person.version + 1
    await change(session, person, news, actor=actor)
    await announce_death(session, person, version=version, died_on=death.died_on)
    log.info("person_deceased", person_id=str(person.person_id))


async def _close_again(
    session: AsyncSession, person: Person, standing: list[Registered], *, actor: Actor
) -> None:
    if standing and not person.locked:
        await _close(session, person, standing[0], actor=actor)
        await session.refresh(person)


async def _open(
    session: AsyncSession, person: Person, basis: PersonHistory | None, *, grounds: Grounds
) -> None:
    """Give a record back what it was before its death; someone who was found is alive."""
    died_on = person.death_or_missing_date
    before = {} if basis is None else basis.before
    status, day = before.get("life_status", LifeStatus.ALIVE.value), before.get(_GROUP)
    since = [day for day in (died_on, None if basis is None else basis.valid_from) if day is not None]
    if grounds.found_alive:
        if status == LifeStatus.DECLARED_DEAD and day is not None:
            since.append(date.fromisoformat(day))
        status, day = LifeStatus.ALIVE.value, None
    news = Change(
        {"life_status": status, "death_or_missing_date": None if day is None else date.fromisoformat(day)},
        valid_from=min(since),
        source=grounds.source,
        kind=ChangeKind.CORRECTION,
        agency=grounds.agency,
        document=grounds.document,
        after_death=True,
    )
    version = person.version + 1
    await change(session, person, news, actor=grounds.actor)
    await session.refresh(person)
    if died_on is not None:
        await announce_life(session, person, died_on=died_on, version=version)


async def _basis(session: AsyncSession, person: Person) -> PersonHistory | None:
    """Return the version by which the record became that of a dead person; None: it always was."""
    # A version that only moves the day has no status among what was before it.
    rows = [row for row in await people.history(session, person.person_id) if "life_status" in row.before]
    became = [row for row in rows if row.before["life_status"] != LifeStatus.DECEASED]
    return became[-1] if became and became[-1] is rows[-1] else None


async def _numbers(session: AsyncSession, person: Person) -> list[str]:
    return sorted(await numbers_of(session, [person.personal_id]))


async def _standing(session: AsyncSession, person: Person) -> list[Registered]:
    """Return the registered deaths of all the person's numbers that stand, the first told first."""
    return await registered_deaths.standing(session, await _numbers(session, person))
