"""Says errors as the OSIA files have them: `{code, message}` for 400 and 500, nothing for 404 and 409.

What the exchange itself refuses (401, 403, 429, 503) keeps the exchange's problem document: the files give
these answers no body, and a caller needs to know which agreement or group is missing.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from ndx_chassis.app import operation
from ndx_chassis.caller import KNOWN_CALLER
from ndx_chassis.errors import DomainError, Kind, MalformedJson, Refused
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log, mark_error
from starlette.exceptions import HTTPException

from svc_population.matching.errors import SearchTooBroad
from svc_population.osia.errors import OsiaRefused, body
from svc_population.osia.offer import not_served
from svc_population.osia.vocabulary import OsiaCode

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_WITHOUT_BODY = {Kind.NOT_FOUND: 404, Kind.CONFLICT: 409}
_REFUSED = frozenset({Kind.INVALID, Kind.UNPROCESSABLE, Kind.TOO_LARGE})
_BAD_REQUEST, _FAILED = 400, 500


class OsiaAnswer(Exception):
    """An answer other than success, on its way out; raised, so that the request's transaction is undone."""

    def __init__(self, status: int, reason: str, content: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.content = content


class OsiaRefusal(OsiaAnswer, Refused):
    """A refusal in the standard's words: what it tells of a person is recorded like any other."""


class OsiaRoute(APIRoute):
    """A route whose errors are the standard's."""

    def get_route_handler(self) -> Handler:
        """Return the handler with its errors translated."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                raise _invalid(error) from None
            except DomainError as error:
                if (answer := _told(error)) is None:
                    raise
                raise answer from None
            except HTTPException:
                raise _bad_request(
                    MalformedJson.code, OsiaCode.INVALID, "The body is not valid JSON"
                ) from None
            except Exception as error:
                if is_connection_trouble(error):
                    raise
                log.error("request_crashed", error=type(error).__name__, where=where(error))
                mark_error("internal-error")
                failed = body(OsiaCode.INTERNAL, "The service failed; the operator finds the cause.")
                raise OsiaAnswer(_FAILED, "internal-error", failed) from None

        return handle


def _bad_request(reason: str, number: OsiaCode, message: str) -> OsiaAnswer:
    return OsiaRefusal(_BAD_REQUEST, reason, body(number, message))


def _invalid(error: RequestValidationError) -> OsiaAnswer:
    # Types and names of declared members only: what was sent stays unsaid.
    found = error.errors()
    if any(e["type"] == "json_invalid" for e in found):
        return _bad_request(MalformedJson.code, OsiaCode.INVALID, "The body is not valid JSON")
    words = sorted({f"{_member(e)}: {e['type']}" for e in found})
    return _bad_request("invalid-input", OsiaCode.INVALID, "; ".join(words[:10]))


def _member(error: dict[str, Any]) -> str:
    # The name of a member that is not declared is the caller's word, too.
    loc = error["loc"][:1] if error["type"] == "extra_forbidden" else error["loc"][:2]
    return ".".join(part for part in loc if isinstance(part, str))


def _told(error: DomainError) -> OsiaAnswer | None:
    if isinstance(error, OsiaRefused):
        return _bad_request(error.code, error.number, error.detail)
    if error.kind in _WITHOUT_BODY:
        return OsiaRefusal(_WITHOUT_BODY[error.kind], error.code)
    if error.kind in _REFUSED:
        number = OsiaCode.TOO_MANY_FIT if isinstance(error, SearchTooBroad) else OsiaCode.INVALID
        return _bad_request(error.code, number, error.detail)
    return None


async def _on_answer(request: Request, answer: Exception) -> Response:
    assert isinstance(answer, OsiaAnswer)  # noqa: S101 - registered for this class only
    request.app.state.runtime.metrics.refused(answer.reason)
    headers = {"Cache-Control": "no-store"}
    if answer.content is None:
        return Response(status_code=answer.status, headers=headers)
    return Response(
        orjson.dumps(answer.content), answer.status, media_type="application/json", headers=headers
    )


def refuse(router: APIRouter, file: str) -> None:
    """Let a file's router answer what is not served with the reason, to whoever has a certificate."""
    for one in not_served(file):
        declared = operation(door="agency_metadata", changes="NOTHING")
        declared["x-ndx-operation"]["served"] = False
        router.add_api_route(
            one.path.removeprefix("/v1"),
            _refusal(one.number, one.reason),
            methods=[one.method],
            name=one.name,
            description=f"{one.operation}: not served. {one.reason}",
            dependencies=[KNOWN_CALLER],
            openapi_extra=declared | {"parameters": one.parameters},
        )


def _refusal(number: OsiaCode, reason: str) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def refused() -> Response:
        raise OsiaRefused(number, reason)

    return refused


def install(app: FastAPI) -> FastAPI:
    """Let the application answer so, and return it."""
    app.add_exception_handler(OsiaAnswer, _on_answer)
    return app
