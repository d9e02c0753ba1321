"""Writes the protocol's refusals: pages, redirections and OAuth's JSON, each where its standard wants it."""

from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from ndx_chassis.problems import STATUS
from starlette.responses import Response

from svc_auth.keys import settings_of
from svc_auth.oidc import pages
from svc_auth.oidc.errors import AccessTokenInvalid, AuthorizationPageError, AuthorizationRefused, OAuthError
from svc_auth.oidc.requests import language
from svc_auth.sessions.errors import TransactionEnded


def back(redirect_uri: str, members: dict[str, str]) -> RedirectResponse:
    """Send the browser back with 303, so that a form is never posted on."""
    joint = "&" if urlsplit(redirect_uri).query else "?"
    return RedirectResponse(
        f"{redirect_uri}{joint}{urlencode(members)}",
        status_code=303,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


def install(app: FastAPI) -> None:
    """Attach the protocol's own forms of refusal; everything else stays a problem document."""

    async def on_page_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, (AuthorizationPageError, TransactionEnded))  # noqa: S101 - registered so
        spoken = language(request.query_params.get("ui_locales"), request.headers.get("accept-language", ""))
        return pages.refusal_page(spoken, code=error.code, status=STATUS[error.kind])

    async def on_refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, AuthorizationRefused)  # noqa: S101 - registered for this class only
        members = {"error": error.error, "error_description": error.detail}
        if error.state is not None:
            members["state"] = error.state
        members["iss"] = settings_of(request.app.state.runtime).issuer
        return back(error.redirect_uri, members)

    async def on_oauth(_request: Request, error: Exception) -> Response:
        assert isinstance(error, OAuthError)  # noqa: S101 - registered for this class only
        headers = {"Cache-Control": "no-store"}
        if isinstance(error, AccessTokenInvalid):
            headers["WWW-Authenticate"] = f'Bearer error="{error.error}"'
        body = {"error": error.error, "error_description": error.detail, "code": error.code}
        return JSONResponse(body, status_code=STATUS[error.kind], headers=headers)

    app.add_exception_handler(AuthorizationPageError, on_page_error)
    app.add_exception_handler(TransactionEnded, on_page_error)
    app.add_exception_handler(AuthorizationRefused, on_refused)
    app.add_exception_handler(OAuthError, on_oauth)
