"""No disclosure without a record: written in the transaction that reads the data, with room made ahead."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import Depends, Response
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from prometheus_client.core import Metric
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_chassis.consents import consenting, require_consent
from ndx_chassis.db import TOLD_BY_REFUSAL
from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_last
from ndx_chassis.metrics import gauge
from ndx_chassis.tables import Month, disclosures
from ndx_chassis.telemetry import current_trace_id, log

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

MONTHS_AHEAD = 24
COLLECTED = "ndx_disclosed"
"""Where a session collects what is disclosed, for whoever keeps the answer to give it again."""
_THERE = text("SELECT to_regclass(:name) IS NOT NULL")
_LATE = text("SELECT EXISTS (SELECT FROM disclosures WHERE occurred_at >= :first AND occurred_at < :end)")

# Records lie in the order of their transactions, which is nearly that of time: a search for the first that
# is not older than a moment needs no index by time.
_FIRST_SINCE = text("""
WITH RECURSIVE search(low, high) AS (
    SELECT coalesce(min(xid), 0), coalesce(max(xid), 0) + 1 FROM disclosures
    UNION ALL
    SELECT CASE WHEN old THEN middle + 1 ELSE low END, CASE WHEN old THEN high ELSE middle END FROM (
        SELECT low, high, (low + high) / 2 AS middle, coalesce((
            SELECT occurred_at < :moment FROM disclosures
            WHERE xid >= (search.low + search.high) / 2 ORDER BY xid, id LIMIT 1
        ), false) AS old FROM search WHERE low < high
    ) AS step
) SELECT low FROM search WHERE low >= high
""")
_COUNT = text(
    "SELECT count(*) FROM disclosures WHERE xid >= :first AND xid < :end"
    " AND occurred_at >= :hour AND occurred_at < CAST(:hour AS timestamptz) + interval '1 hour'"
)
HOURS = 24
SETTLED = timedelta(minutes=5)
"""So long after its end an hour gets no more records: no transaction lasts longer."""
HOURS_A_PAGE = 6


def settled_hours(now: datetime) -> list[datetime]:
    """Return the last hours that get no more records, oldest first."""
    end = (now - SETTLED).replace(minute=0, second=0, microsecond=0)
    return [end - timedelta(hours=back) for back in range(HOURS, 0, -1)]


def hour_label(hour: datetime) -> str:
    """Return an hour as the label of a metric: `2026-11-28T14Z`."""
    return f"{hour.astimezone(UTC):%Y-%m-%dT%H}Z"


class HoursWritten:
    """A source of metrics: how many records this service wrote in each hour, to be compared with the ledger.

    An hour is counted once; after a start a few hours are counted for each page until all are there.
    """

    def __init__(self) -> None:
        self._counted: dict[datetime, int] = {}

    async def __call__(self, runtime: "Runtime", session: AsyncSession) -> Iterable[Metric]:
        """Return the counts of the last hours."""
        hours = settled_hours(datetime.now(UTC))
        self._counted = {hour: n for hour, n in self._counted.items() if hour in hours}
        for hour in [h for h in reversed(hours) if h not in self._counted][:HOURS_A_PAGE]:
            first = await _first_since(session, hour - SETTLED)
            end = await _first_since(session, hour + timedelta(hours=1) + SETTLED)
            counted = await session.scalars(_COUNT, {"first": first, "end": end, "hour": hour})
            self._counted[hour] = counted.one()
        values: dict[tuple[str, ...], float] = {
            (runtime.service, hour_label(hour)): number for hour, number in self._counted.items()
        }
        words = "Disclosure records that this service wrote in an hour."
        return [gauge("ndx_disclosures_written", words, values, ("ndx_service", "ndx_hour"))]


async def _first_since(session: AsyncSession, moment: datetime) -> int:
    return int((await session.scalars(_FIRST_SINCE, {"moment": moment})).one())


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What one record says that the caller learnt, and which of the groups the agreement gave then."""

    subjects: list[str]
    field_groups: list[FieldGroup]
    agreed: list[FieldGroup]


async def _no_store(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


NO_STORE = Depends(_no_store)
"""An answer with somebody's data or secret is kept by nobody on its way (RFC 9111, section 5.2.2.5)."""


async def disclose(
    session: AsyncSession,
    caller: Caller,
    *,
    grant: Grant | None = None,
    subjects: Sequence[str],
    field_groups: Iterable[FieldGroup],
    outcome: Outcome,
) -> None:
    """Record that the caller learnt something about the subjects (personal IDs).

    Raises:
        ConsentMissing: the agreement gives it only with their consent; nothing of the transaction stays.
    """
    wanted = list(field_groups)
    if grant is not None:
        await require_consent(session, caller, grant, subjects=subjects, field_groups=wanted)
    _record(session, caller, grant, subjects, wanted, outcome)
    collected: list[Disclosed] | None = session.info.get(COLLECTED)
    if collected is not None:
        agreed = [g for g in wanted if grant is not None and g in grant.field_groups]
        collected.append(Disclosed(list(subjects), wanted, agreed))


def _record(  # noqa: PLR0917 - all of them are members of the record
    session: AsyncSession,
    caller: Caller,
    grant: Grant | None,
    subjects: Iterable[str],
    field_groups: Iterable[FieldGroup],
    outcome: Outcome,
) -> None:
    write_last(
        session,
        disclosures,
        {
            "id": new_id(),
            "agency": caller.agency,
            "system": caller.system,
            "officer": caller.officer,
            "case_id": caller.case_id,
            "purpose": caller.purpose,
            "agreement": caller.agreement,
            "agreement_version": grant.agreement.version if grant is not None else 0,
            "operation": caller.operation,
            "subjects": list(subjects),
            "field_groups": sorted(g.value for g in field_groups),
            "outcome": outcome.value,
            "request_id": caller.request_id,
            "trace_id": current_trace_id(),
        },
    )


@dataclass(slots=True)
class _Found:
    """People to whom a call led, so that whatever refuses it tells something about them."""

    caller: Caller
    grant: Grant
    field_groups: frozenset[FieldGroup]
    subjects: set[str]

    async def record(self, session: AsyncSession) -> None:
        """Record those who consented; of the others the caller learns nothing, see `require`."""
        asked, groups = sorted(self.subjects), self.field_groups
        given = await consenting(session, self.caller, self.grant, subjects=asked, field_groups=groups)
        if given:
            _record(session, self.caller, self.grant, sorted(given), groups, Outcome.NOT_MATCHED)

    async def require(self, session: AsyncSession) -> None:
        """Raise ConsentMissing in the place of a refusal that would say more.

        Raises:
            ConsentMissing: one of them did not consent.
        """
        asked, groups = sorted(self.subjects), self.field_groups
        await require_consent(session, self.caller, self.grant, subjects=asked, field_groups=groups)


def found(
    session: AsyncSession,
    caller: Caller,
    *,
    grant: Grant,
    subjects: Iterable[str],
    field_groups: Iterable[FieldGroup],
) -> None:
    """Note, before anything is refused, that the request led to these people (personal IDs).

    "Is dead", "is in another household" and any other refusal are answers about a person as well, and tell at
    least that there is one. A request that fails takes back all that it wrote; these records are then written
    in a transaction of their own, before the refusal is sent. One that succeeds records what it gives.
    """
    groups = frozenset(field_groups)
    told: list[_Found] = session.info.setdefault(TOLD_BY_REFUSAL, [])
    for known in told:
        if known.field_groups == groups:
            known.subjects.update(subjects)
            return
    told.append(_Found(caller, grant, groups, set(subjects)))


def months_ahead(now: datetime) -> Iterator[Month]:
    """Return this month and those after it that need a partition already."""
    month = Month(now.year, now.month)
    for _ in range(MONTHS_AHEAD):
        yield month
        month = month.following()


async def make_partitions(runtime: "Runtime", now: datetime | None = None) -> int:
    """Make the partitions of the coming months that are missing; return how many.

    A month that has come without its partition has records in the default one, and keeps them there.
    """
    made = 0
    for month in months_ahead(now or datetime.now(UTC)):
        async with runtime.sessions() as session, session.begin():
            if (await session.scalars(_THERE, {"name": month.partition})).one():
                continue
            if (await session.scalars(_LATE, {"first": month.start, "end": month.following().start})).one():
                log.warning("disclosure_partition_late", month=str(month))
                continue
            await session.execute(text("SET LOCAL lock_timeout = '4s'"))
            for statement in month.statements():
                await session.execute(text(statement))
            made += 1
    return made
