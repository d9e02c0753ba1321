"""Rows that a transaction writes last: collected while it runs, written in one statement before it commits.

Audit entries, events and disclosure records are written by nearly every change and read by nobody inside it.
One by one they cost more than the change itself: most of the cost of such a statement is its journey and its
start, not its rows. A rollback forgets them like everything else of the transaction.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Table, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

_KEY = "ndx_last_writes"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_Rows = list[Mapping[str, Any]]


def write_last(session: AsyncSession, table: Table, *rows: Mapping[str, Any]) -> None:
    """Write these rows when, and only when, the transaction commits.

    Rows of one table in one transaction name the same columns; the others get their defaults in the
    database. What the database refuses fails the commit. Values are what JSON can carry: text, numbers,
    UUIDs, dates, instants, lists and, for a JSON column, anything made of these.
    """
    if rows:
        waiting: dict[Table, _Rows] = session.info.setdefault(_KEY, {})
        waiting.setdefault(table, []).extend(rows)


@cache
def _statement(*targets: tuple[Table, tuple[str, ...]]) -> str:
    """Return one statement that inserts into each table what its parameter, an array of objects, holds."""
    inserts = []
    for number, (table, columns) in enumerate(targets, start=1):
        names = ", ".join(_DIALECT.identifier_preparer.quote(name) for name in columns)
        types = ", ".join(
            f"{_DIALECT.identifier_preparer.quote(name)} {table.c[name].type.compile(dialect=_DIALECT)}"
            for name in columns
        )
        # Names and types are those of our own tables; every value is in a parameter.
        inserts.append(
            f"INSERT INTO {table.name} ({names}) SELECT {names}"  # noqa: S608
            f" FROM json_to_recordset(${number}::json) AS given ({types})"
        )
    *first, last = inserts
    if not first:
        return last
    return f"WITH {', '.join(f'w{n} AS ({sql})' for n, sql in enumerate(first))} {last}"


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    waiting: dict[Table, _Rows] | None = session.info.pop(_KEY, None)
    if not waiting:
        return
    # The same tables in the same order are the same statement, prepared once per connection.
    ordered = sorted(waiting.items(), key=lambda item: item[0].name)
    statement = _statement(*((table, tuple(rows[0])) for table, rows in ordered))
    # What the ORM holds goes first: these rows may point to it.
    session.flush()
    session.connection().exec_driver_sql(statement, tuple(orjson.dumps(rows).decode() for _, rows in ordered))


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_KEY, None)
