"""The only place that maps errors to HTTP: RFC 9457 problem documents with stable codes."""

import re
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from ndx_contracts.headers import REQUEST_ID
from ndx_contracts.problems import MEDIA_TYPE, FieldProblem, Problem, problem_type
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ndx_chassis.errors import DatabaseUnavailable, DomainError, InvalidInput, Kind, MalformedJson
from ndx_chassis.telemetry import current_trace_id, log, mark_error

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNPROCESSABLE: 422,
    Kind.PRECONDITION_REQUIRED: 428,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
    Kind.TIMEOUT: 504,
}
_HTTP_CODES = {404: "operation-unknown", 405: "method-not-allowed"}
_UNSTORABLE = frozenset({"22021", "22P05"})
_AWAY_STATES = frozenset({"08", "40", "53", "57"})
"""Classes of SQLSTATE: no connection, rolled back to be tried again (two were in each other's way), no room,
stopped by an operator."""
_PLAIN_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")


def request_id_of(request: Request) -> str:
    """Return the id that the gateway gave to the call, or `-` when there was none."""
    return request.headers.get(REQUEST_ID, "-")


def problem_response(request: Request, error: DomainError) -> Response:
    """Write one domain error in the caller's language."""
    vietnamese = request.headers.get("accept-language", "").lower().startswith("vi")
    return _response(
        request,
        status=STATUS[error.kind],
        code=error.code,
        title=error.title_vi if vietnamese else error.title,
        detail=error.detail,
        errors=error.errors,
        retry_after=error.retry_after,
    )


def _response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: tuple[FieldProblem, ...] = (),
    retry_after: int | None = None,
) -> Response:
    request.app.state.runtime.metrics.refused(code)
    request_id = request_id_of(request)
    body = Problem(
        type=problem_type(code),
        title=title,
        status=status,
        detail=detail,
        instance=f"urn:ndx:request:{request_id}",
        code=code,
        trace_id=current_trace_id(),
        errors=errors,
    )
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    content = orjson.dumps(body.model_dump(mode="json", exclude_defaults=False))
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _safe_location(location: tuple[Any, ...]) -> str:
    # Names of unknown members come from the caller and may hold anything: show plain names only.
    parts = [str(p) if isinstance(p, int) or _PLAIN_NAME.match(str(p)) else "*" for p in location]
    return ".".join(parts) or "body"


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.status_code == STATUS[MalformedJson.kind]:
        # FastAPI's word for bytes that are no text, or nested too deep; no service raises it.
        return problem_response(request, MalformedJson())
    code = _HTTP_CODES.get(error.status_code, "invalid-request")
    return _response(
        request, status=error.status_code, code=code, title=str(error.detail), detail=str(error.detail)
    )


def install(app: FastAPI) -> None:
    """Attach the handlers that turn every exception into a problem document."""

    async def on_domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)  # noqa: S101 - registered for this class only
        if STATUS[error.kind] >= 500:  # noqa: PLR2004 - server side statuses
            log.warning("request_failed", code=error.code)
            mark_error(error.code)
        return problem_response(request, error)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
        found = error.errors()
        if any(e["type"] == "json_invalid" for e in found):
            return problem_response(request, MalformedJson())
        fields = tuple(
            FieldProblem(field=_safe_location(tuple(e["loc"])), code=str(e["type"]), detail=_words(e))
            for e in found[:50]
        )
        return problem_response(request, InvalidInput(errors=fields))

    async def on_database(request: Request, error: Exception) -> Response:
        if is_unstorable_text(error):
            return problem_response(request, InvalidInput("A text holds a sign that cannot be stored."))
        if not is_connection_trouble(error):
            return await on_unknown(request, error)
        log.warning("database_unavailable", error=type(error).__name__)
        mark_error("service-unavailable")
        return problem_response(request, DatabaseUnavailable(retry_after=1))

    async def on_unknown(request: Request, error: Exception) -> Response:
        log.error("request_crashed", error=type(error).__name__, where=where(error))
        mark_error("internal-error")
        return _response(
            request,
            status=500,
            code="internal-error",
            title="Internal error",
            detail="The service failed; the operator finds the cause by the trace id.",
        )

    app.add_exception_handler(DomainError, on_domain_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        app.add_exception_handler(kind, on_database)
    app.add_exception_handler(Exception, on_unknown)


def _words(error: Any) -> str:
    # Pydantic's own words may quote the input (enum and union messages do not); pattern and type do not.
    if error["type"] in {"value_error", "assertion_error"}:
        return str(error.get("ctx", {}).get("error", error["msg"]))[:200]
    if error["type"] == "union_tag_invalid":
        # Its message begins with the word that was sent.
        return f"one of {error['ctx']['expected_tags']}"[:200]
    return str(error["msg"])[:200]


def is_connection_trouble(error: BaseException) -> bool:
    """Tell a database that is away, restarting or asks to try again from a statement that is wrong.

    A connection that cannot be made is refused in asyncpg's own words, which SQLAlchemy does not wrap; and
    asyncpg calls a value that it cannot send an error of its interface, which no waiting mends.
    """
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or (cause is not None and is_connection_trouble(cause))
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _AWAY_STATES
    return isinstance(error, (PoolTimeout, OSError, asyncpg.InterfaceError)) and not isinstance(
        error, ValueError
    )


def is_unstorable_text(error: BaseException) -> bool:
    """Tell a text that the database cannot hold: with a zero byte, plainly or inside JSON."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return cause is not None and is_unstorable_text(cause)
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in _UNSTORABLE


def where(error: BaseException) -> str:
    """Name the innermost place of an exception (file:line), never its words."""
    trace = error.__traceback__
    if trace is None:
        return "?"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
