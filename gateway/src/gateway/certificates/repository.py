"""All SQL about certificates."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.certificates.models import GOOD, Certificate, CertificateState


async def find(session: AsyncSession, serial: str, *, lock: bool = False) -> Certificate | None:
    return await session.get(Certificate, serial, with_for_update=lock)


async def agency_of(session: AsyncSession, fingerprint: str) -> str | None:
    statement = select(Certificate.agency).where(Certificate.fingerprint_sha256 == fingerprint)
    return (await session.scalars(statement)).first()


async def of_fingerprint(session: AsyncSession, fingerprint: str) -> Certificate | None:
    statement = select(Certificate).where(Certificate.fingerprint_sha256 == fingerprint).with_for_update()
    return (await session.scalars(statement)).first()


async def lock_key(session: AsyncSession, key_sha256: str) -> None:
    """Let one transaction at a time decide about a key."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(key_sha256[:15], 16)})


async def of_key(session: AsyncSession, key_sha256: str) -> Sequence[Certificate]:
    statement = select(Certificate).where(Certificate.key_sha256 == key_sha256)
    return (await session.scalars(statement.order_by(Certificate.not_after.desc()))).all()


def _good(now: datetime) -> ColumnElement[bool]:
    kept = or_(Certificate.overlap_until.is_(None), Certificate.overlap_until > now)
    return Certificate.state.in_(GOOD) & (Certificate.not_after > now) & kept


async def good_of(session: AsyncSession, uri: str, now: datetime) -> Sequence[Certificate]:
    statement = select(Certificate).where((Certificate.uri == uri) & _good(now))
    return (await session.scalars(statement.order_by(Certificate.not_before))).all()


async def good_of_agency(session: AsyncSession, agency: str, now: datetime) -> Sequence[Certificate]:
    """Return, locked, the good certificates of an agency's systems and operators."""
    statement = select(Certificate).where((Certificate.agency == agency) & _good(now))
    return (await session.scalars(statement.order_by(Certificate.serial).with_for_update())).all()


async def page(
    session: AsyncSession,
    *,
    agency: str | None,
    system: str | None,
    issuer: str | None,
    ending_before: datetime | None,
    now: datetime,
    after: str,
    limit: int,
) -> Sequence[Certificate]:
    """Return certificates, newest first; with `ending_before` those to be renewed, next end first."""
    newest = Certificate.not_before.desc(), Certificate.serial.desc()
    order: tuple[Any, ...] = newest
    statement = select(Certificate).limit(limit)
    if agency is not None:
        statement = statement.where(Certificate.agency == agency)
    if system is not None:
        statement = statement.where(Certificate.system == system)
    if issuer is not None:
        statement = statement.where(Certificate.issuer == issuer)
    place = tuple_(Certificate.not_before, Certificate.serial)
    start = select(Certificate.not_before, Certificate.serial).where(Certificate.serial == after)
    if ending_before is not None:
        statement = statement.where(_waiting(now) & (Certificate.not_after <= ending_before))
        order = Certificate.not_after, Certificate.serial
        place = tuple_(Certificate.not_after, Certificate.serial)
        start = select(Certificate.not_after, Certificate.serial).where(Certificate.serial == after)
    if after:
        beyond = place > start.scalar_subquery() if ending_before else place < start.scalar_subquery()
        statement = statement.where(beyond)
    return (await session.scalars(statement.order_by(*order))).all()


def _waiting(now: datetime) -> ColumnElement[bool]:
    return _good(now) & Certificate.replaced_by.is_(None)


async def ending(session: AsyncSession, now: datetime, before: datetime) -> Sequence[Certificate]:
    """Return, locked, the good certificates that end before a moment and were not renewed."""
    statement = select(Certificate).where(_waiting(now) & (Certificate.not_after <= before))
    return (await session.scalars(statement.order_by(Certificate.serial).with_for_update())).all()


async def overlaps_over(session: AsyncSession, now: datetime) -> Sequence[Certificate]:
    """Return, locked, the certificates whose overlap with their successor is over."""
    over = Certificate.state.in_(GOOD) & (Certificate.overlap_until <= now) & (Certificate.not_after > now)
    return (await session.scalars(select(Certificate).where(over).with_for_update(skip_locked=True))).all()


async def revoked(
    session: AsyncSession, now: datetime, *, issuer: str | None = None
) -> Sequence[Certificate]:
    """Return what must not be served though it has not expired: revoked, or replaced and past the overlap."""
    ended = Certificate.state.in_([CertificateState.REVOKED.value, CertificateState.SUPERSEDED.value])
    statement = select(Certificate).where(ended | (Certificate.overlap_until <= now))
    if issuer is not None:
        statement = statement.where(Certificate.issuer == issuer)
    statement = statement.where(Certificate.not_after > now).order_by(Certificate.serial)
    return (await session.scalars(statement)).all()


_DEPENDANTS = text("""
    WITH good AS (
        SELECT issuer, uri, state FROM certificates
        WHERE state IN ('ISSUED', 'ACTIVE') AND not_after > :now
          AND (overlap_until IS NULL OR overlap_until > :now)
    ), issuing AS (
        SELECT issuer, uri, bool_or(state = 'ACTIVE') AS used FROM good
        WHERE issuer = (SELECT name FROM authorities WHERE state = 'ISSUING') GROUP BY issuer, uri
    )
    SELECT good.issuer, count(*), count(DISTINCT good.uri) FILTER (WHERE issuing.uri IS NULL),
           count(DISTINCT good.uri) FILTER (WHERE NOT issuing.used AND good.issuer <> issuing.issuer)
    FROM good LEFT JOIN issuing USING (uri) GROUP BY good.issuer
""")


async def count_dependants(session: AsyncSession, now: datetime) -> dict[str, tuple[int, int, int]]:
    """Return issuer → good certificates, names without one of the issuing authority, names not using it."""
    rows = (await session.execute(_DEPENDANTS, {"now": now})).all()
    return {str(row[0]): (int(row[1]), int(row[2]), int(row[3])) for row in rows}


async def supersede_all_of(session: AsyncSession, issuer: str, now: datetime) -> None:
    good = (Certificate.issuer == issuer) & Certificate.state.in_(GOOD)
    await session.execute(
        update(Certificate).where(good).values(state=CertificateState.SUPERSEDED.value, overlap_until=now)
    )


async def mark_used(session: AsyncSession, fingerprints: Collection[str], now: datetime) -> None:
    """Make issued certificates active that were seen in use."""
    fresh = Certificate.fingerprint_sha256.in_(fingerprints) & (
        Certificate.state == CertificateState.ISSUED.value
    )
    await session.execute(
        update(Certificate).where(fresh).values(state=CertificateState.ACTIVE.value, first_used_at=now)
    )
