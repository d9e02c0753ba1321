"""TLS settings that take an endpoint's last session up again: a quarter of what a handshake costs the caller.

Whoever takes a session up has proved at its beginning who it is, and knows what only that one knows; its
certificate is not looked at anew. So a session is of one name under one CA and one certificate of ours, and
is taken up for ten minutes from the handshake that proved it, however often.
"""

import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SECONDS = 600.0
"""For how long a certificate that was shown counts."""
MOST = 4096


@dataclass(frozen=True, slots=True)
class _Kept:
    session: ssl.SSLSession
    proved: float


@dataclass(slots=True)
class Sessions:
    """What is kept of endpoints, by the settings under which it began and the name."""

    clock: Callable[[], float] = time.monotonic
    _kept: OrderedDict[tuple[ssl.SSLContext, str], _Kept] = field(default_factory=OrderedDict)
    _never: OrderedDict[tuple[ssl.SSLContext, str], None] = field(default_factory=OrderedDict)
    """Endpoints that break off where a session is taken up: they have a whole handshake each time."""

    def of(self, context: ssl.SSLContext, name: str) -> _Kept | None:
        """Return what may be taken up now."""
        kept = self._kept.get((context, name))
        if kept is not None and self.clock() > kept.proved + SECONDS:
            del self._kept[context, name]
            return None
        return kept

    def keep(
        self, context: ssl.SSLContext, name: str, session: ssl.SSLSession, taken_up: _Kept | None
    ) -> None:
        """Keep a session; one that was taken up does not last longer for it."""
        if (context, name) in self._never:
            return
        proved = self.clock() if taken_up is None else taken_up.proved
        self._kept[context, name] = _Kept(session, proved)
        self._kept.move_to_end((context, name))
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def refuse(self, context: ssl.SSLContext, name: str) -> None:
        """Let an endpoint that breaks off have whole handshakes from now on."""
        self._kept.pop((context, name), None)
        self._never[context, name] = None
        while len(self._never) > MOST:
            self._never.popitem(last=False)


class _Taking(ssl.SSLObject):
    """A connection's TLS; tells its settings of the session when the first of an answer is there."""

    offered: _Kept | None = None
    _settled = False

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            self._broken_off()
            raise

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the library's name
        """Read; with TLS 1.3 the session comes with the first of what is read."""
        try:
            data = super().read(len) if buffer is None else super().read(len, buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            self._broken_off()
            raise
        if not self._settled:
            self._settled = True
            session, name = self.session, self.server_hostname
            if session is not None and session.has_ticket and name and isinstance(self.context, Resuming):
                taken_up = self.offered if self.session_reused else None
                self.context.sessions.keep(self.context, name, session, taken_up)
        return data

    def _broken_off(self) -> None:
        if self.offered is not None and not self._settled and isinstance(self.context, Resuming):
            self.context.sessions.refuse(self.context, self.server_hostname or "")


class Resuming(ssl.SSLContext):
    """Settings of a client, with the sessions that began under them or others."""

    sslobject_class = _Taking
    sessions: Sessions

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin TLS, with the name's last session where there is one."""
        name = server_hostname.decode() if isinstance(server_hostname, bytes) else server_hostname
        offered = self.sessions.of(self, name) if name and session is None else None
        made = super().wrap_bio(
            incoming, outgoing, server_side, server_hostname, session if offered is None else offered.session
        )
        if isinstance(made, _Taking):
            made.offered = offered
        return made


def resuming(sessions: Sessions, like: ssl.SSLContext) -> Resuming:
    """Return settings that trust nobody yet, and check as others do."""
    context = Resuming(ssl.PROTOCOL_TLS_CLIENT)
    context.sessions = sessions
    context.options, context.verify_flags = like.options, like.verify_flags
    return context
