"""Use cases about two records: join them when they are of one person, and part them again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons import events, repository, service
from svc_population.persons.errors import RecordsChangedSince
from svc_population.persons.field_groups import CARDS, changed_groups, storable
from svc_population.persons.models import Person
from svc_population.relationships import service as relationships

MERGED = "MERGED"


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a joining or a parting rests on: its values are filled in step by step."""

    news: service.Change
    decision: str
    actor: Actor


async def join(
    session: AsyncSession, survivor: Person, duplicate: Person, *, take: Sequence[str], grounds: Grounds
) -> dict[str, Any]:
    """Let the survivor's record stand for both; return what `part` needs to undo it exactly.

    The caller holds both rows' locks. Columns in `take` get the duplicate's values, its cards and relatives
    follow, and its number leads to the survivor's.
    """
    theirs = await repository.cards(session, duplicate.personal_id)
    mine = await repository.cards(session, survivor.personal_id)
    had = {(card["kind"], card["issued_on"]) for card in mine}
    cards = [*mine, *(card for card in theirs if (card["kind"], card["issued_on"]) not in had)]
    cards.sort(key=lambda card: (card["issued_on"], card["kind"]))
    values = await service.columns(session, duplicate, take) | {CARDS: cards}
    before = await service.columns(session, survivor, values)
    keys = service.keys_of(session)
    kept = {
        "duplicate": await repository.keep(session, duplicate.personal_id),
        "cards": storable(theirs),
        "before": keys.sealed({n: storable(v) for n, v in before.items()}, survivor.person_id),
        "after": keys.sealed({n: storable(v) for n, v in values.items()}, survivor.person_id),
        "merged_at": datetime.now(UTC).isoformat(),
    }
    changed = await service.change(
        session, survivor, replace(grounds.news, values=values), actor=grounds.actor
    )
    await repository.replace_cards(session, duplicate.personal_id, [])
    await repository.remove_person(session, duplicate.personal_id)
    session.expunge(duplicate)
    await repository.add_former_number(
        session,
        {
            "personal_id": duplicate.personal_id,
            "person_id": duplicate.person_id,
            "superseded_by": survivor.personal_id,
            "cause": MERGED,
            "decision": grounds.decision,
            "cancelled_by": grounds.actor.actor,
        },
    )
    kept["relationships"] = await relationships.take_over(
        session, old=duplicate.personal_id, new=survivor.personal_id
    )
    await _announce(session, survivor, changed)
    await publish(
        session,
        events.persons_merged(
            survivor=(survivor.person_id, survivor.personal_id, survivor.version),
            merged=(duplicate.person_id, duplicate.personal_id),
            place=service.place_of(survivor),
        ),
    )
    await _audit(session, "persons_merged", survivor, duplicate, grounds)
    log.info("persons_merged", person_id=str(survivor.person_id), other_person_id=str(duplicate.person_id))
    return kept


async def part(session: AsyncSession, survivor: Person, kept: dict[str, Any], *, grounds: Grounds) -> Person:
    """Undo a joining: both records hold what they held, as new versions; return the one that is back.

    Raises:
        RecordsChangedSince: what the survivor took was changed since, or the number is in use.
    """
    keys = service.keys_of(session)
    after = keys.opened(kept["after"], survivor.person_id)
    present = await service.columns(session, survivor, after)
    differ = [name for name, value in present.items() if storable(value) != after[name]]
    if differ:
        raise RecordsChangedSince(f"Changed since: {', '.join(changed_groups(differ))}.")
    before = keys.opened(kept["before"], survivor.person_id)
    before[CARDS] = cards_of(before[CARDS])
    changed = await service.change(
        session, survivor, replace(grounds.news, values=before), actor=grounds.actor
    )
    row = kept["duplicate"]
    was = {"source": row["source"], "recorded_at": row["recorded_at"]}
    back = {
        **row,
        "version": row["version"] + 1,
        "source": grounds.news.source,
        "recorded_at": datetime.now(UTC).isoformat(),
    }
    if not await repository.put_back(session, back):
        raise RecordsChangedSince
    duplicate = await repository.person(session, row["personal_id"], lock=True)
    if duplicate is None:
        raise RecordsChangedSince
    await repository.free_former_number(session, duplicate.personal_id, duplicate.person_id)
    await service.add_version(session, duplicate, before=was, news=grounds.news, actor=grounds.actor)
    await repository.replace_cards(session, duplicate.personal_id, cards_of(kept["cards"]))
    await relationships.put_back(session, await _today(session, kept["relationships"]))
    await _announce(session, survivor, changed)
    await announce_separation(session, survivor, duplicate, undone=True)
    await _audit(session, "persons_separated", survivor, duplicate, grounds)
    log.info("persons_separated", person_id=str(survivor.person_id), other_person_id=str(duplicate.person_id))
    return duplicate


async def announce_separation(
    session: AsyncSession, remaining: Person, separated: Person, *, undone: bool
) -> None:
    """Publish that a number is a person of its own (again)."""
    await publish(
        session,
        events.persons_separated(
            remaining=(remaining.person_id, remaining.personal_id, remaining.version),
            separated=(separated.person_id, separated.personal_id),
            undone=undone,
            place=service.place_of(remaining),
        ),
    )


def cards_of(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return cards as the database takes them from their stored form."""

    def day(text: str | None) -> date | None:
        return None if text is None else date.fromisoformat(text)

    return [{**c, "issued_on": day(c["issued_on"]), "valid_to": day(c["valid_to"])} for c in kept]


async def _announce(session: AsyncSession, person: Person, changed: Sequence[str]) -> None:
    if changed:
        await service.announce_change(session, person, changed, version=person.version + 1)


async def _today(session: AsyncSession, kept: relationships.Kept) -> relationships.Kept:
    """Let kept rows name everybody by the number that they have now."""
    names = ("personal_id", "related_personal_id")
    numbers = {row[name] for rows in kept.values() for row in rows for name in names if row[name] is not None}
    now = {number: await repository.current_number(session, number) for number in numbers}
    return {
        table: [{**row, **{name: now.get(row[name]) for name in names}} for row in rows]
        for table, rows in kept.items()
    }


async def _audit(
    session: AsyncSession, action: str, survivor: Person, other: Person, grounds: Grounds
) -> None:
    await record_audit(
        session,
        grounds.actor,
        action=action,
        entity_type=service.ENTITY,
        entity_id=survivor.person_id,
        details={"other": str(other.person_id)},
    )
