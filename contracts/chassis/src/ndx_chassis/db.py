"""The service's own database: engine, declarative base, the session of one request, copies for reading."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from ndx_chassis.errors import Refused
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.telemetry import log

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

Session = AsyncSession
"""How doors name the session that they hand on: they never touch the database themselves."""

TOLD_BY_REFUSAL = "ndx_told_by_refusal"
"""Where a request's session keeps what has to be recorded in a transaction of its own if it is refused."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def table_base() -> Any:
    """Return a new declarative base with metadata of its own: one per service."""

    class Base(DeclarativeBase):
        metadata = MetaData(naming_convention=NAMING)

    return Base


def make_engine(settings: ServiceSettings) -> AsyncEngine:
    """Return the engine; nothing is connected before the first use."""
    return _engine(settings, settings.sqlalchemy_url, {}, recycle=1800)


def _engine(
    settings: ServiceSettings, url: str, connect: dict[str, Any], *, recycle: int, **server: str
) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=settings.database_pool_size,
        # No overflow: such a connection is closed after use, and opening one costs more than a whole request.
        max_overflow=0,
        # The connection used last has its statements prepared and its memory warm.
        pool_use_lifo=True,
        pool_timeout=5,
        pool_recycle=recycle,
        connect_args={
            "timeout": 5,
            **connect,
            "server_settings": {
                "application_name": f"ndx-{settings.service}",
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": str(round(settings.database_idle_seconds * 1000)),
                **server,
            },
        },
    )


def make_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return the factory of sessions whose objects stay readable after commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def transaction(runtime: "Runtime") -> AsyncIterator[AsyncSession]:
    """Run one request's transaction; if it is refused, what that tells is recorded before it is sent."""
    async with runtime.sessions() as session:
        try:
            async with session.begin():
                yield session
        except Refused:
            if told := session.info.get(TOLD_BY_REFUSAL):
                async with runtime.sessions() as own, own.begin():
                    for people in told:
                        await people.record(own)
                runtime.nudge()
                async with runtime.sessions() as own:
                    for people in told:
                        await people.require(own)
            raise
    runtime.nudge()


async def _request_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with transaction(request.app.state.runtime) as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(_request_session, scope="function")]
"""One transaction per request; it commits before the response is sent."""


class Copies:
    """Hot standbys for reads that may be a little late; the primary answers when they are away or too late.

    A read that shows personal data may come from a copy when its record is written to the primary, and
    committed there, before the answer is sent.
    """

    REST_SECONDS = 5.0
    """So long copies that did not answer are left alone: no request waits for them meanwhile."""
    _LATE = text(
        "SELECT CASE WHEN pg_is_in_recovery()"
        " THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) ELSE 0 END"
    )

    def __init__(self, settings: ServiceSettings) -> None:
        self._engine: AsyncEngine | None = None
        self._most_late = settings.reading_late_seconds
        self._rests_until = 0.0
        if settings.reading_dsn is None:
            return
        self._engine = _engine(
            settings,
            settings.reading_dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
            # Of several hosts a copy before the primary, in the order of the URL.
            {"target_session_attrs": "prefer-standby"},
            # A copy that has come back is found after a minute.
            recycle=60,
            default_transaction_read_only="on",
        )
        self._sessions = make_sessions(self._engine)

    async def session(self) -> AsyncSession | None:
        """Return a session at a copy that is not too late, or None.

        How late is told by the last commit that it has replayed. With nothing to replay that looks late too;
        then the primary, which has nothing to do, answers.
        """
        if self._engine is None or time.monotonic() < self._rests_until:
            return None
        session = self._sessions()
        try:
            late = (await session.scalars(self._LATE)).one()
        except (SQLAlchemyError, OSError, asyncpg.PostgresError) as error:
            log.warning("reading_copy_away", error=type(error).__name__)
        else:
            if late is not None and late <= self._most_late:
                return session
            if late is not None:
                log.warning("reading_copy_late", milliseconds=round(1000 * late))
        self._rests_until = time.monotonic() + self.REST_SECONDS
        await session.close()
        return None

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()


async def _reading_session(request: Request) -> AsyncIterator[AsyncSession]:
    runtime = request.app.state.runtime
    async with await runtime.copies.session() or runtime.sessions() as session:
        yield session


ReadingDep = Annotated[AsyncSession, Depends(_reading_session, scope="function")]
"""For reads that may be a little late: at a copy when there is one, and nothing can be written with it."""
