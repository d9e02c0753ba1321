"""Use cases: take in what Envoy logged, and show it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ndx_chassis.app import Runtime
from ndx_chassis.metrics import gauge
from ndx_chassis.telemetry import log
from prometheus_client import Counter
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.calls import repository
from gateway.calls.errors import CallCursorInvalid
from gateway.calls.lines import Call, call_of
from gateway.calls.log_file import Piece, Place
from gateway.calls.models import CallRow, partition_of
from gateway.calls.schemas import CallOut, CallPage, HealthOut, OperationHealth, Spread
from gateway.catalogue import service as catalogue
from gateway.settings import Settings

_FAILED, _SERVER_FAULT = 400, 500
SOURCE = "envoy"
DEFAULT_SPAN = timedelta(days=1)


def _settings(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("calls need the gateway's settings")
    return runtime.settings


async def start(runtime: Runtime) -> None:
    """Give the page of metrics what it shows of calls."""
    runtime.extras["calls_counted"] = Counter(
        "ndx_calls",
        "Calls that were read from the gateway's log, by providing service and outcome.",
        ("ndx_service", "ndx_call_outcome"),
        registry=runtime.metrics.registry,
    )
    runtime.metrics.sources.append(_unread)


async def _unread(runtime: Runtime, session: AsyncSession) -> Iterable[Metric]:
    log_path, waiting = _settings(runtime).access_log, 0.0
    found = await repository.peek(session, SOURCE)
    if log_path.is_file():
        size = log_path.stat()
        behind = found is not None and found.file_id == size.st_ino
        waiting = max(0.0, size.st_size - (found.position if found is not None and behind else 0))
    words = "Bytes of the gateway's log that have not been read yet."
    return [gauge("ndx_calls_unread_bytes", words, {(): waiting})]


def counted(runtime: Runtime, calls: Iterable[Call]) -> None:
    """Count calls that have been kept."""
    counter: Counter | None = runtime.extras.get("calls_counted")
    if counter is not None:
        for call in calls:
            counter.labels(call.service or "", _outcome(call)).inc()


async def place(session: AsyncSession, name: str) -> Place | None:
    """Return how far a log has been read; nobody else reads on until the transaction ends."""
    found = await repository.source(session, name)
    return None if found is None else Place(found.file_id, found.position)


async def take_in(
    session: AsyncSession, name: str, piece: Piece, *, oldest: date, now: datetime
) -> list[Call]:
    """Keep the calls of a piece of a log, with the place after it; return those that were not known."""
    if piece.lost:
        log.error("calls_lost", source=name)
    calls = [call for call in map(call_of, piece.lines) if call is not None and call.at.date() >= oldest]
    known = set(await repository.partitions(session)) if calls else set()
    for day in sorted({call.at.astimezone(UTC).date() for call in calls}):
        if partition_of(day) not in known:
            await repository.add_partition(session, day)
    kept = await repository.keep(session, calls) if calls else []
    if kept:
        await repository.add_hours(session, _hours(kept))
    if len(kept) < len(calls):
        log.warning("calls_known", source=name, calls=len(calls) - len(kept))
    await repository.move(session, name, file_id=piece.place.file_id, position=piece.place.position, now=now)
    return kept


def _outcome(call: Call) -> str:
    if call.refusal is not None:
        return call.refusal
    if call.status == 0:
        return "CALLER-LEFT"
    if call.status >= _SERVER_FAULT:
        return "PROVIDER-5XX"
    return "PROVIDER-4XX" if call.status >= _FAILED else "OK"


def _hours(calls: Iterable[Call]) -> list[dict[str, Any]]:
    """Sum calls up by hour, agency, agreement, operation and outcome, in one order for all who write."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for call in calls:
        hour = call.at.replace(minute=0, second=0, microsecond=0)
        key = (hour, call.agency or "", call.agreement or "", call.operation or "", _outcome(call))
        row = sums.setdefault(
            key,
            dict(zip(("hour", "agency", "agreement", "operation", "outcome"), key, strict=True))
            | {"calls": 0, "duration_ms": 0, "longest_ms": 0, "bytes_in": 0, "bytes_out": 0},
        )
        row["calls"] += 1
        row["duration_ms"] += call.duration_ms
        row["longest_ms"] = max(row["longest_ms"], call.duration_ms)
        row["bytes_in"] += call.bytes_in
        row["bytes_out"] += call.bytes_out
    return [sums[key] for key in sorted(sums)]


async def unguarded_days(session: AsyncSession) -> list[str]:
    """Return the days, older than the digests of lines, on which a line could be kept twice."""
    return await repository.unguarded(session)


async def guard_day(session: AsyncSession, name: str) -> None:
    """Let a day keep each line once; what was kept twice goes, from the sums by the hour as well."""
    removed = await repository.guard(session, name)
    log.info("call_day_guarded", day=name, removed=removed)


async def let_go(session: AsyncSession, *, oldest: date, oldest_hour: datetime) -> None:
    """Drop the days and sums whose time is over."""
    for name in await repository.partitions(session):
        if name < partition_of(oldest):
            await repository.drop_partition(session, name)
    await repository.clear_hours(session, oldest_hour)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What calls are looked for."""

    agency: str | None = None
    provider: str | None = None
    system: str | None = None
    service: str | None = None
    operation: str | None = None
    agreement: str | None = None
    refusal: str | None = None
    request_id: str | None = None
    status: str | None = None
    """A status or a class of them: 403, 4xx."""
    since: datetime | None = None
    until: datetime | None = None

    def of(self, *, agency: str | None = None, provider: str | None = None) -> "Wanted":
        """Return the same of one consumer's calls, or of those to one provider's services."""
        return replace(self, agency=agency, provider=provider)


def _equal(wanted: Wanted, owners: Mapping[str, str]) -> dict[str, Any]:
    names = ("agency", "system", "service", "operation", "agreement", "refusal", "request_id")
    found = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}
    if wanted.provider is not None:
        mine = [service for service, owner in owners.items() if owner == wanted.provider]
        found["service"] = [s for s in mine if wanted.service in {None, s}]
    return found


def _statuses(status: str | None) -> tuple[int, int] | None:
    if status is None:
        return None
    low = int(status.replace("x", "0"))
    return low, int(status.replace("x", "9"))


async def page_of_calls(
    session: AsyncSession, runtime: Runtime, wanted: Wanted, *, cursor: str, limit: int, now: datetime
) -> CallPage:
    """Return calls, the newest first; without times those of the last day."""
    until = wanted.until or now + timedelta(minutes=1)
    owners = _settings(runtime).service_owners
    rows = await repository.page(
        session,
        since=wanted.since or until - DEFAULT_SPAN,
        until=until,
        equal=_equal(wanted, owners),
        statuses=_statuses(wanted.status),
        after=_after(cursor),
        limit=limit + 1,
    )
    templates = {o.name: o.path for o in catalogue.all_operations(runtime)}
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return CallPage(
        items=[_shown(row, owners, templates) for row in rows[:limit]],
        next_cursor=None if last is None else f"{last.at.isoformat()}|{last.id}",
    )


async def health(
    session: AsyncSession, runtime: Runtime, wanted: Wanted, *, seconds: int, now: datetime
) -> HealthOut:
    """Return how each operation that was called of late did: what X-Road tells of a service."""
    owners = _settings(runtime).service_owners
    services = _equal(wanted, owners).get("service")
    rows = await repository.health(
        session,
        since=now - timedelta(seconds=seconds),
        agency=wanted.agency,
        services=[services] if isinstance(services, str) else services,
    )
    return HealthOut(
        period_seconds=seconds,
        items=[
            OperationHealth(
                provider_agency=owners.get(row.service),
                service=row.service,
                operation=row.operation,
                successful_requests=row.good,
                unsuccessful_requests=row.bad,
                provider_failures=row.failures,
                last_successful_at=row.last_good,
                last_unsuccessful_at=row.last_bad,
                duration_ms=_spread(row.durations),
                request_size=_spread(row.requests),
                response_size=_spread(row.responses),
            )
            for row in rows
        ],
    )


def _spread(values: Sequence[float]) -> Spread:
    least, mean, most, deviation = values
    return Spread(least=least, mean=mean, most=most, deviation=deviation)


def _after(cursor: str) -> repository.Cursor | None:
    if not cursor:
        return None
    at, _, number = cursor.partition("|")
    try:
        return datetime.fromisoformat(at), int(number)
    except ValueError:
        raise CallCursorInvalid from None


def _shown(row: CallRow, owners: Mapping[str, str], templates: Mapping[str, str]) -> CallOut:
    def later(milliseconds: int | None) -> datetime | None:
        return None if milliseconds is None else row.at + timedelta(milliseconds=milliseconds)

    back = None
    if row.request_out_ms is not None and row.provider_ms is not None:
        back = row.request_out_ms + row.provider_ms
    return CallOut(
        request_id=row.request_id,
        request_in=row.at,
        request_out=later(row.request_out_ms),
        response_in=later(back),
        response_out=row.at + timedelta(milliseconds=row.duration_ms),
        client_agency=row.agency,
        client_system=row.system,
        provider_agency=owners.get(row.service or ""),
        service=row.service,
        operation=row.operation,
        method=row.method,
        path=templates.get(row.operation or ""),
        agreement=row.agreement,
        purpose=row.purpose,
        status=row.status,
        succeeded=0 < row.status < _FAILED,
        refusal=row.refusal,
        answered_by="PROVIDER" if row.answered_by == "PROVIDER" else "GATEWAY",
        request_size=row.bytes_in,
        response_size=row.bytes_out,
        duration_ms=row.duration_ms,
        provider_ms=row.provider_ms,
        trace_id=row.trace_id,
    )


async def units(
    session: AsyncSession, runtime: Runtime, *, since: datetime, before: datetime, uncounted: Sequence[str]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return by agency and agreement how many units and calls there were, but those with these outcomes."""
    costs = {o.name: o.cost for o in catalogue.all_operations(runtime)}
    return await repository.units(session, since=since, before=before, costs=costs, uncounted=uncounted)
