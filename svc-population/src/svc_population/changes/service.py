"""Use case: change field groups of a person, by their source, on the version it has seen."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM, CaseMissing, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.errors import InvalidInput
from ndx_chassis.telemetry import log
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.changes import rules
from svc_population.changes.errors import (
    DeathRegistered,
    LaterChangeKnown,
    PersonalIdDecides,
    SourceElsewhere,
    VersionConflict,
    VersionMissing,
)
from svc_population.changes.periods import versions
from svc_population.changes.schemas import PersonChangeIn, PersonChangeOut, SourceOut, SourcesOut
from svc_population.changes.source_of_truth import Wish, sources
from svc_population.persons import deaths
from svc_population.persons import service as persons
from svc_population.persons.errors import PersonLocked
from svc_population.persons.field_groups import columns_of, storable
from svc_population.persons.models import Person
from svc_population.persons.reconstruction import steps
from svc_population.persons.vocabulary import ChangeKind


@dataclass(frozen=True, slots=True)
class Requested:
    """Who wants what changed; `version` None = whatever the record's version is (a change file)."""

    caller: Caller
    body: PersonChangeIn
    version: int | None

    def values(self) -> dict[FieldGroup, Any]:
        return {group: self.body.changes.value(group) for group in self.body.changes.field_groups}


def version_of(if_match: str | None) -> int:
    """Read the version from `If-Match`: the ETag of a read, or the bare number.

    Raises:
        VersionMissing: there is none, or it names no version.
    """
    text = (if_match or "").strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 - digits of an integer
        raise VersionMissing
    return int(text)


async def change_person(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: PersonChangeIn,
    if_match: str | None,
) -> PersonChangeOut:
    """Change a person's record once; what the record says already is no change, whatever its version.

    Raises:
        VersionMissing, VersionConflict: the change was not decided on what the record is now.
        FieldGroupNotCovered: a group outside the agreement.
        PersonNotFound: nobody has the number, or not within the agreement's scope; this is recorded, too.
        SourceElsewhere: another agency is the source of a group.
        PersonLocked, CaseMissing: a dead person's record takes corrections only, and they need a case.
        InvalidInput, PersonalIdDecides, LaterChangeKnown: the change does not fit.
        DeathRegistered: the death that it takes back stands in the civil registry.
    """
    requested = Requested(caller, body, version_of(if_match))
    groups = body.changes.field_groups
    grant.require_field_groups(groups)
    person = await persons.within(
        session, runtime, caller=caller, grant=grant, personal_id=personal_id, field_groups=groups
    )
    answer = await apply(session, person, requested)
    # The answer says which of the stated values the record held before.
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[person.personal_id],
        field_groups=groups,
        outcome=Outcome.NOT_MATCHED if answer.changed else Outcome.MATCHED,
    )
    return answer


async def apply(session: AsyncSession, person: Person, requested: Requested) -> PersonChangeOut:
    """Apply a change to a person whose row the caller holds locked.

    Raises: as `change_person`.
    """
    caller, body = requested.caller, requested.body
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    _admit(person, requested, today)
    values = requested.values()
    columns = {name: v for group, value in values.items() for name, v in columns_of(group, value).items()}
    effective_from = body.effective_from or person.birth_date
    if body.effective_to is not None:
        odd = list(rules.period_faults(values, first=effective_from, last=body.effective_to, today=today))
        if odd:
            raise InvalidInput(errors=odd)
    told = await _told(session, person, columns, effective_from, body.effective_to)
    if not told:
        return PersonChangeOut(version=person.version, changed=())
    if requested.version is not None and requested.version != person.version:
        raise VersionConflict(f"The record has version {person.version}.")
    await _check(session, person, requested, values, effective_from=effective_from, today=today)
    # What was before: people who are changed together show what is new as soon as it is written.
    died_on = person.death_or_missing_date if person.locked else None
    groups: set[str] = set()
    for number, (day, news) in enumerate(told):
        if number:
            await session.refresh(person)
        groups.update(
            await persons.change(
                session,
                person,
                persons.Change(
                    news,
                    valid_from=day,
                    source=f"{caller.agency}:document:{body.document.number}",
                    kind=body.kind,
                    agency=caller.agency,
                    document=body.document.model_dump(mode="json"),
                    after_death=True,
                ),
                actor=caller,
                whole=body.effective_to is not None,
            )
        )
    version = person.version + 1
    changed = [group for group in FieldGroup if group.value in groups]
    await persons.announce_change(session, person, [g.value for g in changed], version=version)
    if died_on is not None:
        await _follow_death(session, person, died_on, version=version)
    log.info(
        "person_changed",
        person_id=str(person.person_id),
        version=version,
        changed=[g.value for g in changed],
    )
    return PersonChangeOut(version=version, changed=tuple(changed))


async def _follow_death(session: AsyncSession, person: Person, died_on: date, *, version: int) -> None:
    """Tell what a correction made of a dead person's record: alive after all, or dead on another day."""
    if not person.locked:
        await deaths.announce_life(session, person, died_on=died_on, version=version)
    elif (on := person.death_or_missing_date) is not None and on != died_on:
        await deaths.announce_death(session, person, version=version, died_on=on)


async def _told(
    session: AsyncSession, person: Person, columns: dict[str, Any], first: date, last: date | None
) -> list[tuple[date, dict[str, Any]]]:
    """Return (day, columns) of the versions to write; none when the record says so already."""
    if last is None:
        present = await persons.columns(session, person, columns)
        return [] if all(present[name] == value for name, value in columns.items()) else [(first, columns)]
    history = await persons.history_of(session, person.person_id)
    every = steps(await persons.record_of(session, person), history)
    return versions(every, {name: storable(v) for name, v in columns.items()}, first=first, last=last)


def _admit(person: Person, requested: Requested, today: date) -> None:
    caller, kind = requested.caller, requested.body.kind
    if kind is ChangeKind.CORRECTION and not caller.case_id:
        raise CaseMissing("A correction belongs to a dossier: name it in NDX-Case-Id.")
    if person.locked and kind is not ChangeKind.CORRECTION:
        raise PersonLocked
    wish = Wish(caller.agency, caller.agency_class, kind, of_the_dead=person.locked, day=today)
    elsewhere = wish.groups_elsewhere(requested.body.changes.field_groups)
    if elsewhere:
        who = "; ".join(
            f"{group}: {', '.join(agencies) or 'nobody'}" for group, agencies in elsewhere.items()
        )
        raise SourceElsewhere(f"{kind.value} of {who}. See GET /population/v1/sources-of-truth.")


async def _check(
    session: AsyncSession,
    person: Person,
    requested: Requested,
    values: dict[FieldGroup, Any],
    *,
    effective_from: date,
    today: date,
) -> None:
    body = requested.body
    facts = rules.Facts(person.personal_id, person.birth_date, person.life_status)
    issued_on = body.document.issued_on
    faults = [
        *rules.date_faults(values, facts, effective_from=effective_from, issued_on=issued_on, today=today)
    ]
    if faults:
        raise InvalidInput(errors=faults)
    if person.locked and rules.takes_back_death(values) and await deaths.is_registered(session, person):
        raise DeathRegistered
    contradicted = rules.contradictions(values, facts)
    if contradicted:
        raise PersonalIdDecides(errors=contradicted)
    if body.kind is ChangeKind.CHANGE:
        names = [g.value for g in body.changes.field_groups]
        latest = await persons.latest_effect(session, person.person_id, names)
        if latest is not None and latest > effective_from:
            raise LaterChangeKnown


def list_sources() -> SourcesOut:
    """Return the whole table of sources, past and coming rules as well."""
    return SourcesOut(
        items=tuple(
            SourceOut(
                field_group=s.group,
                agency=s.agency,
                kinds=tuple(sorted(s.kinds)),
                after_death=s.after_death,
                effective_from=s.effective_from,
                effective_to=s.effective_to,
                verified=s.verified,
                source=s.source,
            )
            for s in sources()
        )
    )
