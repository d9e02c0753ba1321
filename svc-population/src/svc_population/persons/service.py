"""Use cases of persons: open a record, find, change with history, take another number."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose, found
from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_now
from ndx_chassis.outbox import publish
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from svc_population.persons import events, repository
from svc_population.persons.errors import PersonLocked, PersonNotFound
from svc_population.persons.field_groups import CARDS, changed_groups, storable
from svc_population.persons.models import Person
from svc_population.persons.sealing import NO_KEYS, SENSITIVE, Keyring
from svc_population.persons.vocabulary import ChangeKind
from svc_population.relationships import service as relationships

PROVINCES_OF_TODAY_FROM = date(2025, 7, 1)
ENTITY = "person"
KEYRING = "persons.keyring"
"""Where a session finds the keys of the sealed columns."""


_TOGETHER = "persons.together"


@dataclass(frozen=True, slots=True)
class Together:
    """People who are changed in one go, each once at most: read and locked first, and written last."""

    at: datetime
    """When all of it is recorded."""
    people: dict[str, Person]
    """By the number that was asked for."""
    effects: dict[UUID, dict[str, date]]


@dataclass(frozen=True, slots=True)
class Change:
    """New values of some columns, since when they are true, and who says so."""

    values: dict[str, Any]
    valid_from: date
    source: str
    kind: ChangeKind = ChangeKind.CHANGE
    agency: str | None = None
    """The agency whose word it is; the one that calls may only carry it."""
    document: dict[str, Any] | None = None
    after_death: bool = False
    """A correction that a dead person's record admits."""


def place_of(person: Person) -> tuple[str | None, str | None]:
    """Return province and commune by which a person lies within an administrative scope.

    The registered residence decides. A person without one who was born since the provinces of today exist is
    found where the birth was registered.
    """
    registered_today = person.birth_date >= PROVINCES_OF_TODAY_FROM
    return (
        person.permanent_province_code
        or (person.birth_registration_province_code if registered_today else None),
        person.permanent_commune_code
        or (person.birth_registration_commune_code if registered_today else None),
    )


def covers(grant: Grant, person: Person) -> bool:
    """Tell whether a person lies within the agreement's administrative scope."""
    return grant.covers(*place_of(person))


async def find(session: AsyncSession, personal_id: str, *, lock: bool = False) -> Person | None:
    """Return the person of a number; a former number leads to its holder."""
    person = await repository.person(session, personal_id, lock=lock)
    if person is not None:
        return person
    successor = await repository.current_number(session, personal_id)
    return None if successor == personal_id else await repository.person(session, successor, lock=lock)


@asynccontextmanager
async def together(session: AsyncSession, numbers: Mapping[str, str]) -> AsyncIterator[Together]:
    """Lock several people by their numbers of today, given by what was asked for; change each once at most.

    `find` for each of them, `latest_effect` and the writes of `change` are one statement each for all.
    """
    rows = {row.personal_id: row for row in await repository.people(session, [*numbers.values()])}
    held = Together(
        at=await repository.now(session),
        people={asked: rows[number] for asked, number in numbers.items() if number in rows},
        effects=await repository.effects(session, [row.person_id for row in rows.values()]),
    )
    session.info[_TOGETHER] = held
    try:
        yield held
    finally:
        del session.info[_TOGETHER]
    await write_now(session)


async def numbers_of(session: AsyncSession, personal_ids: list[str]) -> dict[str, str]:
    """Return every number, of today and former, that leads to the given current numbers."""
    numbers = {number: number for number in personal_ids}
    numbers.update(dict(await repository.former_numbers(session, personal_ids)))
    return numbers


async def current_numbers(session: AsyncSession, personal_ids: list[str]) -> dict[str, str]:
    """Return the number of today of each number that was replaced."""
    return dict(await repository.successors(session, personal_ids))


async def current_number(session: AsyncSession, personal_id: str) -> str:
    return await repository.current_number(session, personal_id)


async def open_record(session: AsyncSession, values: dict[str, Any]) -> UUID | None:
    """Open a person's record under a new number; None when the number was given before."""
    if any(values.get(column) is not None for column in SENSITIVE):
        person_id = new_id()
        values = {**keys_of(session).sealed(values, person_id), "person_id": person_id}
    return await repository.insert_person(session, values)


def keys_of(session: AsyncSession) -> Keyring:
    """Return the keys of the sealed columns that the session's factory was given."""
    keys: Keyring = session.info.get(KEYRING, NO_KEYS)
    return keys


async def columns(session: AsyncSession, person: Person, names: Iterable[str]) -> dict[str, Any]:
    """Return what some columns hold now, the cards among them."""
    held = {name: getattr(person, name) for name in names if name != CARDS}
    present = keys_of(session).opened(held, person.person_id)
    if CARDS in names:
        present[CARDS] = await repository.cards(session, person.personal_id)
    return present


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change of a record: what was before it, since when the new values are true, and on whose word."""

    version: int
    changed: list[str]
    before: dict[str, Any]
    valid_from: date
    recorded_at: datetime
    kind: str | None
    source_agency: str | None
    document: dict[str, Any] | None


async def history_of(session: AsyncSession, person_id: UUID) -> list[Recorded]:
    """Return the changes of a record, oldest first."""
    keys = keys_of(session)
    return [
        Recorded(
            version=row.version,
            changed=row.changed,
            before=keys.opened(row.before, person_id),
            valid_from=row.valid_from,
            recorded_at=row.recorded_at,
            kind=row.kind,
            source_agency=row.source_agency,
            document=row.document,
        )
        for row in await repository.history(session, person_id)
    ]


async def record_of(session: AsyncSession, person: Person) -> dict[str, Any]:
    """Return everything that a record holds now, in the form in which the history keeps it."""
    names = [column.name for column in Person.__table__.columns]
    present = await columns(session, person, [*names, CARDS])
    return {name: storable(value) for name, value in present.items()}


async def latest_effect(session: AsyncSession, person_id: UUID, groups: list[str]) -> date | None:
    """Return the latest day from which a recorded change of one of these groups is true."""
    held: Together | None = session.info.get(_TOGETHER)
    if held is not None:
        known = held.effects.get(person_id, {})
        return max((known[group] for group in groups if group in known), default=None)
    return await repository.latest_effect(session, person_id, groups)


async def announce_change(
    session: AsyncSession, person: Person, changed: Sequence[str], *, version: int
) -> None:
    """Publish that groups changed; who may hear it is decided by where the person is registered now."""
    if _TOGETHER not in session.info:
        await session.refresh(person)
    province, commune = place_of(person)
    await publish(
        session,
        events.person_changed(
            person_id=person.person_id,
            personal_id=person.personal_id,
            version=version,
            changed=changed,
            province_code=province,
            commune_code=commune,
        ),
    )


async def change(
    session: AsyncSession,
    person: Person,
    news: Change,
    *,
    actor: Actor,
    also: Sequence[FieldGroup] = (),
    whole: bool = False,
) -> list[str]:
    """Write new values and the history of the old ones; return the names of the changed groups.

    What does not differ is no change. The caller holds the row's lock and announces the change. `also`:
    groups that the caller changed elsewhere, whose history is there as well. `whole`: a version tells of what
    does not differ, too, because other days than today are meant.

    Raises:
        PersonLocked: the person is dead.
    """
    if person.locked and not news.after_death:
        raise PersonLocked
    present = await columns(session, person, news.values)
    values = {k: v for k, v in news.values.items() if whole or present[k] != v}
    if not values and not also:
        return []
    named = {*changed_groups(values), *(group.value for group in also)}
    changed: list[str] = [group.value for group in FieldGroup if group.value in named]
    keys = keys_of(session)
    before = keys.sealed({c: storable(present[c]) for c in values}, person.person_id)
    values = keys.sealed(values, person.person_id)
    version = person.version + 1
    former = {"source": person.source, "recorded_at": storable(person.recorded_at)}
    await _write_version(
        session, person, version, changed=changed, before={**before, **former}, news=news, actor=actor
    )
    if CARDS in values:
        await repository.replace_cards(session, person.personal_id, values.pop(CARDS))
    await _update(session, person, {**values, "version": version, "source": news.source})
    await record_audit(
        session,
        actor,
        action="person_changed",
        entity_type=ENTITY,
        entity_id=person.person_id,
        details={"changed": changed, "version": version},
    )
    return changed


async def _update(session: AsyncSession, person: Person, values: dict[str, Any]) -> None:
    held: Together | None = session.info.get(_TOGETHER)
    if held is None:
        await repository.update_person(session, person.personal_id, values)
        return
    values = {**values, "recorded_at": held.at}
    repository.update_later(session, person.personal_id, values)
    # What the rest of this change looks at; its version is told by whoever counted it.
    for name in values.keys() - {"version"}:
        set_committed_value(person, name, values[name])


async def _write_version(
    session: AsyncSession,
    person: Person,
    version: int,
    *,
    changed: list[str],
    before: dict[str, Any],
    news: Change,
    actor: Actor,
) -> None:
    values = {
        "person_id": person.person_id,
        "version": version,
        "changed": changed,
        "before": before,
        "valid_from": news.valid_from,
        "source": news.source,
        "recorded_by": actor.actor,
        "kind": news.kind.value,
        "source_agency": news.agency,
        "document": news.document,
        "case_id": actor.case_id,
        "officer": actor.officer,
    }
    held: Together | None = session.info.get(_TOGETHER)
    if held is None:
        await repository.add_history(session, values)
    else:
        repository.add_history_later(session, {**values, "recorded_at": held.at})


async def add_version(
    session: AsyncSession, person: Person, *, before: dict[str, Any], news: Change, actor: Actor
) -> None:
    """Write the history of a version that a record has already, in which no group changed."""
    await _write_version(session, person, person.version, changed=[], before=before, news=news, actor=actor)


async def renumber(
    session: AsyncSession,
    person: Person,
    *,
    new_number: str,
    news: Change,
    cause: str,
    decision: str,
    actor: Actor,
) -> None:
    """Give a person another number, keep the old one as a former number, and announce both.

    Raises:
        PersonLocked: the person is dead.
    """
    old = person.personal_id
    province, commune = place_of(person)
    changed = await change(
        session,
        person,
        Change({**news.values, "personal_id": new_number}, news.valid_from, news.source),
        actor=actor,
    )
    await repository.add_former_number(
        session,
        {
            "personal_id": old,
            "person_id": person.person_id,
            "superseded_by": new_number,
            "cause": cause,
            "decision": decision,
            "cancelled_by": actor.actor,
        },
    )
    await repository.move_cards(session, old, new_number)
    await relationships.renumber(session, old=old, new=new_number)
    await publish(
        session,
        events.personal_id_cancelled(person_id=person.person_id, old=old, new=new_number),
        events.person_changed(
            person_id=person.person_id,
            personal_id=new_number,
            version=person.version + 1,
            changed=changed,
            province_code=province,
            commune_code=commune,
        ),
    )


async def within(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    field_groups: Iterable[FieldGroup],
    lock: bool = True,
    anywhere: bool = False,
) -> Person:
    """Return the person of a number within the agreement's scope, their row locked.

    Whatever refuses the request from here on is recorded as an answer about the person.

    `anywhere`: the scope is checked by something else than where the person lives.

    Raises:
        PersonNotFound: nobody has the number, or not within the scope; this is recorded, too.
    """
    person = await find(session, personal_id, lock=lock)
    if person is not None and (anywhere or covers(grant, person)):
        found(session, caller, grant=grant, subjects=[person.personal_id], field_groups=field_groups)
        return person
    # With this connection given back first: many refused at once would wait for one another's.
    await session.rollback()
    async with runtime.sessions() as own, own.begin():
        await disclose(
            own,
            caller,
            grant=grant,
            subjects=[personal_id],
            field_groups=field_groups,
            outcome=Outcome.NOT_FOUND,
        )
    raise PersonNotFound
