"""A line of the access log: who called what, and whose refusal it was."""

import json
from typing import Any

import pytest
from gateway.calls.lines import call_of

LINE: dict[str, Any] = {
    "time": "2026-11-24T05:00:00.250Z",
    "caller": "urn:ndx:agency:H79.001:his",
    "agency": "H79.001",
    "agreement": "DSA-H79.001-1",
    "operation": "insurance.check",
    "purpose": "HEALTH_ENTITLEMENT",
    "method": "POST",
    "status": 200,
    "reason": "via_upstream",
    "duration_ms": 30,
    "request_out_ms": 4,
    "upstream_ms": 21,
    "bytes_in": 12,
    "bytes_out": 345,
    "request_id": "1f0c1f0c-0000-4000-8000-000000000001",
    "trace_id": "a" * 32,
}


def line(**changes: Any) -> bytes:
    return json.dumps(LINE | changes).encode()


class TestCallOf:
    def test_both_sides_are_in_one_record(self) -> None:
        call = call_of(line())
        assert call is not None
        assert (call.agency, call.system, call.service) == ("H79.001", "his", "insurance")
        assert (call.request_out_ms, call.provider_ms, call.duration_ms) == (4, 21, 30)
        assert (call.refusal, call.answered_by) == (None, "PROVIDER")

    @pytest.mark.parametrize(
        ("status", "reason", "code"),
        [
            (403, "rbac_access_denied_matched_policy[no-agreement]", "no-agreement"),
            (429, "local_rate_limited", "burst-exceeded"),
            (429, "rate_limited_by_quota", "daily-quota-exceeded"),
            (401, "jwt_authn_access_denied{Jwt_is_missing}", "token-missing"),
            (401, "jwt_authn_access_denied{Jwt_is_expired}", "token-invalid"),
            (503, "upstream_reset_before_response_started{overflow}", "circuit-open"),
            (503, "upstream_reset_before_response_started{connection_failure}", "provider-unavailable"),
            (504, "response_timeout", "provider-timeout"),
            (404, "route_not_found", "operation-unknown"),
            (400, "path_normalization_failed", "invalid-request"),
        ],
    )
    def test_the_gateways_refusals_have_their_codes(self, status: int, reason: str, code: str) -> None:
        call = call_of(line(status=status, reason=reason, agreement="no-agreement"))
        assert call is not None
        assert (call.refusal, call.answered_by, call.agreement) == (code, "GATEWAY", None)

    def test_a_month_that_is_used_up_is_told_from_a_day(self) -> None:
        call = call_of(line(status=429, reason="rate_limited_by_quota", quota_until="1796058000"))
        assert call is not None
        assert call.refusal == "monthly-quota-exceeded"

    def test_what_a_provider_refuses_is_the_providers(self) -> None:
        call = call_of(line(status=503))
        assert call is not None
        assert (call.refusal, call.answered_by, call.status) == (None, "PROVIDER", 503)

    def test_an_operator_is_no_system_of_an_agency(self) -> None:
        call = call_of(line(caller="urn:ndx:operator:NDX:an", agreement="operator"))
        assert call is not None
        assert (call.agency, call.system, call.agreement) == ("NDX", None, None)

    @pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"time": "x"}', line(request_id=None)])
    def test_what_is_no_call_is_passed_over(self, broken: bytes) -> None:
        assert call_of(broken) is None
