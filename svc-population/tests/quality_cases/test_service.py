"""Cases for everybody who breaks a rule: two operators decide, each commune gets its own, nobody gets two."""

from typing import Any

import pytest
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.quality import recounting
from svc_population.quality.rules import rules_on
from svc_population.quality_cases import service
from svc_population.quality_cases.service import advance, work

RUNS = "/population/v1/quality-case-runs"
RULE = "ethnicity-missing"


class Desk:
    """Operators of the register's owner, by their log-ins."""

    def __init__(self, client: Any, as_operator: Any) -> None:
        self._client = client
        self._as = as_operator

    async def post(self, path: str = "", *, login: str = "an", agency: str = "G01", **body: str) -> Any:
        headers = self._as(agency, login)
        return await self._client.post(f"{RUNS}{path}", json=body or None, headers=headers)

    async def get(self, path: str = "", *, agency: str = "G01") -> Any:
        return await self._client.get(f"{RUNS}{path}", headers=self._as(agency, "chi"))

    async def approved(self, **more: str) -> str:
        asked = await self.post(rule=RULE, case_id="HS-7", **more)
        assert asked.status_code == 201, asked.text
        reply = await self.post(f"/{asked.json()['id']}/approve", login="binh")
        assert reply.status_code == 200, reply.text
        return str(asked.json()["id"])


@pytest.fixture
def desk(client, as_operator) -> Desk:
    return Desk(client, as_operator)


@pytest.fixture
async def faulty(runtime, add_person, monkeypatch) -> None:
    """Five people without an ethnicity in two communes, one registered nowhere, one without a fault."""
    await recounting.bring_up_to_date(runtime.sessions)
    for n in range(3):
        await add_person(f"07908800000{n}", ethnicity_code=None)
    for n in range(2):
        place = {"permanent_province_code": "01", "permanent_commune_code": "00070"}
        await add_person(f"00108800000{n}", ethnicity_code=None, **place)
    nowhere = {"permanent_province_code": None, "permanent_commune_code": None}
    await add_person("001088000008", ethnicity_code=None, **nowhere)
    await add_person("001088000009", ethnicity_code="01")
    monkeypatch.setattr(service, "SLICE", 2)


async def cases(runtime) -> list[Any]:
    async with runtime.sessions() as session:
        found = await session.execute(
            text(
                "SELECT personal_id, agency, kind, state, province_code, commune_code,"
                " deadline - opened_at::date AS days, steps FROM reconciliation_cases ORDER BY personal_id"
            )
        )
        return list(found.mappings())


@pytest.mark.usefixtures("faulty")
class TestRun:
    async def test_nothing_is_opened_before_a_second_operator_approves(self, desk, runtime):
        run = (await desk.post(rule=RULE, case_id="HS-7")).json()
        assert (run["state"], run["requested_by"], run["communes_left"]) == ("REQUESTED", "an", None)
        assert await work(runtime) == 0
        assert await cases(runtime) == []
        refused = await desk.post(f"/{run['id']}/approve", login="AN")
        assert (refused.status_code, refused.json()["code"]) == (403, "second-operator-needed")
        assert (await desk.post(f"/{run['id']}/approve", login="binh")).status_code == 200
        again = await desk.post(f"/{run['id']}/approve", login="binh")
        assert (again.status_code, again.json()["code"]) == (409, "quality-case-step-refused")

    async def test_each_fault_goes_to_its_commune_with_a_deadline_and_names_the_rule(
        self, desk, runtime, emitted
    ):
        run_id = await desk.approved()
        await work(runtime)
        run = (await desk.get(f"/{run_id}")).json()
        assert (run["state"], run["looked"], run["opened"], run["nowhere"]) == ("FINISHED", 5, 5, 1)
        found = await cases(runtime)
        assert [(c["personal_id"], c["province_code"], c["commune_code"]) for c in found] == [
            *((f"00108800000{n}", "01", "00070") for n in range(2)),
            *((f"07908800000{n}", "79", "26740") for n in range(3)),
        ]
        assert {(c["agency"], c["kind"], c["state"]) for c in found} == {
            ("G01", "QUALITY_FAULT", "CLERICAL_REVIEW")
        }
        assert all(c["days"] in {29, 30, 31} for c in found)
        assert f"rule: {RULE}" in found[0]["steps"][0]["evidence"]
        told = [e["data"] for e in await emitted() if "reconciliation" in e["type"]]
        assert sorted(e["commune_code"] for e in told) == ["00070"] * 2 + ["26740"] * 3

    async def test_a_run_that_was_killed_goes_on_and_nobody_gets_a_second_case(self, desk, runtime):
        run_id = await desk.approved()
        for _ in range(2):
            async with runtime.sessions() as session, session.begin():
                assert await advance(session)
        async with runtime.sessions() as session:
            # What a killed process did in its last transaction never was.
            assert await advance(session)
            await session.rollback()
        await work(runtime)
        run = (await desk.get(f"/{run_id}")).json()
        assert (run["state"], run["looked"], run["opened"]) == ("FINISHED", 5, 5)
        later = await desk.approved()
        await work(runtime)
        run = (await desk.get(f"/{later}")).json()
        assert (run["opened"], run["known"], run["deferred"]) == (0, 5, 0)
        assert len(await cases(runtime)) == 5

    async def test_one_province_alone_and_one_case_of_a_kind_at_a_time(self, desk, runtime):
        run_id = await desk.approved(province_code="01")
        await work(runtime)
        assert (await desk.get(f"/{run_id}")).json()["opened"] == 2
        other = await desk.post(rule="contact-missing", case_id="HS-8", province_code="01")
        await desk.post(f"/{other.json()['id']}/approve", login="binh")
        await work(runtime)
        run = (await desk.get(f"/{other.json()['id']}")).json()
        # Two wait for the case that they have; the third one had none.
        assert (run["looked"], run["opened"], run["deferred"]) == (2, 0, 2)
        assert [r["id"] for r in (await desk.get()).json()["items"]] == [run["id"], run_id]

    async def test_a_cancelled_run_opens_no_more_and_the_next_may_begin(self, desk, runtime):
        run_id = await desk.approved()
        async with runtime.sessions() as session, session.begin():
            await advance(session)
        under_way = await desk.post(rule=RULE, case_id="HS-9")
        assert (under_way.status_code, under_way.json()["code"]) == (409, "quality-case-run-under-way")
        assert (await desk.post(f"/{run_id}/cancel", login="chi")).json()["state"] == "CANCELLED"
        assert await work(runtime) == 0
        assert len(await cases(runtime)) == 2
        refused = await desk.post(f"/{run_id}/cancel")
        assert refused.json()["code"] == "quality-case-step-refused"
        assert (await desk.post(rule=RULE, case_id="HS-9")).status_code == 201

    async def test_refusals(self, desk):
        assert (await desk.post(rule="no-such-rule", case_id="HS-7")).json()["code"] == "quality-rule-unknown"
        assert (await desk.get("/00000000-0000-0000-0000-000000000001")).json()["code"] == (
            "quality-case-run-not-found"
        )
        for reply in (
            await desk.post(rule=RULE, case_id="HS-7", agency="G03"),
            await desk.get(agency="G03"),
        ):
            assert (reply.status_code, reply.json()["code"]) == (403, "role-missing")

    async def test_a_rule_that_is_gone_ends_the_run(self, desk, runtime, monkeypatch):
        run_id = await desk.approved()
        fewer = tuple(r for r in rules_on(today()) if r.code != RULE)
        monkeypatch.setattr(recounting, "rules_on", lambda _: fewer)
        await recounting.bring_up_to_date(runtime.sessions)
        await work(runtime)
        assert (await desk.get(f"/{run_id}")).json()["state"] == "FAILED"
        assert await cases(runtime) == []
