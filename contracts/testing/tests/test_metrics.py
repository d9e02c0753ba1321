"""The page that a service shows to monitoring, on the tax link: how much, and never about whom."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.db import make_engine, make_sessions
from ndx_chassis.outbox import publish
from ndx_contracts.events import TaxpayerRegistered
from ndx_contracts.field_groups import FieldGroup
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from svc_tax_link.settings import Settings

PERSON = "079195000021"
Page = Callable[[], Any]


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_tax_link"


@pytest.fixture
def page(client: httpx.AsyncClient) -> Page:
    """Read the page: values by name and labels; `?` holds its text."""

    async def read() -> dict[Any, Any]:
        reply = await client.get("/metrics")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/plain")
        found: dict[Any, Any] = {"?": reply.text}
        for family in text_string_to_metric_families(reply.text):
            for sample in family.samples:
                found[sample.name, *sorted(sample.labels.values())] = sample.value
        return found

    return read


class TestRequests:
    async def test_a_request_is_counted_by_its_template_and_never_by_its_path(
        self, client: httpx.AsyncClient, agree: Any, as_agency: Any, page: Page
    ) -> None:
        agree("G04", {"tax.get_taxpayer": [FieldGroup.TAX_REGISTRATION]}, purposes=["TAX_ADMINISTRATION"])
        url = f"/tax/v1/taxpayers/{PERSON}"
        for _ in range(2):
            await client.get(url, headers=as_agency("G04", purpose="TAX_ADMINISTRATION"))
        await client.get(url)
        found = await page()
        count = "http_server_request_duration_seconds_count"
        route = "/tax/v1/taxpayers/{personal_id}"
        assert found[count, *sorted(["GET", route, "404"])] == 2
        assert found[count, *sorted(["GET", route, "401"])] == 1
        assert PERSON not in found["?"]

    async def test_refusals_are_counted_by_code(self, client: httpx.AsyncClient, page: Page) -> None:
        await client.get(f"/tax/v1/taxpayers/{PERSON}")
        await client.post("/tax/v1/taxpayers", content=b"x" * 2_000_000)
        found = await page()
        assert found["ndx_refusals_total", "caller-unknown"] == 1
        assert found["ndx_refusals_total", "payload-too-large"] == 1

    async def test_what_strangers_invent_makes_no_new_lines(
        self, client: httpx.AsyncClient, page: Page
    ) -> None:
        for n in range(5):
            await client.request(f"M{n}", f"/{n}/{PERSON}")
        lines = [k for k in await page() if k[0] == "http_server_request_duration_seconds_count"]
        assert [k for k in lines if "unknown" in k] == [
            ("http_server_request_duration_seconds_count", "404", "unknown", "unknown")
        ]


class TestWhatWaits:
    async def test_a_committed_event_that_is_not_in_kafka_is_a_backlog_with_an_age(
        self, runtime: Runtime, page: Page
    ) -> None:
        assert (await page())["ndx_relay_backlog", "outbox"] == 0
        async with runtime.sessions() as session, session.begin():
            identifier = "01a221eb-d9eb-70db-b7f2-a0fc80fda1b3"
            await publish(session, TaxpayerRegistered(taxpayer_id=identifier, personal_id=PERSON))
        async with runtime.sessions() as session, session.begin():
            await session.execute(text("UPDATE outbox SET created_at = created_at - interval '1 minute'"))
        found = await page()
        assert found["ndx_relay_backlog", "outbox"] == 1
        assert found["ndx_relay_lag_seconds", "outbox"] >= 60
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text("INSERT INTO relay_positions (source, xid, id) SELECT 'outbox', xid, id FROM outbox")
            )
        assert (await page())["ndx_relay_backlog", "outbox"] == 0

    async def test_waiting_and_dead_events_are_shown_by_consumer(self, runtime: Runtime, page: Page) -> None:
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text(
                    "INSERT INTO inbox (consumer, event_id, state)"
                    " SELECT 'tax:t', gen_random_uuid(), unnest(ARRAY['WAITING','DEAD','DEAD','DONE'])"
                )
            )
        found = await page()
        events = {k[1:]: v for k, v in found.items() if k[0] == "ndx_inbox_events"}
        assert events == {("WAITING", "tax:t"): 1, ("DEAD", "tax:t"): 2}

    async def test_a_consumers_lag_is_that_of_its_last_look(self, runtime: Runtime, page: Page) -> None:
        runtime.metrics.lags("tax", {("population.person.v1", 3): 17})
        assert (await page())["ndx_consumer_lag", "3", "population.person.v1", "tax"] == 17

    async def test_without_a_database_the_page_still_shows_the_rest(
        self, runtime: Runtime, page: Page
    ) -> None:
        assert (await page())["ndx_metrics_complete",] == 1
        away = make_engine(Settings(database_url="postgresql://127.0.0.1:1/none"))
        runtime.sessions = make_sessions(away)
        found = await page()
        assert found["ndx_metrics_complete",] == 0
        assert not [k for k in found if k[0] == "ndx_relay_backlog"]
        assert [k for k in found if k[0] == "http_server_request_duration_seconds_count"]
