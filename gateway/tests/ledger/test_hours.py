"""What services wrote of an hour is compared with what the ledger holds of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway.ledger import service
from gateway.ledger.repository import Arrived
from ndx_chassis.app import Runtime
from ndx_chassis.disclosure import hour_label, settled_hours
from ndx_chassis.ids import new_id
from ndx_contracts.disclosure import DisclosureRecord, Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.topics import DISCLOSING_SERVICES
from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "deploy" / "alerts" / "ledger.yaml"
METRICS = ROOT / "contracts" / "telemetry" / "metrics.yaml"


def disclosure(of: str, at: datetime) -> DisclosureRecord:
    return DisclosureRecord(
        id=new_id(),
        occurred_at=at,
        service=of,
        agency="H79.001",
        system="his",
        officer=None,
        case_id=None,
        purpose="HEALTH_ENTITLEMENT",
        agreement="DSA-H79.001-1",
        agreement_version=1,
        operation=f"{of}.get_person",
        subjects=("079226000017",),
        field_groups=(FieldGroup.BIRTH_NAME,),
        outcome=Outcome.DISCLOSED,
        request_id="r",
        trace_id=None,
    )


def arrived(one: DisclosureRecord) -> Arrived:
    return Arrived(one.id, one.service, one.model_dump_json())


async def take_in(runtime: Runtime, *records: DisclosureRecord) -> None:
    async with runtime.sessions() as session, session.begin():
        await service.take_in(session, [arrived(one) for one in records])
    await service.make_checkpoint(runtime)


async def held(runtime: Runtime, source: service.HoursHeld) -> dict[tuple[str, str], float]:
    async with runtime.sessions() as session:
        (metric,) = await source(runtime, session)
    return {(s.labels["ndx_service"], s.labels["ndx_hour"]): s.value for s in metric.samples}


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Give the hours that are told of; no other one comes to its end during a test."""
    found = settled_hours(datetime.now(UTC))
    monkeypatch.setattr(service, "settled_hours", lambda _now: found)
    return found


@pytest.mark.integration
class TestHoursHeld:
    async def test_every_service_and_hour_has_its_number(
        self, bus: Any, runtime: Runtime, hours: list[datetime]
    ) -> None:
        late = hours[-1] + timedelta(minutes=59, seconds=59)
        await take_in(runtime, disclosure("tax", hours[-1]), disclosure("tax", late))
        await take_in(runtime, disclosure("population", hours[-2]), disclosure("tax", datetime.now(UTC)))
        found = await held(runtime, service.HoursHeld())
        assert set(found) == {(s, hour_label(hour)) for s in DISCLOSING_SERVICES for hour in hours}
        assert {key: number for key, number in found.items() if number} == {
            ("tax", hour_label(hours[-1])): 2,
            ("population", hour_label(hours[-2])): 1,
        }

    async def test_what_comes_late_closes_the_gap_and_nothing_counts_twice(
        self, bus: Any, runtime: Runtime, hours: list[datetime], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hour = hours[-1]
        mine = ("tax", hour_label(hour))
        source = service.HoursHeld()
        first = disclosure("tax", hour)
        await take_in(runtime, first)
        assert [(await held(runtime, source))[mine] for _ in range(2)] == [1, 1]
        await take_in(runtime, first, *(disclosure("tax", hour) for _ in range(3)))
        monkeypatch.setattr(service, "COUNTED_A_PAGE", 2)
        assert await held(runtime, source) == {}, "half a count would look like a gap"
        assert (await held(runtime, source))[mine] == 4

    async def test_the_gateways_page_shows_it(self, bus: Any, client: Any, hours: list[datetime]) -> None:
        page = (await client.get("/metrics")).text
        hour = hour_label(hours[-1])
        assert f'ndx_ledger_records{{ndx_hour="{hour}",ndx_service="tax"}} 0.0' in page
        assert "ndx_metrics_complete 1.0" in page


class TestWaiting:
    async def test_the_page_shows_for_how_long_a_record_has_waited_for_its_checkpoint(
        self, bus: Any, client: Any, runtime: Runtime
    ) -> None:
        async def waiting() -> float:
            page = (await client.get("/metrics")).text
            return float(re.findall(r"^ndx_ledger_waiting_seconds (\S+)$", page, re.MULTILINE)[0])

        assert await waiting() == 0
        async with runtime.sessions() as session, session.begin():
            await service.take_in(session, [arrived(disclosure("tax", datetime.now(UTC)))])
            await session.execute(text("UPDATE ledger_arrivals SET received_at = now() - interval '1 hour'"))
        assert await waiting() >= 3600
        await service.make_checkpoint(runtime)
        assert await waiting() == 0


class TestAlerts:
    def test_they_ask_for_metrics_that_exist_and_name_what_to_do(self) -> None:
        names = {m["metric_name"].replace(".", "_") for m in yaml.safe_load(METRICS.read_text())["groups"]}
        (group,) = yaml.safe_load(RULES.read_text())["groups"]
        recorded = {rule["record"] for rule in group["rules"] if "record" in rule}
        for rule in group["rules"]:
            asked = set(re.findall(r"\bndx[_:]\w+", rule["expr"])) - {"ndx_service", "ndx_hour"}
            assert asked
            assert asked <= names | recorded
            if "alert" in rule:
                page, _, section = rule["annotations"]["what_to_do"].partition("#")
                titles = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
                assert section in {title.lower().replace(" ", "-") for title in titles}
