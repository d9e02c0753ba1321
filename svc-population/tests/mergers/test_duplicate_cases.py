"""A merger settles the cases that its two records had; undone, it brings them back or says why not."""

from types import SimpleNamespace

import pytest
from ndx_chassis.caller import Caller
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.reconciliation.duplicates import Suspected, open_suspected
from svc_population.reconciliation.service import GROUPS

pytestmark = pytest.mark.integration
A, B, C = "079190000011", "079190000012", "079190000013"
MERGERS, CASES = "/population/v1/person-mergers", "/population/v1/reconciliation-cases"
DOCUMENT = {"kind": "decision", "number": "9/QĐ", "issued_by": "C06", "issued_on": "2026-11-02"}
SEARCH = Caller(
    agency="G01",
    system="dedupe",
    agreement="",
    purpose="",
    case_id="HS-1",
    officer="CA-7",
    request_id="r",
    operation="population.find_duplicates",
)


@pytest.fixture
def officer(agree, as_agency):
    names = ("propose_person_merger", "decide_person_merger")
    agree(
        "G01", {f"population.{n}": [FieldGroup.PERSONAL_ID] for n in names}, purposes=["RESIDENCE_MANAGEMENT"]
    )

    def headers(name):
        return as_agency("G01", purpose="RESIDENCE_MANAGEMENT", NDX_Officer=name, NDX_Case_Id="HS-9")

    return headers


@pytest.fixture
def merge(client, officer):
    async def done(**body):
        proposed = await client.post(MERGERS, json={"document": DOCUMENT, **body}, headers=officer("CA-1"))
        assert proposed.status_code == 200, proposed.text
        url = f"{MERGERS}/{proposed.json()['id']}/decision"
        reply = await client.post(url, json={"verdict": "APPROVE"}, headers=officer("CA-2"))
        assert reply.json()["state"] == "DONE", reply.text
        return reply.json()["id"]

    async def into(survivor, duplicate):
        return await done(kind="MERGE", survivor=survivor, duplicate=duplicate)

    async def undo(merger_id):
        return await done(kind="UNDO", merger_id=merger_id)

    return SimpleNamespace(into=into, undo=undo)


@pytest.fixture
async def suspected(add_person, runtime):
    for number in (A, B, C):
        await add_person(number, sex="FEMALE")

    async def open_cases(*pairs):
        async with runtime.sessions() as session, session.begin():
            opened = await open_suspected(
                session, SEARCH, [Suspected(one, other, ("zone: SURE",)) for one, other in pairs]
            )
        assert opened.new == len(pairs)

    return open_cases


@pytest.fixture
def cases(session):
    async def held():
        rows = await session.execute(
            text("SELECT state, steps, personal_id, other_personal_id FROM reconciliation_cases ORDER BY id")
        )
        await session.rollback()
        return rows.mappings().all()

    return held


@pytest.fixture
def commune(client, agree, as_agency):
    agree(
        "X26740",
        {f"population.{n}_reconciliation_cases": list(GROUPS) for n in ("list", "list_own")}
        | {"population.decide_reconciliation_case": list(GROUPS)},
        purposes=["DATA_RECONCILIATION"],
        admin_scope=AdminScope(communes=("26740",)),
    )
    headers = as_agency("X26740", purpose="DATA_RECONCILIATION", ndx_officer="CA-7")

    async def waiting():
        return (await client.get(CASES, headers=headers)).json()["items"]

    return SimpleNamespace(waiting=waiting, headers=headers)


class TestMerge:
    async def test_the_case_of_the_two_is_settled_as_merged_and_both_sides_hear_of_it(
        self, suspected, merge, cases, emitted
    ):
        await suspected((A, B))
        merger = await merge.into(A, B)
        (case,) = await cases()
        assert case["state"] == "RESOLVED"
        assert case["steps"][-1]["evidence"] == ["outcome: MERGED", f"merger: {merger}"]
        assert case["steps"][-1]["officer"] == "CA-2"
        told = [
            e["data"] for e in await emitted() if e["type"] == "population.reconciliation-case-changed.v1"
        ]
        assert [t["state"] for t in told] == ["CLERICAL_REVIEW", "RESOLVED"]

    @pytest.mark.usefixtures("says_nothing")
    async def test_nothing_waits_for_the_commune_then(self, suspected, merge, commune):
        await suspected((A, B))
        await merge.into(A, B)
        assert await commune.waiting() == []

    async def test_a_case_that_the_commune_confirmed_is_settled_as_well(
        self, suspected, merge, cases, commune, client
    ):
        await suspected((A, B))
        (case,) = await commune.waiting()
        body = {"state": "CONFIRMED_SAME", "note": "Một người"}
        await client.post(f"{CASES}/{case['case_id']}/decide", json=body, headers=commune.headers)
        merger = await merge.into(A, B)
        assert [c["state"] for c in await cases()] == ["RESOLVED"]
        await merge.undo(merger)
        assert [c["state"] for c in await cases()] == ["CONFIRMED_SAME"]

    async def test_a_case_with_a_third_record_leads_to_the_survivor_and_is_settled_with_it(
        self, suspected, merge, cases, commune
    ):
        await suspected((A, B), (B, C))
        await merge.into(A, B)
        (left,) = await commune.waiting()
        assert {left["personal_id"], left["other_personal_id"]} == {A, C}
        assert left["outcome"] is None
        await merge.into(A, C)
        assert [c["state"] for c in await cases()] == ["RESOLVED", "RESOLVED"]

    async def test_undone_the_case_waits_again_with_both_records(self, suspected, merge, commune):
        await suspected((A, B))
        (before,) = await commune.waiting()
        await merge.undo(await merge.into(A, B))
        (after,) = await commune.waiting()
        assert (after["case_id"], after["state"], after["outcome"]) == (
            before["case_id"],
            "CLERICAL_REVIEW",
            None,
        )
        assert {after["personal_id"], after["other_personal_id"]} == {A, B}
        assert after["steps"][-1]["evidence"][0].startswith("merger undone: ")

    async def test_undone_beside_another_waiting_case_it_stays_settled_and_says_why(
        self, suspected, merge, cases, commune
    ):
        await suspected((A, B))
        merger = await merge.into(A, B)
        await suspected((A, C))
        await merge.undo(merger)
        first, second = await cases()
        assert (first["state"], second["state"]) == ("RESOLVED", "CLERICAL_REVIEW")
        assert "not reopened: another case about the record is under review" in first["steps"][-1]["evidence"]
