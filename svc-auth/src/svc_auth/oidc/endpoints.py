"""HTTP door of the protocol: discovery, keys, the log-in page, tokens, userinfo."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from ndx_chassis.app import RuntimeDep, public
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.problems import request_id_of

from svc_auth.authenticators.source import source_of
from svc_auth.keys import keys_of
from svc_auth.oidc import login, service
from svc_auth.oidc.schemas import (
    AuthorizationQuery,
    DiscoveryOut,
    JwksOut,
    PageForm,
    TokenForm,
    TokensOut,
    UserinfoOut,
)
from svc_auth.sessions.browser import COOKIE

router = APIRouter(prefix="/auth", tags=["oidc"])
BrowserCookie = Annotated[str | None, Cookie(alias=COOKIE, max_length=128, include_in_schema=False)]
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}},
    303: {"description": "Back to the relying party"},
}


@router.get("/.well-known/openid-configuration", openapi_extra=public())
async def show_provider_metadata(runtime: RuntimeDep, response: Response) -> DiscoveryOut:
    response.headers["Cache-Control"] = "public, max-age=300"
    return service.describe(runtime)


@router.get("/v1/jwks", openapi_extra=public())
async def show_signing_keys(runtime: RuntimeDep, response: Response) -> JwksOut:
    response.headers["Cache-Control"] = "public, max-age=300"
    return JwksOut.model_validate(keys_of(runtime).signing.public_jwks())


@router.get("/v1/authorize", response_class=HTMLResponse, responses=_PAGE, openapi_extra=public())
async def begin_login(
    query: Annotated[AuthorizationQuery, Query()],
    request: Request,
    runtime: RuntimeDep,
    cookie: BrowserCookie = None,
) -> Response:
    counted = Counter(name for name, _ in request.query_params.multi_items())
    return login.show_form(
        runtime,
        query,
        repeated=frozenset(name for name, times in counted.items() if times > 1),
        cookie=cookie,
        accepted_language=request.headers.get("accept-language", ""),
    )


@router.post("/v1/authorize", response_class=HTMLResponse, responses=_PAGE, openapi_extra=public())
async def submit_login(
    form: Annotated[PageForm, Form()],
    request: Request,
    session: SessionDep,
    runtime: RuntimeDep,
    cookie: BrowserCookie = None,
) -> Response:
    return await login.take_form(
        session,
        runtime,
        form,
        cookie=cookie,
        source=source_of(request),
        request_id=request_id_of(request),
    )


@router.post("/v1/token", openapi_extra=public(), dependencies=[NO_STORE])
async def issue_tokens(
    form: Annotated[TokenForm, Form()], request: Request, runtime: RuntimeDep
) -> TokensOut:
    return await service.redeem_code(runtime, form, request_id=request_id_of(request))


@router.get("/v1/userinfo", openapi_extra=public(), dependencies=[NO_STORE])
async def show_userinfo(request: Request, session: SessionDep, runtime: RuntimeDep) -> UserinfoOut:
    return await service.show_userinfo(session, runtime, request.headers.get("authorization", ""))
