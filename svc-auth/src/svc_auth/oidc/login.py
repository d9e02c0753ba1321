"""The log-in page's two steps: show the form, take the form."""

import math

from ndx_chassis.app import Runtime
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from svc_auth.authenticators.service import Result
from svc_auth.clients.registry import Client, find_client
from svc_auth.keys import settings_of
from svc_auth.oidc import pages
from svc_auth.oidc.answers import back
from svc_auth.oidc.errors import ClientUnknown
from svc_auth.oidc.requests import checked
from svc_auth.oidc.schemas import AuthorizationQuery, PageForm
from svc_auth.oidc.service import issue_code
from svc_auth.sessions import browser
from svc_auth.sessions import service as sessions
from svc_auth.sessions.service import Attempt, LoginForm


def show_form(
    runtime: Runtime,
    query: AuthorizationQuery,
    *,
    repeated: frozenset[str],
    cookie: str | None,
    accepted_language: str,
) -> Response:
    """Check the request, begin a log-in in this browser and show the form."""
    client, wanted = checked(runtime, query, repeated=repeated, accepted_language=accepted_language)
    secret = browser.browser_secret(cookie)
    opened = sessions.begin(runtime, wanted, browser_secret=secret)
    page = pages.login_page(client, opened, token=browser.form_token(secret, opened.id))
    page.set_cookie(browser.COOKIE, secret, secure=True, httponly=True, samesite="lax", path="/")
    return page


async def take_form(
    session: AsyncSession,
    runtime: Runtime,
    form: PageForm,
    *,
    cookie: str | None,
    source: str,
    request_id: str,
) -> Response:
    """Try to log in: back to the relying party with a code, or the form again with what to do."""
    typed = LoginForm(
        carried=form.transaction,
        token=form.token,
        handle=form.handle.strip(),
        passcode=form.passcode.strip(),
        otp=form.otp.replace(" ", ""),
    )
    attempt = await sessions.attempt(
        session, runtime, typed, browser_secret=cookie, source=source, request_id=request_id
    )
    wanted, proof = attempt.login.wanted, attempt.proof
    if proof is not None and proof.result is Result.PROVED:
        code = await issue_code(session, runtime, wanted, proof)
        members = {
            "code": code,
            "state": wanted.relying_state,
            "iss": settings_of(runtime).issuer,
        }
        return back(wanted.redirect_uri, members)
    client = find_client(runtime, wanted.client_id)
    if client is None:
        raise ClientUnknown
    return _again(client, attempt, typed)


def _again(client: Client, attempt: Attempt, typed: LoginForm) -> Response:
    message, status, minutes, headers = "incomplete", 400, 0, {}
    if attempt.refusal is not None:
        seconds = attempt.refusal.retry_after or 60
        message, status, minutes = "limited", 429, math.ceil(seconds / 60)
        headers["Retry-After"] = str(seconds)
    elif attempt.proof is not None:
        message = "locked" if attempt.proof.result is Result.LOCKED else "wrong"
        status = 403
    page = pages.login_page(
        client,
        attempt.login,
        token=typed.token,
        handle=typed.handle,
        message=message,
        minutes=minutes,
        status=status,
    )
    page.headers.update(headers)
    return page
