"""The service's own database: engine, declarative base, and the session of one request."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from ndx_chassis.settings import ServiceSettings

Session = AsyncSession
"""How doors name the session that they hand on: they never touch the database themselves."""

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
    return create_async_engine(
        settings.sqlalchemy_url,
        pool_size=settings.database_pool_size,
        # No overflow: such a connection is closed after use, and opening one costs more than a whole request.
        max_overflow=0,
        # The connection used last has its statements prepared and its memory warm.
        pool_use_lifo=True,
        pool_timeout=5,
        pool_recycle=1800,
        connect_args={
            "timeout": 5,
            "server_settings": {
                "application_name": f"ndx-{settings.service}",
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": str(round(settings.database_idle_seconds * 1000)),
            },
        },
    )


def make_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return the factory of sessions whose objects stay readable after commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def _request_session(request: Request) -> AsyncIterator[AsyncSession]:
    runtime = request.app.state.runtime
    async with runtime.sessions() as session, session.begin():
        yield session
    runtime.nudge()


SessionDep = Annotated[AsyncSession, Depends(_request_session, scope="function")]
"""One transaction per request; it commits before the response is sent."""
