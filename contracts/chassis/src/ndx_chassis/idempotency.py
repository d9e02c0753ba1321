"""Creating the same thing twice: one `Idempotency-Key`, one effect, one answer."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeVar

from fastapi import Header
from pydantic import BaseModel, StringConstraints
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.audit import Actor
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.last_writes import update_last
from ndx_chassis.tables import idempotency_keys as table

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
_READ = select(table.c.request_hash, table.c.response).where(_MINE)


class IdempotencyKeyReused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "idempotency-key-reused"
    title = "The Idempotency-Key was used before with another body"
    title_vi = "Idempotency-Key đã được dùng với nội dung khác"


class OperationCaller(Actor, Protocol):
    """An actor at a door: it knows which operation it calls."""

    @property
    def operation(self) -> str: ...


async def once(
    session: AsyncSession,
    actor: OperationCaller,
    *,
    key: str | None,
    request: BaseModel,
    response_type: type[AnswerT],
    act: Callable[[], Awaitable[AnswerT]],
) -> AnswerT:
    """Run `act` once per caller, operation and key; a repeat gets the stored answer.

    Two requests with one key at the same instant are serialised by the database: the second waits for
    the first to commit and then reads its answer.

    Raises:
        IdempotencyKeyReused: the key came before with another body.
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
        return response_type.model_validate_json(row.response)
    answer = await act()
    update_last(session, table, {**mine, "response": answer.model_dump_json()})
    return answer
