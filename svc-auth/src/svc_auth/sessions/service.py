"""Use cases of log-in transactions: begin, attempt, end."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.errors import DomainError
from ndx_chassis.ids import new_id
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.authenticators.errors import TooManyAttempts
from svc_auth.authenticators.service import Admission, Holder, Proof, Result, admit, prove, tried
from svc_auth.keys import keys_of, settings_of
from svc_auth.sessions import browser, repository
from svc_auth.sessions.carrying import LoginRequest, OpenLogin, pack, read, unpack, written
from svc_auth.sessions.errors import TransactionEnded
from svc_auth.sessions.models import TransactionState

MOST_ATTEMPTS = 5
SUPPORTED_ACR = (1, 2)


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What the page sent back."""

    carried: str
    token: str
    handle: str
    passcode: str
    otp: str


def begin(runtime: Runtime, wanted: LoginRequest, *, browser_secret: str) -> OpenLogin:
    """Begin a log-in in this browser. Its page carries it: only what is tried is kept."""
    ends = datetime.now(UTC) + timedelta(seconds=settings_of(runtime).transaction_seconds)
    packed, owner = pack(new_id(), wanted, expires_at=ends), _owner(browser.digest(browser_secret))
    return unpack(packed, carried=written(keys_of(runtime).secrets.pages.seal(packed, owner=owner)))


def _owner(mine: bytes) -> str:
    return f"login:{mine.hex()}"


def _begun(runtime: Runtime, carried: str, mine: bytes) -> OpenLogin | None:
    """Return the log-in that a page of this browser carries, until its time is over."""
    try:
        packed = keys_of(runtime).secrets.pages.open(read(carried), owner=_owner(mine))
        login = unpack(packed, carried=carried)
    except (InvalidTag, ValueError, KeyError, TypeError):
        # The last two: another release sealed it, whose pages say more or less than ours.
        return None
    return login if login.expires_at > datetime.now(UTC) else None


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
    if browser_secret is None:
        raise TransactionEnded
    mine = browser.digest(browser_secret)
    login = _begun(runtime, form.carried, mine)
    if login is None or not browser.token_fits(browser_secret, login.id, form.token):
        raise TransactionEnded
    async with runtime.sessions() as looking:
        if not await repository.may_be_tried(looking, login.id, most=MOST_ATTEMPTS):
            raise TransactionEnded
    if not form.handle or not form.passcode or (login.wanted.wanted_acr > 1 and not form.otp):
        return Attempt(login, None)
    try:
        admission, attempts = await _admitted(runtime, form, login, mine, source)
    except TooManyAttempts as refusal:
        return Attempt(login, None, refusal)
    proof = await prove(session, runtime, admission, passcode=form.passcode, otp=form.otp)
    if proof.result is Result.PROVED:
        if not await repository.end(session, login.id, TransactionState.PROVED):
            raise TransactionEnded
    elif attempts >= MOST_ATTEMPTS or proof.result is Result.LOCKED:
        await repository.end(session, login.id, TransactionState.REFUSED)
    await record_audit(
        session,
        Holder(proof.account_id, request_id),
        action=f"log_in_{proof.result.value}",
        entity_type="login_transaction",
        entity_id=login.id,
        details={"acr": proof.acr, "client": login.wanted.client_id},
    )
    log.info("log_in_attempted", result=proof.result.value, client=login.wanted.client_id, acr=proof.acr)
    return Attempt(login, proof)


async def _admitted(
    runtime: Runtime, form: LoginForm, login: OpenLogin, mine: bytes, source: str
) -> tuple[Admission, int]:
    """Count an attempt with its name, its source and its log-in: what one of them refuses leaves no trace."""
    async with runtime.sessions() as counting, counting.begin():
        # Counters before the log-in, as its end does.
        admission = await admit(
            counting, runtime, kinds=tried(otp=form.otp), handle=form.handle, source=source
        )
        await repository.add_once(counting, _tried_first(login, mine))
        attempts = await repository.take_attempt(counting, login.id, mine, most=MOST_ATTEMPTS)
        if attempts is None:
            raise TransactionEnded
    return admission, attempts


def _tried_first(login: OpenLogin, mine: bytes) -> dict[str, object]:
    return {
        **asdict(login.wanted),
        "id": login.id,
        "state": TransactionState.OPEN,
        "browser": mine,
        "attempts": 0,
        "expires_at": login.expires_at,
    }


async def forget_ended(session: AsyncSession) -> None:
    """Delete transactions a day after their end."""
    await repository.forget(session, datetime.now(UTC) - timedelta(days=1))
