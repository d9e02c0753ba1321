"""The quota filter: which agreements have quotas by day or month, and what Envoy does about them by itself.

Envoy counts calls in a bucket per agency, agreement and cost of the operation, reports them every five
seconds, and lets through as many as the control plane has assigned (rate-limit-quota protocol). A call under
an agreement without such a quota, of an agency without one over all its agreements, has no bucket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from ndx_contracts.agreements import Agreement

from gateway.catalogue.operations import Operation
from gateway.quotas.periods import Period
from gateway.quotas.spent import Limits, Spent
from gateway.xds import matchers, names, wire
from gateway.xds.protos import BucketSettings, QuotaFilter
from gateway.xds.wire import Wire

DOMAIN = "ndx"
BUCKET = "bucket"
"""What Envoy calls a bucket by: agency, agreement and cost, parted by spaces."""
FALLBACK_FOR = timedelta(days=7)
"""For how long Envoy keeps to the fallback's pace when no assignment comes; then only bursts are limited."""
_HOUR = 3600
_Builder = BucketSettings.BucketIdBuilder
_Value = BucketSettings.BucketIdBuilder.ValueBuilder


@dataclass(frozen=True, slots=True)
class Case:
    """What is special about one agency: a quota over all its agreements, or one that is used up."""

    whole: Limits | None = None
    spent: Spent | None = None


_ORDINARY = Case()


def pace(limits: Sequence[Limits]) -> int:
    """Return units per hour when nobody assigns: the narrowest quota spread evenly over its period."""
    by_hour = [limit.per_day / 24 for limit in limits if limit.per_day is not None]
    by_hour += [limit.per_month / (30 * 24) for limit in limits if limit.per_month is not None]
    return max(1, round(min(by_hour)))


def costs_of(agreement: Agreement, operations: Mapping[str, Operation]) -> list[int]:
    """Return the costs, in quota units, that the agreement's operations have."""
    granted = (operations.get(grant.operation) for grant in agreement.operations)
    return sorted({operation.cost for operation in granted if operation is not None})


def key(agreement_id: str, cost: int) -> str:
    """Return what the key filter writes on the call for this filter to find the bucket."""
    return f"{agreement_id} {cost}"


def _value(name: str, value: str) -> Wire:
    return wire.put_entry(_Builder, "bucket_id_builder", name, wire.put(_Value, "string_value", value))


@lru_cache(maxsize=1)
def _callers_own() -> Wire:
    kind = names.TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    source = {"@type": kind, "header_name": names.QUOTA_BUCKET_HEADER}
    value = wire.encode(_Value, {"custom_value": {"name": "h", "typed_config": source}})
    return wire.put_entry(_Builder, "bucket_id_builder", BUCKET, value)


@lru_cache(maxsize=4096)
def _behaviour(tokens: int, spent: tuple[str, int] | None) -> Wire:
    """Return what holds while nothing is assigned; the same for all agreements of one pace.

    `spent` says whose quota is used up, and when a month's begins anew, 0 for a day's.
    """
    of, until = spent or ("AGREEMENT", 0)
    even = {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": f"{_HOUR}s"}
    document = {
        "reporting_interval": "5s",
        "deny_response_settings": {
            "http_status": {"code": "TooManyRequests"},
            "response_headers_to_add": [
                names.header_to_add(names.QUOTA_UNTIL_HEADER, str(until)),
                names.header_to_add(names.QUOTA_OF_HEADER, of),
            ],
        },
        # The first call of a bucket does not wait: it is counted, and the assignment comes at once. A
        # token bucket here would end Envoy 1.40 with the first call (decision 33).
        "no_assignment_behavior": {
            "fallback_rate_limit": {"blanket_rule": "DENY_ALL" if spent else "ALLOW_ALL"}
        },
        "expired_assignment_behavior": {
            "expired_assignment_behavior_timeout": f"{FALLBACK_FOR.total_seconds():g}s",
            "fallback_rate_limit": {"token_bucket": even},
        },
    }
    return wire.encode(BucketSettings, document)


def _settings(agreement: Agreement, cost: int, case: Case = _ORDINARY) -> Wire:
    """Return the bucket: how it is named, and what holds while nothing is assigned."""
    own = Limits(agreement.quotas.per_day, agreement.quotas.per_month)
    limits = [limit for limit in (own, case.whole) if limit is not None and limit.metered]
    tokens = max(1, pace(limits) // cost)
    # Envoy puts the name together, hashes and notes it anew for each call, entry by entry: so there is only
    # one, and a header is read for it only where many agencies share this entry of the filter.
    name = f"{agreement.consumer_agency} {key(agreement.agreement_id, cost)}"
    named = _callers_own() if agreement.consumer_agency is None else _value(BUCKET, name)
    spent = case.spent
    over = None
    if spent is not None:
        until = spent.until if spent.period is Period.MONTH else 0
        over = ("AGENCY" if spent.whole_agency else "AGREEMENT", until)
    return wire.join([wire.put(BucketSettings, "bucket_id_builder", named), _behaviour(tokens, over)])


def entry(agreement: Agreement, cost: int, cases: Mapping[str, Case]) -> matchers.Entries:
    """Return the entry of one agreement's calls of one cost; `cases` are the agencies that differ.

    Under a template these have entries of their own. Without a quota of the agreement's only they have one.
    """
    named = key(agreement.agreement_id, cost)
    if agreement.consumer_agency is not None:
        case = cases.get(agreement.consumer_agency, _ORDINARY)
        return matchers.entry(named, matchers.outcome(BucketSettings, _settings(agreement, cost, case)))
    over = {
        f"{agency} {named}": matchers.outcome(BucketSettings, _settings(agreement, cost, case))
        for agency, case in cases.items()
    }
    header = names.QUOTA_BUCKET_HEADER
    if not agreement.quotas.metered:
        return matchers.entry(
            named, matchers.nested(matchers.by_named_header(header, matchers.entries(over)))
        )
    others = matchers.outcome(BucketSettings, _settings(agreement, cost))
    return matchers.entry(named, matchers.by_header(header, over, others) if over else others)


def quota_filter(entries: Wire) -> Wire:
    """Return the filter; it is asked only on routes of operations that such an agreement grants."""
    server = {"rlqs_server": {"envoy_grpc": {"cluster_name": names.CONTROL_PLANE}}, "domain": DOMAIN}
    # Envoy refuses an empty map.
    known = entries or matchers.entry("-", matchers.outcome(BucketSettings, _nobody()))
    tree = matchers.by_named_header(names.QUOTA_HEADER, matchers.Entries(known))
    return wire.join([wire.encode(QuotaFilter, server), wire.put(QuotaFilter, "bucket_matchers", tree)])


def _nobody() -> Wire:
    builder = {"bucket_id_builder": {"bucket_id_builder": {BUCKET: {"string_value": "-"}}}}
    return wire.encode(BucketSettings, {**builder, "reporting_interval": "5s"})
