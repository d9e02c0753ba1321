"""Two officers merge or split records; nothing is lost, old numbers lead on, both can be undone."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Parent
from svc_population.relationships.vocabulary import Relation

from .conftest import CHILD, DOCUMENT, GRANDMA, MERGE, URL, A, B, done, everything


class TestMerge:
    async def test_the_duplicate_leads_to_the_survivor_with_everything_that_was_its(
        self, client, officer, two_records, insurer, emitted, session, disclosed
    ):
        reply = await done(client, officer, {**MERGE, "take": ["religion"]})
        assert (reply.status_code, reply.json()["state"]) == (200, "DONE"), reply.text
        for number in (A, B, "079190000777"):
            names = "personal_id,religion,contact,card_history"
            read = await client.get(f"/population/v1/persons/{number}?fields={names}", headers=insurer)
            assert read.json() == {
                "personal_id": A,
                "religion": "Phật giáo",
                "contact": {"phone": "0900000001", "email": None},
                "card_history": [
                    {"kind": "CCCD", "issued_on": "2021-05-01", "issued_at": "Cục", "valid_to": None}
                ],
            }
        family = await client.get(f"/population/v1/persons/{A}?fields=family_relations", headers=insurer)
        relatives = {(r["relation"], r["personal_id"]) for r in family.json()["family_relations"]}
        assert relatives == {("CHILD", CHILD), ("MOTHER", GRANDMA), ("SPOUSE", GRANDMA)}
        events = [e for e in await emitted() if e["type"] != "population.person-changed.v1"]
        (merged,) = events
        assert merged["type"] == "population.persons-merged.v1"
        assert (merged["data"]["personal_id"], merged["data"]["merged_personal_id"]) == (A, B)
        actions = set((await session.execute(text("SELECT action FROM audit_entries"))).scalars())
        assert {"merger_proposed", "merger_decided", "persons_merged"} <= actions
        assert {A, B} == set((await disclosed())[0]["subjects"])

    async def test_undo_restores_both_exactly(self, client, officer, two_records, session, emitted):
        before = await everything(session)
        merged = (await done(client, officer, {**MERGE, "take": ["religion", "contact"]})).json()
        assert await everything(session) != before
        undo = {"kind": "UNDO", "merger_id": merged["id"], "document": DOCUMENT}
        reply = await done(client, officer, undo)
        assert (reply.status_code, reply.json()["state"]) == (200, "DONE"), reply.text
        assert await everything(session) == before
        state = await client.get(f"{URL}/{merged['id']}", headers=officer())
        assert state.json()["state"] == "UNDONE"
        last = (await emitted())[-1]
        assert last["type"] == "population.persons-separated.v1"
        assert (last["data"]["separated_personal_id"], last["data"]["undone"]) == (B, True)
        again = await client.post(URL, json=undo, headers=officer())
        assert (again.status_code, again.json()["code"]) == (409, "merger-step-refused")

    async def test_later_changes_of_other_groups_survive_an_undo_and_of_taken_ones_forbid_it(
        self, client, officer, two_records, insurer, session
    ):
        merged = (await done(client, officer, {**MERGE, "take": ["religion"]})).json()
        body = {"kind": "CHANGE", "effective_from": "2026-11-01", "document": DOCUMENT}
        url = f"/population/v1/persons/{A}"
        later = {**body, "changes": {"contact": {"phone": "0999999999"}}}
        assert (await client.patch(url, json=later, headers=officer(If_Match="2"))).status_code == 200
        undo = {"kind": "UNDO", "merger_id": merged["id"], "document": DOCUMENT}
        taken = {**body, "changes": {"religion": "Công giáo"}}
        assert (await client.patch(url, json=taken, headers=officer(If_Match="3"))).status_code == 200
        reply = await done(client, officer, undo)
        assert (reply.status_code, reply.json()["code"]) == (409, "records-changed-since")
        back = {**body, "changes": {"religion": "Phật giáo"}}
        assert (await client.patch(url, json=back, headers=officer(If_Match="4"))).status_code == 200
        assert (await done(client, officer, undo)).status_code == 200
        read = await client.get(f"{url}?fields=contact,religion", headers=insurer)
        assert read.json() == {"religion": None, "contact": {"phone": "0999999999", "email": None}}

    async def test_who_may_ask_about_one_of_the_two_alone_is_told_of_neither(
        self, client, officer, two_records, agree, as_agency, session, disclosed
    ):
        proposed = (await client.post(URL, json=MERGE, headers=officer("CA-1"))).json()
        moved = "UPDATE persons SET permanent_province_code = '01', permanent_commune_code = '00004'"
        await session.execute(text(f"{moved} WHERE personal_id = :b"), {"b": B})
        await session.commit()
        agree(
            "G02",
            {f"population.{n}_person_merger": [FieldGroup.PERSONAL_ID] for n in ("get", "decide", "propose")},
            purposes=["RESIDENCE_MANAGEMENT"],
            admin_scope=AdminScope(provinces=("79",)),
        )
        theirs = as_agency("G02", purpose="RESIDENCE_MANAGEMENT", NDX_Officer="HT-1", NDX_Case_Id="HS-1")
        records = len(await disclosed())
        url = f"{URL}/{proposed['id']}"
        undo = {"kind": "UNDO", "merger_id": proposed["id"], "document": DOCUMENT}
        for asked in (
            client.get(url, headers=theirs),
            client.post(f"{url}/decision", json={"verdict": "REJECT"}, headers=theirs),
            client.post(URL, json=undo, headers=theirs),
        ):
            reply = await asked
            assert (reply.status_code, reply.json()["code"]) == (404, "merger-not-found")
            assert B not in reply.text
        assert len(await disclosed()) == records
        assert (await client.get(url, headers=officer())).json()["state"] == "PROPOSED"

    async def test_a_merged_person_is_not_merged_again(self, client, officer, two_records, add_person):
        await add_person("079190000999", sex="FEMALE")
        await done(client, officer, MERGE)
        for survivor, duplicate in ((B, "079190000999"), ("079190000999", B)):
            body = {**MERGE, "survivor": survivor, "duplicate": duplicate}
            reply = await client.post(URL, json=body, headers=officer())
            assert (reply.status_code, reply.json()["code"]) == (409, "person-already-merged")

    async def test_of_two_approved_mergers_of_one_record_the_second_fails_and_leaves_nothing(
        self, client, officer, two_records, add_person, session
    ):
        await add_person("079190000999", sex="FEMALE")
        other = {**MERGE, "survivor": "079190000999"}
        waiting = (await client.post(URL, json=other, headers=officer("CA-1"))).json()
        await done(client, officer, MERGE)
        before = await everything(session, versions=True)
        url = f"{URL}/{waiting['id']}/decision"
        reply = await client.post(url, json={"verdict": "APPROVE"}, headers=officer("CA-2"))
        assert (reply.status_code, reply.json()["code"]) == (409, "person-already-merged")
        assert await everything(session, versions=True) == before

    async def test_relatives_members_of_households_and_the_dead_beside_the_living_are_no_duplicates(
        self, client, officer, two_records, add_person
    ):
        await add_person(
            "079190000998", sex="FEMALE", life_status="DECEASED", death_or_missing_date=date(2026, 1, 1)
        )
        await add_person("079190000997", sex="FEMALE", household_number="H1")
        for duplicate in (CHILD, "079190000998", "079190000997"):
            body = {**MERGE, "survivor": GRANDMA, "duplicate": duplicate}
            reply = await client.post(URL, json=body, headers=officer())
            assert (reply.status_code, reply.json()["code"]) == (409, "merger-contradicted")

    async def test_a_merger_and_a_new_parent_close_no_circle_together(
        self, client, officer, two_records, add_person, session, runtime
    ):
        """The duplicate's mother gets a mother whose own mother is the survivor, while both are merged."""
        between = await add_person("079290000003", sex="FEMALE", birth_date=date(2020, 1, 1))
        async with runtime.sessions() as own, own.begin():
            await relationships.relate(
                own, between, Parent(Relation.MOTHER, A, "Hoà", None, "VN"), since=None, source="t"
            )
        proposed = (await client.post(URL, json=MERGE, headers=officer("CA-1"))).json()
        async with runtime.sessions() as own, own.begin():
            await relationships.relate(
                own, GRANDMA, Parent(Relation.MOTHER, between, "Lan", None, "VN"), since=None, source="t"
            )
            decision = asyncio.create_task(
                client.post(
                    f"{URL}/{proposed['id']}/decision", json={"verdict": "APPROVE"}, headers=officer("CA-2")
                )
            )
            await asyncio.wait([decision], timeout=1)
        reply = await decision
        assert (reply.status_code, reply.json().get("code")) == (409, "merger-contradicted"), reply.text

    async def test_the_history_of_a_merged_number_stays_readable(self, client, officer, two_records):
        change: dict[str, Any] = {"kind": "CHANGE", "effective_from": "2020-01-01", "document": DOCUMENT}
        change["changes"] = {"religion": "Công giáo"}
        url = f"/population/v1/persons/{B}"
        assert (await client.patch(url, json=change, headers=officer(If_Match="1"))).status_code == 200
        known = datetime.now(UTC).isoformat()
        await done(client, officer, MERGE)
        then = await client.get(
            f"{url}/as-of", params={"fields": "religion", "known_at": known}, headers=officer()
        )
        assert then.json()["person"] == {"religion": "Công giáo"}
        now = await client.get(f"{url}/as-of?fields=religion,personal_id", headers=officer())
        assert now.json()["person"] == {"personal_id": A, "religion": None}
        versions = await client.get(f"{url}/history?fields=religion", headers=officer())
        assert [i["version"] for i in versions.json()["items"]] == [2, 1]


class TestResidencesAndHouseholds:
    async def test_they_stand_with_the_survivor_and_come_back(self, client, officer, two_records, session):
        for statement in (
            (
                "INSERT INTO residences (id, person_id, personal_id, kind, state, province_code,"
                " commune_code, units_on, valid_from, valid_to, end_cause, source, registered_by)"
                " SELECT uuidv7(), person_id, personal_id, 'PERMANENT', s.state, '79', '26740', '2025-07-01',"
                " s.begins, s.ends, s.cause, 't', 't' FROM persons, (VALUES"
                " ('ENDED', date '2000-01-01', date '2009-12-31', 'MOVED'),"
                " ('REGISTERED', date '2010-01-01', NULL, NULL)) AS s (state, begins, ends, cause)"
                " WHERE personal_id IN (:a, :b)"
            ),
            (
                "INSERT INTO household_members (household_number, person_id, personal_id, relation_to_head,"
                " since, ended_on, end_cause, source, recorded_by)"
                " SELECT 'H9', person_id, personal_id, 'CHILD', '2000-01-01', '2010-01-01', 'LEFT', 't', 't'"
                " FROM persons WHERE personal_id = :b"
            ),
        ):
            await session.execute(text(statement), {"a": A, "b": B} if ":a" in statement else {"b": B})
        await session.commit()

        async def rows() -> dict[str, list[Any]]:
            found = {}
            for table in ("residences", "household_members"):
                query = f"SELECT to_jsonb(t) FROM {table} t ORDER BY id"  # noqa: S608 - fixed names
                found[table] = list((await session.scalars(text(query))).all())
            await session.rollback()
            return found

        before = await rows()
        survivor = await session.scalar(
            text("SELECT person_id FROM persons WHERE personal_id = :a"), {"a": A}
        )
        await session.rollback()
        merged = (await done(client, officer, MERGE)).json()
        after = await rows()
        assert {r["person_id"] for kind in after.values() for r in kind} == {str(survivor)}
        running = [r["personal_id"] for r in after["residences"] if r["state"] == "REGISTERED"]
        assert running == [A]
        undo = {"kind": "UNDO", "merger_id": merged["id"], "document": DOCUMENT}
        # A correction that replaced a registration of theirs is not undone by the way.
        correct = "UPDATE residences SET end_cause = :cause WHERE personal_id = :b AND state = 'ENDED'"
        for cause, status in (("CORRECTED", 409), ("MOVED", 200)):
            await session.execute(text(correct), {"cause": cause, "b": B})
            await session.commit()
            assert (await done(client, officer, undo)).status_code == status
        assert await rows() == before
