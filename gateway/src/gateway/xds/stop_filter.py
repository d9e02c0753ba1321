"""The kill switch: the few who must not get through now; so small that Envoy has it within milliseconds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from ndx_contracts import headers

from gateway.agencies.service import AgencyEntry
from gateway.catalogue.operations import Operation
from gateway.xds import matchers, wire
from gateway.xds.coverage import ANY_PURPOSE, Standing
from gateway.xds.protos import Rbac
from gateway.xds.wire import Wire

_STOPPED_STATES = frozenset({"SUSPENDED", "CLOSED"})
PASSES = matchers.allow("passes")


@lru_cache(maxsize=1024)
def path_regex(template: str) -> str:
    """Return an expression for every path, with or without a query, that the template means."""
    parts = re.split(r"\{[^}]+\}", template)
    return "[^/?]+".join(re.escape(part) for part in parts) + r"(\?.*)?"


def nearer_paths(template: str, others: Iterable[str]) -> list[str]:
    """Return the templates that win where they and this one mean the same path: `/persons/verify`."""
    mine = template.split("/")
    found = []
    for other in others:
        parts = other.split("/")
        if len(parts) == len(mine) and _is_member(parts) < _is_member(mine):
            pairs = zip(parts, mine, strict=True)
            if all(a == b or "{" in {a[:1], b[:1]} for a, b in pairs):
                found.append(other)
    return found


def _is_member(parts: Sequence[str]) -> list[bool]:
    return [part.startswith("{") for part in parts]


Calls = Sequence[tuple[str, list[str]]]
"""Operations, each with purposes."""


def calls_fit(
    calls: Calls, operations: Mapping[str, Operation], then: matchers.Node
) -> list[tuple[matchers.Test, matchers.Node]]:
    """Return what follows each of these calls."""
    cases = []
    for name, purposes in calls:
        operation = operations[name]
        call = [
            matchers.header_is(":method", operation.method),
            matchers.header_fits(":path", path_regex(operation.path)),
        ]
        nearer = nearer_paths(operation.path, sorted({o.path for o in operations.values()}))
        if nearer:
            call.append(matchers.none_of([matchers.header_fits(":path", path_regex(p)) for p in nearer]))
        if purposes != [ANY_PURPOSE]:
            call.append(matchers.header_fits("ndx-purpose", "|".join(purposes)))
        cases.append((matchers.every(call), then))
    return cases


def barred(calls: Calls, operations: Mapping[str, Operation]) -> list[tuple[matchers.Test, matchers.Node]]:
    """Return the calls under suspended agreements: their operations' own filters hear of it later."""
    return calls_fit(calls, operations, matchers.deny(Standing.SUSPENDED.value))


def stop(
    agency: AgencyEntry,
    revoked: Iterable[str],
    stopped: Calls = (),
    exempt: Calls = (),
    operations: Mapping[str, Operation] | None = None,
) -> matchers.Node | None:
    """Return what stops one certificate's name, or some of its calls; None when nothing does.

    `exempt` are the calls that agreements of the agency's own carry although a template is suspended. What is
    not decided here falls through to what follows.
    """
    if agency.state in _STOPPED_STATES:
        return matchers.deny("agency-suspended")
    prints = {f: matchers.deny("certificate-revoked") for f in revoked}
    calls = barred(stopped, operations or {}) + calls_fit(exempt, operations or {}, PASSES)
    rest = matchers.nested(matchers.tree_of_first(calls, None)) if calls else None
    return matchers.by_fingerprint(prints, rest)


def _unclear() -> list[tuple[matchers.Test, matchers.Node]]:
    """Return the calls that two readers could take for two different ones.

    Several headers of one name are one list with commas (RFC 9110, section 5.3), and who reads them may take
    the first, the last or all. What follows a semicolon in a path belongs to the segment for some (RFC 3986,
    section 3.3), and to nothing for others.
    """
    said_once = (headers.PURPOSE, headers.OFFICER, headers.CASE_ID, headers.IDEMPOTENCY_KEY)
    repeated = matchers.any_of([matchers.header_has(name.lower(), ",") for name in said_once])
    odd = [
        matchers.header_has(":path", ";"),
        matchers.header_has(":authority", ","),
        matchers.header_is(":method", "CONNECT"),
    ]
    return [
        (repeated, matchers.deny("header-repeated")),
        (matchers.any_of(odd), matchers.deny("invalid-request")),
    ]


def stop_filter(cases: matchers.Entries, by_class: matchers.Node) -> Wire:
    """Return the RBAC that lets everybody pass but unclear calls, and those who are stopped.

    `cases` are stopped by their certificates' names, `by_class` says what holds for all others.
    """
    known = matchers.nested(matchers.by_san(cases, by_class))
    tree = matchers.tree_of_first(_unclear(), known)
    return wire.join([wire.put(Rbac, "matcher", tree), wire.put(Rbac, "rules_stat_prefix", "stop_")])
