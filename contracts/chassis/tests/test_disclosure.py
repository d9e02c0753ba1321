"""Room for records of disclosures is made ahead, month by month, without anybody waiting for it."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from ndx_chassis import disclosure
from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.consents import ConsentMissing
from ndx_chassis.db import transaction
from ndx_chassis.disclosure import (
    HOURS,
    MONTHS_AHEAD,
    SETTLED,
    HoursWritten,
    found,
    hour_label,
    make_partitions,
    settled_hours,
)
from ndx_chassis.errors import DomainError
from ndx_chassis.tables import Month
from ndx_contracts.agreements import Agreement, Conditions
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

THIS_MONTH = datetime(2026, 11, 28, tzinfo=UTC)
TWO_YEARS_ON = datetime(2028, 11, 3, tzinfo=UTC)
_RECORD = """
INSERT INTO disclosures (id, occurred_at, agency, system, purpose, agreement, agreement_version, operation,
    subjects, field_groups, outcome, request_id)
VALUES (gen_random_uuid(), :at, 'A', 's', 'P', 'DSA', 1, 'o', '{}', '{}', 'DISCLOSED', '-')
RETURNING tableoid::regclass::text
"""


async def record(runtime: Runtime, at: datetime) -> str:
    """Write a record; return the partition in which it lies."""
    async with runtime.sessions() as session, session.begin():
        return str((await session.scalars(text(_RECORD), {"at": at})).one())


@pytest_asyncio.fixture(autouse=True)
async def default_partition(runtime: Runtime) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(text("CREATE TABLE disclosures_default PARTITION OF disclosures DEFAULT"))


class TestMakePartitions:
    async def test_two_years_are_ready_and_the_next_month_comes_with_its_time(self, runtime: Runtime) -> None:
        assert await make_partitions(runtime, THIS_MONTH) == MONTHS_AHEAD
        assert await make_partitions(runtime, THIS_MONTH) == 0
        assert await record(runtime, TWO_YEARS_ON) == "disclosures_default"
        assert await make_partitions(runtime, THIS_MONTH + timedelta(days=31)) == 0, "its place is taken"
        assert await make_partitions(runtime, THIS_MONTH + timedelta(days=62)) == 1
        assert await record(runtime, TWO_YEARS_ON + timedelta(days=31)) == "disclosures_2028_12"

    async def test_records_of_each_month_lie_in_its_partition(self, runtime: Runtime) -> None:
        await make_partitions(runtime, THIS_MONTH)
        last = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        assert await record(runtime, last) == "disclosures_2026_12"
        assert await record(runtime, last + timedelta(microseconds=1)) == "disclosures_2027_01"

    async def test_they_have_the_indexes_and_the_lack_of_rights_of_the_whole(self, runtime: Runtime) -> None:
        await make_partitions(runtime, THIS_MONTH)
        of_one = {"name": "disclosures_2027_01"}
        async with runtime.sessions() as session:
            indexes = text("SELECT count(*) FROM pg_indexes WHERE tablename = :name")
            assert (await session.scalars(indexes, of_one)).one() == 1
            rights = text(
                "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE relname = :name ORDER BY 1"
            )
            held = set((await session.scalars(rights, of_one)).all())
        assert "INSERT" in held
        assert held.isdisjoint({"UPDATE", "DELETE", "TRUNCATE"})

    async def test_nobody_who_writes_or_reads_is_in_the_way(self, runtime: Runtime) -> None:
        await make_partitions(runtime, THIS_MONTH)
        async with runtime.sessions() as session, session.begin():
            await session.execute(text(_RECORD), {"at": THIS_MONTH})
            assert await make_partitions(runtime, TWO_YEARS_ON) > 0
            assert await record(runtime, TWO_YEARS_ON) == "disclosures_2028_11"


@pytest.mark.parametrize(("month", "following"), [(Month(2026, 11), "2026-12"), (Month(2026, 12), "2027-01")])
def test_months_follow_each_other(month: Month, following: str) -> None:
    assert str(month.following()) == following


async def written(runtime: Runtime, source: HoursWritten) -> dict[str, float]:
    async with runtime.sessions() as session:
        (metric,) = await source(runtime, session)
    assert metric.name == "ndx_disclosures_written"
    assert {sample.labels["ndx_service"] for sample in metric.samples} <= {"test"}
    return {sample.labels["ndx_hour"]: sample.value for sample in metric.samples}


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Give the hours that are told of; no other one comes to its end during a test."""
    found = settled_hours(datetime.now(UTC))
    monkeypatch.setattr(disclosure, "settled_hours", lambda _now: found)
    return found


class TestHoursWritten:
    async def test_each_settled_hour_has_its_number_and_no_other(
        self, runtime: Runtime, hours: list[datetime]
    ) -> None:
        numbers = {hours[0]: 2, hours[-3]: 1, hours[-1]: 3}
        edges = (timedelta(), timedelta(hours=1) - timedelta(microseconds=1), timedelta(minutes=30))
        await record(runtime, hours[0] - timedelta(microseconds=1))
        for hour, number in numbers.items():
            for edge in sorted(edges[:number]):
                await record(runtime, hour + edge)
        await record(runtime, datetime.now(UTC))
        source = HoursWritten()
        pages = [await written(runtime, source) for _ in range(HOURS)]
        assert pages[-1] == {hour_label(hour): numbers.get(hour, 0) for hour in hours}
        assert hour_label(hours[-1]) in pages[0], "the newest hours come first"

    async def test_records_whose_transactions_overlap_are_all_counted(
        self, runtime: Runtime, hours: list[datetime]
    ) -> None:
        """The one that began first ends last, and writes last: its place is before the others."""
        hour = hours[-1]
        async with runtime.sessions() as session, session.begin():
            await session.execute(text("SELECT pg_current_xact_id()"))
            for minute in range(3):
                await record(runtime, hour + timedelta(minutes=minute))
            await session.execute(text(_RECORD), {"at": hour + timedelta(minutes=4)})
        await record(runtime, hour + timedelta(hours=1, minutes=1))
        assert (await written(runtime, HoursWritten()))[hour_label(hour)] == 4

    async def test_an_hour_is_counted_when_nobody_writes_to_it_any_more(self) -> None:
        now = datetime(2026, 11, 28, 14, tzinfo=UTC) + SETTLED
        assert hour_label(settled_hours(now)[-1]) == "2026-11-28T13Z"
        assert hour_label(settled_hours(now - timedelta(seconds=1))[-1]) == "2026-11-28T12Z"

    async def test_a_service_that_wrote_nothing_says_so(self, runtime: Runtime) -> None:
        assert set((await written(runtime, HoursWritten())).values()) == {0}


class TestRefusalsUnderConsent:
    async def test_that_one_of_several_did_not_consent_drops_no_others_record(self, runtime: Runtime) -> None:
        """Of who did not consent nothing is told or recorded; the others see that they were found."""
        caller = Caller("B01", "core", "DSA-B01-1", "CREDIT_INSTITUTION_KYC", None, None, "r-1", "x.y")
        conditions = Conditions(consent_required=True)
        agreement = Agreement.model_validate(
            {
                "agreement_id": "DSA-B01-1",
                "version": 3,
                "state": "ACTIVE",
                "consumer_agency": "B01",
                "provider_agency": "G01",
                "operations": [{"operation": "x.y", "field_groups": ["birth_date"]}],
                "purposes": ["CREDIT_INSTITUTION_KYC"],
                "legal_basis": {"text": "With consent", "reference": "1/2026"},
                "valid_from": "2025-07-01",
                "conditions": conditions,
            }
        )
        grant = Grant(agreement, "x.y", frozenset())
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text(
                    "INSERT INTO consents (consent_id, personal_id, agency, purpose, field_groups, given_at,"
                    " valid_until) VALUES (gen_random_uuid(), '079190000011', 'B01',"
                    " 'CREDIT_INSTITUTION_KYC', '{birth_date,personal_id}', now(), now() + interval '1 day')"
                )
            )

        async def refuse() -> None:
            async with transaction(runtime) as session:
                for number, group in (
                    ("079190000011", FieldGroup.PERSONAL_ID),
                    ("079190000011", FieldGroup.BIRTH_DATE),
                    ("001185000029", FieldGroup.BIRTH_DATE),
                ):
                    found(session, caller, grant=grant, subjects=[number], field_groups=[group])
                raise DomainError

        with pytest.raises(ConsentMissing):
            await refuse()
        async with runtime.sessions() as session:
            rows = await session.execute(
                text("SELECT subjects, field_groups, agreement_version FROM disclosures")
            )
            assert sorted(tuple(row) for row in rows) == [
                (["079190000011"], ["birth_date"], 3),
                (["079190000011"], ["personal_id"], 3),
            ]
