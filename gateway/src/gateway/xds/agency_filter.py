"""The filters by agency: who is known, and how fast each may call."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ndx_contracts.agreements import Agreement

from gateway.authorities.service import Issuer
from gateway.xds import matchers, names, wire
from gateway.xds.protos import LocalRateLimit, RateEntry, RateLimitDescriptor, Rbac, TokenBucket
from gateway.xds.wire import Wire

MOST_MEMBERS = 65_536
"""Agencies whose buckets under templates are kept; beyond, the one idle for longest starts afresh."""
# Field 19 of LocalRateLimit, enable_retry_after_header, is newer than the published stubs.
RETRY_AFTER_ON = Wire(b"\x98\x01\x01")


@dataclass(frozen=True, slots=True)
class OutsideCases:
    """What an outside authority may vouch for."""

    issuer: Issuer
    cases: matchers.Entries


def may_certify(issuer: Issuer, san: str) -> bool:
    """Tell whether an outside authority may name that system; it never names an operator."""
    kind, _, name = san.removeprefix("urn:ndx:").partition(":")
    agency = name.rpartition(":")[0]
    return kind == "agency" and any(
        agency == pattern or (pattern.endswith(".*") and agency.startswith(pattern[:-1]))
        for pattern in issuer.may_certify
    )


def _in_bytes(serial: str) -> str:
    """Return a serial in whole bytes, as Envoy writes it."""
    return serial.zfill(len(serial) + len(serial) % 2)


@lru_cache(maxsize=4)
def _denied(late: tuple[str, ...]) -> matchers.Entries:
    """Return the refusals of serials: very many may stay the same through many changes of agencies."""
    refused = matchers.deny("certificate-revoked")
    return matchers.entries({_in_bytes(serial): refused for serial in late})


def _by_issuer(
    cases: matchers.Entries, own: Sequence[Issuer], outside: Sequence[OutsideCases]
) -> matchers.Tree:
    """Ask first who vouches for the caller: an outside authority does so only for some, others for none."""
    refused = matchers.deny("certificate-issuer-refused")
    everybody = matchers.nested(matchers.by_san(cases, matchers.deny("agency-unknown")))
    found = [(matchers.any_of([matchers.issuer_is(i.subject) for i in own]), everybody)] if own else []
    for each in outside:
        late = _denied(each.issuer.late)
        known = matchers.nested(matchers.by_san(each.cases, refused))
        found.append((matchers.issuer_is(each.issuer.subject), matchers.by_serial(late, known)))
    return matchers.tree_of_first(found, refused)


def agency_filter(
    cases: matchers.Entries,
    systems: matchers.Entries,
    own: Sequence[Issuer] = (),
    outside: Sequence[OutsideCases] = (),
) -> Wire:
    """Return the RBAC that knows every system and operator; nobody else passes.

    The action that lets a certificate in is named with its agency's code, which thus becomes `NDX-Agency`;
    the shadow matcher, which refuses nothing, names the system for `NDX-System`.
    """
    tree = matchers.by_san(cases, matchers.deny("agency-unknown"))
    if own or outside:
        tree = _by_issuer(cases, own, outside)
    found = [
        wire.put(Rbac, "matcher", tree),
        wire.put(Rbac, "rules_stat_prefix", "agency_"),
    ]
    if systems:
        found.append(wire.put(Rbac, "shadow_matcher", matchers.by_san(systems, None)))
        found.append(wire.put(Rbac, "shadow_rules_stat_prefix", "system_"))
    return wire.join(found)


def _bucket(entries: dict[str, str], *, rate: int, burst: int) -> Wire:
    """Return a token bucket for calls with these values; an empty one stands for each value on its own."""
    bucket = {"max_tokens": max(rate, burst), "tokens_per_fill": rate, "fill_interval": "1s"}
    found = [
        wire.put(
            RateLimitDescriptor,
            "entries",
            wire.put(RateEntry, "key", key) + (wire.put(RateEntry, "value", value) if value else b""),
        )
        for key, value in entries.items()
    ]
    found.append(wire.put(RateLimitDescriptor, "token_bucket", wire.encode(TokenBucket, bucket)))
    return wire.put(LocalRateLimit, "descriptors", wire.join(found))


def agreement_bucket(agreement: Agreement) -> Wire:
    """Return the bucket of one agreement.

    It is the agreement's own: what an agency may ask in all is the sum of its agreements, and one busy
    agreement takes nothing from the agency's others. It stays while the agreement is suspended, so that a
    suspension changes nothing but who gets in.
    """
    quotas = agreement.quotas
    return _bucket({"agreement": agreement.agreement_id}, rate=quotas.per_second, burst=quotas.burst)


def members_bucket(template: Agreement) -> Wire:
    """Return the buckets of a template: one for each agency that it binds, made when it first calls."""
    quotas = template.quotas
    entries = {"template": "yes", "agreement": template.agreement_id, "agency": ""}
    return _bucket(entries, rate=quotas.per_second, burst=quotas.burst)


def agencies_bucket(rate: int) -> Wire:
    """Return the buckets of calls to the control plane itself: one for each agency, made when it calls."""
    return _bucket({"door": "control", "agency": ""}, rate=rate, burst=2 * rate)


def from_metadata(key: str, source: str, namespace: str, path: str) -> dict[str, Any]:
    """Return the part of a rate limit's action that reads metadata of the call or of its route."""
    return {
        "metadata": {
            "descriptor_key": key,
            "source": source,
            "metadata_key": {"key": namespace, "path": [{"key": path}]},
        }
    }


def rate_limit(
    descriptors: list[dict[str, Any]], actions: list[list[dict[str, Any]]], *, shared: bool
) -> dict[str, Any]:
    """Return a local rate limit whose default bucket never runs dry, so that only descriptors count."""
    everybody = {"default_value": {"numerator": 100}}
    limit: dict[str, Any] = {
        "stat_prefix": "burst",
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "filter_enabled": everybody,
        "filter_enforced": everybody,
        "descriptors": descriptors,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "always_consume_default_token_bucket": False,
        "rate_limits": [{"actions": a} for a in actions],
    }
    if shared:
        # Of each bucket an Envoy gives out what falls to one of so many.
        limit["local_cluster_rate_limit"] = {}
    return limit


def burst_filter(buckets: Wire, *, shared: bool) -> Wire:
    """Return the filter with one token bucket per agreement, and one per agency for the control plane."""
    agreement = from_metadata("agreement", "DYNAMIC", names.POLICIES, names.AGREEMENT_KEY)
    agency = from_metadata("agency", "DYNAMIC", names.POLICIES, names.AGENCY_KEY)
    door = from_metadata("door", "ROUTE_ENTRY", names.ROUTE_METADATA, "door")
    template = from_metadata("template", "ROUTE_ENTRY", names.ROUTE_METADATA, "template")
    limit = rate_limit([], [[agreement], [door, agency], [template, agreement, agency]], shared=shared)
    limit["max_dynamic_descriptors"] = MOST_MEMBERS
    return wire.join([wire.encode(LocalRateLimit, limit), buckets, RETRY_AFTER_ON])
