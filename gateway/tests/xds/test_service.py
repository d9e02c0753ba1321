"""From a committed change in the database to the published configuration."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from gateway.notices import CHANNEL, announce
from gateway.rotation import jobs
from gateway.xds import names, protos, service
from gateway.xds.server import ConfigServer
from gateway.xds.source import EVERYTHING, Source, settings_of
from ndx_chassis.app import Runtime
from ndx_testing.envoy import free_ports, seconds_until, until
from sqlalchemy import text

pytestmark = pytest.mark.integration
Post = Callable[..., Any]
NUMBER = "DSA-H79.001-1"
SAN = "urn:ndx:agency:H79.001:his"
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}


ANOTHER = {
    "code": "H79.002",
    "name": "Bệnh viện Khác",
    "name_en": "Another Hospital",
    "agency_class": "HEALTH",
}


@pytest.fixture
def service_settings(service_settings: dict[str, Any], state_dir: Path) -> dict[str, Any]:
    """Let the configuration server start."""
    (port,) = free_ports(1)
    return service_settings | {"state_dir": state_dir, "xds_port": port, "upstreams": {"insurance": "h:1"}}


@pytest.fixture
def bus(platform: FastAPI) -> FastAPI:
    """Give the control plane to the fixtures that post to it."""
    return platform


@pytest.fixture
async def platform(app: FastAPI, runtime: Runtime) -> FastAPI:
    from gateway import bootstrap

    await bootstrap.make_rows(settings_of(runtime))
    return app


@pytest.fixture
async def enrolled(post: Post, hospital: Any, client: httpx.AsyncClient) -> dict[str, Any]:
    """Give the certificate of an active hospital's system."""
    system = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "his")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    body = {"enrolment_code": system["enrolment_code"], "csr_pem": csr}
    reply = await client.post("/v1/certificates", json=body)
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


@pytest.fixture
async def active(post: Post, enrolled: Any) -> None:
    """Bring an agreement into force."""
    await post("NDX:an", "/v1/agreements", TERMS, 201)
    await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
    await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")


def published(runtime: Runtime, kind: str, name: str) -> bytes:
    server = runtime.extras["xds_server"]
    assert isinstance(server, ConfigServer)
    resource = server.current.get(kind, {}).get(name)
    return b"" if resource is None else resource.body.value


def agency_filter(runtime: Runtime) -> bytes:
    return published(runtime, protos.ECDS, names.AGENCY_FILTER)


def stop_filter(runtime: Runtime) -> bytes:
    return published(runtime, protos.ECDS, names.STOP_FILTER)


async def seconds_until_published(runtime: Runtime, word: bytes) -> float:
    return await seconds_until(lambda: word in stop_filter(runtime), what="the change")


class TestChanges:
    async def test_an_enrolled_system_with_an_agreement_is_let_in(self, runtime: Runtime, active: None):
        await until(lambda: SAN.encode() in agency_filter(runtime), what="the system")
        routes = await until(
            lambda: NUMBER.encode() in published(runtime, protos.RDS, "routes-x"), what="the agreement"
        )
        assert routes

    async def test_a_suspended_agreement_is_published_within_a_second(
        self, runtime: Runtime, post: Post, active: None
    ):
        await until(lambda: NUMBER.encode() in published(runtime, protos.RDS, "routes-x"))
        await post("NDX:an", f"/v1/agreements/{NUMBER}/suspend", {"reason": "misuse suspected"})
        assert await seconds_until_published(runtime, b"agreement-suspended") < 1

    async def test_a_suspended_agency_is_published_within_a_second(
        self, runtime: Runtime, post: Post, enrolled: Any
    ):
        await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "misuse suspected"})
        assert await seconds_until_published(runtime, b"agency-suspended") < 1

    async def test_a_closed_agency_is_published_within_a_second(
        self, runtime: Runtime, post: Post, active: None
    ):
        await until(lambda: NUMBER.encode() in published(runtime, protos.RDS, "routes-x"))
        await post("NDX:an", "/v1/agencies/H79.001/close", {"reason": "dissolved"})
        assert await seconds_until_published(runtime, b"agency-suspended") < 1
        await until(lambda: NUMBER.encode() not in published(runtime, protos.RDS, "routes-x"))

    async def test_a_revoked_certificate_goes_into_filter_and_list_within_a_second(
        self, runtime: Runtime, post: Post, enrolled: dict[str, Any]
    ):
        await until(lambda: SAN.encode() in agency_filter(runtime))
        before = published(runtime, protos.SDS, "agency_ca")
        serial = enrolled["serial"]
        await post("NDX:an", f"/v1/certificates/{serial}/revoke", {"reason": "key lost"})
        assert await seconds_until_published(runtime, enrolled["fingerprint_sha256"].encode()) < 1
        await until(lambda: published(runtime, protos.SDS, "agency_ca") != before, what="the new list")

    async def test_a_broken_connection_to_the_database_heals_itself(
        self, runtime: Runtime, post: Post, enrolled: Any, database_url: str
    ):
        await until(lambda: SAN.encode() in agency_filter(runtime))
        own = await asyncpg.connect(database_url)
        try:
            await own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query ILIKE 'LISTEN%'"
            )
        finally:
            await own.close()
        await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "misuse suspected"})
        assert await seconds_until_published(runtime, b"agency-suspended") < 5

    async def test_an_end_that_comes_together_with_a_notice_is_not_lost(
        self, runtime: Runtime, platform: FastAPI
    ):
        follower = service.Follower(runtime, ConfigServer())
        task = asyncio.create_task(follower.run())
        try:
            await until(lambda: follower.refreshed_at > 0, what="the first configuration")
            await asyncio.sleep(0.05)
            follower.notice("agreement none")
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=60)
            assert done == {task}
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class TestSource:
    async def test_what_a_notice_names_is_read_and_the_rest_stays_the_same_object(
        self, runtime: Runtime, post: Post, active: None
    ):
        source = Source(runtime)
        before = await source.read([])
        await post("NDX:an", f"/v1/agreements/{NUMBER}/suspend", {"reason": "misuse suspected"})
        unaware = await source.read(["agency H79.001"])
        assert [a.state for a in unaware.agreements] == ["ACTIVE"]
        after = await source.read([f"agreement {NUMBER}"])
        assert [a.state for a in after.agreements] == ["SUSPENDED"]
        assert all(a is b for a, b in zip(after.agencies, before.agencies, strict=True))
        assert after == await service.load_snapshot(runtime)

    async def test_reading_everything_again_finds_any_change_and_keeps_what_is_as_it_was(
        self, runtime: Runtime, post: Post, active: None
    ):
        source = Source(runtime)
        before = await source.read([])
        await post("NDX:an", "/v1/agencies/G04/suspend", {"reason": "misuse suspected"})
        after = await source.read([EVERYTHING])
        changed = [a for a, b in zip(after.agencies, before.agencies, strict=True) if a is not b]
        assert [(a.code, a.state) for a in changed] == [("G04", "SUSPENDED")]
        assert [a is b for a, b in zip(after.agreements, before.agreements, strict=True)] == [True]

    async def test_an_agreement_that_ends_and_an_agency_that_comes_are_read_by_name(
        self, runtime: Runtime, post: Post, active: None
    ):
        source = Source(runtime)
        await source.read([])
        await post("NDX:an", f"/v1/agreements/{NUMBER}/terminate", {"reason": "no longer needed"})
        await post("NDX:an", "/v1/agencies", ANOTHER, 201)
        after = await source.read([f"agreement {NUMBER}", "agency H79.002"])
        assert after.agreements == []
        by_code = sorted(after.agencies, key=lambda a: a.code)
        assert replace(after, agencies=by_code) == await service.load_snapshot(runtime)

    async def test_a_new_day_has_everything_read(self, runtime: Runtime, platform: FastAPI):
        source = Source(runtime)
        before = await source.read([])
        source.today -= timedelta(days=1)
        source.agencies.clear()
        assert await source.read(["agreement none"]) == before

    async def test_a_notice_is_sent_with_each_change(self, post: Post, active: None, database_url: str):
        heard: list[str] = []
        own = await asyncpg.connect(database_url)
        try:
            await own.add_listener(CHANNEL, lambda *told: heard.append(str(told[3])))
            await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "misuse suspected"})
            await post("NDX:an", f"/v1/agreements/{NUMBER}/suspend", {"reason": "misuse suspected"})
            await until(lambda: len(heard) >= 2, what="the notices")
        finally:
            await own.close()
        assert heard == ["agency H79.001", f"agreement {NUMBER}"]


class TestConfiguration:
    async def test_an_operator_sees_whether_the_data_plane_has_taken_it(
        self, runtime: Runtime, read: Post, active: None
    ):
        await until(lambda: SAN.encode() in agency_filter(runtime), what="the system")
        seen = await read("NDX:an", "/v1/configuration")
        assert seen["published_at"] is not None
        assert (seen["in_order"], seen["envoys"]) == (False, [])


class TestSnapshot:
    async def test_the_revocation_list_is_made_anew_each_day_and_not_each_time(
        self, runtime: Runtime, platform: FastAPI
    ):
        first = await service.load_snapshot(runtime)
        await jobs.refresh_lists(runtime)
        again = await service.load_snapshot(runtime)
        assert again.material.crl == first.material.crl
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text("UPDATE revocation_lists SET this_update = now() - interval '25 hours'")
            )
        await jobs.refresh_lists(runtime)
        tomorrow = await service.load_snapshot(runtime)
        assert tomorrow.material.crl != first.material.crl
        assert replace(tomorrow, material=first.material) == first


class TestMidnight:
    async def test_a_quota_that_was_used_up_refuses_nothing_on_the_next_day(
        self, runtime: Runtime, post: Post, enrolled: Any, monkeypatch: pytest.MonkeyPatch
    ):
        def quota() -> bytes:
            return published(runtime, protos.ECDS, names.QUOTA_FILTER)

        await post("NDX:an", "/v1/agreements", TERMS | {"quotas": {"per_day": 10}}, 201)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
        await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")
        await until(lambda: NUMBER.encode() in quota(), what="the agreement")
        open_to_all = quota()
        begun = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

        async def let_the_day_end_in(seconds: float) -> None:
            """Move the place where these quotas live."""
            ahead = timedelta(days=1, seconds=-seconds) - (datetime.now(UTC) - begun)
            moved = {"quota_utc_offset_hours": ahead / timedelta(hours=1)}
            monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update=moved))
            async with runtime.sessions() as session, session.begin():
                await announce(session, "quota")

        await let_the_day_end_in(3600)
        calendar = settings_of(runtime).quota_calendar
        day = calendar.day(datetime.now(UTC))
        async with runtime.sessions() as session, session.begin():
            used = (
                "INSERT INTO quota_uses VALUES ('H79.001', :agreement, 'DAY', :day, 10, 10, 0, 10, 100, true,"
                " now())"
            )
            await session.execute(text(used), {"agreement": NUMBER, "day": day})
            await announce(session, "quota")
        await until(lambda: quota() != open_to_all, what="the refusal of first calls")
        # Long before anything is looked at by itself.
        await let_the_day_end_in(2.5)
        calendar = settings_of(runtime).quota_calendar
        await until(lambda: quota() == open_to_all, seconds=20, what="its end")
        assert calendar.begin(day + timedelta(days=1)) - datetime.now(UTC) < timedelta(seconds=1)
