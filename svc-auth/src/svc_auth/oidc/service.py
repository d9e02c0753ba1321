"""Use cases of the protocol: give a code, redeem it once, say who the token speaks of."""

import base64
import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.ids import new_id
from ndx_chassis.telemetry import log
from ndx_contracts.signatures import CLOCK_SKEW
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.authenticators.service import Holder, Proof, level_of, require_usable
from svc_auth.clients.registry import find_client
from svc_auth.keys import keys_of, settings_of
from svc_auth.oidc import pkce, repository
from svc_auth.oidc.errors import (
    AccessTokenInvalid,
    GrantInvalid,
    GrantTypeUnsupported,
    TokenClientUnknown,
    TokenRequestInvalid,
)
from svc_auth.oidc.models import AuthorizationCode, Grant
from svc_auth.oidc.schemas import DiscoveryOut, TokenForm, TokensOut, UserinfoOut
from svc_auth.sessions.carrying import LoginRequest

ACCESS_TOKEN = "at+jwt"  # noqa: S105 - a media type (RFC 9068), no secret
ID_TOKEN = "JWT"  # noqa: S105 - a media type, no secret


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


async def issue_code(session: AsyncSession, runtime: Runtime, wanted: LoginRequest, proof: Proof) -> str:
    """Make the one-time code of a proved log-in."""
    if proof.account_id is None:
        raise ValueError("a proved log-in has an account")
    settings = settings_of(runtime)
    now = datetime.now(UTC)
    code = secrets.token_urlsafe(32)
    grant = Grant(
        id=new_id(),
        account_id=proof.account_id,
        client_id=wanted.client_id,
        scope=wanted.scope,
        acr=proof.acr,
        amr=" ".join(proof.amr),
        authenticated_at=now,
        ends_at=now + timedelta(seconds=settings.code_seconds + settings.token_seconds),
    )
    await repository.add(
        session,
        grant,
        AuthorizationCode(
            digest=_digest(code),
            grant_id=grant.id,
            redirect_uri=wanted.redirect_uri,
            nonce=wanted.nonce,
            code_challenge=wanted.code_challenge,
            expires_at=now + timedelta(seconds=settings.code_seconds),
        ),
    )
    return code


async def redeem_code(runtime: Runtime, form: TokenForm, *, request_id: str) -> TokensOut:
    """Give tokens for a code, once; a second try takes the first one's tokens back.

    Raises:
        GrantTypeUnsupported, TokenRequestInvalid, TokenClientUnknown, GrantInvalid: as their codes say.
    """
    if form.grant_type != "authorization_code":
        raise GrantTypeUnsupported
    missing = [n for n in ("client_id", "code", "redirect_uri", "code_verifier") if not getattr(form, n)]
    if missing:
        raise TokenRequestInvalid(f"Missing: {', '.join(missing)}.")
    if find_client(runtime, form.client_id or "") is None:
        raise TokenClientUnknown
    # A transaction of its own, so that a revocation stays when the answer is a refusal.
    async with runtime.sessions() as session, session.begin():
        answer = await _redeem(session, runtime, form, request_id)
    if isinstance(answer, str):
        log.warning("code_refused", client=form.client_id, reason=answer)
        raise GrantInvalid(answer)
    return answer


async def _redeem(
    session: AsyncSession, runtime: Runtime, form: TokenForm, request_id: str
) -> TokensOut | str:
    code = await repository.code_for_update(session, _digest(form.code or ""))
    grant = await repository.grant(session, code.grant_id) if code is not None else None
    if code is None or grant is None or grant.client_id != form.client_id:
        return "The code is unknown."
    holder = Holder(grant.account_id, request_id)
    if code.used_at is not None:
        await repository.revoke(session, cause="code-reused", grant_id=grant.id)
        await record_audit(session, holder, action="grant_revoked", entity_type="grant", entity_id=grant.id)
        return "The code was used before; the tokens given for it are revoked."
    fault = _code_fault(code, form)
    if fault is None and (
        grant.revoked_at is not None or not await require_usable(session, grant.account_id)
    ):
        fault = "The grant is no longer in force."
    if fault is not None:
        return fault
    code.used_at = datetime.now(UTC)
    await session.flush()
    await record_audit(session, holder, action="tokens_issued", entity_type="grant", entity_id=grant.id)
    return _tokens(runtime, grant, nonce=code.nonce)


def _code_fault(code: AuthorizationCode, form: TokenForm) -> str | None:
    if code.expires_at <= datetime.now(UTC):
        return "The code has expired."
    if code.redirect_uri != form.redirect_uri:
        return "redirect_uri differs from the authorization request."
    if not pkce.verifies(form.code_verifier or "", code.code_challenge):
        return "code_verifier does not belong to code_challenge."
    return None


def _tokens(runtime: Runtime, grant: Grant, *, nonce: str) -> TokensOut:
    settings, signing = settings_of(runtime), keys_of(runtime).signing
    now = int(time.time())
    shared = {
        "iss": settings.issuer,
        "sub": str(grant.account_id),
        "iat": now,
        "exp": now + settings.token_seconds,
        "auth_time": int(grant.authenticated_at.timestamp()),
        "acr": str(grant.acr),
        "amr": grant.amr.split(),
    }
    access = signing.sign(
        {
            **shared,
            "aud": settings.audience,
            "client_id": grant.client_id,
            "scope": grant.scope,
            "jti": str(new_id()),
            "sid": str(grant.id),
        },
        kind=ACCESS_TOKEN,
    )
    half = hashlib.sha256(access.encode()).digest()[:16]
    at_hash = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    identity = signing.sign(
        {**shared, "aud": grant.client_id, "nonce": nonce, "at_hash": at_hash}, kind=ID_TOKEN
    )
    return TokensOut(
        access_token=access, id_token=identity, expires_in=settings.token_seconds, scope=grant.scope
    )


async def show_userinfo(session: AsyncSession, runtime: Runtime, authorization: str) -> UserinfoOut:
    """Say whom a token speaks of, with revocation and locks checked now.

    Raises:
        AccessTokenInvalid: whatever is wrong with the token.
    """
    settings = settings_of(runtime)
    scheme, _, token = authorization.partition(" ")
    claims = keys_of(runtime).signing.verify(token.strip(), kind=ACCESS_TOKEN)
    if scheme.lower() != "bearer" or claims is None:
        raise AccessTokenInvalid
    if (
        claims.get("iss") != settings.issuer
        or claims.get("aud") != settings.audience
        or not isinstance(claims.get("exp"), int)
        or claims["exp"] + CLOCK_SKEW.total_seconds() <= time.time()
    ):
        raise AccessTokenInvalid
    grant = await repository.grant(session, UUID(str(claims["sid"])))
    if grant is None or grant.revoked_at is not None:
        raise AccessTokenInvalid
    level = await level_of(session, grant.account_id)
    if level is None:
        raise AccessTokenInvalid
    return UserinfoOut(sub=grant.account_id, acr=str(grant.acr), account_level=level)


async def end_grants(session: AsyncSession, account_id: UUID, *, cause: str) -> None:
    """Revoke everything an account has given, in the transaction of the cause."""
    await repository.revoke(session, cause=cause, account_id=account_id)


async def forget_ended(session: AsyncSession) -> None:
    """Delete grants a day after their tokens ended."""
    await repository.forget(session, datetime.now(UTC) - timedelta(days=1))


def describe(runtime: Runtime) -> DiscoveryOut:
    """Return the provider's metadata."""
    issuer = settings_of(runtime).issuer
    return DiscoveryOut(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/v1/authorize",
        token_endpoint=f"{issuer}/v1/token",
        userinfo_endpoint=f"{issuer}/v1/userinfo",
        jwks_uri=f"{issuer}/v1/jwks",
    )
