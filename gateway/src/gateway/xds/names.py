"""Names that several resources share."""

from typing import Any

STOP_FILTER = "ndx.stop"
AGENCY_FILTER = "ndx.agency"
AGREEMENT_FILTER = "ndx.agreement"
BURST_FILTER = "ndx.burst"
CLASS_FILTER = "ndx.class"
QUOTA_KEY_FILTER = "ndx.quota-key"
QUOTA_FILTER = "ndx.quota"
JWT_FILTER = "ndx.jwt"
ACR_FILTER = "ndx.acr"
TRACE_HEADER = "x-ndx-trace"
QUOTA_HEADER = "x-ndx-quota"
QUOTA_BUCKET_HEADER = "x-ndx-quota-bucket"
"""By which the quota filter finds the bucket; neither caller nor provider see these two."""
QUOTA_UNTIL_HEADER = "ndx-quota-until"
"""On a refusal: unix time at which a month's quota begins anew; 0 when it is the day's that is used up."""
QUOTA_OF_HEADER = "ndx-quota-of"
"""On a refusal: whether the quota of the AGREEMENT or of the whole AGENCY is used up."""
CONTROL_PLANE = "xds"
"""The static cluster of Envoy's bootstrap."""

TYPE = "type.googleapis.com/"
EXTENSION = TYPE + "envoy.extensions."
RBAC = EXTENSION + "filters.http.rbac.v3.RBAC"
RBAC_PER_ROUTE = EXTENSION + "filters.http.rbac.v3.RBACPerRoute"
QUOTA = EXTENSION + "filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig"
LOCAL_RATE_LIMIT = EXTENSION + "filters.http.local_ratelimit.v3.LocalRateLimit"

ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
"""Where every resource comes from."""

# The RBAC filters leave the names of the actions that won in dynamic metadata, under these prefixes.
POLICIES = "envoy.filters.http.rbac"
"""Namespace of that metadata."""
_POLICY = "%DYNAMIC_METADATA(envoy.filters.http.rbac:{}_effective_policy_id)%"
AGENCY_KEY = "agency_enforced_effective_policy_id"
SYSTEM_KEY = "system_shadow_effective_policy_id"
CLASS_KEY = "class_shadow_effective_policy_id"
AGREEMENT_KEY = "agr_enforced_effective_policy_id"
AGENCY_VALUE = _POLICY.format("agency_enforced")
SYSTEM_VALUE = _POLICY.format("system_shadow")
CLASS_VALUE = _POLICY.format("class_shadow")
AGREEMENT_VALUE = _POLICY.format("agr_enforced")
OPERATOR_VALUE = _POLICY.format("operator_shadow")

ROUTE_METADATA = "ndx"
"""Namespace of the route metadata by which the burst filter tells calls apart: `door`, `template`."""


def agency_san(agency: str, system: str) -> str:
    return f"urn:ndx:agency:{agency}:{system}"


def operator_san(agency: str, login: str) -> str:
    return f"urn:ndx:operator:{agency}:{login}"


def route_config(scope: str) -> str:
    return f"routes-{scope}"


def cluster(service: str) -> str:
    return f"svc-{service}"


def header_to_add(key: str, value: str) -> dict[str, Any]:
    """Return a header that replaces any of its name; a value that is not there adds no header."""
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
