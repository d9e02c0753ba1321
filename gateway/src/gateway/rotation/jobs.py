"""The clock of trust: lists made anew long before they end, alarms when that fails, files renewed."""

import asyncio

from ndx_chassis.app import Runtime
from ndx_chassis.errors import DomainError
from ndx_chassis.outbox import publish
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log

from gateway.agreements.steps import Clock
from gateway.authorities import fetching, outside
from gateway.authorities import service as authorities
from gateway.certificates import revoking
from gateway.feeds.addresses import networks
from gateway.notices import announce
from gateway.rotation import service
from gateway.rotation.events import ending
from gateway.settings import Settings


async def refresh_lists(runtime: Runtime) -> None:
    """Sign each embedded authority's list anew once a day, or when the last try to add something failed."""
    settings = service.settings_of(runtime)
    async with runtime.sessions() as session, session.begin():
        await authorities.adopt_files(session, settings)
        changed = await authorities.tidy_files(session, settings)
    if changed:
        await service.make_files(settings)
    await revoking.sign_lists(runtime)


async def watch_lists(runtime: Runtime) -> None:
    """Raise the alarm, once for each list, when one in force nears its end: then handshakes would fail."""
    async with runtime.sessions() as session, session.begin():
        for found in await authorities.lists_in_danger(session):
            log.error(
                "revocation_list_ends_soon",
                authority=found.authority,
                number=found.number,
                next_update=found.next_update.isoformat(),
            )
            await publish(session, ending(found))
        await authorities.forget_late(session)
    runtime.nudge()


async def fetch_lists(runtime: Runtime) -> None:
    """Fetch the lists of outside authorities that are due; each on its own, so that none holds up another."""
    settings = service.settings_of(runtime)
    async with runtime.sessions() as session:
        due = await outside.sources_due(session, settings)
    await asyncio.gather(*(_fetch(runtime, settings, name, url) for name, url in due))


async def _fetch(runtime: Runtime, settings: Settings, name: str, url: str) -> None:
    error = None
    try:
        found = await fetching.fetch(
            url,
            inner=networks(settings.revocation_fetch_networks),
            seconds=settings.revocation_fetch_limit_seconds,
            most_bytes=settings.revocation_fetch_most_bytes,
        )
        async with runtime.sessions() as session, session.begin():
            await outside.take_fetched(session, Clock(), name=name, data=found)
    except fetching.ListNotFetched as failed:
        error = str(failed)
    except DomainError as refused:
        error = refused.code
    except Exception as crashed:
        if is_connection_trouble(crashed):
            raise
        # Whatever lies there holds up neither the others nor the next try.
        kind = type(crashed).__name__
        log.error("revocation_list_crashed", authority=name, error=kind, where=where(crashed))
        error = "unreadable"
    if error is not None:
        log.warning("revocation_list_not_fetched", authority=name, error=error)
    async with runtime.sessions() as session, session.begin():
        await outside.note_fetch(session, name=name, url=url, error=error)


async def follow_internal(runtime: Runtime) -> None:
    """Let a new internal authority sign the parts' certificates as soon as all had time to hear of it."""
    settings = service.settings_of(runtime)
    if not (settings.state_dir / "xds-server.crt").exists():
        return
    found = await service.internal_authority(settings)
    if found.generations[-1].signs and found.parts_waiting:
        await service.make_files(settings)
        log.info("internal_certificates_renewed", waiting=len(found.parts_waiting))
        async with runtime.sessions() as session, session.begin():
            await announce(session, "certificate")


async def renew_files(runtime: Runtime) -> None:
    """Renew the certificates of the doors and of the platform's parts 30 days before they end."""
    settings = service.settings_of(runtime)
    if (settings.state_dir / "internal-ca.crt").exists():
        await service.make_files(settings)
