"""A compiler that has seen many snapshots gives the same bytes as a new one, and makes only what changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gateway.agencies.service import AgencyEntry, OperatorEntry, SystemEntry
from gateway.quotas.periods import Period
from gateway.quotas.spent import WHOLE_AGENCY, AgencyQuota, Limits, Spent
from gateway.xds import compile as compiling
from gateway.xds import names, parts, protos
from gateway.xds.compile import Compiler, compile_resources, compile_stops
from gateway.xds.snapshot import Doors, Material, Snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from ndx_contracts.agreements import AgreementState, Conditions, Quotas
from ndx_contracts.purposes import Purpose
from ndx_testing.bus import OPERATIONS, TODAY, agreement

CODES = ["A1", "A2", "A3", "A4"]
EMPTY = Snapshot(
    agencies=[],
    operators=[],
    revoked={},
    agreements=[],
    operations=OPERATIONS,
    material=Material("c", "k", "c", "k", "ca", "ca", "crl"),
    doors=Doors("127.0.0.1", 1, 2, {"population": "127.0.0.1:3"}, "https://i", "/dev/null", "", "", 1.0),
    today=TODAY,
)
Step = Callable[[Snapshot], Snapshot]
AGENCY_OPERATIONS = [o.name for o in OPERATIONS if o.door == "agency"]


def _with_agency(entry: AgencyEntry) -> Step:
    return lambda s: replace(s, agencies=[*(a for a in s.agencies if a.code != entry.code), entry])


def _with_operator(entry: OperatorEntry) -> Step:
    return lambda s: replace(s, operators=[*(o for o in s.operators if o.agency != entry.agency), entry])


def _with_agreement(entry: Any) -> Step:
    def step(s: Snapshot) -> Snapshot:
        others = [a for a in s.agreements if a.agreement_id != entry.agreement_id]
        return replace(s, agreements=[entry, *others])

    return step


def _without(code: str) -> Step:
    return lambda s: replace(s, agencies=[a for a in s.agencies if a.code != code])


def _ended(number: int) -> Step:
    return lambda s: replace(s, agreements=s.agreements[:number])


def _revoked(san: str, prints: list[str]) -> Step:
    def step(s: Snapshot) -> Snapshot:
        return replace(
            s, revoked={k: v for k, v in s.revoked.items() if k != san} | ({san: prints} if prints else {})
        )

    return step


def _on_day(days: int) -> Step:
    return lambda s: replace(s, today=TODAY + timedelta(days=days))


def _with_operations(count: int) -> Step:
    return lambda s: replace(s, operations=OPERATIONS[:count])


def _with_upstream(port: int) -> Step:
    return lambda s: replace(s, doors=replace(s.doors, upstreams={"population": f"127.0.0.1:{port}"}))


def _with_spent(agency: str, number: int) -> Step:
    return lambda s: replace(s, spent=(Spent(agency, f"DSA-{agency}-{number}", 1_798_700_400),))


def _with_whole(agency: str, spent: bool) -> Step:
    """Give the agency a quota over all its agreements, perhaps used up today."""
    found = (Spent(agency, WHOLE_AGENCY, 1_798_700_400, Period.DAY),) if spent else ()
    return lambda s: replace(s, agency_quotas=(AgencyQuota(agency, Limits(per_day=96)),), spent=found)


def _with_crl(crl: str) -> Step:
    return lambda s: replace(s, material=replace(s.material, crl=crl))


codes = st.sampled_from(CODES)
systems = st.lists(
    st.builds(SystemEntry, st.sampled_from(["s1", "s2"]), st.sampled_from(["ACTIVE", "CLOSED"])),
    unique_by=lambda s: s.code,
)
agency_entries = st.builds(
    AgencyEntry, codes, st.sampled_from(["ACTIVE", "SUSPENDED", "CLOSED", "REGISTERED"]), systems
)


@st.composite
def agreements(draw: st.DrawFn) -> Any:
    starts = draw(st.sampled_from([-3, 0, 1]))
    ends = draw(st.sampled_from([None, 0, 2]))
    operations = draw(st.lists(st.sampled_from(AGENCY_OPERATIONS), min_size=1, unique=True))
    return agreement(
        f"DSA-{draw(codes)}-{draw(st.integers(1, 3))}",
        operations,
        consumer_systems=tuple(draw(st.lists(st.sampled_from(["s1", "s2"]), unique=True))),
        purposes=tuple(draw(st.lists(st.sampled_from(list(Purpose)[:3]), min_size=1, unique=True))),
        state=draw(st.sampled_from(list(AgreementState)[-5:])),
        valid_from=TODAY + timedelta(days=min(starts, starts if ends is None else ends)),
        valid_to=None if ends is None else TODAY + timedelta(days=ends),
        quotas=Quotas(per_second=draw(st.integers(1, 3)), burst=5, per_day=draw(st.sampled_from([None, 48]))),
        conditions=Conditions(officer_required=draw(st.booleans())),
    )


steps = st.one_of(
    st.builds(_with_agency, agency_entries),
    st.builds(_with_agency, agency_entries),
    st.builds(_with_agreement, agreements()),
    st.builds(_with_agreement, agreements()),
    st.builds(
        _with_operator,
        st.builds(
            OperatorEntry, codes, st.just("an"), st.just(["operator"]), st.sampled_from(["ACTIVE", "GONE"])
        ),
    ),
    st.builds(_without, codes),
    st.builds(_ended, st.integers(0, 3)),
    st.builds(
        _revoked,
        st.builds(names.agency_san, codes, st.just("s1")),
        st.lists(st.sampled_from(["aa", "bb"]), unique=True),
    ),
    st.builds(
        _revoked,
        st.builds(names.operator_san, codes, st.just("an")),
        st.lists(st.sampled_from(["cc"]), unique=True),
    ),
    st.builds(_on_day, st.integers(-1, 3)),
    st.builds(_with_operations, st.integers(3, len(OPERATIONS))),
    st.builds(_with_upstream, st.sampled_from([3, 4])),
    st.builds(_with_spent, codes, st.integers(1, 3)),
    st.builds(_with_whole, codes, st.booleans()),
    st.builds(_with_crl, st.sampled_from(["crl", "crl 2"])),
)


class TestIncremental:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(steps, min_size=1, max_size=12))
    def test_after_any_changes_the_result_is_that_of_a_new_compiler(self, changes: list[Step]) -> None:
        compiler, snapshot = Compiler(), EMPTY
        for change in changes:
            snapshot = change(snapshot)
            assert compiler.stops(snapshot) == compile_stops(snapshot)
            assert compiler.compile(snapshot) == compile_resources(snapshot)

    def test_what_did_not_change_is_the_same_object_and_is_not_made_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = agreement("DSA-A1-1", ["population.get_person"])
        others = [agreement(f"DSA-A{n}-1", ["insurance.show_entitlement"]) for n in range(2, 5)]
        agencies = [AgencyEntry(c, "ACTIVE", [SystemEntry("s1", "ACTIVE")]) for c in CODES]
        snapshot = replace(EMPTY, agencies=agencies, agreements=[first, *others])
        compiler = Compiler()
        before = compiler.compile(snapshot)
        made: list[str] = []
        part_of = parts.part_of

        def counted(agency: AgencyEntry, *rest: Any) -> Any:
            made.append(agency.code)
            return part_of(agency, *rest)

        monkeypatch.setattr(compiling, "part_of", counted)
        stopped = first.model_copy(update={"state": AgreementState.SUSPENDED})
        after = compiler.compile(replace(snapshot, agreements=[stopped, *others]))
        assert made == ["A1"]
        same = {
            (kind, name)
            for kind, found in after.items()
            for name in found
            if found[name] is before[kind].get(name)
        }
        different = {name for kind, found in after.items() for name in found if (kind, name) not in same}
        assert different == {names.STOP_FILTER, "routes-population"}
        assert (protos.RDS, "routes-insurance") in same
