"""What Envoy reports of a call: spans and access log tell who and why, and never whose data."""

import json
from dataclasses import replace
from typing import Any

import grpc
from gateway.calls.lines import call_of
from ndx_testing.bus import PERSON, Bus
from ndx_testing.envoy import free_ports, until

PERSONAL_ID = PERSON.rsplit("/", 1)[1]
PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
G03 = "G03:insurance-link"


async def spans_of(live: Bus, trace: str, count: int) -> list[dict[str, Any]]:
    """Return the spans of one trace when the collector has that many."""

    def found() -> list[dict[str, Any]] | None:
        received = [s for r in live.collector.received for s in json.loads(r.body)]
        mine = [s for s in received if s["traceId"] == trace]
        return mine if len(mine) >= count else None

    spans: list[dict[str, Any]] = await until(found, seconds=20, what="spans")
    return spans


async def lines_of(live: Bus, request_id: str) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]]:
        text = live.access_log.read_text() if live.access_log.exists() else ""
        text = text[: text.rfind("\n") + 1]  # Envoy may be in the middle of a line
        return [line for line in map(json.loads, text.splitlines()) if line["request_id"] == request_id]

    lines: list[dict[str, Any]] = await until(found, seconds=20, what="the access log")
    return lines


class TestSpans:
    async def test_a_span_names_the_operation_and_not_the_person(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            served = await client.get(f"{PERSON}?fields=birth_name", headers=PURPOSE)
            refused = await client.get(PERSON, headers={"NDX-Purpose": "STATISTICS"})
            missing = await client.get(f"/population/v1/nothing/{PERSONAL_ID}", headers=PURPOSE)
            method = await client.delete(PERSON, headers=PURPOSE)
        trace = served.headers["traceparent"].split("-")[1]
        (entry,) = await spans_of(live, trace, 1)
        assert entry["kind"] == "SERVER"
        assert entry["name"] == "GET /population/v1/persons/{personal_id}"
        assert entry["tags"]["ndx.operation"] == "population.get_person"
        assert entry["tags"]["ndx.agency"] == "G03"
        assert entry["tags"]["ndx.agreement"] == "DSA-G03-1"
        assert entry["tags"]["ndx.purpose"] == "SOCIAL_INSURANCE"
        for answer in (refused, missing, method):
            await spans_of(live, answer.json()["trace_id"], 1)
        everything = b"".join(r.body for r in live.collector.received)
        assert PERSONAL_ID.encode() not in everything
        assert b"birth_name" not in everything

    async def test_the_providers_span_hangs_below_the_gateways(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            answer = await client.get(PERSON, headers=PURPOSE)
        _, trace, parent, flags = answer.json()["headers"]["traceparent"].split("-")
        (span,) = await spans_of(live, trace, 1)
        assert span["id"] == parent
        assert flags == "01"
        assert len(trace) == 32


class TestOtherBackends:
    async def test_spans_for_a_collector_of_opentelemetry_hold_no_person_either(self, live: Bus) -> None:
        taken: list[bytes] = []
        (port,) = free_ports(1)
        collector = grpc.aio.server()
        collector.add_generic_rpc_handlers([Collector(taken)])
        collector.add_insecure_port(f"127.0.0.1:{port}")
        await collector.start()
        try:
            await live.apply(doors=replace(live.base.doors, zipkin="", otlp=f"127.0.0.1:{port}"))
            async with live.caller(G03) as client:
                answer = await client.get(f"{PERSON}?fields=birth_name", headers=PURPOSE)
            trace = bytes.fromhex(answer.headers["traceparent"].split("-")[1])
            await until(lambda: any(trace in t for t in taken), seconds=20, what="spans")
        finally:
            await collector.stop(grace=None)
        everything = b"".join(taken)
        assert b"population.get_person" in everything
        assert PERSONAL_ID.encode() not in everything
        assert b"birth_name" not in everything

    async def test_without_a_backend_calls_and_refusals_work_as_well(self, live: Bus) -> None:
        await live.apply(doors=replace(live.base.doors, zipkin="", otlp=""))
        async with live.caller(G03) as client:
            served = await client.get(PERSON, headers=PURPOSE)
            refused = await client.get(PERSON, headers={"NDX-Purpose": "STATISTICS"})
        assert served.status_code == 200
        assert "x-ndx-trace" not in served.json()["headers"]
        assert refused.json()["code"] == "purpose-not-covered"
        assert refused.json()["trace_id"] is None


class Collector(grpc.GenericRpcHandler):
    """Takes whatever is exported, unread."""

    def __init__(self, taken: list[bytes]) -> None:
        self.taken = taken

    def service(self, call: grpc.HandlerCallDetails) -> Any:
        async def export(request: bytes, context: Any) -> bytes:
            self.taken.append(request)
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


class TestAccessLog:
    async def test_a_line_tells_who_called_what_for_which_purpose(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            served = await client.get(PERSON, headers=PURPOSE)
            refused = await client.get(PERSON, headers={"NDX-Purpose": "STATISTICS"})
        (line,) = await lines_of(live, served.headers["ndx-request-id"])
        assert line["agency"] == "G03"
        assert line["caller"] == "urn:ndx:agency:G03:insurance-link"
        assert line["agreement"] == "DSA-G03-1"
        assert line["operation"] == "population.get_person"
        assert line["purpose"] == "SOCIAL_INSURANCE"
        assert line["status"] == 200
        assert 0 <= line["upstream_ms"] <= line["duration_ms"]
        assert line["trace_id"] == served.headers["traceparent"].split("-")[1]
        call = call_of(json.dumps(line).encode())
        assert call is not None
        assert (call.agency, call.system, call.service) == ("G03", "insurance-link", "population")
        assert (call.refusal, call.answered_by, call.agreement) == (None, "PROVIDER", "DSA-G03-1")
        assert 0 <= (call.request_out_ms or 0) <= call.duration_ms
        (line,) = await lines_of(live, refused.headers["ndx-request-id"])
        call = call_of(json.dumps(line).encode())
        assert call is not None
        assert (call.refusal, call.answered_by, call.agreement) == ("purpose-not-covered", "GATEWAY", None)
        assert "purpose-not-covered" in line["reason"]
        assert PERSONAL_ID not in live.access_log.read_text()

    async def test_what_is_no_purpose_code_is_reported_nowhere(self, live: Bus) -> None:
        """Somebody fills the wrong header: the call is refused as before, and nobody reads what it was."""
        async with live.caller(G03) as client:
            replies = [
                await client.get(path, headers={b"NDX-Purpose": purpose.encode()})
                for path in (PERSON, "/v1/allowed-operations")
                for purpose in (PERSONAL_ID, "Nguyễn Thị Minh")
            ]
        assert {r.json()["code"] for r in replies[:2]} == {"purpose-unknown"}
        for reply in replies:
            (line,) = await lines_of(live, reply.headers["ndx-request-id"])
            assert line["purpose"] == "?"
            await spans_of(live, line["trace_id"], 1)
        everything = b"".join(r.body for r in live.collector.received) + live.access_log.read_bytes()
        assert PERSONAL_ID.encode() not in everything
        assert b"Nguy" not in everything
