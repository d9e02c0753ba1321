"""The rules by which Envoy decides on a call, written once more with loops only.

The compiled configuration is made for speed; this is made to be read. Tests run both on the same calls, by
the hundred thousand, and they must agree.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from ndx_contracts.agreements import Agreement, AgreementState
from ndx_contracts.purposes import Purpose

from gateway.agencies.service import AgencyEntry, OperatorEntry
from gateway.catalogue.operations import Operation

DOORS = frozenset({"agency", "operator", "agency_metadata"})
"""The doors that take a client certificate."""


class World(Protocol):
    """What the exchange knows at one moment; the compiler's snapshot is one."""

    @property
    def agencies(self) -> Sequence[AgencyEntry]: ...
    @property
    def operators(self) -> Sequence[OperatorEntry]: ...
    @property
    def revoked(self) -> dict[str, list[str]]: ...
    @property
    def agreements(self) -> Sequence[Agreement]: ...
    @property
    def operations(self) -> Sequence[Operation]: ...
    @property
    def today(self) -> date: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A call at the agencies' door as it arrives; of a header all values, none when it is absent."""

    san: str
    """The URI in the client certificate."""
    method: str
    path: str
    """Without the query."""
    purpose: tuple[str, ...] = ()
    officer: tuple[str, ...] = ()
    case: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gateway does: the refusal's code or None, and the agreement by which it decided, if any."""

    refusal: str | None
    operation: Operation | None = None
    agreement: Agreement | None = None


def decide(world: World, call: Call) -> Decision:
    """Say what the gateway does with a call."""
    refusal = _unclear(call) or _admission(world, call)
    if refusal is not None:
        return Decision(refusal)
    operation, refusal = find_operation(world.operations, call.method, call.path)
    if operation is None:
        return Decision(refusal)
    kind, agency, name = call.san.split(":")[2:]
    if operation.door == "agency":
        return _by_agreement(world, call, operation, agency, name if kind == "agency" else None)
    if operation.door == "operator" and kind != "operator":
        return Decision("operator-required", operation)
    return Decision(None, operation)


def _unclear(call: Call) -> str | None:
    """Say why nobody can tell what the call means, if so."""
    if any("," in said for said in (_purpose(call), _joined(call.officer), _joined(call.case))):
        return "header-repeated"
    return "invalid-request" if ";" in call.path else None


def _joined(values: Iterable[str]) -> str:
    # Several headers of one name are one list (RFC 9110, section 5.3).
    return ",".join(values)


def _purpose(call: Call) -> str:
    """Return the purpose as the filters see it: what no list of codes can be is blanked before them."""
    said = _joined(call.purpose)
    return said if re.fullmatch("[A-Z_, ]*", said) else "?"


def _admission(world: World, call: Call) -> str | None:  # noqa: PLR0911 - one per rule
    """Say why the caller does not get in at all, if so."""
    parts = call.san.split(":")
    if len(parts) != 5 or parts[:2] != ["urn", "ndx"] or parts[2] not in {"agency", "operator"}:  # noqa: PLR2004
        return "agency-unknown"
    kind, code, name = parts[2:]
    agency = next((a for a in world.agencies if a.code == code), None)
    if agency is None or agency.state == "REGISTERED":
        return "agency-unknown"
    if kind == "operator":
        if not any((o.agency, o.login, o.state) == (code, name, "ACTIVE") for o in world.operators):
            return "agency-unknown"
    else:
        system = next((s for s in agency.systems if s.code == name), None)
        if system is None:
            return "agency-unknown"
        if system.state != "ACTIVE":
            return "agency-suspended"
    if agency.state != "ACTIVE":
        return "agency-suspended"
    if call.fingerprint in world.revoked.get(call.san, []):
        return "certificate-revoked"
    return None


def find_operation(
    operations: Iterable[Operation], method: str, path: str
) -> tuple[Operation | None, str | None]:
    """Return the operation that a method and a path mean, or the refusal's code."""
    here = [o for o in operations if o.door in DOORS and _means(o.path, path)]
    if not here:
        return None, "operation-unknown"
    # Of several templates, the one with a word where the others have a member is meant.
    nearest = min((o.path for o in here), key=lambda p: [part.startswith("{") for part in p.split("/")])
    found = next((o for o in here if o.path == nearest and o.method == method), None)
    return found, None if found is not None else "method-not-allowed"


def _means(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        g == w or (w.startswith("{") and g != "") for w, g in zip(wanted, given, strict=True)
    )


def _standing(agreement: Agreement, today: date) -> str | None:
    if agreement.state is AgreementState.EXPIRED or (agreement.valid_to and agreement.valid_to < today):
        return "agreement-expired"
    if agreement.state is AgreementState.SUSPENDED:
        return "agreement-suspended"
    if agreement.state is AgreementState.ACTIVE and agreement.valid_from <= today:
        return "in force"
    return None


def _purpose_refusal(purpose: str) -> str | None:
    if not purpose:
        return "purpose-missing"
    return None if purpose in {p.value for p in Purpose} else "purpose-unknown"


def _rank(agreement: Agreement, today: date) -> tuple[int, bool, int]:
    """Order agreements for one call: those in force first, the agency's own before templates, the oldest."""
    worth = ("in force", "agreement-suspended", "agreement-expired").index(_standing(agreement, today) or "")
    return worth, agreement.consumer_class is not None, int(agreement.agreement_id.rsplit("-", 1)[1])


def _by_agreement(  # noqa: PLR0911 - one per rule
    world: World, call: Call, operation: Operation, agency: str, system: str | None
) -> Decision:
    purpose = _purpose(call)
    refusal = _purpose_refusal(purpose) if operation.personal_data else None
    if refusal is not None:
        return Decision(refusal, operation)
    members = next(a.agency_class for a in world.agencies if a.code == agency)
    binding = [
        a
        for a in world.agreements
        if system is not None
        and a.binds(agency, members, system)
        and a.grant(operation.name) is not None
        and _standing(a, world.today) is not None
    ]
    if not binding:
        return Decision("no-agreement", operation)
    covering = [a for a in binding if not operation.personal_data or purpose in a.purposes]
    if not covering:
        return Decision("purpose-not-covered", operation)
    best = min(covering, key=lambda a: _rank(a, world.today))
    standing = _standing(best, world.today)
    if standing != "in force":
        return Decision(standing, operation, best)
    if best.conditions.officer_required and not _joined(call.officer):
        return Decision("officer-missing", operation, best)
    if best.conditions.case_required and not _joined(call.case):
        return Decision("case-missing", operation, best)
    return Decision(None, operation, best)
