"""Renders the log-in page and its refusals in Vietnamese and English, under a strict content policy."""

import secrets
from functools import cache
from urllib.parse import urlencode, urlsplit

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from svc_auth.clients.registry import Client
from svc_auth.oidc.texts import TEXTS
from svc_auth.sessions.carrying import LoginRequest, OpenLogin

AUTHORIZE_PATH = "/auth/v1/authorize"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def login_page(
    client: Client,
    login: OpenLogin,
    *,
    token: str,
    handle: str = "",
    message: str | None = None,
    minutes: int = 0,
    status: int = 200,
) -> HTMLResponse:
    """Return the form; `message` names a text, `minutes` fills it in."""
    wanted = login.wanted
    words = TEXTS[wanted.language]
    other = "en" if wanted.language == "vi" else "vi"
    return _answer(
        "login.html",
        status=status,
        form_target=wanted.redirect_uri,
        language=wanted.language,
        words=words,
        other=other,
        other_url=_again(wanted, other),
        client_name=client.name_vi if wanted.language == "vi" else client.name,
        transaction=login.carried,
        token=token,
        handle=handle,
        needs_otp=wanted.wanted_acr > 1,
        message=words[message].format(minutes=minutes) if message else None,
        action=AUTHORIZE_PATH,
    )


def refusal_page(language: str, *, code: str, status: int) -> HTMLResponse:
    """Return a page for a request that cannot go on; the code is for the service's developers."""
    return _answer(
        "refusal.html",
        status=status,
        form_target=None,
        language=language,
        words=TEXTS[language],
        message=TEXTS[language][code],
        code=code,
    )


def _again(wanted: LoginRequest, language: str) -> str:
    query = {
        "client_id": wanted.client_id,
        "redirect_uri": wanted.redirect_uri,
        "response_type": "code",
        "scope": wanted.scope,
        "state": wanted.relying_state,
        "nonce": wanted.nonce,
        "code_challenge": wanted.code_challenge,
        "code_challenge_method": "S256",
        "acr_values": str(wanted.wanted_acr),
        "ui_locales": language,
    }
    return f"{AUTHORIZE_PATH}?{urlencode(query)}"


def _answer(template: str, *, status: int, form_target: str | None, **values: object) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    body = _environment().get_template(template).render(style_nonce=nonce, **values)
    # A browser applies form-action to the redirection that follows the form, so the checked address of the
    # relying party must be in it.
    targets = "'self'" if form_target is None else f"'self' {_origin(form_target)}"
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {targets};"
        " frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(
        body,
        status_code=status,
        headers={
            "Content-Security-Policy": policy,
            "Content-Language": str(values["language"]),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
        },
    )


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
