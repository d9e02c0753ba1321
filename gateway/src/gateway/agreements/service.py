"""Use cases: draft, amend, decide by a second person, suspend at once; each step is kept and announced."""

from collections.abc import Sequence
from typing import cast

from ndx_chassis.app import Runtime
from ndx_chassis.caller import Operator
from ndx_contracts.agreements import AgreementState, AgreementTerms
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.agreements import repository
from gateway.agreements.errors import FourEyes, StepRefused, TermsRefused, VersionMissing
from gateway.agreements.models import REWRITABLE, AgreementRow
from gateway.agreements.reading import View, document
from gateway.agreements.schemas import RefusalIn
from gateway.agreements.steps import Held, held, names_one, today
from gateway.agreements.terms import Offer, check
from gateway.settings import Settings

S = AgreementState


async def _check(session: AsyncSession, terms: AgreementTerms, offer: Offer) -> None:
    await agencies.open_agency(session, terms.provider_agency)
    systems: list[str] = []
    if terms.consumer_agency is not None:
        await agencies.open_agency(session, terms.consumer_agency)
        systems = await agencies.systems_of(session, terms.consumer_agency)
    check(terms, offer, systems)


async def draft_agreement(
    session: AsyncSession, operator: Operator, *, terms: AgreementTerms, offer: Offer
) -> View:
    """Write the first draft of an agreement with one agency, or of a template for a class.

    Raises:
        TermsRefused: the terms name what is not there.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await _check(session, terms, offer)
    return await Held(session, operator).write(terms, "draft")


async def change_draft(
    session: AsyncSession,
    operator: Operator,
    *,
    agreement_id: str,
    terms: AgreementTerms,
    offer: Offer,
    if_match: str | None = None,
) -> View:
    """Write new terms in the place of a draft, or of one that was rejected or withdrawn, as the next version.

    Raises:
        StepRefused: the newest version is being decided on or is in force.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    found = await held(session, operator, agreement_id, if_match)
    former = found.newest
    if found.terminated or former.state not in REWRITABLE:
        raise StepRefused(f"Version {former.version} is {former.state}; recall it, or amend the agreement.")
    _same_parties(former, terms, provider_too=found.last_agreed > 0)
    await _check(session, terms, offer)
    if former.state == S.DRAFT:
        await found.step(former, "supersede")
    return await found.write(terms, "change")


def _same_parties(row: AgreementRow, terms: AgreementTerms, *, provider_too: bool) -> None:
    if (terms.consumer_agency, terms.consumer_class) != (row.consumer_agency, row.consumer_class):
        raise TermsRefused("The consumer of an agreement does not change.")
    if provider_too and terms.provider_agency != row.provider_agency:
        raise TermsRefused("The provider of an agreement that was in force does not change.")


async def amend_agreement(
    session: AsyncSession,
    operator: Operator,
    *,
    agreement_id: str,
    terms: AgreementTerms,
    offer: Offer,
    if_match: str | None = None,
) -> View:
    """Draft the next version beside the one in force, which goes on until the new one begins.

    Raises:
        StepRefused: another version is open, or the agreement was never in force or is terminated.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    found = await held(session, operator, agreement_id, if_match)
    if found.open is not None:
        raise StepRefused(f"Version {found.open.version} is {found.open.state} already.")
    if found.last_agreed == 0 or found.terminated:
        raise StepRefused(f"Version {found.newest.version} is {found.newest.state}.")
    _same_parties(found.newest, terms, provider_too=True)
    await _check(session, terms, offer)
    return await found.write(terms, "amend")


def _the_open_one(found: Held) -> AgreementRow:
    if found.open is None:
        raise StepRefused(f"No version is open; version {found.newest.version} is {found.newest.state}.")
    return found.open


async def submit_agreement(
    session: AsyncSession, operator: Operator, *, agreement_id: str, offer: Offer, if_match: str | None = None
) -> View:
    """Hand the draft to the providing agency."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    found = await held(session, operator, agreement_id, if_match)
    row = _the_open_one(found)
    if row.state == S.DRAFT:
        # What it names may have gone since it was drafted.
        await _check(session, document(row), offer)
    return await found.step(row, "submit")


async def take_back(
    session: AsyncSession,
    operator: Operator,
    *,
    agreement_id: str,
    action: str,
    reason: str,
    if_match: str | None = None,
) -> View:
    """Recall a submitted version to a draft, or withdraw the open version for good."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    found = await held(session, operator, agreement_id, if_match)
    return await found.step(_the_open_one(found), action, reason)


async def decide_agreement(
    session: AsyncSession,
    operator: Operator,
    *,
    agreement_id: str,
    refusal: RefusalIn | None = None,
    if_match: str | None = None,
) -> View:
    """Approve, or reject with reason and legal basis, as a second person of the providing agency.

    Raises:
        VersionMissing: the call does not say which version was read: another one may stand by now.
        FourEyes: somebody else must decide.
    """
    await agencies.require_role(session, operator, Role.APPROVER)
    if not names_one(if_match):
        raise VersionMissing
    found = await held(session, operator, agreement_id, if_match)
    row = _the_open_one(found)
    me = f"{operator.agency}:{operator.login}"
    wrote = await repository.drafters(session, agreement_id, found.last_agreed)
    if operator.agency != row.provider_agency or me in wrote:
        raise FourEyes(f"An approver of {row.provider_agency} who did not draft it must decide.")
    if refusal is None and row.valid_to is not None and row.valid_to < today():
        raise StepRefused("The agreement's last day has passed.")
    row.decided_by = me
    if refusal is not None:
        return await found.step(row, "reject", refusal=refusal)
    approved = await found.step(row, "approve")
    return await found.begin(row) if row.valid_from <= today() else approved


async def move_agreement(
    session: AsyncSession,
    operator: Operator,
    *,
    agreement_id: str,
    action: str,
    reason: str,
    if_match: str | None = None,
) -> View:
    """Suspend, resume or terminate: any operator of the bus suspends, so that it is quick."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    found = await held(session, operator, agreement_id, if_match)
    row = found.standing or found.newest
    if action == "terminate" and found.open is not None and found.open is not row:
        # What was to follow ends with it.
        await found.step(found.open, "withdraw", reason)
    return await found.step(row, action, reason)


async def hold_all_of(
    session: AsyncSession, operator: Operator, *, agency: str
) -> tuple[list[Held], list[Held]]:
    """Hold what is drafted or stands with an agency: as the one that asks, and as the one that others ask."""
    ids = sorted(await repository.live_of(session, agency))
    found = [await held(session, operator, identifier) for identifier in ids]
    live = [f for f in found if f.standing is not None or f.open is not None]
    mine = [f for f in live if f.newest.consumer_agency == agency]
    return mine, [f for f in live if f.newest.consumer_agency != agency]


async def end(found: Held, reason: str) -> None:
    """End an agreement for good: what stands is terminated, what was to follow is withdrawn."""
    if found.open is not None:
        await found.step(found.open, "withdraw", reason)
    if found.standing is not None:
        await found.step(found.standing, "terminate", reason)


def offer_of(runtime: Runtime) -> Offer:
    """Return what may be agreed on, as `app.py` put it in the runtime."""
    if not isinstance(runtime.settings, Settings):
        raise TypeError("agreements need the gateway's settings")
    groups = cast("dict[str, Sequence[str]]", runtime.extras["operation_groups"])
    return Offer(groups, runtime.settings.service_owners)
