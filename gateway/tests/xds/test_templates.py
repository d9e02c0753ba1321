"""Template agreements in a real Envoy: every agency of a class, by its class and not by its certificate."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from gateway.agencies.service import AgencyEntry, SystemEntry
from gateway.xds.compile import compile_stops
from ndx_contracts.agreements import AgencyClass, Agreement, AgreementState, Conditions, Quotas
from ndx_contracts.purposes import Purpose
from ndx_testing.bus import AGENCIES, AGREEMENTS, PERSON, TODAY, Bus, agreement

VERIFY = "/population/v1/persons/verify"
UNITS = "/population/v1/admin-units"
CARE = {"NDX-Purpose": "HEALTH_ENTITLEMENT"}
CLINICS = [
    AgencyEntry(f"K{n}", "ACTIVE", [SystemEntry("his", "ACTIVE"), SystemEntry("lab", "ACTIVE")], "HEALTH")
    for n in (1, 2, 3)
]


def template(number: int = 1, **terms: Any) -> Agreement:
    values = {"consumer_class": "HEALTH", "purposes": (Purpose.HEALTH_ENTITLEMENT,)} | terms
    operations = values.pop("operations", ["population.verify_person"])
    return agreement(f"DSA-CLASS_HEALTH-{number}", operations, **values)


async def put_up(bus: Bus, *agreements: Agreement, clinics: list[AgencyEntry] = CLINICS) -> None:
    await bus.apply(agencies=[*AGENCIES, *clinics], agreements=[*AGREEMENTS, *agreements])


async def ask(bus: Bus, who: str, path: str = VERIFY, **headers: str) -> httpx.Response:
    async with bus.caller(who) as client:
        method = "POST" if path == VERIFY else "GET"
        return await client.request(
            method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


def said(answer: httpx.Response) -> str:
    """Return the agreement under which the provider was reached, or the refusal's code."""
    body = answer.json()
    return str(body["code"] if "code" in body else body["headers"]["ndx-agreement"])


class TestTemplate:
    async def test_every_member_calls_under_it_and_the_provider_learns_which_and_its_class(
        self, live: Bus
    ) -> None:
        await put_up(live, template())
        for clinic in ("K1", "K3"):
            headers = (await ask(live, f"{clinic}:his", **CARE)).json()["headers"]
            assert (headers["ndx-agency"], headers["ndx-system"]) == (clinic, "his")
            assert headers["ndx-agreement"] == "DSA-CLASS_HEALTH-1"
            assert headers["ndx-agency-class"] == "HEALTH"

    async def test_nobody_else_does_whatever_class_they_claim(self, live: Bus) -> None:
        await put_up(live, template())
        forged = {"NDX-Agency-Class": "HEALTH"} | CARE
        assert said(await ask(live, "G04:tax-link", **forged)) == "no-agreement"
        assert said(await ask(live, "K1:his", PERSON, **CARE)) == "no-agreement"

    async def test_its_refusals_are_told_apart(self, live: Bus) -> None:
        await put_up(
            live,
            template(conditions=Conditions(officer_required=True)),
            template(2, purposes=(Purpose.STATISTICS,), state=AgreementState.SUSPENDED),
            template(3, purposes=(Purpose.DATA_RECONCILIATION,), valid_to=TODAY.replace(day=1)),
        )
        assert said(await ask(live, "K1:his")) == "purpose-missing"
        assert said(await ask(live, "K1:his", NDX_Purpose="TAX_ADMINISTRATION")) == "purpose-not-covered"
        assert said(await ask(live, "K1:his", **CARE)) == "officer-missing"
        assert said(await ask(live, "K1:his", NDX_Officer="BS-7", **CARE)) == "DSA-CLASS_HEALTH-1"
        assert said(await ask(live, "K1:his", NDX_Purpose="STATISTICS")) == "agreement-suspended"
        assert said(await ask(live, "K1:his", NDX_Purpose="DATA_RECONCILIATION")) == "agreement-expired"

    async def test_it_may_be_for_one_kind_of_system(self, live: Bus) -> None:
        await put_up(live, template(consumer_systems=("his",)))
        assert said(await ask(live, "K2:his", **CARE)) == "DSA-CLASS_HEALTH-1"
        assert said(await ask(live, "K2:lab", **CARE)) == "no-agreement"

    async def test_an_agreement_of_ones_own_goes_before_it_and_leaves_it_the_other_purposes(
        self, live: Bus
    ) -> None:
        own = agreement(
            "DSA-K1-1",
            ["population.verify_person"],
            purposes=(Purpose.STATISTICS, Purpose.HEALTH_ENTITLEMENT),
        )
        both = (Purpose.HEALTH_ENTITLEMENT, Purpose.DATA_RECONCILIATION)
        await put_up(live, template(purposes=both), own)
        assert said(await ask(live, "K1:his", **CARE)) == "DSA-K1-1"
        assert said(await ask(live, "K1:his", NDX_Purpose="STATISTICS")) == "DSA-K1-1"
        assert said(await ask(live, "K1:his", NDX_Purpose="DATA_RECONCILIATION")) == "DSA-CLASS_HEALTH-1"
        assert said(await ask(live, "K2:his", NDX_Purpose="STATISTICS")) == "purpose-not-covered"

    async def test_one_member_at_its_limit_takes_nothing_from_another(self, live: Bus) -> None:
        small = template(operations=["population.list_admin_units"], quotas=Quotas(per_second=1, burst=1))
        await put_up(live, small)
        async with live.caller("K1:his") as busy, live.caller("K2:his") as other:
            codes = [(await busy.get(UNITS)).status_code for _ in range(8)]
            assert codes.count(429) >= 1
            assert (await other.get(UNITS)).status_code == 200

    async def test_a_suspended_member_and_an_unknown_one_stay_outside(self, live: Bus) -> None:
        stopped = AgencyEntry("K4", "SUSPENDED", [SystemEntry("his", "ACTIVE")], "HEALTH")
        await put_up(live, template(), clinics=[*CLINICS, stopped])
        assert said(await ask(live, "K4:his", **CARE)) == "agency-suspended"
        assert said(await ask(live, "K5:his", **CARE)) == "agency-unknown"

    async def test_a_suspension_holds_by_the_stop_filter_alone_before_the_routes_are_compiled(
        self, live: Bus
    ) -> None:
        own = agreement("DSA-K1-1", ["population.verify_person"], purposes=(Purpose.HEALTH_ENTITLEMENT,))
        both = (Purpose.HEALTH_ENTITLEMENT, Purpose.DATA_RECONCILIATION)
        hospitals = template(2, consumer_systems=("his",), purposes=(Purpose.STATISTICS,))
        found = template(purposes=both)
        await put_up(live, found, hospitals, own)
        stopped = [a.model_copy(update={"state": AgreementState.SUSPENDED}) for a in (found, hospitals)]
        live.snapshot = replace(live.snapshot, agreements=[*AGREEMENTS, *stopped, own])
        live.server.publish(compile_stops(live.snapshot))
        await live.server.wait_settled()
        assert said(await ask(live, "K2:his", **CARE)) == "agreement-suspended"
        assert said(await ask(live, "K2:his", NDX_Purpose="STATISTICS")) == "agreement-suspended"
        assert said(await ask(live, "K2:lab", NDX_Purpose="STATISTICS")) == "purpose-not-covered"
        assert said(await ask(live, "K2:his", NDX_Purpose="TAX_ADMINISTRATION")) == "purpose-not-covered"
        # Its own agreement carries K1's calls; for the purpose that only the template covers, it is stopped.
        assert said(await ask(live, "K1:his", **CARE)) == "DSA-K1-1"
        assert said(await ask(live, "K1:his", NDX_Purpose="DATA_RECONCILIATION")) == "agreement-suspended"

    async def test_without_any_template_the_operation_is_as_before(self, live: Bus) -> None:
        await put_up(live, template())
        await put_up(live)
        assert said(await ask(live, "K1:his", **CARE)) == "no-agreement"
        assert (
            said(await ask(live, "G03:insurance-link", PERSON, NDX_Purpose="SOCIAL_INSURANCE")) == "DSA-G03-1"
        )


@pytest.mark.parametrize("members", [c.value for c in AgencyClass])
def test_every_class_can_have_a_template(members: str) -> None:
    found = agreement(f"DSA-CLASS_{members}-1", ["population.verify_person"], consumer_class=members)
    assert found.binds("X1", members, "any")
    assert not found.binds("X1", "ELSE", "any")
