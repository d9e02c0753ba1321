"""Keeps Envoy's configuration true: reads and compiles what changed, and pushes what differs."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
from ndx_chassis.app import Runtime
from ndx_chassis.metrics import gauge
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.certificates.revoking import sign_lists
from gateway.notices import CHANNEL
from gateway.quotas.desk import Desk
from gateway.quotas.periods import Calendar, Period
from gateway.xds.compile import Compiler
from gateway.xds.log_server import LogServer
from gateway.xds.quota_server import QuotaAlarms, QuotaServer
from gateway.xds.schemas import ConfigurationOut, EnvoyOut, RefusalOut
from gateway.xds.server import ConfigServer, serve
from gateway.xds.snapshot import Snapshot
from gateway.xds.source import EVERYTHING, QUOTA_LEAD, Source, settings_of

_POLL_SECONDS = 30.0
_LONGEST_GATHERING = 1.0
"""Seconds for which new certificates wait for more of them at most: thousands may come in a row."""
_LONGEST_WAIT = 1.0
"""Seconds for which routes wait for an Envoy that is busy with former ones, or for more changes to come."""


def _until_quotas_begin(calendar: Calendar) -> float:
    """Return the seconds until Envoy is to be told that a day's quotas begin anew."""
    told_of = datetime.now(UTC) + QUOTA_LEAD
    return (calendar.end(Period.DAY, calendar.day(told_of)) - told_of).total_seconds() + 0.01


async def load_snapshot(runtime: Runtime) -> Snapshot:
    """Read everything that the compiler needs."""
    return await Source(runtime).read([EVERYTHING])


@dataclass
class Follower:
    """Follows the change notices of one control plane."""

    runtime: Runtime
    server: ConfigServer
    source: Source = field(init=False)
    compiler: Compiler = field(default_factory=Compiler)
    notices: set[str] = field(default_factory=set)
    noticed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_since: float | None = None
    """Since when a change has been known that is not in the routes yet."""

    refreshed_at: float = 0.0
    took: float = 0.0
    """When the last refreshing ended, and its seconds."""

    def __post_init__(self) -> None:
        self.source = Source(self.runtime)

    def notice(self, word: str) -> None:
        self.notices.add(word)
        self.noticed.set()

    async def run(self) -> None:
        """Compile now, and again after every notice; the poll heals a lost connection."""
        while True:
            try:
                await self._listen()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - Envoy keeps its last good configuration meanwhile
                if is_connection_trouble(error) or isinstance(error, asyncpg.PostgresError):
                    log.warning("configuration_source_away", error=type(error).__name__)
                else:
                    log.error("configuration_failed", error=type(error).__name__, where=where(error))
            await asyncio.sleep(0.5)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self.runtime.settings.asyncpg_dsn, timeout=5)
        try:
            await connection.add_listener(CHANNEL, lambda *told: self.notice(str(told[3])))
            connection.add_termination_listener(lambda *_: self.noticed.set())
            self.notice(EVERYTHING)
            while not connection.is_closed():
                try:
                    calendar = settings_of(self.runtime).quota_calendar
                    async with asyncio.timeout(min(_POLL_SECONDS, _until_quotas_begin(calendar))):
                        await self.noticed.wait()
                except TimeoutError:
                    self.notice(EVERYTHING)
                await self._gather()
                await self._refresh_timed()
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)

    async def _refresh_timed(self) -> None:
        started = time.monotonic()
        await self._refresh()
        self.refreshed_at = time.monotonic()
        self.took = self.refreshed_at - started

    async def _gather(self) -> None:
        """Wait for more while nothing but certificates has been issued; anything else ends the wait.

        The wait is twice as long as the last refreshing took, counted from its end: on a small exchange, or
        when certificates are few, there is none to speak of.
        """
        end = self.refreshed_at + min(2 * self.took, _LONGEST_GATHERING)
        while self.notices and all(word.startswith("issued ") for word in self.notices):
            if time.monotonic() >= end:
                return
            self.noticed.clear()
            try:
                async with asyncio.timeout(end - time.monotonic()):
                    await self.noticed.wait()
            except TimeoutError:
                return

    async def _refresh(self) -> None:
        """Stop at once whom the changes stop; then, when no Envoy is busy any more, send all the rest."""
        started = time.monotonic()
        words, self.notices = self.notices, set()
        self.noticed.clear()
        try:
            snapshot = await self.source.read(words)
        except BaseException:
            self.notice(EVERYTHING)
            raise
        if self.waiting_since is None:
            self.waiting_since = started
        first = not self.server.current
        watched = bool(self.server.envoys) and not first
        if watched:
            self.server.publish(await asyncio.to_thread(self.compiler.stops, snapshot))
        if not first and any(word.startswith("certificate") for word in words):
            # What it signs is announced, and thus comes back here.
            await sign_lists(self.runtime)
        if watched and await self._more_to_come():
            return
        self.server.publish(await asyncio.to_thread(self.compiler.compile, snapshot))
        self.waiting_since = None
        log.info("configuration_compiled", milliseconds=round((time.monotonic() - started) * 1000))
        if first:
            # What was read and made lives as long as the process: the collector need not visit it again.
            await asyncio.to_thread(gc.collect)
            gc.freeze()

    async def _more_to_come(self) -> bool:
        """Wait until every Envoy has taken what it was sent; tell whether a notice came first."""
        left = _LONGEST_WAIT - (time.monotonic() - (self.waiting_since or 0.0))
        if left <= 0:
            return False
        tasks = [
            asyncio.create_task(self.server.wait_settled()),
            asyncio.create_task(self.noticed.wait()),
        ]
        try:
            await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.noticed.is_set()


def configuration(runtime: Runtime) -> ConfigurationOut:
    return configuration_of(runtime.extras.get("xds_server") or ConfigServer())


def configuration_of(server: ConfigServer) -> ConfigurationOut:
    """Return who has taken what of the current configuration."""
    envoys = [
        EnvoyOut(
            node=stream.node,
            connected_at=stream.connected_at,
            up_to_date_since=stream.settled_at,
            refused=[
                RefusalOut(type=kind.rpartition(".")[2], reason=s.refused, refused_at=s.refused_at)
                for kind, s in sorted(stream.subscriptions.items())
                if s.refused_at is not None and s.refused
            ],
        )
        for stream in server.streams
    ]
    absent = server.absent()
    in_order = (
        bool(envoys)
        and all(e.up_to_date_since is not None and not e.refused for e in envoys)
        and not any(server.is_missed(away) for _, away in absent)
    )
    envoys += [
        EnvoyOut(
            node=node,
            connected_at=away.connected_at,
            up_to_date_since=None,
            disconnected_at=away.disconnected_at,
            refused=[],
        )
        for node, away in absent
    ]
    return ConfigurationOut(in_order=in_order, published_at=server.published_at, envoys=envoys)


class EnvoyAlarms(Collector):
    """Shows on the page of metrics which Envoy refuses what, and which is away; asks no database."""

    def __init__(self, server: ConfigServer) -> None:
        self._server = server

    def collect(self) -> Iterable[Metric]:
        """Return 1 for each type whose latest version an Envoy refused; nothing when all took theirs."""
        refused: dict[tuple[str, ...], float] = {
            (envoy.node, refusal.type): 1
            for envoy in configuration_of(self._server).envoys
            for refusal in envoy.refused
        }
        yield gauge(
            "ndx_configuration_refused",
            "1 while an Envoy refuses the latest version of a resource type.",
            refused,
            ("ndx_envoy_node", "ndx_configuration_type"),
        )
        now = datetime.now(UTC)
        away: dict[tuple[str, ...], float] = {
            (node,): (now - went.disconnected_at).total_seconds() for node, went in self._server.absent()
        }
        yield gauge(
            "ndx_configuration_envoy_away_seconds",
            "For how long an Envoy that went without a word has been away; for a day at most.",
            away,
            ("ndx_envoy_node",),
        )


async def start(runtime: Runtime) -> None:
    """Start the configuration server and the task that keeps it current."""
    settings = settings_of(runtime)
    state = settings.state_dir
    if not (state / "xds-server.crt").exists():
        log.warning("configuration_server_not_started", reason="no certificate; run gateway.bootstrap")
        return
    server = ConfigServer(timedelta(seconds=settings.envoy_missed_seconds))
    quotas = QuotaServer(runtime, Desk(settings.quota_calendar))
    runtime.extras["quota_server"] = quotas
    runtime.extras["quota_task"] = asyncio.create_task(quotas.run())
    runtime.extras["xds_grpc"] = await serve(
        server,
        address=f"{settings.xds_address}:{settings.xds_port}",
        folder=state,
        quotas=quotas,
        logs=LogServer(runtime),
    )
    runtime.extras["xds_server"] = server
    runtime.metrics.registry.register(EnvoyAlarms(server))
    runtime.metrics.registry.register(QuotaAlarms(quotas))
    runtime.extras["xds_task"] = asyncio.create_task(Follower(runtime, server).run())


async def stop(runtime: Runtime) -> None:
    """Stop both."""
    task = runtime.extras.pop("xds_task", None)
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    server = runtime.extras.pop("xds_grpc", None)
    if server is not None:
        await server.stop(grace=0.5)
    counting = runtime.extras.pop("quota_task", None)
    if counting is not None:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
        await runtime.extras.pop("quota_server").finish()
