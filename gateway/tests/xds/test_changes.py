"""Changes under traffic: in force within a second, on open connections, without a control plane."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from gateway.catalogue.operations import operations_of, read_documents
from gateway.xds import protos
from gateway.xds.compile import compile_resources, compile_stops
from gateway.xds.resources import Resource
from gateway.xds.service import configuration_of
from ndx_contracts.agreements import AgreementState
from ndx_testing.bus import AGENCIES, AGREEMENTS, NO_HANDSHAKE, PERSON, PING_SECONDS, Bus, agreement
from ndx_testing.envoy import seconds_until, until

PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
G03 = "G03:insurance-link"


async def time_until(call: Callable[[], Awaitable[httpx.Response]], code: str) -> float:
    """Return how long calls went on until the first was refused with that code."""

    async def refused() -> bool:
        answer = await call()
        return answer.status_code != 200 and answer.json()["code"] == code

    return await seconds_until(refused, what=code)


async def connections(live: Bus) -> int:
    assert live.envoy is not None
    stats = await live.envoy.stats("http.agencies.downstream_cx_total")
    return stats["http.agencies.downstream_cx_total"]


class TestSuspension:
    async def test_a_suspended_agreement_is_refused_within_a_second_on_the_same_connection(
        self, live: Bus
    ) -> None:
        async with live.caller(G03) as client:
            assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
            before = await connections(live)
            suspended = AGREEMENTS[0].model_copy(update={"state": AgreementState.SUSPENDED})
            live.snapshot = replace(live.snapshot, agreements=[suspended, *AGREEMENTS[1:]])
            live.server.publish(compile_resources(live.snapshot))
            took = await time_until(lambda: client.get(PERSON, headers=PURPOSE), "agreement-suspended")
            others = await client.get("/population/v1/admin-units")
            assert others.status_code == 200
            await live.apply(agreements=AGREEMENTS)
            assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
            assert await connections(live) == before
        assert took < 1

    async def test_the_stop_filter_alone_stops_it_before_the_routes_are_compiled(self, live: Bus) -> None:
        suspended = AGREEMENTS[0].model_copy(update={"state": AgreementState.SUSPENDED})
        live.snapshot = replace(live.snapshot, agreements=[suspended, *AGREEMENTS[1:]])
        live.server.publish(compile_stops(live.snapshot))
        await live.server.wait_settled()
        async with live.caller(G03) as client:
            refused = await client.get(PERSON, headers=PURPOSE)
            with_query = await client.get(PERSON + "?fields=x", headers=PURPOSE)
            other_purpose = await client.get(PERSON, headers={"NDX-Purpose": "STATISTICS"})
            other_operation = await client.get("/population/v1/admin-units")
        assert [refused.json()["code"], with_query.json()["code"]] == ["agreement-suspended"] * 2
        assert other_purpose.json()["code"] == "purpose-not-covered"
        assert other_operation.status_code == 200

    async def test_a_second_agreement_in_force_still_carries_the_call(self, live: Bus) -> None:
        suspended = AGREEMENTS[0].model_copy(update={"state": AgreementState.SUSPENDED})
        second = AGREEMENTS[0].model_copy(update={"agreement_id": "DSA-G03-9"})
        await live.apply(agreements=[suspended, second])
        async with live.caller(G03) as client:
            answer = await client.get(PERSON, headers=PURPOSE)
        assert answer.json()["headers"]["ndx-agreement"] == "DSA-G03-9"

    async def test_a_suspended_agency_is_refused_within_a_second_and_comes_back(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
            before = await connections(live)
            stopped = [replace(a, state="SUSPENDED") if a.code == "G03" else a for a in AGENCIES]
            live.snapshot = replace(live.snapshot, agencies=stopped)
            live.server.publish(compile_stops(live.snapshot))
            took = await time_until(lambda: client.get(PERSON, headers=PURPOSE), "agency-suspended")
            await live.apply(agencies=AGENCIES)
            assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
            assert await connections(live) == before
        assert took < 1


class TestRevocation:
    async def test_a_revoked_certificate_stops_on_open_connections_and_cannot_open_new_ones(
        self, live: Bus
    ) -> None:
        file, _ = live.pki.client(f"urn:ndx:agency:{G03}", copy=1)
        revoked = x509.load_pem_x509_certificate(file.read_bytes())
        async with live.caller(G03, copy=1) as stolen, live.caller(G03) as renewed:
            assert (await stolen.get(PERSON, headers=PURPOSE)).status_code == 200
            print_ = live.pki.fingerprint(revoked)
            await live.apply(
                revoked={f"urn:ndx:agency:{G03}": [print_]}, material=live.pki.material([revoked])
            )
            took = await time_until(lambda: stolen.get(PERSON, headers=PURPOSE), "certificate-revoked")
            assert (await renewed.get(PERSON, headers=PURPOSE)).status_code == 200
        assert took < 1
        async with live.caller(G03, copy=1) as again:
            with pytest.raises(NO_HANDSHAKE):
                await again.get(PERSON, headers=PURPOSE)


class TestControlPlane:
    async def test_envoy_goes_on_enforcing_without_it_and_takes_changes_after_it_is_back(
        self, live: Bus
    ) -> None:
        async with live.caller(G03) as client:
            await live.stop_control_plane()
            try:
                await until(lambda: not live.server.envoys, what="Envoy's stream to end")
                assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
                refused = await client.get(PERSON, headers={"NDX-Purpose": "STATISTICS"})
                assert refused.json()["code"] == "purpose-not-covered"
            finally:
                await live.start_control_plane()
            await until(lambda: live.server.envoys, seconds=30, what="Envoy's return")
            await live.apply(agreements=AGREEMENTS[1:])
            answer = await client.get(PERSON, headers=PURPOSE)
            assert answer.json()["code"] == "no-agreement"

    async def test_an_envoy_that_makes_sure_of_an_idle_line_keeps_it(self, live: Bus) -> None:
        assert live.envoy is not None
        before = await live.envoy.stats("cluster.xds.upstream_cx_total")
        await asyncio.sleep(12 * PING_SECONDS)
        assert await live.envoy.stats("cluster.xds.upstream_cx_total") == before
        assert live.server.envoys == ["envoy-1"]

    async def test_what_envoy_refuses_is_recorded_and_the_last_good_version_stays(self, live: Bus) -> None:
        good = compile_resources(live.snapshot)
        listener = good[protos.LDS]["agencies"]
        broken = Resource(listener.name, good[protos.CDS]["svc-auth"].body, "broken")
        try:
            live.server.publish({protos.LDS: {**good[protos.LDS], "agencies": broken}})
            await live.server.wait_settled()
            assert list(live.server.refused) == [protos.LDS]
            seen = configuration_of(live.server)
            assert not seen.in_order
            assert [(r.type, bool(r.reason)) for r in seen.envoys[0].refused] == [("Listener", True)]
            async with live.caller(G03) as client:
                assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
        finally:
            live.server.publish(good)
            await live.server.wait_settled()
        assert live.server.refused == {}
        seen = configuration_of(live.server)
        assert (seen.in_order, [e.node for e in seen.envoys]) == (True, ["envoy-1"])

    async def test_envoy_takes_every_committed_operation(self, live: Bus) -> None:
        folder = Path(__file__).parents[3] / "contracts" / "openapi"
        documents = read_documents(folder)
        operations = [o for name, document in documents.items() for o in operations_of(name, document)]
        assert operations
        wanted = [
            agreement(f"DSA-G03-{n}", [o.name]) for n, o in enumerate(operations, 1) if o.door == "agency"
        ]
        await live.apply(operations=operations, agreements=wanted)
        async with live.caller(G03) as client:
            listed = await client.get("/v1/services")
            read = await client.get(PERSON, headers=PURPOSE)
        assert (listed.status_code, read.status_code) == (200, 200)

    async def test_nobody_waits_for_an_envoy_that_is_gone(self, live: Bus) -> None:
        assert await _first_word(live, live.pki.folder / "xds-client") == "svc-auth"
        # It asked, never answered, and left.
        async with asyncio.timeout(60):
            await live.server.wait_settled()

    async def test_only_an_envoy_gets_the_configuration(self, live: Bus) -> None:
        folder = live.pki.folder
        assert await _first_word(live, folder / "gateway-client") == "PERMISSION_DENIED"
        assert await _first_word(live, folder / "provider") == "UNAVAILABLE"
        assert await _first_word(live, folder / "xds-client") == "svc-auth"


async def _first_word(live: Bus, pair: Any) -> str:
    """Ask for clusters with a certificate; return the first cluster's name or why there is none."""
    import grpc

    credentials = grpc.ssl_channel_credentials(
        (live.pki.folder / "internal-ca.crt").read_bytes(),
        pair.with_suffix(".key").read_bytes(),
        pair.with_suffix(".crt").read_bytes(),
    )
    options = [("grpc.ssl_target_name_override", "xds.ndx.internal")]
    address = f"127.0.0.1:{live.settings.xds_port}"
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        stub = protos.ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
        request = protos.discovery_pb2.DeltaDiscoveryRequest(type_url=protos.CDS)

        async def ask() -> Any:
            yield request
            await asyncio.Event().wait()

        call = stub.DeltaAggregatedResources(ask())
        try:
            answer = await call.read()
            return str(answer.resources[0].name)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        finally:
            call.cancel()
