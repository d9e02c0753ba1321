"""Which agreement covers which call: the decision that the matcher trees are written from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ndx_contracts.agreements import Agreement, AgreementState

from gateway.agencies.service import AgencyEntry
from gateway.catalogue.operations import Operation
from gateway.xds.names import agency_san


class Standing(StrEnum):
    """What an agreement is worth today; the value of all but the first is the refusal's code."""

    IN_FORCE = "in-force"
    SUSPENDED = "agreement-suspended"
    EXPIRED = "agreement-expired"
    NOT_YET = "no-agreement"


_STRENGTH = (Standing.IN_FORCE, Standing.SUSPENDED, Standing.EXPIRED)
ANY_PURPOSE = ""
"""Stands for the purpose of an operation that discloses no personal data."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bus says to one system, for one operation and purpose."""

    standing: Standing
    agreement: Agreement


Verdicts = dict[str, dict[str, dict[str, Verdict]]]
"""Certificate URI → operation name → purpose → verdict."""


def standing(agreement: Agreement, today: date) -> Standing:
    """Return what the agreement is worth on that day in Vietnam."""
    over = agreement.valid_to is not None and agreement.valid_to < today
    if agreement.state is AgreementState.EXPIRED or over:
        return Standing.EXPIRED
    if agreement.state is AgreementState.SUSPENDED:
        return Standing.SUSPENDED
    if agreement.state is AgreementState.ACTIVE and agreement.valid_from <= today:
        return Standing.IN_FORCE
    return Standing.NOT_YET


def _number(agreement: Agreement) -> int:
    return int(agreement.agreement_id.rsplit("-", 1)[1])


def ranked(agreements: Iterable[Agreement], today: date) -> list[Verdict]:
    """Return those that say anything about a call, the one that wins first.

    Where several agreements cover one call, one in force wins over a suspended one, that over an expired
    one, among equals the agency's own over a template, and then the lowest number.
    """
    found = [Verdict(standing(a, today), a) for a in agreements]
    found = [verdict for verdict in found if verdict.standing in _STRENGTH]
    return sorted(found, key=_rank)


def _rank(verdict: Verdict) -> tuple[int, bool, int, str]:
    agreement = verdict.agreement
    template = agreement.consumer_class is not None
    return _STRENGTH.index(verdict.standing), template, _number(agreement), agreement.agreement_id


def verdicts_of(
    agency: AgencyEntry,
    wins: Iterable[Verdict],
    operations: Mapping[str, Operation],
    *,
    own_only: bool = True,
) -> Verdicts:
    """Return the verdicts about one agency's systems; `wins` are its agreements and templates as ranked.

    With `own_only`, an operation that only templates grant is left to its route, which decides by class.
    """
    systems = [s.code for s in agency.systems]
    found: Verdicts = {agency_san(agency.code, s): {} for s in systems}
    own: set[tuple[str, str]] = set()
    for verdict in wins:
        agreement = verdict.agreement
        purposes = [p.value for p in agreement.purposes]
        wanted = [s for s in agreement.consumer_systems or systems if s in systems]
        granted = [operations[g.operation] for g in agreement.operations if g.operation in operations]
        for san in (agency_san(agency.code, s) for s in wanted):
            for operation in granted:
                cases = found[san].setdefault(operation.name, {})
                for purpose in purposes if operation.personal_data else (ANY_PURPOSE,):
                    cases.setdefault(purpose, verdict)
                if agreement.consumer_class is None:
                    own.add((san, operation.name))
    return {
        san: {name: cases for name, cases in mine.items() if not own_only or (san, name) in own}
        for san, mine in found.items()
    }


def exempt(mine: Mapping[str, Mapping[str, Verdict]], wins: Iterable[Verdict]) -> list[tuple[str, list[str]]]:
    """Return the calls of one system that go on although a template that covers them is suspended."""
    stopped = [
        v.agreement
        for v in wins
        if v.standing is Standing.SUSPENDED and v.agreement.consumer_class is not None
    ]
    found = []
    for name, cases in sorted(mine.items()):
        covered = {p.value for a in stopped if a.grant(name) is not None for p in a.purposes}
        if any(a.grant(name) is not None for a in stopped):
            covered.add(ANY_PURPOSE)
        purposes = sorted(p for p, v in cases.items() if p in covered and v.standing is Standing.IN_FORCE)
        if purposes:
            found.append((name, purposes))
    return found


def suspended(mine: Mapping[str, Mapping[str, Verdict]]) -> list[tuple[str, list[str]]]:
    """Return the operations, with purposes, that suspensions bar to one system."""
    barred = [
        (name, sorted(p for p, v in cases.items() if v.standing is Standing.SUSPENDED))
        for name, cases in sorted(mine.items())
    ]
    return [(name, purposes) for name, purposes in barred if purposes]
