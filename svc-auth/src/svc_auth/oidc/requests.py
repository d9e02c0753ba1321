"""Checks an authorization request: first whom to answer, then what to answer."""

from ndx_chassis.app import Runtime

from svc_auth.clients.registry import Client, find_client
from svc_auth.oidc import pkce
from svc_auth.oidc.errors import AuthorizationRefused, ClientUnknown, RedirectUriMismatch
from svc_auth.oidc.schemas import AuthorizationQuery
from svc_auth.sessions.carrying import LoginRequest
from svc_auth.sessions.service import SUPPORTED_ACR

LANGUAGES = ("vi", "en")
_LONGEST = 512


def checked(
    runtime: Runtime, query: AuthorizationQuery, *, repeated: frozenset[str], accepted_language: str
) -> tuple[Client, LoginRequest]:
    """Return the client and its request.

    Raises:
        ClientUnknown, RedirectUriMismatch: shown on a page; nothing is sent to an address not registered.
        AuthorizationRefused: sent to the client's redirect URI, with the member that is wrong.
    """
    client = find_client(runtime, query.client_id or "")
    if client is None or "client_id" in repeated:
        raise ClientUnknown
    redirect_uri = query.redirect_uri
    if redirect_uri is None or "redirect_uri" in repeated or not client.allows(redirect_uri):
        raise RedirectUriMismatch
    state = query.state if query.state and "state" not in repeated else None
    fault = _fault(query, repeated)
    if fault is not None:
        raise AuthorizationRefused(*fault, redirect_uri=redirect_uri, state=state)
    return client, LoginRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        relying_state=query.state or "",
        nonce=query.nonce or "",
        scope="openid",
        code_challenge=query.code_challenge or "",
        wanted_acr=_wanted_acr(query) or SUPPORTED_ACR[0],
        language=language(query.ui_locales, accepted_language),
    )


def _fault(query: AuthorizationQuery, repeated: frozenset[str]) -> tuple[str, str] | None:
    rules: tuple[tuple[bool, str, str], ...] = (
        (bool(repeated), "invalid_request", "A parameter is given more than once."),
        (query.request is not None, "request_not_supported", "request is not supported."),
        (query.request_uri is not None, "request_uri_not_supported", "request_uri is not supported."),
        (query.response_type != "code", "unsupported_response_type", "response_type must be code."),
        (query.response_mode not in {None, "query"}, "invalid_request", "response_mode must be query."),
        ("openid" not in (query.scope or "").split(), "invalid_scope", "scope must contain openid."),
        (not query.state, "invalid_request", "state is required."),
        (not query.nonce, "invalid_request", "nonce is required."),
        (
            max(len(query.state or ""), len(query.nonce or "")) > _LONGEST,
            "invalid_request",
            "state and nonce have at most 512 characters.",
        ),
        (
            query.code_challenge_method != "S256",
            "invalid_request",
            "code_challenge_method must be S256 (PKCE is required).",
        ),
        (
            not pkce.is_challenge(query.code_challenge or ""),
            "invalid_request",
            "code_challenge must be 43 base64url characters.",
        ),
        (
            _wanted_acr(query) is None,
            "unmet_authentication_requirements",
            "acr_values names no supported level; 1 and 2 are supported.",
        ),
        ("none" in (query.prompt or "").split(), "login_required", "The holder must log in."),
    )
    return next(((error, words) for wrong, error, words in rules if wrong), None)


def _wanted_acr(query: AuthorizationQuery) -> int | None:
    wanted = (query.acr_values or str(SUPPORTED_ACR[0])).split()
    return next((int(v) for v in wanted if v in {str(a) for a in SUPPORTED_ACR}), None)


def language(ui_locales: str | None, accepted: str) -> str:
    """Return the first language of ours that the client or the browser names; Vietnamese else."""
    named = (ui_locales or "").split() + [part.split(";")[0].strip() for part in accepted.split(",")]
    return next((n[:2].lower() for n in named if n[:2].lower() in LANGUAGES), LANGUAGES[0])
