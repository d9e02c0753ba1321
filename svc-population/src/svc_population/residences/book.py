"""The registrations of one kind as days and places, and how a correction replaces some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.persons.models import Person
from svc_population.residences import answers, register, repository, timeline
from svc_population.residences.models import Residence
from svc_population.residences.projection import Held
from svc_population.residences.schemas import ResidenceCorrectionIn
from svc_population.residences.timeline import Piece, Where
from svc_population.residences.vocabulary import EndCause, ResidenceKind, ResidenceState

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Book:
    """What is registered of one kind: as days and places, and the rows that say so."""

    pieces: list[Piece]
    rows: dict[UUID | None, tuple[Residence, bool]]


async def open_book(session: AsyncSession, person: Person, kind: ResidenceKind) -> Book:
    found = await answers.registered(session, person, [kind])
    rows: dict[UUID | None, tuple[Residence, bool]] = {
        row.id: (row, stored) for row, stored in found if row.state != ResidenceState.REVOKED
    }
    pieces = [Piece(r.valid_from, r.valid_to, _where(r), r.id) for r, _ in rows.values()]
    return Book(pieces, rows)


def _where(row: Residence) -> Where:
    return Where(row.province_code, row.commune_code, row.address)


def held(piece: Piece, book: Book, body: ResidenceCorrectionIn) -> Held:
    """Return what the person's row says on the days of a piece."""
    own = None if piece.origin is None else book.rows[piece.origin][0]
    number = None if own is None else own.residence_file_number
    where = piece.where
    return Held(
        where.province_code,
        where.commune_code,
        where.address,
        piece.first,
        piece.last,
        number or (body.residence_file_number if piece.covers(body.valid_from) else None),
    )


async def rewrite(  # noqa: PLR0917 - the facts of one call
    session: AsyncSession,
    person: Person,
    body: ResidenceCorrectionIn,
    pieces: Sequence[Piece],
    book: Book,
    caller: Caller,
) -> list[Residence]:
    """Replace the registrations that a correction cuts or lengthens; return those that it replaced."""
    kind = ResidenceKind(body.kind)
    stay = {p for p in pieces if p in book.pieces}
    gone = [book.rows[p.origin] for p in book.pieces if p not in stay]
    now = await register.running(session, person, kind)
    fresh = [_row(piece, person, body, book, pieces, caller) for piece in pieces if piece not in stay]
    for row, stored in gone:
        if now is not None and now.row.id == row.id:
            await register.settle(session, now)
            row = now.row  # noqa: PLW2901 - the one that the session holds
        elif not stored:
            row.registered_by = "import"
            await repository.add(session, row)
        row.state, row.end_cause = ResidenceState.REVOKED.value, EndCause.CORRECTED.value
        row.ended_by, row.ended_at = caller.actor, datetime.now(UTC)
    await session.flush()
    for row in fresh:
        await repository.add(session, row)
    return [row for row, _ in gone]


def _row(  # noqa: PLR0917 - the facts of one call
    piece: Piece,
    person: Person,
    body: ResidenceCorrectionIn,
    book: Book,
    pieces: Sequence[Piece],
    caller: Caller,
) -> Residence:
    """Return the registration that a new piece becomes: what it was cut from tells how it ends."""
    own = None if piece.origin is None else book.rows[piece.origin][0]
    number = held(piece, book, body).residence_file_number
    ends_so = own is not None and own.valid_to == piece.last
    state, cause = ResidenceState.ENDED.value, EndCause.MOVED.value
    died_on = person.death_or_missing_date if person.locked else None
    if own is not None and ends_so:
        state, cause = own.state, own.end_cause or ""
    elif piece.last is not None and piece.last == died_on:
        cause = EndCause.DEATH.value
    elif piece.last is not None and timeline.at(pieces, piece.last + _DAY) is None:
        cause = EndCause.DEREGISTERED.value
    return Residence(
        id=new_id(),
        person_id=person.person_id,
        personal_id=person.personal_id,
        kind=body.kind.value,
        state=state,
        province_code=piece.where.province_code,
        commune_code=piece.where.commune_code,
        address=piece.where.address,
        units_on=admin_units.today() if own is None else own.units_on,
        valid_from=piece.first,
        valid_to=piece.last,
        end_cause=cause or None,
        residence_file_number=number,
        basis=body.basis.model_dump(mode="json"),
        source=f"{caller.agency}:residence:{body.basis.document}",
        registered_by=caller.actor,
        registered_at=datetime.now(UTC),
        ended_by=None if state == ResidenceState.REGISTERED else caller.actor,
        ended_at=None if state == ResidenceState.REGISTERED else datetime.now(UTC),
    )
