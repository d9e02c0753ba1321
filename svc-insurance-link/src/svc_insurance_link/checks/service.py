"""Use case of checks: one question at the counter, answered from this service's own copy."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from ndx_chassis.agreements import Grant, OutsideAdminScope
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.ids import new_id
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import mask_all
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_insurance_link.checks import repository, verdict
from svc_insurance_link.checks.errors import TooManyWrongChecks
from svc_insurance_link.checks.models import EntitlementCheck
from svc_insurance_link.checks.repository import WrongChecks
from svc_insurance_link.checks.result_codes import result_codes
from svc_insurance_link.checks.schemas import CoverOut, EntitlementCheckIn, EntitlementCheckOut
from svc_insurance_link.checks.verdict import Verdict
from svc_insurance_link.entitlements import service as entitlements
from svc_insurance_link.entitlements.intervals import Cover
from svc_insurance_link.participants import service as participants
from svc_insurance_link.participants.card_code import CardCodeFaulty, Fault, parse_card_code
from svc_insurance_link.participants.card_qr import CardQrUnreadable, parse_card_qr
from svc_insurance_link.participants.service import KnownCode, KnownParticipant
from svc_insurance_link.settings import Settings

_GROUPS = (FieldGroup.INSURANCE_ENTITLEMENT,)
_FAULT_CODES = {
    Fault.SHAPE: verdict.CARD_CODE_WRONG,
    Fault.BENEFIT_LEVEL: verdict.BENEFIT_LEVEL_WRONG,
    Fault.PROVINCE: verdict.PROVINCE_WRONG,
}
_NOT_MATCHED = frozenset(
    {
        verdict.NAME_WRONG,
        verdict.NAME_WRONG_INITIALS_RIGHT,
        verdict.BIRTH_DATE_WRONG,
        verdict.CARD_CODE_WRONG,
    }
)
_NUMBER_DIGITS = 10
_AT_ONCE = 200
"""Checks of one agency that may be under way at once: so near a limit they are counted one after another."""
_SOON = 1
"""Seconds after which a check may come again that waited for others of its agency in vain."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, whichever key it came with. `fault` is set when the key can't be right."""

    asked_by: str
    key: str
    name: str = ""
    birth_date: date = date.min
    fault: str | None = None

    @property
    def hashed_key(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict and whom it is about."""

    verdict: Verdict
    participant: KnownParticipant | None = None

    @property
    def outcome(self) -> Outcome:
        if self.participant is None:
            return Outcome.NOT_FOUND
        return Outcome.NOT_MATCHED if self.verdict.code in _NOT_MATCHED else Outcome.MATCHED


def question_of(request: EntitlementCheckIn) -> Question:
    """Read whichever key the clinic gave."""
    if request.card_qr is not None:
        try:
            card = parse_card_qr(request.card_qr)
        except CardQrUnreadable:
            return Question("CARD_QR", request.card_qr, fault=verdict.FORMAT_WRONG)
        return Question("CARD_QR", card.personal_id, card.name, card.birth_date)
    if request.name is None or request.birth_date is None:
        raise ValueError("the schema lets no such request through")
    claims = (request.name, request.birth_date)
    if request.personal_id is not None:
        return Question("PERSONAL_ID", request.personal_id, *claims)
    if request.card_code is not None:
        try:
            return Question("CARD_CODE", str(parse_card_code(request.card_code)), *claims)
        except CardCodeFaulty as faulty:
            return Question("CARD_CODE", request.card_code, *claims, fault=_FAULT_CODES[faulty.fault])
    number = "".join((request.social_insurance_number or "").split())
    well_formed = len(number) == _NUMBER_DIGITS and number.isascii() and number.isdigit()
    fault = None if well_formed else verdict.FORMAT_WRONG
    return Question("SOCIAL_INSURANCE_NUMBER", number, *claims, fault=fault)


async def check(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    request: EntitlementCheckIn,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
) -> EntitlementCheckOut:
    """Answer whether the patient is covered on the day of the visit.

    Uses only what is held here, so it works while the population database is away.

    Raises:
        FieldGroupNotCovered, OutsideAdminScope: the agreement does not go that far.
        TooManyWrongChecks: the agency guessed too often; the refused question is kept.
    """
    grant.require_field_groups(_GROUPS)
    # Residence is not kept here, so a bounded agreement can't be shown to cover anybody.
    if not grant.covers(None, None):
        raise OutsideAdminScope
    question = question_of(request)
    entry = EntitlementCheck(
        id=new_id(),
        agency=caller.agency,
        system=caller.system,
        clerk_name=request.clerk_name,
        clerk_id=request.clerk_id,
        asked_by=question.asked_by,
        asked_key=question.hashed_key,
        visit_date=request.visit_date or entitlements.today(),
        wrong=False,
        request_id=caller.request_id,
    )
    before = await _stop_guessing(session, entry, settings=settings, sessions=sessions)
    finding = await _find(session, question, visit_date=entry.visit_date)
    entry.result_code = finding.verdict.code
    repeated = finding.outcome is Outcome.NOT_FOUND and before.knows_key
    entry.wrong = finding.outcome is not Outcome.MATCHED and not repeated
    entry.participant_id = finding.participant.id if finding.participant is not None else None
    await repository.add(session, entry)
    await disclose(
        session,
        replace(caller, officer=caller.officer or mask_all(request.clerk_id)),
        grant=grant,
        subjects=_subjects(question, finding),
        field_groups=_GROUPS,
        outcome=finding.outcome,
    )
    return _answer(entry, finding)


async def _stop_guessing(
    session: AsyncSession,
    entry: EntitlementCheck,
    *,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
) -> WrongChecks:
    window = timedelta(seconds=settings.wrong_checks_window_seconds)

    async def count() -> WrongChecks:
        return await repository.count_wrong(
            session,
            agency=entry.agency,
            asked_key=entry.asked_key,
            guesses=_NOT_MATCHED,
            since=datetime.now(UTC) - window,
        )

    def too_many(wrong: WrongChecks) -> bool:
        about_key = wrong.about_key >= settings.wrong_checks_per_subject
        return about_key or wrong.keys >= settings.wrong_checks_per_agency

    wrong, retry_after = await count(), settings.wrong_checks_window_seconds
    refused = too_many(wrong)
    # Many numbers tried at once each see the others too late; far from the limit that does no harm, and an
    # agency's checks need not wait for each other. Nor does one that is refused anyway.
    if not refused and wrong.keys + _AT_ONCE >= settings.wrong_checks_per_agency:
        if await repository.count_one_by_one(session, entry.agency):
            wrong = await count()
            refused = too_many(wrong)
        else:
            refused, retry_after = True, _SOON
    if not refused:
        return wrong
    # Nothing was written yet. Who waits for this one's lock may hold all other connections.
    await session.rollback()
    async with sessions() as own, own.begin():
        await repository.add(own, entry)
    raise TooManyWrongChecks(retry_after=retry_after)


async def _find(session: AsyncSession, question: Question, *, visit_date: date) -> Finding:
    if question.fault is not None:
        return Finding(Verdict(question.fault))
    participant, code = await _participant(session, question)
    if participant is None:
        return await _not_found(session, question)
    fault = verdict.identity_fault(
        name=question.name,
        birth_date=question.birth_date,
        held_name=participant.name,
        held_birth_date=participant.birth_date,
    )
    if fault is not None:
        return Finding(Verdict(fault), participant)
    covers = await entitlements.covers_of(session, participant.id)
    found = verdict.judge(covers, visit_date)
    if code is not None:
        found = verdict.with_old_card(
            found,
            replaced=code.replaced,
            withdrawn=code.withdrawn,
            card_valid=code.valid_to is None or code.valid_to >= visit_date,
        )
    return Finding(found, participant)


async def _participant(
    session: AsyncSession, question: Question
) -> tuple[KnownParticipant | None, KnownCode | None]:
    if question.asked_by in {"CARD_QR", "PERSONAL_ID"}:
        return await participants.find(session, question.key), None
    return await participants.find_by_code(session, question.key) or (None, None)


async def _not_found(session: AsyncSession, question: Question) -> Finding:
    """Tell a card code that nobody has from one whose ten digits are somebody's."""
    if question.asked_by == "CARD_CODE":
        number = parse_card_code(question.key).social_insurance_number
        holder = await participants.find_by_code(session, number)
        if holder is not None:
            return Finding(Verdict(verdict.CARD_CODE_WRONG), holder[0])
    return Finding(Verdict(verdict.NOT_FOUND))


def _subjects(question: Question, finding: Finding) -> list[str]:
    if finding.participant is not None:
        return [finding.participant.personal_id]
    by_personal_id = question.fault is None and question.asked_by in {"CARD_QR", "PERSONAL_ID"}
    return [question.key] if by_personal_id else []


def _answer(entry: EntitlementCheck, finding: Finding) -> EntitlementCheckOut:
    row = result_codes()[finding.verdict.code]
    matched = finding.participant if finding.outcome is Outcome.MATCHED else None
    cover = finding.verdict.cover
    return EntitlementCheckOut(
        check_id=entry.id,
        result_code=row.code,
        result_vi=row.text_vi,
        result_en=row.text_en,
        action=row.action,
        action_vi=row.action_vi,
        action_en=row.action_en,
        covered=row.covered,
        visit_date=entry.visit_date,
        entitlement=None if cover is None else _cover_out(cover),
        identity_copy=None if matched is None else entitlements.copy_shown(matched.fetched_at),
    )


def _cover_out(cover: Cover) -> CoverOut:
    return CoverOut(
        kind=cover.kind,
        participant_group=cover.participant_group,
        benefit_level=cover.benefit_level,
        valid_from=cover.valid_from,
        valid_to=cover.valid_to,
    )
