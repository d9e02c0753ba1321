"""Which agreement covers which call: the decision that the matcher trees are written from."""

from dataclasses import dataclass
from enum import StrEnum

from ndx_contracts.agreements import Agreement, AgreementState

from gateway.catalogue.operations import Operation
from gateway.xds.names import agency_san
from gateway.xds.snapshot import Snapshot


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


def standing(agreement: Agreement, snapshot: Snapshot) -> Standing:
    """Return what the agreement is worth on the snapshot's day."""
    over = agreement.valid_to is not None and agreement.valid_to < snapshot.today
    if agreement.state is AgreementState.EXPIRED or over:
        return Standing.EXPIRED
    if agreement.state is AgreementState.SUSPENDED:
        return Standing.SUSPENDED
    if agreement.state is AgreementState.ACTIVE and agreement.valid_from <= snapshot.today:
        return Standing.IN_FORCE
    return Standing.NOT_YET


def _number(agreement: Agreement) -> int:
    return int(agreement.agreement_id.rsplit("-", 1)[1])


class Coverage:
    """All verdicts of a snapshot: operation name → certificate URI → purpose → verdict.

    Where several agreements cover one call, one in force wins over a suspended one, that over an expired
    one, and among equals the lowest number.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        operations = {o.name: o for o in snapshot.operations if o.door == "agency"}
        systems = {a.code: [s.code for s in a.systems] for a in snapshot.agencies}
        self._cases: dict[str, dict[str, dict[str, Verdict]]] = {name: {} for name in operations}
        ranked = [(standing(a, snapshot), a) for a in snapshot.agreements]
        ranked = [pair for pair in ranked if pair[0] in _STRENGTH]
        ranked.sort(key=lambda pair: (_STRENGTH.index(pair[0]), _number(pair[1]), pair[1].agreement_id))
        for worth, agreement in ranked:
            known = systems.get(agreement.consumer_agency, [])
            wanted = [s for s in agreement.consumer_systems or known if s in known]
            sans = [agency_san(agreement.consumer_agency, s) for s in wanted]
            for grant in agreement.operations:
                operation = operations.get(grant.operation)
                if operation is None:
                    continue
                purposes = [p.value for p in agreement.purposes] if operation.personal_data else [ANY_PURPOSE]
                for san in sans:
                    verdicts = self._cases[operation.name].setdefault(san, {})
                    for purpose in purposes:
                        verdicts.setdefault(purpose, Verdict(worth, agreement))

    def of(self, operation: Operation) -> dict[str, dict[str, Verdict]]:
        """Return certificate URI → purpose → verdict of one operation."""
        return self._cases.get(operation.name, {})

    def suspended(self) -> dict[str, list[tuple[str, list[str]]]]:
        """Return, by certificate URI, the operations with purposes that a suspension bars."""
        found: dict[str, list[tuple[str, list[str]]]] = {}
        for name, cases in sorted(self._cases.items()):
            for san, verdicts in cases.items():
                purposes = sorted(p for p, v in verdicts.items() if v.standing is Standing.SUSPENDED)
                if purposes:
                    found.setdefault(san, []).append((name, purposes))
        return found
