"""One `Idempotency-Key`, one effect, one answer, and a record each time it is given."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

from fastapi import Header
from ndx_contracts.agreements import AdminScope
from ndx_contracts.disclosure import Outcome
from pydantic import BaseModel, StringConstraints, ValidationError
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.agreements import Grant, OutsideAdminScope
from ndx_chassis.audit import Actor
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import COLLECTED, Disclosed, disclose
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.last_writes import update_last
from ndx_chassis.tables import idempotency_keys as table

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

AnswerT = TypeVar("AnswerT", bound=BaseModel)
IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")] | None,
    Header(alias="Idempotency-Key"),
]

# Built once: building a statement costs more than running it.
_MINE = (
    (table.c.caller == bindparam("of_caller"))
    & (table.c.operation == bindparam("of_operation"))
    & (table.c.key == bindparam("of_key"))
)
_TAKE = insert(table).on_conflict_do_nothing().returning(table.c.key)
_READ = select(table.c.request_hash, table.c.response, table.c.created_at).where(_MINE)
KEPT = timedelta(days=7)
"""So long an answer is kept for a repeat; the key itself is kept for ever, so that nothing is done twice."""


class IdempotencyKeyReused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "idempotency-key-reused"
    title = "The Idempotency-Key was used before with another body"
    title_vi = "Idempotency-Key đã được dùng với nội dung khác"


class IdempotencyAnswerGone(DomainError):
    kind = Kind.GONE
    code = "idempotency-answer-gone"
    title = "The call was done long ago under this Idempotency-Key, and its answer is no longer kept"
    title_vi = "Yêu cầu với Idempotency-Key này đã được thực hiện, nhưng kết quả không còn được lưu"


class _Kept(BaseModel):
    """An answer as it is kept: with whom it tells of, and where its agreement let the caller look."""

    answer: str
    disclosed: list[Disclosed]
    scope: AdminScope


class OperationCaller(Actor, Protocol):
    """An actor at a door: it knows which operation it calls."""

    @property
    def operation(self) -> str: ...


async def once(
    session: AsyncSession,
    actor: OperationCaller,
    *,
    grant: Grant | None,
    key: str | None,
    request: BaseModel,
    response_type: type[AnswerT],
    act: Callable[[], Awaitable[AnswerT]],
) -> AnswerT:
    """Run `act` once per caller, operation and key; a repeat gets the stored answer.

    A repeat is a disclosure of its own: it is measured by the agreement as it is now and recorded as
    REPEATED, under the purpose, officer and case of the repeating call. `grant` is None where the answer
    tells an agency of nobody.

    Two requests with one key at the same instant are serialised by the database: the second waits for
    the first to commit and then reads its answer.

    Raises:
        IdempotencyKeyReused: the key came before with another body.
        IdempotencyAnswerGone: the answer is no longer kept; what was done stays done.
        FieldGroupNotCovered, OutsideAdminScope, ConsentMissing: the agreement no longer gives the answer.
    """
    if key is None:
        return await act()
    digest = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
    mine = {"caller": actor.actor, "operation": actor.operation, "key": key}
    inserted = await session.execute(_TAKE, {**mine, "request_hash": digest})
    if inserted.first() is None:
        row = (await session.execute(_READ, {f"of_{name}": value for name, value in mine.items()})).one()
        if row.request_hash != digest:
            raise IdempotencyKeyReused
        kept = _kept(row.response, row.created_at)
        await _disclose_again(session, actor, grant, kept)
        return response_type.model_validate_json(kept.answer)
    disclosed: list[Disclosed] = []
    session.info[COLLECTED] = disclosed
    try:
        answer = await act()
    finally:
        session.info.pop(COLLECTED)
    scope = grant.agreement.admin_scope if grant is not None else AdminScope()
    kept = _Kept(answer=answer.model_dump_json(), disclosed=disclosed, scope=scope)
    update_last(session, table, {**mine, "response": kept.model_dump_json()})
    return answer


def _kept(response: str | None, created_at: datetime) -> _Kept:
    if response is None or datetime.now(UTC) - created_at > KEPT:
        raise IdempotencyAnswerGone
    try:
        return _Kept.model_validate_json(response)
    except ValidationError:
        # Kept by a version that did not note whom an answer tells of: it cannot be recorded, so it stays.
        raise IdempotencyAnswerGone from None


async def _disclose_again(
    session: AsyncSession, actor: OperationCaller, grant: Grant | None, kept: _Kept
) -> None:
    if not kept.disclosed:
        return
    if grant is None or not isinstance(actor, Caller):
        raise TypeError("an answer that tells of people was kept for a door without agreements")
    if not grant.agreement.admin_scope.includes(kept.scope):
        raise OutsideAdminScope
    for given in kept.disclosed:
        grant.require_field_groups(given.agreed)
    for given in kept.disclosed:
        await disclose(
            session,
            actor,
            grant=grant,
            subjects=given.subjects,
            field_groups=given.field_groups,
            outcome=Outcome.REPEATED,
        )


async def forget_answers(runtime: "Runtime") -> None:
    """Forget the answers that nobody can have repeated any more; their keys stay."""
    old = (table.c.created_at < datetime.now(UTC) - KEPT) & table.c.response.is_not(None)
    async with runtime.sessions() as session, session.begin():
        await session.execute(update(table).where(old).values(response=None))
