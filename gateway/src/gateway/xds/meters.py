"""Which agreements' calls are counted by day and month, and which agencies' buckets differ."""

from dataclasses import replace

from ndx_contracts.agreements import Agreement

from gateway.quotas.spent import WHOLE_AGENCY, Spent
from gateway.xds.quota_filter import Case
from gateway.xds.snapshot import Snapshot

Cases = tuple[tuple[str, Case], ...]
"""Agencies that differ, in order."""


class SpecialCases:
    """The agencies that have a quota over all their agreements, or have used one up."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._whole = {quota.agency: Case(quota.limits) for quota in snapshot.agency_quotas}
        self._spent: dict[str, dict[str, Spent]] = {}
        for one in sorted(snapshot.spent, key=lambda s: s.until):
            # Of several the one that lasts longest: what it tells stays true.
            self._spent.setdefault(one.agreement_id, {})[one.agency] = one
        self._classes: dict[str, list[str]] = {}
        for agency in snapshot.agencies:
            if agency.code in self._whole:
                self._classes.setdefault(agency.agency_class, []).append(agency.code)

    def _case(self, agreement: Agreement, agency: str) -> Case:
        found = [self._spent.get(name, {}).get(agency) for name in (WHOLE_AGENCY, agreement.agreement_id)]
        spent = max((one for one in found if one is not None), key=lambda s: s.until, default=None)
        return replace(self._whole.get(agency, Case()), spent=spent)

    def of(self, agreement: Agreement) -> Cases | None:
        """Return the agencies that differ under this agreement; None when no call under it is counted."""
        if agreement.consumer_class is None:
            agencies = {agreement.consumer_agency or ""}
            if not agreement.quotas.metered and not agencies & self._whole.keys():
                return None
        else:
            agencies = set(self._classes.get(agreement.consumer_class, ()))
            if not agreement.quotas.metered and not agencies:
                return None
            agencies |= self._spent.get(agreement.agreement_id, {}).keys()
        cases = ((agency, self._case(agreement, agency)) for agency in sorted(agencies))
        return tuple((agency, case) for agency, case in cases if case != Case())
