"""Use cases: read a person as of two times, and list what changed, apart from the hot read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson
from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.errors import FieldError, InvalidInput
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.histories.errors import NotKnownThen
from svc_population.histories.schemas import GROUPS
from svc_population.mergers import service as mergers
from svc_population.persons import service as persons
from svc_population.persons.field_groups import answer, changed_groups
from svc_population.persons.models import Person
from svc_population.persons.reconstruction import Merged, Step, as_of, steps

_BY_NAME = {g.value: g for g in GROUPS}
_FIRST, _LAST = datetime(1800, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_DOCUMENTS = ("cards", "other_information")
"""Columns that the answer takes as JSON text."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for which groups of whom."""

    caller: Caller
    grant: Grant
    personal_id: str
    groups: frozenset[FieldGroup]

    async def record(self, session: AsyncSession, subject: str) -> None:
        await disclose(
            session,
            self.caller,
            grant=self.grant,
            subjects=[subject],
            field_groups=self.groups,
            outcome=Outcome.DISCLOSED,
        )


def groups_of(fields: str) -> frozenset[FieldGroup]:
    """Read names of field groups, joined by commas.

    Raises:
        InvalidInput: no name, or one of a group that has no history.
    """
    names = [name for name in fields.split(",") if name]
    wrong = [n for n in names if n not in _BY_NAME]
    if wrong or not names:
        raise InvalidInput(
            errors=[
                FieldError(
                    field="query.fields", code="unknown-field-group", detail="a group that has a history"
                )
            ]
        )
    return frozenset(_BY_NAME[name] for name in names)


async def person_as_of(
    session: AsyncSession,
    runtime: Runtime,
    question: Question,
    *,
    valid_at: date | None,
    known_at: datetime | None,
) -> bytes:
    """Return what was known at a moment (now) to be true on a day (that moment's).

    For a day before birth that is the first version, unless the birth date is among the asked groups.

    Raises:
        FieldGroupNotCovered: the agreement does not cover a group.
        PersonNotFound: nobody has the number, or not within the agreement's scope; this is recorded, too.
        NotKnownThen: before the birth date that is asked for, or before the record began; this is recorded,
            too.
    """
    # The ends of the calendar have no day in another time zone.
    moment = max(_FIRST, min(known_at or datetime.now(UTC), _LAST))
    day = valid_at or moment.astimezone(VIETNAM).date()
    person = await _found(session, runtime, question)
    merged = await _merged(session, question, person)
    # Before a number was merged into another person's, it was known for a record of its own.
    mine = merged if merged is not None and moment < merged.at else None
    found = as_of(await _steps(session, person, mine), valid_at=day, known_at=moment)
    if found is None:
        raise NotKnownThen
    version, state = found
    # Only for who asks for it: else days could be tried until the birth date is found.
    if FieldGroup.BIRTH_DATE in question.groups and date.fromisoformat(state["birth_date"]) > day:
        raise NotKnownThen
    await question.record(session, person.personal_id)
    return orjson.dumps(
        {
            "valid_at": day,
            "known_at": moment,
            "version": version,
            "person": _shown(state, question.groups),
        }
    )


async def person_history(
    session: AsyncSession, runtime: Runtime, question: Question, *, before_version: int | None, limit: int
) -> bytes:
    """Return the versions that changed one of the groups, newest first, and the record's beginning.

    A number that was merged into another person's shows the versions of its own record, up to the merger.

    Raises:
        FieldGroupNotCovered, PersonNotFound: as `person_as_of`.
    """
    person = await _found(session, runtime, question)
    merged = await _merged(session, question, person)
    person_id = person.person_id if merged is None else merged.person_id
    rows = {row.version: row for row in await persons.history_of(session, person_id)}
    wanted = [
        (step, groups)
        for step in reversed(await _steps(session, person, merged))
        if (before_version is None or step.version < before_version)
        for groups in [question.groups & {FieldGroup(n) for n in changed_groups(step.columns)}]
        if groups or step.valid_from is None
    ]
    await question.record(session, person.personal_id)
    page = wanted[:limit]
    items = [
        {
            "version": step.version,
            "recorded_at": step.recorded_at,
            "effective_from": step.valid_from,
            "kind": row.kind if (row := rows.get(step.version)) else None,
            "source_agency": row.source_agency if row else None,
            "document": row.document if row else None,
            "changed": [g.value for g in FieldGroup if g in groups],
            "before": _shown(step.before, groups),
            "after": _shown(step.after, groups),
        }
        for step, groups in page
    ]
    more = str(page[-1][0].version) if len(wanted) > len(page) else None
    return orjson.dumps({"items": items, "next_cursor": more})


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record in full, as far as it was asked for."""

    number: int
    recorded_at: datetime
    kind: str | None
    effective_from: date | None
    source_agency: str | None
    person: Mapping[str, Any]
    """The JSON of exactly the asked groups."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions that differ in the asked groups, oldest first; `latest` is the record's own last number."""

    items: tuple[Version, ...]
    latest: int
    merged: bool
    """The number was merged into another person's: these are of its own record, up to then."""

    def at(self, number: int) -> Version | None:
        """Return what held when the record had this number; None if it never had."""
        earlier = [one for one in self.items if one.number <= number <= self.latest]
        return earlier[-1] if earlier else None


async def versions_of(
    session: AsyncSession, runtime: Runtime, question: Question, *, record: bool = True
) -> Versions:
    """Return the record's versions in full, with one disclosure record; the last is what it says now.

    `record=False`: the caller gives nothing of it away.

    Raises:
        FieldGroupNotCovered, PersonNotFound: as `person_as_of`.
    """
    person = await _found(session, runtime, question)
    merged = await _merged(session, question, person)
    person_id = person.person_id if merged is None else merged.person_id
    rows = {row.version: row for row in await persons.history_of(session, person_id)}
    every = await _steps(session, person, merged)
    if record:
        await question.record(session, person.personal_id)
    items = tuple(
        Version(
            number=step.version,
            recorded_at=step.recorded_at,
            kind=row.kind if (row := rows.get(step.version)) else None,
            effective_from=step.valid_from,
            source_agency=row.source_agency if row else None,
            person=orjson.loads(orjson.dumps(_shown(step.after, question.groups))),
        )
        for step in every
        if step.valid_from is None or question.groups & {FieldGroup(n) for n in changed_groups(step.columns)}
    )
    return Versions(items, every[-1].version, merged is not None)


async def _found(session: AsyncSession, runtime: Runtime, question: Question) -> Person:
    question.grant.require_field_groups(question.groups)
    return await persons.within(
        session,
        runtime,
        caller=question.caller,
        grant=question.grant,
        personal_id=question.personal_id,
        field_groups=question.groups,
        lock=False,
    )


async def _merged(session: AsyncSession, question: Question, person: Person) -> Merged | None:
    if person.personal_id == question.personal_id:
        return None
    kept = await mergers.kept_of(session, question.personal_id)
    return None if kept is None else Merged.of(kept)


async def _steps(session: AsyncSession, person: Person, merged: Merged | None) -> list[Step]:
    if merged is not None:
        return steps(merged.record, await persons.history_of(session, merged.person_id))
    history = await persons.history_of(session, person.person_id)
    return steps(await persons.record_of(session, person), history)


def _shown(state: Mapping[str, Any], groups: frozenset[FieldGroup]) -> orjson.Fragment:
    if not groups:
        return orjson.Fragment(b"{}")
    texts = {name: orjson.dumps(state[name]).decode() for name in _DOCUMENTS if state.get(name)}
    return orjson.Fragment(answer({"person_id": None, **state, **dict.fromkeys(_DOCUMENTS), **texts}, groups))
