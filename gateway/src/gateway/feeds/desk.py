"""What the feeds of one process share: the key, and who waits for which subscription."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ndx_chassis.app import Runtime
from ndx_chassis.telemetry import log
from ndx_contracts.signatures import Signer

from gateway.feeds.addresses import networks
from gateway.feeds.calling import Identity
from gateway.feeds.errors import FeedUnavailable
from gateway.feeds.sealing import Box
from gateway.settings import Settings

_NAME = "feeds"
MOST_PINGS = 4
MOST_WAITING = 1000
"""Long polls of one process at a time; a further one is answered at once."""


@dataclass(slots=True)
class Desk:
    """One per process."""

    key: Box | None
    identity: Identity | None = None
    """None: the exchange has no certificate or key to call webhooks with."""
    _touched: set[UUID] = field(default_factory=set)
    _waiting: dict[UUID, set[asyncio.Event]] = field(default_factory=dict)
    pushed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when webhooks may have something to send, or have answered."""
    news: bool = False
    """Whether there are new events since a worker looked."""
    _pings: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        """Return the key.

        Raises:
            FeedUnavailable: there is none.
        """
        if self.key is None:
            raise FeedUnavailable(retry_after=60)
        return self.key

    def pings(self, agency: str) -> asyncio.Semaphore:
        """Return the places for an agency's pings: one that hangs keeps only its own waiting."""
        return self._pings.setdefault(agency, asyncio.Semaphore(MOST_PINGS))

    def touched(self, subscriptions: Iterable[UUID]) -> None:
        """Note who gets something when this transaction commits."""
        self._touched.update(subscriptions)

    def ring(self) -> None:
        """Wake who waits for a subscription that got something."""
        touched, self._touched = self._touched, set()
        for identifier in touched:
            for event in self._waiting.get(identifier, ()):
                event.set()
        if touched:
            self.news = True
            self.pushed.set()

    async def wait_for(self, subscription: UUID, seconds: float) -> None:
        """Wait until something may have come, at most so long."""
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            return
        event = asyncio.Event()
        self._waiting.setdefault(subscription, set()).add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            mine = self._waiting[subscription]
            mine.discard(event)
            if not mine:
                del self._waiting[subscription]


def settings_of(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("feeds need the gateway's settings")
    return runtime.settings


def desk_of(runtime: Runtime) -> Desk:
    desk: Desk = runtime.extras[_NAME]
    return desk


def _identity(settings: Settings) -> Identity | None:
    state = settings.state_dir
    certificate, key = state / "webhooks.crt", state / "webhooks.key"
    signing = settings.signing_key_file or state / "keys" / "exchange-signing.pem"
    if not (certificate.exists() and key.exists() and signing.exists()):
        log.warning("webhooks_not_started", reason="a certificate or key file is not there")
        return None
    private = load_pem_private_key(signing.read_bytes(), None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError("the exchange signs with Ed25519")
    return Identity(
        certificate=certificate,
        key=key,
        exchange_ca=settings.webhook_ca_file or state / "gateway-ca.crt",
        signer=Signer(private),
        listed=networks(settings.webhook_networks),
        seconds=settings.webhook_seconds,
    )


async def open_desk(runtime: Runtime) -> None:
    """Read the key; without it subscriptions may be looked at, but nothing is queued or handed over."""
    settings = settings_of(runtime)
    file = settings.feeds_key_file or settings.state_dir / "keys" / "feeds.key"
    if not file.exists():
        log.warning("feeds_without_key", reason="the key file is not there")
    desk = Desk(Box(file.read_bytes()) if file.exists() else None, _identity(settings))
    runtime.extras[_NAME] = desk
    runtime.on_nudge.append(desk.ring)
