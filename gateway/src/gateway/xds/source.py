"""Where snapshots come from: the tables are read whole once, and then only what a notice names."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import Agreement
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as registry
from gateway.agencies.service import AgencyEntry, OperatorEntry
from gateway.agreements import reading
from gateway.authorities import service as authorities
from gateway.authorities.authority import fits
from gateway.authorities.service import Trust
from gateway.catalogue import service as catalogue
from gateway.certificates import revoking
from gateway.quotas import service as quotas
from gateway.quotas import whole_agencies
from gateway.quotas.spent import AgencyQuota, Spent
from gateway.settings import Settings
from gateway.xds.snapshot import Doors, Material, Snapshot

EVERYTHING = ""
"""The notice that asks for all tables."""
_TOLD_ENDED = timedelta(days=365)
"""For how long a refusal says that an agreement ended."""


QUOTA_LEAD = timedelta(seconds=1)
"""How long before quotas begin anew Envoy is told: rather a call too many than a refusal too late."""


def settings_of(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("the compiler needs the gateway's settings")
    return runtime.settings


def _pair(runtime: Runtime, state: Path, name: str) -> tuple[str, str]:
    """Return certificate and key; while a renewal replaces the files, those that were read before."""
    certificate = (state / f"{name}.crt").read_text(encoding="ascii")
    kept: dict[str, tuple[str, str]] = runtime.extras.setdefault("pairs", {})
    if name not in kept or kept[name][0] != certificate:
        key = state / f"{name}.key"
        if fits(certificate.encode(), key) or name not in kept:
            kept[name] = (certificate, key.read_text(encoding="ascii"))
    return kept[name]


def _material(runtime: Runtime, state: Path, trust: Trust) -> Material:
    public_cert, public_key = _pair(runtime, state, "gateway-public")
    client_cert, client_key = _pair(runtime, state, "gateway-client")
    return Material(
        public_cert=public_cert,
        public_key=public_key,
        client_cert=client_cert,
        client_key=client_key,
        agency_ca=trust.anchors_pem,
        internal_ca=(state / "internal-ca.crt").read_text(encoding="ascii"),
        crl=trust.lists_pem,
    )


def doors_of(settings: Settings) -> Doors:
    return Doors(
        address=settings.listener_address,
        listener_port=settings.listener_port,
        citizen_port=settings.citizen_port,
        upstreams=dict(settings.upstreams),
        issuer=f"{settings.citizen_url}/auth",
        access_log=str(settings.access_log),
        zipkin=settings.zipkin_address,
        otlp=settings.otlp_address,
        sampling=settings.trace_sampling,
        shared_rates=bool(settings.envoys),
        day_offset_seconds=int(settings.quota_calendar.offset.total_seconds()),
    )


@dataclass
class Source:
    """What was read of the tables; values that did not change stay the same objects."""

    runtime: Runtime
    agencies: dict[str, AgencyEntry] = field(default_factory=dict)
    operators: list[OperatorEntry] = field(default_factory=list)
    revoked: dict[str, list[str]] = field(default_factory=dict)
    trust: Trust | None = None
    marks: dict[reading.Key, str] = field(default_factory=dict)
    agreements: dict[reading.Key, Agreement] = field(default_factory=dict)
    today: date = date.min
    spent: tuple[Spent, ...] = ()
    agency_quotas: tuple[AgencyQuota, ...] = ()

    async def read(self, notices: Iterable[str]) -> Snapshot:
        """Read what the notices name, in one transaction, and return the whole as it is then known."""
        named = [notice.partition(" ") for notice in notices]
        today = datetime.now(UTC).astimezone(VIETNAM).date()
        every = self.trust is None or today != self.today
        every = every or any(k not in _KINDS or (k not in _WHOLE and not n) for k, _, n in named)
        async with self.runtime.sessions() as session:
            if every:
                await self._everything(session, today)
            else:
                for kind, _, name in sorted(set(named)):
                    await self._some(session, kind, name)
        self.today = today
        return self._snapshot()

    async def _everything(self, session: AsyncSession, today: date) -> None:
        found = {entry.code: entry for entry in await registry.registry(session)}
        self.agencies = {code: self._same(code, entry) for code, entry in found.items()}
        await self._certificates(session)
        await self._spent(session)
        marks, fresh = await reading.enforced(session, today - _TOLD_ENDED, self.marks)
        self._keep(marks, fresh, set(self.marks))

    async def _some(self, session: AsyncSession, kind: str, name: str) -> None:
        if kind == "agreement":
            former = {key for key in self.marks if key[0] == name}
            since = self.today - _TOLD_ENDED
            marks, fresh = await reading.enforced(session, since, self.marks, name)
            self._keep(marks, fresh, former)
            return
        if kind in {"certificate", "issued"}:
            await self._certificates(session)
        if kind == "quota":
            await self._spent(session)
        if name:
            found = await registry.registry(session, name)
            if found:
                self.agencies[name] = self._same(name, found[0])

    async def _spent(self, session: AsyncSession) -> None:
        calendar = settings_of(self.runtime).quota_calendar
        self.spent = await quotas.spent(session, calendar, datetime.now(UTC) + QUOTA_LEAD)
        self.agency_quotas = await whole_agencies.all_quotas(session)

    async def _certificates(self, session: AsyncSession) -> None:
        self.operators = await registry.operators(session)
        self.revoked = await revoking.revoked_fingerprints(session)
        self.trust = await authorities.trust(session)

    def _same(self, code: str, entry: AgencyEntry) -> AgencyEntry:
        former = self.agencies.get(code)
        return former if former is not None and former == entry else entry

    def _keep(self, marks: dict[reading.Key, str], fresh: list[Agreement], former: set[reading.Key]) -> None:
        for key in former - marks.keys():
            del self.marks[key], self.agreements[key]
        for agreement in fresh:
            key = (agreement.agreement_id, agreement.version)
            self.agreements[key] = agreement
            self.marks[key] = marks[key]

    def _snapshot(self) -> Snapshot:
        settings = settings_of(self.runtime)
        if self.trust is None:
            raise RuntimeError("nothing has been read yet")
        return Snapshot(
            agencies=list(self.agencies.values()),
            operators=self.operators,
            revoked=self.revoked,
            agreements=list(self.agreements.values()),
            operations=catalogue.all_operations(self.runtime),
            material=_material(self.runtime, settings.state_dir, self.trust),
            doors=doors_of(settings),
            today=self.today,
            spent=self.spent,
            agency_quotas=self.agency_quotas,
            issuers=self.trust.issuers,
        )


_KINDS = frozenset({"agency", "agreement", "certificate", "issued", "quota"})
_WHOLE = frozenset({"certificate", "quota"})
"""Kinds whose notices need no name: there is little to read."""
