"""Registrations of one kind side by side, and what a correction of some of their days makes of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Where:
    province_code: str | None
    commune_code: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Days on which one place holds; `last` None: until further notice."""

    first: date
    last: date | None
    where: Where
    origin: UUID | None = None
    """The registration that says so; None: the correction itself."""

    def covers(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)

    def meets(self, first: date, last: date) -> bool:
        return self.first <= last and (self.last is None or self.last >= first)


def corrected(
    pieces: Sequence[Piece], where: Where | None, *, first: date, last: date, joined: bool
) -> list[Piece]:
    """Return the pieces with these days at this place (None: at none), and all other days as they were.

    `joined`: a neighbour at the same place becomes one with them, as nobody moves from a place to itself.
    """
    if where is not None and any(_says(p, where, first, last) for p in pieces):
        return sorted(pieces, key=_first)
    kept = [part for piece in pieces for part in _without(piece, first, last)]
    if where is None:
        return sorted(kept, key=_first)
    told = Piece(first, last, where)
    neighbours = [p for p in kept if p.where == where] if joined else []
    for piece in neighbours:
        if piece.last == first - _DAY:
            told = replace(told, first=piece.first, origin=told.origin or piece.origin)
            kept.remove(piece)
        elif piece.first == last + _DAY:
            told = replace(told, last=piece.last, origin=piece.origin)
            kept.remove(piece)
    return sorted([*kept, told], key=_first)


def _says(piece: Piece, where: Where, first: date, last: date) -> bool:
    return piece.where == where and piece.covers(first) and piece.covers(last)


def _without(piece: Piece, first: date, last: date) -> Iterator[Piece]:
    """Yield what a piece keeps of its days without these."""
    if not piece.meets(first, last):
        yield piece
        return
    if piece.first < first:
        yield replace(piece, last=first - _DAY)
    if piece.last is None or piece.last > last:
        yield replace(piece, first=last + _DAY)


def at(pieces: Sequence[Piece], day: date) -> Piece | None:
    """Return the piece that holds on a day."""
    return next((p for p in pieces if p.covers(day)), None)


def _first(piece: Piece) -> date:
    return piece.first
