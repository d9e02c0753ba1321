"""What a transaction writes last: collected while it runs, written in one statement before it commits.

Audit entries, events and disclosure records are written by nearly every change and read by nobody inside it.
One by one they cost more than the change itself: most of the cost of such a statement is its journey and its
start, not its rows. A rollback forgets them like everything else of the transaction; one to a savepoint
forgets those since then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Table, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

_KEY = "ndx_last_writes"
_BEFORE = "ndx_last_writes_before"
"""What was collected before each savepoint of the transaction: what its rollback leaves."""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # the library left it without types


@dataclass(frozen=True, slots=True, order=True)
class _Write:
    """Rows of one shape into one table: new ones, or new values of those with the same primary key."""

    name: str
    columns: tuple[str, ...]
    updates: bool


_Waiting = dict[_Write, tuple[Table, list[Mapping[str, Any]]]]


def write_last(session: AsyncSession, table: Table, *rows: Mapping[str, Any]) -> None:
    """Insert these rows when, and only when, the transaction commits.

    Columns that a row does not name get their defaults in the database. What the database refuses fails the
    commit. Values are what JSON can carry: text, numbers, UUIDs, dates, instants, lists and, for a JSON
    column, anything made of these.
    """
    _collect(session, table, rows, updates=False)


def update_last(session: AsyncSession, table: Table, *rows: Mapping[str, Any]) -> None:
    """Give rows that this transaction found or made new values, like `write_last`; each names its key.

    A row that `write_last` makes in the same transaction cannot be updated by this one.
    """
    _collect(session, table, rows, updates=True)


async def write_now(session: AsyncSession) -> None:
    """Write what is collected, ahead of a last statement that holds a lock which others wait for."""
    await session.run_sync(_write)


def _collect(
    session: AsyncSession, table: Table, rows: tuple[Mapping[str, Any], ...], *, updates: bool
) -> None:
    waiting: _Waiting = session.info.setdefault(_KEY, {})
    for row in rows:
        write = _Write(table.name, tuple(row), updates)
        waiting.setdefault(write, (table, []))[1].append(row)


@cache
def _statement(*writes: tuple[_Write, Table]) -> str:
    """Return one statement that does to each table what its parameter, an array of objects, says."""
    *first, last = (_part(write, table, number) for number, (write, table) in enumerate(writes, start=1))
    if not first:
        return last
    return f"WITH {', '.join(f'w{n} AS ({sql})' for n, sql in enumerate(first))} {last}"


def _part(write: _Write, table: Table, number: int) -> str:
    # Names and types are those of our own tables; every value is in a parameter.
    quote = _DIALECT.identifier_preparer.quote
    names = [quote(name) for name in write.columns]
    types = (table.c[name].type.compile(dialect=_DIALECT) for name in write.columns)
    shape = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    given = f"json_to_recordset(${number}::json) AS given ({shape})"
    if not write.updates:
        listed = ", ".join(names)
        return f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {given}"  # noqa: S608 - our tables only
    key = [quote(column.name) for column in table.primary_key]
    news = ", ".join(f"{name} = given.{name}" for name in names if name not in key)
    same = " AND ".join(f"{table.name}.{name} = given.{name}" for name in key)
    return f"UPDATE {table.name} SET {news} FROM {given} WHERE {same}"  # noqa: S608 - our tables only


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    waiting: _Waiting | None = session.info.pop(_KEY, None)
    if not waiting:
        return
    # The same writes in the same order are the same statement, prepared once per connection.
    ordered = sorted(waiting)
    # What the ORM holds goes first: these rows may point to it.
    session.flush()
    session.connection().exec_driver_sql(
        _statement(*((write, waiting[write][0]) for write in ordered)),
        tuple(orjson.dumps(waiting[write][1], default=str).decode() for write in ordered),
    )


@event.listens_for(Session, "after_transaction_create")
def _begin_savepoint(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        before = {write: (table, list(rows)) for write, (table, rows) in session.info.get(_KEY, {}).items()}
        session.info.setdefault(_BEFORE, {})[transaction] = before


@event.listens_for(Session, "after_soft_rollback")
def _undo_savepoint(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested and (before := session.info.get(_BEFORE, {}).get(transaction)) is not None:
        session.info[_KEY] = before


@event.listens_for(Session, "after_transaction_end")
def _end(session: Session, transaction: SessionTransaction) -> None:
    # A savepoint ends before its rollback is told; all of them end with their transaction.
    if transaction.parent is None:
        session.info.pop(_BEFORE, None)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_KEY, None)
