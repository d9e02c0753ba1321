"""What one agency adds to Envoy's configuration, encoded: made anew only when it or its agreements change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ndx_contracts.agreements import AgreementState

from gateway.agencies.service import AgencyEntry
from gateway.catalogue.operations import Operation
from gateway.xds import matchers, wire
from gateway.xds.agency_filter import agreement_bucket
from gateway.xds.coverage import Standing, Verdict, exempt, suspended, verdicts_of
from gateway.xds.routes import agreement_outcome
from gateway.xds.stop_filter import stop
from gateway.xds.wire import Wire

HOLDERS = "*"
"""Stands for a purpose under which every certificate is kept that has any agreement on the operation."""
_STILL_KNOWN = frozenset({AgreementState.ACTIVE, AgreementState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class AgencyPart:
    """Encoded entries, each by the key under which it is sorted among the other agencies'."""

    stops: dict[str, Wire]
    """Certificate URI → entry of the stop filter."""
    admissions: dict[str, Wire]
    """Certificate URI → entry of the agency filter."""
    systems: dict[str, Wire]
    """Certificate URI → entry that names the system."""
    decisions: dict[tuple[str, str], dict[str, Wire]]
    """Operation name and purpose → certificate URI → entry of the operation's agreement filter."""
    buckets: dict[str, Wire]
    """Agreement → token bucket."""
    classes: dict[str, dict[str, Wire]]
    """The agency's class → certificate URI → entry that names the class."""

    def add_stop(self, san: str, barrier: matchers.Node | None) -> None:
        """Keep what stops a certificate's name, if anything does."""
        if barrier is not None:
            self.stops[san] = matchers.entry(san, barrier)


NO_PART = AgencyPart({}, {}, {}, {}, {}, {})


def part_of(
    agency: AgencyEntry,
    wins: Sequence[Verdict],
    revoked: Mapping[str, Sequence[str]],
    operations: Mapping[str, Operation],
) -> AgencyPart:
    """Return the part of one agency; `wins` are its agreements as ranked, `revoked` its certificates."""
    part = AgencyPart({}, {}, {}, {}, {}, {})
    # All operations of one agreement come to the same outcome, which is encoded once.
    outcomes = {id(verdict): agreement_outcome(verdict) for verdict in wins}
    states = {system.code: system.state for system in agency.systems}
    for san, mine in verdicts_of(agency, wins, operations).items():
        system = san.rpartition(":")[2]
        if agency.state != "REGISTERED":
            part.admissions[san] = matchers.entry(san, matchers.allow(agency.code))
            prints = sorted(revoked.get(san, ()))
            barrier = stop(agency, prints, suspended(mine), exempt(mine, wins), operations)
            members = part.classes.setdefault(agency.agency_class, {})
            members[san] = matchers.entry(san, matchers.allow(agency.agency_class))
            part.add_stop(san, barrier if states[system] == "ACTIVE" else matchers.deny("agency-suspended"))
        part.systems[san] = matchers.entry(san, matchers.allow(system))
        entries = {key: matchers.entry(san, outcome) for key, outcome in outcomes.items()}
        uncovered = matchers.entry(san, matchers.deny("purpose-not-covered"))
        for name, cases in mine.items():
            for purpose, verdict in cases.items():
                part.decisions.setdefault((name, purpose), {})[san] = entries[id(verdict)]
            if operations[name].personal_data:
                part.decisions.setdefault((name, HOLDERS), {})[san] = uncovered
    for verdict in wins:
        agreement = verdict.agreement
        own = agreement.consumer_class is None
        if own and verdict.standing is not Standing.EXPIRED and agreement.state in _STILL_KNOWN:
            part.buckets[f"agreement {agreement.agreement_id}"] = agreement_bucket(agreement)
    return part


class Table:
    """Encoded entries of many agencies, joined in the order of their keys."""

    def __init__(self) -> None:
        self.version = 0
        """Grows with each change."""
        self._entries: dict[str, Wire] = {}
        self._joined: Wire | None = wire.NOTHING

    def put(self, key: str, entry: Wire | None) -> None:
        """Set the entry of a key, or take it out."""
        if self._entries.get(key) == entry:
            return
        if entry is None:
            del self._entries[key]
        else:
            self._entries[key] = entry
        self.version += 1
        self._joined = None

    def replace(self, before: Mapping[str, Wire], after: Mapping[str, Wire]) -> None:
        """Put one agency's entries in the place of its former ones."""
        for key in before.keys() - after.keys():
            self.put(key, None)
        for key, entry in after.items():
            self.put(key, entry)

    def chosen(self, wanted: Callable[[str], bool]) -> Wire:
        """Return the entries whose keys are wanted."""
        return wire.join(self._entries[key] for key in sorted(self._entries) if wanted(key))

    def joined(self) -> Wire:
        if self._joined is None:
            self._joined = wire.join(self._entries[key] for key in sorted(self._entries))
        return self._joined
