"""Use cases: a holder gives a consent, sees those given, and withdraws one; each is announced at once."""

from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Citizen
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts import service as accounts
from svc_identity.consents import repository
from svc_identity.consents.errors import ConsentNotFound
from svc_identity.consents.events import consent_changed
from svc_identity.consents.models import GivenConsent
from svc_identity.consents.schemas import ConsentIn, ConsentList, ConsentOut


def _out(consent: GivenConsent) -> ConsentOut:
    return ConsentOut(
        id=consent.id,
        agency=consent.agency,
        purpose=Purpose(consent.purpose),
        field_groups=[FieldGroup(group) for group in consent.field_groups],
        given_at=consent.given_at,
        valid_until=consent.valid_until,
        withdrawn_at=consent.withdrawn_at,
        in_force=consent.withdrawn_at is None and consent.valid_until > datetime.now(UTC),
    )


async def give_consent(
    session: AsyncSession, citizen: Citizen, *, wanted: ConsentIn, idempotency_key: str | None
) -> ConsentOut:
    """Let an agency have field groups for a purpose until a moment.

    Raises:
        AccountNotFound: the token's subject has no account here.
    """

    async def act() -> ConsentOut:
        personal_id = await accounts.own_number(session, citizen, lock=True)
        consent = GivenConsent(
            id=new_id(),
            account_id=citizen.account_id,
            personal_id=personal_id,
            agency=wanted.agency,
            purpose=wanted.purpose.value,
            field_groups=sorted({group.value for group in wanted.field_groups}),
            given_at=datetime.now(UTC),
            valid_until=wanted.valid_until,
        )
        session.add(consent)
        await session.flush()
        await tell(session, citizen, consent, "consent_given")
        return _out(consent)

    return await once(
        session, citizen, grant=None, key=idempotency_key, request=wanted, response_type=ConsentOut, act=act
    )


async def list_own(session: AsyncSession, citizen: Citizen) -> ConsentList:
    """Return all that the holder ever gave, also under a number that leads to theirs, the newest first."""
    account = await accounts.record_own_look(session, citizen, action="own_consents_viewed")
    return ConsentList(items=[_out(c) for c in await repository.of_person(session, account.personal_id)])


async def withdraw_consent(session: AsyncSession, citizen: Citizen, *, consent_id: UUID) -> ConsentOut:
    """End a consent for good, under each number of the holder; to withdraw it again changes nothing.

    Raises:
        ConsentNotFound: it is not the holder's, or is not at all.
    """
    number = await accounts.number_of(session, citizen)
    consent = await repository.find(session, number, consent_id)
    if consent is None:
        raise ConsentNotFound
    if consent.withdrawn_at is None:
        now = datetime.now(UTC)
        for each in await repository.one_consent(session, consent_id):
            if each.withdrawn_at is None:
                each.withdrawn_at = now
                await session.flush()
                await tell(session, citizen, each, "consent_withdrawn")
    return _out(consent)


async def tell(session: AsyncSession, actor: Actor, consent: GivenConsent, action: str) -> None:
    """Write down and announce what a consent is now."""
    await record_audit(
        session,
        actor,
        action=action,
        entity_type="consent",
        entity_id=consent.id,
        details={"agency": consent.agency, "purpose": consent.purpose},
    )
    await publish(session, consent_changed(consent))
