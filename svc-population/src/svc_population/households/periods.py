"""Memberships of one household day by day: which days a correction cuts, and what must hold on each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from svc_population.households.vocabulary import RelationToHead

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spell:
    """Days on which a person has a relation in a household; `until` is the first day after."""

    person_id: UUID
    household: str
    relation: str
    since: date
    until: date | None
    origin: UUID | None = None
    """The membership that says so; None: the correction itself."""

    def covers(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)

    def meets(self, first: date, last: date) -> bool:
        return self.since <= last and (self.until is None or self.until > first)


def without(spells: Iterable[Spell], first: date, last: date) -> Iterator[Spell]:
    """Yield what is left of spells without these days."""
    for spell in spells:
        if not spell.meets(first, last):
            yield spell
            continue
        if spell.since < first:
            yield replace(spell, until=first)
        if spell.until is None or spell.until > last + _DAY:
            yield replace(spell, since=last + _DAY)


def corrected(
    spells: Sequence[Spell], told: Mapping[UUID, Spell | None], household: str, first: date, last: date
) -> list[Spell]:
    """Return all spells with these days as told: for each person their only spell, or None: not in this one.

    What is on record for each of the days already stays as it is, and so does everybody who is not named.
    """
    found = [s for s in spells if s.person_id not in told]
    for person, news in told.items():
        mine = [s for s in spells if s.person_id == person]
        if news is None:
            found += [s for s in mine if s.household != household]
            found += without((s for s in mine if s.household == household), first, last)
        elif any(_says(s, news, first, last) for s in mine):
            found += mine
        else:
            found += [*without(mine, first, last), news]
    return found


def _says(spell: Spell, told: Spell, first: date, last: date) -> bool:
    same = (spell.household, spell.relation) == (told.household, told.relation)
    return same and spell.covers(first) and spell.covers(last)


def headed_wrongly(
    before: Sequence[Spell], after: Sequence[Spell], household: str, first: date, last: date
) -> date | None:
    """Return the first day on which a household gets two heads, or members and none although it had one."""
    marks = {first}
    for spell in (*before, *after):
        marks |= {day for day in (spell.since, spell.until) if day is not None and first <= day <= last}
    for day in sorted(marks):
        was, now = _heads(before, household, day), _heads(after, household, day)
        members = any(s.household == household and s.covers(day) for s in after)
        # A household whose head died waits for another one: that it had none then is no fault of now.
        waited = was == 0 and any(s.household == household and s.covers(day) for s in before)
        if now > 1 or (members and now == 0 and not waited):
            return day
    return None


def _heads(spells: Sequence[Spell], household: str, day: date) -> int:
    return sum(
        s.household == household and s.relation == RelationToHead.HEAD and s.covers(day) for s in spells
    )
