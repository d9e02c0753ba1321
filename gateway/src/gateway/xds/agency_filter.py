"""The small filters that change often: who is known, suspended or revoked, and how fast each may call."""

import re
from typing import Any

from gateway.catalogue.operations import Operation
from gateway.xds import matchers, names
from gateway.xds.coverage import ANY_PURPOSE, Coverage, Standing, standing
from gateway.xds.snapshot import Snapshot

_REFUSED_STATES = {
    "SUSPENDED": "agency-suspended",
    "CLOSED": "agency-suspended",
    "REGISTERED": "agency-unknown",
}


def path_regex(template: str) -> str:
    """Return an expression for every path, with or without a query, that the template means."""
    parts = re.split(r"\{[^}]+\}", template)
    return "[^/?]+".join(re.escape(part) for part in parts) + r"(\?.*)?"


def _kill_switch(
    stopped: list[tuple[str, list[str]]], operations: dict[str, Operation], otherwise: matchers.Node
) -> matchers.Node:
    """Refuse calls under suspended agreements before the agreement filter has heard of it."""
    cases = []
    for name, purposes in stopped:
        operation = operations[name]
        call = [
            matchers.header_is(":method", operation.method),
            matchers.header_fits(":path", path_regex(operation.path)),
        ]
        if purposes != [ANY_PURPOSE]:
            call.append(matchers.header_fits("ndx-purpose", "|".join(purposes)))
        cases.append((matchers.every(call), matchers.deny(Standing.SUSPENDED.value)))
    return matchers.first_of(cases, otherwise)


def agency_filter(snapshot: Snapshot, coverage: Coverage) -> dict[str, Any]:
    """Return the RBAC that knows every system and operator; nobody else passes.

    The action that lets a certificate in is named with its agency's code, which thus becomes `NDX-Agency`;
    the shadow matcher, which refuses nothing, names the system for `NDX-System`.
    """
    cases: dict[str, matchers.Node] = {}
    systems: dict[str, matchers.Node] = {}
    states = {a.code: a.state for a in snapshot.agencies}
    operations = {o.name: o for o in snapshot.operations}
    stopped = coverage.suspended()

    def known(agency: str, san: str) -> matchers.Node:
        refusal = _REFUSED_STATES.get(states.get(agency, "REGISTERED"))
        if refusal is not None:
            return matchers.deny(refusal)
        revoked = {f: matchers.deny("certificate-revoked") for f in sorted(snapshot.revoked.get(san, []))}
        passes = _kill_switch(stopped.get(san, []), operations, matchers.allow(agency))
        return matchers.by_fingerprint(revoked, passes)

    for agency in snapshot.agencies:
        for system in agency.systems:
            san = names.agency_san(agency.code, system.code)
            cases[san] = known(agency.code, san)
            if system.state != "ACTIVE":
                cases[san] = matchers.deny("agency-suspended")
            systems[san] = matchers.allow(system.code)
    for operator in snapshot.operators:
        if operator.state == "ACTIVE":
            san = names.operator_san(operator.agency, operator.login)
            cases[san] = known(operator.agency, san)
    document = {
        "@type": names.RBAC,
        "matcher": matchers.by_san(cases, matchers.deny("agency-unknown")),
        "rules_stat_prefix": "agency_",
    }
    if systems:
        document["shadow_matcher"] = matchers.by_san(systems, None)
        document["shadow_rules_stat_prefix"] = "system_"
    return document


def _bucket(entries: dict[str, str], *, rate: int, burst: int) -> dict[str, Any]:
    return {
        "entries": [{"key": key, "value": value} for key, value in entries.items()],
        "token_bucket": {
            "max_tokens": max(rate, burst),
            "tokens_per_fill": rate,
            "fill_interval": "1s",
        },
    }


def _from_metadata(key: str, source: str, namespace: str, path: str) -> dict[str, Any]:
    return {
        "metadata": {
            "descriptor_key": key,
            "source": source,
            "metadata_key": {"key": namespace, "path": [{"key": path}]},
        }
    }


def rate_limit(descriptors: list[dict[str, Any]], actions: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a local rate limit whose default bucket never runs dry, so that only descriptors count."""
    everybody = {"default_value": {"numerator": 100}}
    return {
        "@type": names.LOCAL_RATE_LIMIT,
        "stat_prefix": "burst",
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "filter_enabled": everybody,
        "filter_enforced": everybody,
        "descriptors": descriptors,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "always_consume_default_token_bucket": False,
        "rate_limits": [{"actions": a} for a in actions],
    }


def burst_filter(snapshot: Snapshot) -> dict[str, Any]:
    """Return one token bucket per agreement, and one per agency for calls to the control plane itself.

    The agreement's rate is the agreement's own: what an agency may ask in all is the sum of its agreements,
    and one busy agreement takes nothing from the agency's others.
    """
    rbac = "envoy.filters.http.rbac"
    descriptors = [
        _bucket({"agreement": a.agreement_id}, rate=a.quotas.per_second, burst=a.quotas.burst)
        for a in sorted(snapshot.agreements, key=lambda a: a.agreement_id)
        if standing(a, snapshot) is Standing.IN_FORCE
    ]
    rate = snapshot.doors.metadata_per_second
    descriptors += [
        _bucket({"door": "control", "agency": a.code}, rate=rate, burst=2 * rate)
        for a in sorted(snapshot.agencies, key=lambda a: a.code)
        if a.state == "ACTIVE"
    ]
    return rate_limit(
        descriptors,
        [
            [_from_metadata("agreement", "DYNAMIC", rbac, names.AGREEMENT_KEY)],
            [
                _from_metadata("door", "ROUTE_ENTRY", names.ROUTE_METADATA, "door"),
                _from_metadata("agency", "DYNAMIC", rbac, names.AGENCY_KEY),
            ],
        ],
    )
