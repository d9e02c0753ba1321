"""Use cases: a system publishes its keys, old beside new; it or an operator revokes them; all are shown."""

import base64
import binascii
import math
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller, Operator
from ndx_chassis.outbox import publish
from ndx_contracts.signatures import jwk
from ndx_contracts.signed_exchange import possession
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.settings import Settings
from gateway.signing_keys import events, repository
from gateway.signing_keys.errors import (
    SigningKeyNotFound,
    SigningKeysTooMany,
    SigningKeysTooOften,
    SigningKeyTaken,
    SigningKeyUnproven,
)
from gateway.signing_keys.models import SigningKey
from gateway.signing_keys.schemas import SigningKeyIn, SigningKeyOut, SigningKeySet
from gateway.signing_keys.small_order import is_small_order

_DAY = timedelta(days=1)


def _out(key: SigningKey) -> SigningKeyOut:
    return SigningKeyOut(
        kid=key.key_id,
        x=key.x,
        agency=key.agency,
        system=key.system,
        published_at=key.published_at,
        revoked_at=key.revoked_at,
    )


def settings_of(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("the control plane was started with another service's settings")
    return runtime.settings


async def publish_key(
    session: AsyncSession, caller: Caller, *, wanted: SigningKeyIn, settings: Settings
) -> SigningKeyOut:
    """Publish the caller's key; the same key again changes nothing.

    Raises:
        SigningKeyUnproven: the proof is not made by this key for this system.
        AgencyIsClosed: it is closed, or was while this call waited for that.
        SigningKeysTooMany, SigningKeysTooOften: beyond what one system may have, and publish within a day.
        SigningKeyTaken: the key is revoked or another system's.
    """
    try:
        raw = base64.urlsafe_b64decode(wanted.x + "=")
        if is_small_order(raw):
            # Anybody can prove to hold it, and whoever signed with it could deny everything.
            raise SigningKeyUnproven
        public = Ed25519PublicKey.from_public_bytes(raw)
        key_id = jwk(public)["kid"]
        public.verify(base64.b64decode(wanted.proof), possession(caller.agency, caller.system, key_id))
    except (InvalidSignature, ValueError, binascii.Error):
        raise SigningKeyUnproven from None
    await agencies.hold_open_system(session, caller.agency, caller.system)
    held = await repository.of_agency(session, caller.agency, caller.system)
    if all(key.key_id != key_id for key in held):
        _require_room(held, settings)
    added = await repository.add(
        session,
        key_id=key_id,
        agency=caller.agency,
        system=caller.system,
        # Of the key and not as sent: base64 may write the same bytes in several ways.
        x=jwk(public)["x"],
        published_at=datetime.now(UTC),
    )
    key = await repository.find(session, key_id)
    mine = key is not None and (key.agency, key.system) == (caller.agency, caller.system)
    if key is None or not mine or key.revoked_at is not None:
        raise SigningKeyTaken
    if added:
        await record_audit(
            session, caller, action="signing_key_published", entity_type="signing_key", entity_id=key_id
        )
        await publish(session, events.changed(key))
    return _out(key)


def _require_room(held: list[SigningKey], settings: Settings) -> None:
    if sum(key.revoked_at is None for key in held) >= settings.signing_keys_in_force:
        most = settings.signing_keys_in_force
        raise SigningKeysTooMany(f"{most} are in force: revoke one that you do not sign with any more.")
    now = datetime.now(UTC)
    lately = [key.published_at for key in held if key.published_at > now - _DAY]
    if len(lately) >= settings.signing_keys_a_day:
        # The oldest first, as they are read: one of them has to be a day old.
        again = lately[-settings.signing_keys_a_day] + _DAY - now
        raise SigningKeysTooOften(retry_after=math.ceil(again.total_seconds()))


async def revoke_mine(session: AsyncSession, caller: Caller, *, key_id: str, reason: str) -> SigningKeyOut:
    """Revoke a key of the calling system.

    Raises:
        SigningKeyNotFound: unknown, or another system's.
    """
    key = await repository.find(session, key_id)
    if key is None or (key.agency, key.system) != (caller.agency, caller.system):
        raise SigningKeyNotFound
    return await _revoke(session, caller, key, reason)


async def revoke(session: AsyncSession, operator: Operator, *, key_id: str, reason: str) -> SigningKeyOut:
    """Revoke any key, such as one whose agency has lost its certificate too.

    Raises:
        RoleMissing, SigningKeyNotFound.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    key = await repository.find(session, key_id)
    if key is None:
        raise SigningKeyNotFound
    return await _revoke(session, operator, key, reason)


async def revoke_all_of(session: AsyncSession, operator: Operator, *, agency: str, reason: str) -> list[str]:
    """Revoke all keys of an agency that ceases, and return their names."""
    rows = [key for key in await repository.of_agency(session, agency) if key.revoked_at is None]
    return [(await _revoke(session, operator, key, reason)).kid for key in rows]


async def _revoke(
    session: AsyncSession, actor: Caller | Operator, key: SigningKey, reason: str
) -> SigningKeyOut:
    if key.revoked_at is None:
        key.revoked_at, key.revoked_by, key.reason = datetime.now(UTC), actor.actor, reason
        await record_audit(
            session,
            actor,
            action="signing_key_revoked",
            entity_type="signing_key",
            entity_id=key.key_id,
            details={"reason": reason},
        )
        await publish(session, events.changed(key))
    return _out(key)


async def keys_of(session: AsyncSession, agency: str, system: str | None = None) -> SigningKeySet:
    """Return all keys, revoked ones too: what they signed before stays provable."""
    return SigningKeySet(keys=[_out(key) for key in await repository.of_agency(session, agency, system)])


async def keys_in_force(session: AsyncSession, agency: str, system: str) -> list[SigningKeyOut]:
    """Return the keys by which this system's signatures hold now."""
    found = await repository.of_agency(session, agency, system)
    return [_out(key) for key in found if key.revoked_at is None]
