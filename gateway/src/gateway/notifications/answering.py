"""Says errors as the notification file has them: `{code, message}` for 400 and 500, nothing for 404.

What the exchange itself refuses (401, 403, 429, 503) keeps its problem document, as in ADR 23.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log, mark_error

from gateway.feeds.errors import FeedEndpointRefused, FeedStepRefused, FeedTokenInvalid
from gateway.notifications.errors import NotificationRefused
from gateway.notifications.vocabulary import NotificationCode

_REFUSED = frozenset({Kind.INVALID, Kind.UNPROCESSABLE, Kind.CONFLICT})
_NUMBERS: dict[type[DomainError], NotificationCode] = {
    FeedEndpointRefused: NotificationCode.ADDRESS_REFUSED,
    FeedTokenInvalid: NotificationCode.TOKEN_INVALID,
    FeedStepRefused: NotificationCode.STEP_REFUSED,
}
_BAD_REQUEST, _NOT_FOUND, _FAILED = 400, 404, 500


class NotificationAnswer(Exception):
    """An answer other than success; raised, so that the request's transaction is undone."""

    def __init__(self, status: int, reason: str, number: NotificationCode | None, message: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.content = None if number is None else {"code": int(number), "message": message}


class NotificationRoute(APIRoute):
    """A route whose errors are the standard's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with its errors translated."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                # Types and names of declared members only: what was sent stays unsaid.
                words = sorted({f"{e['loc'][-1]}: {e['type']}" for e in error.errors()})
                raise NotificationAnswer(
                    _BAD_REQUEST, "invalid-input", NotificationCode.INVALID, "; ".join(words[:10])
                ) from None
            except DomainError as error:
                if (answer := _told(error)) is None:
                    raise
                raise answer from None
            except Exception as error:
                if is_connection_trouble(error):
                    raise
                log.error("request_crashed", error=type(error).__name__, where=where(error))
                mark_error("internal-error")
                raise NotificationAnswer(
                    _FAILED, "internal-error", NotificationCode.INTERNAL, "The exchange failed."
                ) from None

        return handle


def _told(error: DomainError) -> NotificationAnswer | None:
    if isinstance(error, NotificationRefused):
        return NotificationAnswer(_BAD_REQUEST, error.code, error.number, error.detail)
    if error.kind is Kind.NOT_FOUND:
        return NotificationAnswer(_NOT_FOUND, error.code, None)
    if error.kind in _REFUSED:
        number = _NUMBERS.get(type(error), NotificationCode.INVALID)
        return NotificationAnswer(_BAD_REQUEST, error.code, number, error.detail)
    return None


async def _on_answer(request: Request, answer: Exception) -> Response:
    assert isinstance(answer, NotificationAnswer)  # noqa: S101 - registered for this class only
    request.app.state.runtime.metrics.refused(answer.reason)
    if answer.content is None:
        return Response(status_code=answer.status)
    return Response(orjson.dumps(answer.content), answer.status, media_type="application/json")


def install(app: FastAPI) -> None:
    """Let the application answer so."""
    app.add_exception_handler(NotificationAnswer, _on_answer)
