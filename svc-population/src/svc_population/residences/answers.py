"""What is answered about residences, each with its disclosure record."""

from collections.abc import Sequence
from datetime import date

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.residences import register, repository
from svc_population.residences.models import Residence
from svc_population.residences.schemas import PlaceOut, ResidenceOut, ResidencesOut
from svc_population.residences.vocabulary import GROUP_OF, EndCause, ResidenceKind, ResidenceState


async def list_residences(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    kinds: Sequence[ResidenceKind],
    on: date | None,
    units_on: date | None,
) -> ResidencesOut:
    """Return the registrations of these kinds, all or those true on a day, with a record of the read.

    Raises:
        FieldGroupNotCovered: the agreement does not hold the group of a kind.
        PersonNotFound: nobody has the number, or not within the agreement's scope; this is recorded, too.
    """
    groups = sorted({GROUP_OF[kind] for kind in kinds})
    grant.require_field_groups(groups)
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=groups,
        lock=False,
    )
    found = await registered(session, person, kinds)
    if on is not None:
        found = [pair for pair in found if pair[0].covers(on)]
    await record(session, caller, grant, person, kinds)
    return listed(person, found, units_on=units_on)


async def registered(
    session: AsyncSession, person: Person, kinds: Sequence[ResidenceKind]
) -> list[tuple[Residence, bool]]:
    """Return the registrations of these kinds, each with whether it is stored; the newest first."""
    rows = await repository.of_person(session, person.person_id, kinds)
    found: list[tuple[Residence, bool]] = []
    for kind in kinds:
        now = await register.running(session, person, kind)
        mine = [r for r in rows if r.kind == kind]
        last = None if mine else register.last_of_the_dead(person, kind)
        found += [(last, False)] if last is not None else register.as_shown(mine, now)
    found.sort(key=lambda pair: pair[0].valid_from, reverse=True)
    return found


def listed(
    person: Person, found: Sequence[tuple[Residence, bool]], *, units_on: date | None = None
) -> ResidencesOut:
    return ResidencesOut(
        items=tuple(_out(row, person, stored=stored, units_on=units_on) for row, stored in found)
    )


async def record(
    session: AsyncSession, caller: Caller, grant: Grant, person: Person, kinds: Sequence[ResidenceKind]
) -> None:
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[person.personal_id],
        field_groups=sorted({GROUP_OF[kind] for kind in kinds}),
        outcome=Outcome.DISCLOSED,
    )


async def answer(
    session: AsyncSession, caller: Caller, grant: Grant, person: Person, row: Residence, *, stored: bool
) -> ResidenceOut:
    await record(session, caller, grant, person, [ResidenceKind(row.kind)])
    return _out(row, person, stored=stored, units_on=None)


def _out(row: Residence, person: Person, *, stored: bool, units_on: date | None) -> ResidenceOut:
    return ResidenceOut(
        residence_id=row.id,
        personal_id=person.personal_id,
        kind=ResidenceKind(row.kind),
        state=ResidenceState(row.state),
        province_code=row.province_code,
        commune_code=row.commune_code,
        address=row.address,
        units_on=row.units_on,
        place=_place(row, units_on or admin_units.today()),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        end_cause=None if row.end_cause is None else EndCause(row.end_cause),
        residence_file_number=row.residence_file_number,
        source=row.source,
        registered_at=row.registered_at if stored else None,
        version=person.version,
    )


def _place(row: Residence, day: date) -> PlaceOut | None:
    if row.commune_code is None:
        return None
    there = admin_units.place_on(row.commune_code, on=row.units_on, to=day)
    return PlaceOut(
        on=day,
        outcome=there.outcome,
        province_code=there.province_code,
        commune_code=there.commune_code,
        commune_name=there.commune_name,
    )
