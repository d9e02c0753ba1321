"""Use cases of log-in transactions: begin, attempt, end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.errors import DomainError
from ndx_chassis.ids import new_id
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.authenticators.errors import TooManyAttempts
from svc_auth.authenticators.service import Admission, Holder, Proof, Result, admit, prove, tried
from svc_auth.keys import settings_of
from svc_auth.sessions import browser, repository
from svc_auth.sessions.errors import TransactionEnded
from svc_auth.sessions.models import LoginTransaction, TransactionState

MOST_ATTEMPTS = 5
SUPPORTED_ACR = (1, 2)


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What a relying party asked for, checked."""

    client_id: str
    redirect_uri: str
    relying_state: str
    nonce: str
    scope: str
    code_challenge: str
    wanted_acr: int
    language: str


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What the page sent back."""

    transaction_id: UUID
    token: str
    handle: str
    passcode: str
    otp: str


@dataclass(frozen=True, slots=True)
class OpenLogin:
    """A transaction as the other slices see it."""

    id: UUID
    wanted: LoginRequest


async def begin(
    session: AsyncSession, runtime: Runtime, wanted: LoginRequest, *, browser_secret: str
) -> OpenLogin:
    """Open a transaction for this browser."""
    transaction = LoginTransaction(
        id=new_id(),
        state=TransactionState.OPEN,
        browser=browser.digest(browser_secret),
        client_id=wanted.client_id,
        redirect_uri=wanted.redirect_uri,
        relying_state=wanted.relying_state,
        nonce=wanted.nonce,
        scope=wanted.scope,
        code_challenge=wanted.code_challenge,
        wanted_acr=wanted.wanted_acr,
        language=wanted.language,
        attempts=0,
        expires_at=datetime.now(UTC) + timedelta(seconds=settings_of(runtime).transaction_seconds),
    )
    await repository.add(session, transaction)
    return OpenLogin(transaction.id, wanted)


def _seen(transaction: LoginTransaction) -> OpenLogin:
    return OpenLogin(
        transaction.id,
        LoginRequest(
            client_id=transaction.client_id,
            redirect_uri=transaction.redirect_uri,
            relying_state=transaction.relying_state,
            nonce=transaction.nonce,
            scope=transaction.scope,
            code_challenge=transaction.code_challenge,
            wanted_acr=transaction.wanted_acr,
            language=transaction.language,
        ),
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended: a proof, or the reason why it was not even made."""

    login: OpenLogin
    proof: Proof | None
    refusal: DomainError | None = None


async def attempt(
    session: AsyncSession,
    runtime: Runtime,
    form: LoginForm,
    *,
    browser_secret: str | None,
    source: str,
    request_id: str,
) -> Attempt:
    """Try to log in: counted and committed first, then checked, then ended in the caller's transaction.

    A missing one-time password, where one is needed, is asked for before anything is counted or checked:
    that answer says nothing about the account.

    Raises:
        TransactionEnded: there is no such open log-in in this browser, or its attempts are used up.
    """
    if not browser.token_fits(browser_secret, form.transaction_id, form.token) or browser_secret is None:
        raise TransactionEnded
    mine = browser.digest(browser_secret)
    async with runtime.sessions() as counting, counting.begin():
        transaction = await repository.open_one(counting, form.transaction_id, mine)
        if transaction is None:
            raise TransactionEnded
        if not form.handle or not form.passcode or (transaction.wanted_acr > 1 and not form.otp):
            return Attempt(_seen(transaction), None)
        transaction = await repository.take_attempt(counting, form.transaction_id, mine, most=MOST_ATTEMPTS)
    if transaction is None:
        raise TransactionEnded
    try:
        admission = await _admitted(runtime, form, source)
    except TooManyAttempts as refusal:
        return Attempt(_seen(transaction), None, refusal)
    proof = await prove(session, runtime, admission, passcode=form.passcode, otp=form.otp)
    if proof.result is Result.PROVED:
        if not await repository.end(session, transaction.id, TransactionState.PROVED):
            raise TransactionEnded
    elif transaction.attempts >= MOST_ATTEMPTS or proof.result is Result.LOCKED:
        await repository.end(session, transaction.id, TransactionState.REFUSED)
    await record_audit(
        session,
        Holder(proof.account_id, request_id),
        action=f"log_in_{proof.result.value}",
        entity_type="login_transaction",
        entity_id=transaction.id,
        details={"acr": proof.acr, "client": transaction.client_id},
    )
    log.info("log_in_attempted", result=proof.result.value, client=transaction.client_id, acr=proof.acr)
    return Attempt(_seen(transaction), proof)


async def _admitted(runtime: Runtime, form: LoginForm, source: str) -> Admission:
    async with runtime.sessions() as counting, counting.begin():
        return await admit(counting, runtime, kinds=tried(otp=form.otp), handle=form.handle, source=source)


async def forget_ended(session: AsyncSession) -> None:
    """Delete transactions a day after their end."""
    await repository.forget(session, datetime.now(UTC) - timedelta(days=1))
