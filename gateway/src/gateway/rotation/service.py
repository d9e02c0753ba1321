"""Use cases: a new authority beside the old, who still depends on the old, and its end."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.metrics import gauge
from ndx_chassis.telemetry import log
from prometheus_client.core import Metric
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.authorities import files, internal
from gateway.authorities import service as authorities
from gateway.authorities.errors import AuthorityInUse, RotationRefused
from gateway.authorities.vocabulary import Kind
from gateway.certificates import service as certificates
from gateway.notices import announce
from gateway.rotation.schemas import (
    AuthorityList,
    AuthorityProgress,
    InternalAuthorityOut,
    InternalGeneration,
    InternalRetirementIn,
    RetirementIn,
    RotationIn,
)
from gateway.settings import Settings


async def overview(session: AsyncSession) -> AuthorityList:
    """List all authorities with who depends on each."""
    counted = await certificates.progress(session)
    found = []
    for each in await authorities.all_authorities(session):
        mine = counted.get(each.name, certificates.Dependants())
        found.append(
            AuthorityProgress(
                **each.model_dump(exclude={"revocation_list", "revocation_source"}),
                revocation_list=each.revocation_list,
                revocation_source=each.revocation_source,
                good_certificates=mine.good,
                systems_waiting=mine.waiting,
                successors_unused=mine.unused,
            )
        )
    return AuthorityList(items=found)


async def make_files(settings: Settings) -> None:
    """Renew what ends within 30 days; the gateway's certificate and CA file follow the authorities."""
    await asyncio.to_thread(_make_files, settings)


def _make_files(settings: Settings) -> None:
    settle = timedelta(seconds=settings.internal_ca_settle_seconds)
    files.make_files(
        settings.state_dir,
        [],
        authorities.passphrase_of(settings),
        settle=settle,
        public_hosts=settings.public_hosts,
    )


def _once_committed(session: AsyncSession, work: Callable[[], None]) -> None:
    """Let the folder follow the tables: what a crash or an error leaves, `jobs.refresh_lists` does."""

    def follow(_: object) -> None:
        try:
            work()
        except (OSError, ValueError, TypeError) as error:
            log.error("authority_files_not_written", error=type(error).__name__)

    event.listen(session.sync_session, "after_commit", follow, once=True)


async def rotate(
    session: AsyncSession, operator: Operator, *, wanted: RotationIn, settings: Settings
) -> AuthorityList:
    """Let a new authority issue; certificates of the old one go on working.

    Raises:
        RotationRefused: a former one is still trusted; retire it first.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await authorities.lock_issuing(session)
    if len(await authorities.embedded_in_force(session)) > 1:
        raise RotationRefused("A former authority is still trusted: finish that rotation first.")
    made = await authorities.add_generation(session, settings)
    await record_audit(
        session,
        operator,
        action="authority_rotated",
        entity_type="authority",
        entity_id=made.name,
        details={"reason": wanted.reason},
    )
    _once_committed(session, lambda: _make_files(settings))
    return await overview(session)


async def retire(
    session: AsyncSession, operator: Operator, *, name: str, wanted: RetirementIn, settings: Settings
) -> AuthorityList:
    """Trust an authority no longer, when nobody depends on it or by decision; an embedded one's key goes.

    Raises:
        AuthorityInUse: systems would be shut out, and `cut_off` is not set.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    waiting = (await certificates.progress(session)).get(name, certificates.Dependants()).waiting
    if waiting and not wanted.cut_off:
        raise AuthorityInUse(f"{waiting} systems or operators have no certificate of the new authority yet.")
    retired = await authorities.retire(session, name)
    await record_audit(
        session,
        operator,
        action="authority_retired",
        entity_type="authority",
        entity_id=name,
        details={"reason": wanted.reason, "cut_off": waiting},
    )
    if retired.kind == Kind.EMBEDDED.value:
        await certificates.end_all_of(session, name)

        def follow() -> None:
            files.retire_generation(settings.state_dir, name)
            _make_files(settings)

        _once_committed(session, follow)
    return await overview(session)


def _certificates_left(folder: Path) -> dict[tuple[str, ...], float]:
    now = datetime.now(UTC)
    found: dict[tuple[str, ...], float] = {}
    for file in (*folder.glob("*.crt"), *(folder / "services").glob("*.crt")):
        with contextlib.suppress(OSError, ValueError):
            ends = (c.not_valid_after_utc for c in x509.load_pem_x509_certificates(file.read_bytes()))
            found[file.stem,] = (min(ends) - now).total_seconds()
    return found


async def certificates_end_in(runtime: Runtime, _: AsyncSession) -> Iterable[Metric]:
    """Return for the page of metrics how long the platform's own certificates are good for."""
    left = await asyncio.to_thread(_certificates_left, settings_of(runtime).state_dir)
    words = "How long a certificate of the platform's own, or of an authority of its own, is good for."
    return [gauge("ndx_certificate_left_seconds", words, left, ("ndx_certificate_file",))]


def _internal(settings: Settings) -> InternalAuthorityOut:
    settle = timedelta(seconds=settings.internal_ca_settle_seconds)
    found = internal.generations(settings.state_dir, authorities.passphrase_of(settings))
    signs = internal.signing(found, settle)
    return InternalAuthorityOut(
        generations=[
            InternalGeneration(
                name=g.name,
                not_after=g.authority.certificate.not_valid_after_utc,
                signs_from=g.signs_from(settle),
                signs=g.name == signs.name,
            )
            for g in found
        ],
        parts_waiting=internal.parts_not_of(settings.state_dir, found[-1]),
        former_may_go_from=internal.former_may_go_from(settings.state_dir, found[-1], settle)
        if len(found) > 1
        else None,
    )


async def internal_authority(settings: Settings) -> InternalAuthorityOut:
    """Return how far a rotation of the internal authority is."""
    return await asyncio.to_thread(_internal, settings)


async def _record(
    runtime: Runtime, operator: Operator, action: str, reason: str, before: InternalAuthorityOut
) -> None:
    """Put a step on record before the folder follows: no key comes or goes unaccounted for."""
    async with runtime.sessions() as session, session.begin():
        await record_audit(
            session,
            operator,
            action=action,
            entity_type="authority",
            entity_id=before.generations[-1].name,
            details={"reason": reason, "generations": [g.name for g in before.generations]},
        )


async def _one_at_a_time(session: AsyncSession) -> None:
    """Wait for a step of the internal authority that is under way, until it is committed."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("internal authority", 0))))


async def rotate_internal(
    session: AsyncSession, runtime: Runtime, operator: Operator, *, wanted: RotationIn
) -> InternalAuthorityOut:
    """Make a new internal authority: trusted by all parts now, signing when they had time to hear of it.

    Raises:
        RotationRefused: a former one is still trusted; retire it first.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await _one_at_a_time(session)
    settings = settings_of(runtime)
    before = await internal_authority(settings)
    if len(before.generations) > 1:
        raise RotationRefused("A former internal authority is still trusted: finish that rotation first.")
    await _record(runtime, operator, "internal_authority_rotated", wanted.reason, before)
    await asyncio.to_thread(internal.begin, settings.state_dir, authorities.passphrase_of(settings))
    await announce(session, "certificate")
    return await internal_authority(settings)


async def retire_internal(
    session: AsyncSession, runtime: Runtime, operator: Operator, *, wanted: InternalRetirementIn
) -> InternalAuthorityOut:
    """Trust former internal authorities no longer and destroy their keys.

    Raises:
        RotationRefused: there is none.
        AuthorityInUse: parts may still show certificates of it, and `cut_off` is not set.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await _one_at_a_time(session)
    settings = settings_of(runtime)
    before = await internal_authority(settings)
    if before.former_may_go_from is None:
        raise RotationRefused("There is no former internal authority.")
    if not wanted.cut_off and (before.parts_waiting or datetime.now(UTC) < before.former_may_go_from):
        waiting = f"; without a new certificate: {', '.join(before.parts_waiting)}"
        raise AuthorityInUse(
            f"All parts have settled at {before.former_may_go_from:%Y-%m-%d %H:%M:%S} UTC"
            f"{waiting if before.parts_waiting else ''}."
        )
    await _record(runtime, operator, "internal_authority_retired", wanted.reason, before)
    await asyncio.to_thread(internal.retire_former, settings.state_dir, authorities.passphrase_of(settings))
    await make_files(settings)
    await announce(session, "certificate")
    return await internal_authority(settings)


def settings_of(runtime: Runtime) -> Settings:
    return certificates.issuing_settings(runtime)
