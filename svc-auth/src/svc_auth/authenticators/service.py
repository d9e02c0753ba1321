"""Use cases of authenticators: follow the account, activate, admit an attempt, prove it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.consumer import Event
from ndx_chassis.telemetry import log
from ndx_contracts.events import AccountActivated, AccountLocked, AccountUnlocked, ActivationCodeIssued
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.authenticators import one_time_passwords, passcodes, repository
from svc_auth.authenticators.errors import ActivationRefused, PasscodeTooSimple, TooManyAttempts
from svc_auth.authenticators.limits import LIMITS, CounterKind
from svc_auth.authenticators.models import Login
from svc_auth.authenticators.schemas import ActivationIn, ActivationOut
from svc_auth.keys import Keys, SecretsKey, keys_of, settings_of

_NOBODY = UUID(int=0)
"""Looked up for an unknown name, so that it costs the same statements."""


class Result(Enum):
    """How an attempt ended; the page tells WRONG and nothing more about it."""

    PROVED = "proved"
    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Admission:
    """An attempt that was counted and may be made; `login` is empty for an unknown name."""

    handle: bytes
    source: bytes
    login: Login | None


@dataclass(frozen=True, slots=True)
class Proof:
    result: Result
    account_id: UUID | None = None
    acr: int = 0
    amr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """The actor of what a holder does before being logged in."""

    account_id: UUID | None
    request_id: str
    officer: str | None = None
    case_id: str | None = None

    @property
    def actor(self) -> str:
        return f"holder/{self.account_id}" if self.account_id else "holder/unknown"


def _blind_handle(keys: SecretsKey, handle: str) -> bytes:
    return keys.blind("handle", passcodes.folded(handle))


def _peppered(keys: SecretsKey, account_id: UUID | None, passcode: str) -> str:
    # Six digits are too few for any hash: without the key outside the database a copy of it is of no use.
    return keys.blind(f"passcode:{account_id}", passcode).hex()


# What the account's events do ------------------------------------------------------------------------


async def follow_activation(session: AsyncSession, runtime: Runtime, event: Event[AccountActivated]) -> None:
    """Take over an opened or raised account; a code in the event opens its first activation."""
    account = event.data
    login = await repository.ensure(session, account.account_id)
    login.handle = _blind_handle(keys_of(runtime).secrets, account.personal_id)
    login.level = max(login.level, account.level)
    if account.activation_hash is not None:
        _offer_code(runtime, login, account.account_version, account.activation_hash, event.time)
    await session.flush()
    await _audit_follow(session, event, account.account_id)


async def follow_new_code(
    session: AsyncSession, runtime: Runtime, event: Event[ActivationCodeIssued]
) -> bool:
    """Replace all former means by a new activation code; False when a newer code is known."""
    login = await repository.ensure(session, event.data.account_id)
    taken = _offer_code(runtime, login, event.data.account_version, event.data.activation_hash, event.time)
    await session.flush()
    await _audit_follow(session, event, login.account_id)
    return taken


def _offer_code(
    runtime: Runtime, login: Login, version: int, code_hash: str, issued: datetime | None
) -> bool:
    if version <= login.code_version:
        return False
    login.code_version = version
    login.activation_hash = code_hash
    days = settings_of(runtime).activation_days
    login.activation_until = (issued or datetime.now(UTC)) + timedelta(days=days)
    login.passcode_hash = None
    login.totp_sealed = None
    login.activated_at = None
    return True


async def follow_lock(session: AsyncSession, event: Event[AccountLocked] | Event[AccountUnlocked]) -> bool:
    """Lock or unlock as the account did; an older event than the last one changes nothing."""
    login = await repository.ensure(session, event.data.account_id)
    if event.data.account_version <= login.state_version:
        return False
    login.state_version = event.data.account_version
    login.locked = isinstance(event.data, AccountLocked)
    await session.flush()
    await _audit_follow(session, event, login.account_id)
    return True


async def _audit_follow(session: AsyncSession, actor: Actor, account_id: UUID) -> None:
    await record_audit(
        session, actor, action="login_followed_account", entity_type="login", entity_id=account_id
    )


# Attempts --------------------------------------------------------------------------------------------


async def admit(
    session: AsyncSession, runtime: Runtime, *, kinds: Sequence[CounterKind], handle: str, source: str
) -> Admission:
    """Count an attempt before it is made, so that attempts at one instant cannot pass the limit together.

    `kinds`: what is tried. Call it in a transaction that commits whatever the attempt's end is.

    Raises:
        TooManyAttempts: this name, known or not, or this source must wait.
    """
    keys = keys_of(runtime).secrets
    blinded = _blind_handle(keys, handle)
    origin = keys.blind("source", source)
    for counter, key in ((CounterKind.SOURCE, origin), *((kind, blinded) for kind in kinds)):
        if await repository.charge(session, counter, key, LIMITS[counter]) is None:
            wait = await repository.seconds_left(session, counter, key)
            log.warning("attempt_limited", counter=counter.value)
            raise TooManyAttempts(retry_after=wait)
    return Admission(blinded, origin, await repository.login_of(session, blinded))


async def prove(
    session: AsyncSession, runtime: Runtime, admission: Admission, *, passcode: str, otp: str
) -> Proof:
    """Check passcode and, when given, one-time password; the account's state in the same transaction.

    Unknown name, wrong passcode and wrong one-time password take the same work and give the same answer.
    """
    keys = keys_of(runtime)
    seen = admission.login
    account_id = seen.account_id if seen else None
    right = await passcodes.fits(
        seen.passcode_hash if seen else None, _peppered(keys.secrets, account_id, passcode)
    )
    login = await repository.login(session, account_id or _NOBODY, lock=True)
    if not right or seen is None or login is None or login.passcode_hash != seen.passcode_hash:
        return Proof(Result.WRONG, account_id)
    if otp and not _spend_otp(keys, login, otp):
        return Proof(Result.WRONG, account_id)
    if login.locked:
        return Proof(Result.LOCKED, account_id)
    await session.flush()
    await _settle(session, tried(otp=otp), admission)
    return Proof(Result.PROVED, account_id, *((2, ("pin", "otp", "mfa")) if otp else (1, ("pin",))))


def _spend_otp(keys: Keys, login: Login, otp: str) -> bool:
    if login.totp_sealed is None:
        return False
    secret = keys.secrets.stored.open(login.totp_sealed, owner=f"totp:{login.account_id}")
    step = one_time_passwords.accepted_step(secret, otp, now=time.time(), last_step=login.totp_step)
    if step is None:
        return False
    login.totp_step = step
    return True


def tried(*, otp: str) -> tuple[CounterKind, ...]:
    """Return what an attempt to log in tries, and a success settles."""
    return (CounterKind.ACCOUNT, CounterKind.ONE_TIME_PASSWORD) if otp else (CounterKind.ACCOUNT,)


async def _settle(session: AsyncSession, kinds: Sequence[CounterKind], admission: Admission) -> None:
    for kind in kinds:
        await repository.clear(session, kind, admission.handle)
    await repository.give_back(session, CounterKind.SOURCE, admission.source, LIMITS[CounterKind.SOURCE])


async def require_usable(session: AsyncSession, account_id: UUID) -> bool:
    """Tell, holding the row until the transaction's end, whether the account may get a token now."""
    login = await repository.login(session, account_id, lock=True)
    return login is not None and not login.locked and login.passcode_hash is not None


async def level_of(session: AsyncSession, account_id: UUID) -> int | None:
    """Return the account's level (identity proofing, not the log-in's acr); None when it is locked."""
    login = await repository.login(session, account_id)
    return None if login is None or login.locked else login.level


async def activate(
    session: AsyncSession, runtime: Runtime, *, activation: ActivationIn, source: str, request_id: str
) -> ActivationOut:
    """Set the passcode and hand out the secret of the one-time password, against the activation code.

    Raises:
        PasscodeTooSimple: says nothing about the account, so it may be precise.
        ActivationRefused: everything else; the same for every cause.
        TooManyAttempts: this name or source must wait.
    """
    passcode = activation.passcode.get_secret_value()
    if not passcodes.is_passcode(passcode):
        raise PasscodeTooSimple("A passcode has six digits.")
    if passcodes.is_too_simple(passcode, activation.handle):
        raise PasscodeTooSimple("No repetition, no run, no part of the personal ID.")
    # Its own transaction: the attempt stays counted when it is refused.
    async with runtime.sessions() as counting, counting.begin():
        admission = await admit(
            counting, runtime, kinds=[CounterKind.ACTIVATION], handle=activation.handle, source=source
        )
    code = passcodes.normalised_code(activation.activation_code.get_secret_value())
    seen = admission.login
    right = await passcodes.fits(seen.activation_hash if seen else None, code)
    login = await repository.login(session, seen.account_id if seen else _NOBODY, lock=True)
    if (
        not right
        or seen is None
        or login is None
        or login.locked
        or login.activation_hash != seen.activation_hash
        or login.activation_until is None
        or login.activation_until <= datetime.now(UTC)
    ):
        log.info("activation_refused", account_id=str(seen.account_id) if seen else None)
        raise ActivationRefused
    secret = one_time_passwords.new_secret()
    keys = keys_of(runtime)
    login.passcode_hash = await passcodes.hashed(_peppered(keys.secrets, login.account_id, passcode))
    login.totp_sealed = keys.secrets.stored.seal(secret, owner=f"totp:{login.account_id}")
    login.totp_step = 0
    login.activation_hash = None
    login.activation_until = None
    login.activated_at = datetime.now(UTC)
    await session.flush()
    await _settle(session, [CounterKind.ACTIVATION], admission)
    await record_audit(
        session,
        Holder(login.account_id, request_id),
        action="login_activated",
        entity_type="login",
        entity_id=login.account_id,
    )
    log.info("login_activated", account_id=str(login.account_id))
    issuer = settings_of(runtime).display_name
    return ActivationOut(
        account_id=login.account_id,
        totp_secret=one_time_passwords.base32(secret),
        totp_uri=one_time_passwords.uri(secret, issuer=issuer, label=str(login.account_id)),
    )


async def forget_counters(session: AsyncSession, before: datetime) -> None:
    """Delete counters without an attempt since a time; later than any limit forgets them."""
    await repository.forget_counters(session, before)
