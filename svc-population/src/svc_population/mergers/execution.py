"""Does what two officers decided: each in the transaction of the decision, with everything that undoes it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.outbox import publish
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import composed
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.changes.schemas import DocumentIn
from svc_population.households import book as households
from svc_population.mergers.errors import MergerContradicted, PersonAlreadyMerged
from svc_population.mergers.models import Merger
from svc_population.mergers.schemas import MergeIn, SecondPersonIn, SplitIn, UndoIn
from svc_population.mergers.vocabulary import MergerKind, MergerState
from svc_population.personal_ids import service as personal_ids
from svc_population.personal_ids.personal_id import place_code_of, prefix
from svc_population.persons import deaths, events, joining
from svc_population.persons import service as persons
from svc_population.persons.errors import RecordsChangedSince
from svc_population.persons.field_groups import COLUMNS, changed_groups, columns_of
from svc_population.persons.joining import Grounds
from svc_population.persons.models import Person
from svc_population.persons.vocabulary import ChangeKind
from svc_population.reconciliation import duplicates
from svc_population.relationships import service as relationships
from svc_population.residences import ends as residences


def _grounds(merger: Merger, document: DocumentIn, caller: Caller) -> Grounds:
    written = document.model_dump(mode="json")
    news = persons.Change(
        {},
        valid_from=datetime.now(UTC).astimezone(VIETNAM).date(),
        source=f"{caller.agency}:merger:{merger.id}",
        kind=ChangeKind.CORRECTION,
        agency=caller.agency,
        document=written,
        after_death=True,
    )
    return Grounds(news=news, decision=document.model_dump_json(), actor=caller)


async def _locked(session: AsyncSession, number: str) -> Person:
    person = await persons.find(session, number, lock=True)
    if person is None or person.personal_id != number:
        raise PersonAlreadyMerged
    return person


async def merge(session: AsyncSession, merger: Merger, plan: MergeIn, caller: Caller) -> None:
    """Let the survivor stand for both; the rows are locked in the order of their numbers."""
    found = {n: await _locked(session, n) for n in sorted((plan.survivor, plan.duplicate))}
    survivor, duplicate = found[plan.survivor], found[plan.duplicate]
    grounds = _since_birth(_grounds(merger, plan.document, caller), survivor)
    take = [column for group in plan.take for column in COLUMNS[FieldGroup(group)]]
    kept = await joining.join(session, survivor, duplicate, take=take, grounds=grounds)
    giver, taker = duplicate.person_id, survivor.person_id
    kept["residences"] = await residences.merge(session, caller, giver=giver, taker=taker)
    kept["memberships"] = await households.hand_over(session, giver=giver, taker=taker)
    kept["cases"] = await duplicates.settle_merged(
        session, caller, survivor=survivor.personal_id, merger_id=merger.id
    )
    merger.kept = kept


def _since_birth(grounds: Grounds, person: Person) -> Grounds:
    # Both records were of one person from birth on: what was found out later was true before.
    return replace(grounds, news=replace(grounds.news, valid_from=person.birth_date))


async def split(
    session: AsyncSession, runtime: Runtime, merger: Merger, plan: SplitIn, caller: Caller
) -> None:
    """Open a record with a number of its own for the second person, and move what is theirs."""
    original = await _locked(session, plan.personal_id)
    grounds = _since_birth(_grounds(merger, plan.document, caller), original)
    given = {column: None for group in plan.give for column in columns_of(FieldGroup(group), None)}
    before = await persons.columns(session, original, given)
    number, person_id = await personal_ids.open_under_next_number(
        session, runtime, _prefix(plan.second), {**_values(plan.second, grounds), **before}
    )
    changed = await persons.change(session, original, replace(grounds.news, values=given), actor=caller)
    moved = await relationships.hand_over(
        session,
        old=original.personal_id,
        new=number,
        relations=plan.give_relations,
        holders=plan.give_to_relatives,
    )
    if changed:
        await persons.announce_change(session, original, changed, version=original.version + 1)
    second = await _locked(session, number)
    province, commune = persons.place_of(second)
    registered = events.person_registered(
        person_id=second.person_id,
        personal_id=number,
        birth_date=second.birth_date,
        mother=None,
        father=None,
        province_code=province,
        commune_code=commune,
    )
    await publish(session, registered)
    await joining.announce_separation(session, original, second, undone=False)
    merger.other_person_id, merger.other_personal_id = person_id, number
    merger.kept = {"given": list(given), "relationships": moved}
    await record_audit(
        session,
        caller,
        action="persons_separated",
        entity_type=persons.ENTITY,
        entity_id=original.person_id,
        details={"other": str(person_id)},
    )


def _prefix(second: SecondPersonIn) -> str:
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    place = place_code_of(second.birth_registration_province_code, today)
    if place is None or second.birth_date > today:
        raise MergerContradicted("The second person's birth is in the future, or its province is unknown.")
    return prefix(place, second.sex, second.birth_date.year)


def _values(second: SecondPersonIn, grounds: Grounds) -> dict[str, Any]:
    stated = second.model_dump(exclude={"birth_name", "sex", "birth_place"})
    return {
        **stated,
        **second.birth_name.model_dump(),
        "sex": second.sex.value,
        "birth_place": composed(second.birth_place) if second.birth_place else None,
        "source": grounds.news.source,
    }


async def undo(session: AsyncSession, merger: Merger, undone: Merger, plan: UndoIn, caller: Caller) -> None:
    """Restore both records of a merge, or take a split's second record back."""
    if undone.kept is None or undone.other_personal_id is None:
        raise RecordsChangedSince
    survivor = await persons.find(session, undone.personal_id, lock=True)
    if survivor is None or survivor.person_id != undone.person_id:
        raise PersonAlreadyMerged
    grounds = _since_birth(_grounds(merger, plan.document, caller), survivor)
    if undone.kind == MergerKind.MERGE:
        kept = undone.kept
        back = await joining.part(session, survivor, kept, grounds=grounds)
        giver, taker = survivor.person_id, back.person_id
        # A merger from before these followed left them with the record that is back.
        if "residences" in kept:
            await residences.part(session, kept["residences"], giver=giver, taker=taker)
            await households.hand_over(session, giver=giver, taker=taker, only=kept["memberships"])
        await deaths.part(session, [survivor, back], grounds=_of_deaths(grounds))
        await duplicates.reopen_parted(session, caller, kept.get("cases", {}), merger_id=undone.id)
    else:
        await _undo_split(session, survivor, undone, grounds)
        await duplicates.settle_merged(session, caller, survivor=survivor.personal_id, merger_id=merger.id)
    undone.state = MergerState.UNDONE.value


def _of_deaths(grounds: Grounds) -> deaths.Grounds:
    news = grounds.news
    return deaths.Grounds(source=news.source, actor=grounds.actor, agency=news.agency, document=news.document)


async def _undo_split(session: AsyncSession, original: Person, undone: Merger, grounds: Grounds) -> None:
    kept = undone.kept or {}
    second = await _locked(session, undone.other_personal_id or "")
    if second.version != 1:
        raise RecordsChangedSince("The second record was changed since.")
    present = await persons.columns(session, original, kept["given"])
    filled = [name for name, value in present.items() if value is not None]
    if filled:
        raise RecordsChangedSince(f"Changed since: {', '.join(changed_groups(filled))}.")
    await relationships.put_back(session, kept["relationships"])
    await joining.join(session, original, second, take=kept["given"], grounds=grounds)
