"""Who may propose and decide a merger or a split: two officers, never one."""

from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from .conftest import CHILD, DOCUMENT, GRANDMA, MERGE, URL, A, B, done, everything


class TestFourEyes:
    async def test_nothing_happens_before_another_officer_approves(
        self, client, officer, two_records, session
    ):
        before = await everything(session, versions=True)
        proposed = (await client.post(URL, json=MERGE, headers=officer("CA-1"))).json()
        url = f"{URL}/{proposed['id']}/decision"
        reply = await client.post(url, json={"verdict": "APPROVE"}, headers=officer("CA-1"))
        assert (reply.status_code, reply.json()["code"]) == (403, "second-officer-needed")
        rejected = await client.post(url, json={"verdict": "REJECT"}, headers=officer("CA-2"))
        assert rejected.json()["state"] == "REJECTED"
        reply = await client.post(url, json={"verdict": "APPROVE"}, headers=officer("CA-3"))
        assert (reply.status_code, reply.json()["code"]) == (409, "merger-step-refused")
        assert await everything(session, versions=True) == before

    @pytest.mark.parametrize("same", ["ca-1", "CA 1", "ca_1", "CA1", "CA.-1"])
    async def test_another_spelling_is_no_other_officer(self, same, client, officer, two_records):
        proposed = (await client.post(URL, json=MERGE, headers=officer("CA-1"))).json()
        url = f"{URL}/{proposed['id']}/decision"
        reply = await client.post(url, json={"verdict": "APPROVE"}, headers=officer(same))
        assert (reply.status_code, reply.json()["code"]) == (403, "second-officer-needed")

    @pytest.mark.parametrize("odd", ["C\u0410-1", "-", "x", "CA-1;2"])
    async def test_what_is_no_number_of_an_officer_is_refused(self, odd, client, officer, two_records):
        headers = {**officer(), "NDX-Officer": odd.encode()}
        reply = await client.post(URL, json=MERGE, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (400, "header-invalid")

    async def test_the_audit_names_both(self, client, officer, two_records, session):
        proposed = (await client.post(URL, json=MERGE, headers=officer("CA-1"))).json()
        url = f"{URL}/{proposed['id']}/decision"
        assert (
            await client.post(url, json={"verdict": "REJECT"}, headers=officer("CA-2"))
        ).status_code == 200
        entry = await session.execute(
            text("SELECT details FROM audit_entries WHERE action = 'merger_decided'")
        )
        details = entry.scalar_one()
        assert (details["proposed_by"], details["decided_by"]) == ("G01:CA-1", "G01:CA-2")

    async def test_officer_and_case_are_named(self, client, officer, two_records):
        for missing, code in (("NDX-Officer", "officer-missing"), ("NDX-Case-Id", "case-missing")):
            headers = {k: v for k, v in officer().items() if k != missing}
            reply = await client.post(URL, json=MERGE, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (400, code)

    async def test_a_repeated_proposal_under_one_key_is_one(self, client, officer, two_records, session):
        headers = officer(Idempotency_Key="k1")
        one, two = [(await client.post(URL, json=MERGE, headers=headers)).json() for _ in range(2)]
        assert one == two
        assert await session.scalar(text("SELECT count(*) FROM person_mergers")) == 1

    async def test_strange_numbers_and_ids(self, client, officer, two_records, disclosed):
        reply = await client.post(URL, json={**MERGE, "duplicate": A}, headers=officer())
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        reply = await client.post(URL, json={**MERGE, "duplicate": "079190009999"}, headers=officer())
        assert (reply.status_code, reply.json()["code"]) == (404, "person-not-found")
        told = {tuple(r["subjects"]): r["outcome"] for r in await disclosed()}
        assert told == {("079190009999",): "NOT_FOUND", (A,): "NOT_MATCHED"}
        url = f"{URL}/01a2234d-ae2f-7a61-8630-9771597355c2"
        reply = await client.get(url, headers=officer())
        assert (reply.status_code, reply.json()["code"]) == (404, "merger-not-found")


class TestSplit:
    SPLIT: ClassVar[dict[str, Any]] = {
        "kind": "SPLIT",
        "personal_id": B,
        "second": {
            "birth_name": {"surname": "Trần", "given_name": "Hoa"},
            "birth_date": "1991-02-03",
            "sex": "FEMALE",
            "birth_registration_province_code": "79",
        },
        "give": ["religion"],
        "give_relations": ["MOTHER"],
        "give_to_relatives": [CHILD],
        "document": DOCUMENT,
    }

    async def test_the_second_person_gets_a_number_and_what_is_theirs(
        self, client, officer, two_records, insurer, emitted
    ):
        reply = await done(client, officer, self.SPLIT)
        assert reply.status_code == 200, reply.text
        new = reply.json()["other_personal_id"]
        assert new.startswith("079191")
        fields = "birth_name,birth_date,religion,family_relations"
        second = await client.get(f"/population/v1/persons/{new}?fields={fields}", headers=insurer)
        assert second.json()["religion"] == "Phật giáo"
        assert second.json()["birth_date"] == "1991-02-03"
        relatives = second.json()["family_relations"]
        assert {(r["relation"], r["personal_id"]) for r in relatives} == {
            ("CHILD", CHILD),
            ("MOTHER", GRANDMA),
        }
        first = await client.get(f"/population/v1/persons/{B}?fields={fields}", headers=insurer)
        assert first.json()["religion"] is None
        assert [r["relation"] for r in first.json()["family_relations"]] == ["SPOUSE"]
        types = [e["type"] for e in await emitted()]
        assert {"population.person-registered.v1", "population.persons-separated.v1"} <= set(types)

    async def test_undo_gives_everything_back_and_the_new_number_leads_on(
        self, client, officer, two_records, session, insurer
    ):
        before = await everything(session)
        split = (await done(client, officer, self.SPLIT)).json()
        undo = {"kind": "UNDO", "merger_id": split["id"], "document": DOCUMENT}
        reply = await done(client, officer, undo)
        assert reply.status_code == 200, reply.text
        after = await everything(session)
        new = split["other_personal_id"]
        after["former_personal_ids"] = [f for f in after["former_personal_ids"] if f["personal_id"] != new]
        assert after == before
        read = await client.get(f"/population/v1/persons/{new}?fields=personal_id", headers=insurer)
        assert read.json() == {"personal_id": B}

    async def test_who_is_no_relative_is_refused_and_nothing_stays(
        self, client, officer, two_records, session
    ):
        before = await everything(session, versions=True)
        reply = await done(client, officer, {**self.SPLIT, "give_to_relatives": [A]})
        assert (reply.status_code, reply.json()["code"]) == (422, "not-related")
        assert await everything(session, versions=True) == before
