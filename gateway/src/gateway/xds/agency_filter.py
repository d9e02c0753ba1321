"""The small filters that change often: who is known, suspended or revoked, and how fast each may call."""

from typing import Any

from gateway.xds import names
from gateway.xds.snapshot import Snapshot

_CLOSED = {"SUSPENDED": "agency-suspended", "CLOSED": "agency-suspended", "REGISTERED": "agency-unknown"}
_FINGERPRINT_INPUT = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput"
FINGERPRINT_KEY = "ndx.peer_fingerprint"


def _case(allowed: dict[str, Any], revoked: list[str]) -> dict[str, Any]:
    if not revoked:
        return allowed
    denied = {print_: names.action("certificate-revoked", deny=True) for print_ in sorted(revoked)}
    return {
        "matcher": {
            "matcher_tree": {
                "input": {
                    "name": "fp",
                    "typed_config": {"@type": _FINGERPRINT_INPUT, "key": FINGERPRINT_KEY},
                },
                "exact_match_map": {"map": denied},
            },
            "on_no_match": allowed,
        }
    }


def agency_filter(snapshot: Snapshot) -> dict[str, Any]:
    """Return the RBAC that knows every system and operator; nobody else passes."""
    cases: dict[str, dict[str, Any]] = {}
    for agency in snapshot.agencies:
        for system in agency.systems:
            san = names.agency_san(agency.code, system.code)
            refusal = _CLOSED.get(agency.state)
            if refusal is not None:
                cases[san] = names.action(refusal, deny=True)
            elif system.state != "ACTIVE":
                cases[san] = names.action("agency-suspended", deny=True)
            else:
                cases[san] = _case(names.action(agency.code), snapshot.revoked.get(san, []))
    for operator in snapshot.operators:
        if operator.state == "ACTIVE":
            san = names.operator_san(operator.agency, operator.login)
            cases[san] = _case(names.action("operator"), snapshot.revoked.get(san, []))
    return {
        "@type": names.RBAC,
        "matcher": names.by_san(cases, names.action("agency-unknown", deny=True)),
        "rules_stat_prefix": "agency_",
    }


def burst_filter(snapshot: Snapshot) -> dict[str, Any]:
    """Return the token buckets, one per agency: the sum of its agreements' rates, as those add up."""
    rates: dict[str, tuple[int, int]] = {}
    for agreement in snapshot.agreements:
        rate, burst = rates.get(agreement.consumer_agency, (0, 0))
        quotas = agreement.quotas
        rates[agreement.consumer_agency] = (rate + quotas.per_second, burst + quotas.burst)
    descriptors = [
        {
            "entries": [{"key": "agency", "value": agency}],
            "token_bucket": {
                "max_tokens": max(rate, burst),
                "tokens_per_fill": rate,
                "fill_interval": "1s",
            },
        }
        for agency, (rate, burst) in sorted(rates.items())
    ]
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
        "rate_limits": [
            {
                "actions": [
                    {
                        "metadata": {
                            "descriptor_key": "agency",
                            "metadata_key": {
                                "key": "envoy.filters.http.rbac",
                                "path": [{"key": "agency_enforced_effective_policy_id"}],
                            },
                        }
                    }
                ]
            }
        ],
    }
