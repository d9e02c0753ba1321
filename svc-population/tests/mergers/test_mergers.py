"""Two officers merge or split records; nothing is lost, old numbers lead on, both can be undone."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from ndx_chassis.ids import new_id
from ndx_contracts.agreements import AdminScope
from ndx_contracts.events import DeathCancelled, DeathRegistered
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.changes.schemas import CHANGEABLE
from svc_population.histories.schemas import GROUPS
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Parent
from svc_population.relationships.vocabulary import Relation

A, B, CHILD, GRANDMA = "079190000011", "079190000555", "079326000001", "079165000007"
URL = "/population/v1/person-mergers"
DOCUMENT = {"kind": "decision", "number": "9/QĐ", "issued_by": "C06", "issued_on": "2026-11-02"}
MERGE = {"kind": "MERGE", "survivor": A, "duplicate": B, "document": DOCUMENT}


@pytest.fixture
def officer(agree, as_agency):
    names = ("propose_person_merger", "decide_person_merger", "get_person_merger")
    operations = {f"population.{n}": [FieldGroup.PERSONAL_ID] for n in names}
    operations |= {"population.change_person": list(CHANGEABLE)}
    operations |= {f"population.{n}": list(GROUPS) for n in ("get_person_as_of", "list_person_versions")}
    agree("G01", operations, purposes=["RESIDENCE_MANAGEMENT"])

    def headers(name="CA-1", **extra):
        return as_agency("G01", purpose="RESIDENCE_MANAGEMENT", NDX_Officer=name, NDX_Case_Id="HS-9", **extra)

    return headers


@pytest_asyncio.fixture
async def two_records(add_person, session):
    """One woman under two numbers; the second has her child, her mother, a card, an older number."""
    await add_person(A, sex="FEMALE", religion=None, phone="0900000001")
    await add_person(
        B, sex="FEMALE", given_name="Hòa", birth_date=date(1990, 5, 17), religion="Phật giáo", phone="0911"
    )
    await add_person(CHILD, sex="FEMALE", birth_date=date(2026, 1, 2))
    await add_person(GRANDMA, sex="FEMALE", birth_date=date(1965, 1, 1))
    names = {"a": A, "b": B, "child": CHILD, "grandma": GRANDMA}
    for statement in (
        (
            "INSERT INTO relationships (personal_id, relation, related_personal_id, source) VALUES"
            " (:child, 'MOTHER', :b, 't'), (:b, 'MOTHER', :grandma, 't'),"
            " (:b, 'SPOUSE', :grandma, 't'), (:a, 'SPOUSE', :grandma, 't')"
        ),
        (
            "INSERT INTO relationship_history (id, personal_id, relation, related_personal_id, source,"
            " recorded_at, end_cause, end_source)"
            " VALUES (uuidv7(), :child, 'GUARDIAN', :b, 't', '2026-01-01', 'ENDED', 't')"
        ),
        "INSERT INTO person_cards VALUES (:b, '2021-05-01', 'CCCD', 'Cục', NULL)",
        (
            "INSERT INTO former_personal_ids"
            " SELECT '079190000777', person_id, :b, 'WRONG_ENTRY', '{}', 't' FROM persons"
            " WHERE personal_id = :b"
        ),
    ):
        await session.execute(text(statement), {k: v for k, v in names.items() if f":{k}" in statement})
    await session.commit()


async def everything(session, *, versions=False):
    """Return what is on record of all four, apart from the version's own members."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in (
        "persons",
        "relationships",
        "relationship_history",
        "person_cards",
        "former_personal_ids",
    ):
        rows = (await session.scalars(text(f"SELECT to_jsonb(t) FROM {table} t"))).all()  # noqa: S608 - fixed names
        hidden = () if versions else ("version", "source", "recorded_at")
        keep = [{k: v for k, v in r.items() if table != "persons" or k not in hidden} for r in rows]
        found[table] = sorted(keep, key=str)
    await session.rollback()
    return found


async def done(client, officer, body):
    proposed = await client.post(URL, json=body, headers=officer("CA-1"))
    assert proposed.status_code == 200, proposed.text
    assert proposed.json()["state"] == "PROPOSED"
    url = f"{URL}/{proposed.json()['id']}/decision"
    return await client.post(url, json={"verdict": "APPROVE"}, headers=officer("CA-2"))


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


class TestDeathWhileMerged:
    """A death is that of the number under which it was registered, whatever that led to."""

    @staticmethod
    def death(number, on=date(2026, 6, 1)):
        return DeathRegistered(
            death_id=new_id(),
            personal_id=number,
            died_on=on,
            registered_at=datetime(2026, 6, 2, tzinfo=UTC),
            office="X26740",
        )

    @staticmethod
    async def lives(session):
        rows = await session.execute(text("SELECT personal_id, life_status FROM persons"))
        await session.rollback()
        return {row.personal_id: row.life_status for row in rows}

    @staticmethod
    def deaths_told(events):
        return [
            (e["type"], e["data"]["personal_id"])
            for e in events
            if "dece" in e["type"] or "death" in e["type"]
        ]

    @pytest.mark.parametrize(("number", "other"), [(A, B), (B, A)])
    async def test_after_the_undo_it_is_with_its_own_record(
        self, client, officer, add_person, deliver, session, emitted, number, other
    ):
        for each in (A, B):
            await add_person(each, sex="FEMALE")
        merge = await done(client, officer, MERGE)
        await deliver(self.death(number))
        assert await self.lives(session) == {A: "DECEASED"}
        undone = await done(
            client, officer, {"kind": "UNDO", "merger_id": merge.json()["id"], "document": DOCUMENT}
        )
        assert undone.status_code == 200, undone.text
        assert await self.lives(session) == {number: "DECEASED", other: "ALIVE"}
        told = self.deaths_told(await emitted())
        deceased, back = "population.person-deceased.v1", "population.person-death-cancelled.v1"
        assert told == ([(deceased, A)] if number == A else [(deceased, A), (back, A), (deceased, B)])

    async def test_cancelled_while_merged_it_is_nobodys_afterwards(
        self, client, officer, add_person, deliver, session
    ):
        for each in (A, B):
            await add_person(each, sex="FEMALE")
        registered = [self.death(number) for number in (A, B)]
        for death in registered:
            await deliver(death)
        assert await self.lives(session) == {A: "DECEASED", B: "DECEASED"}
        merge = await done(client, officer, MERGE)
        assert merge.json()["state"] == "DONE", merge.text
        of_b = registered[1]
        await deliver(
            DeathCancelled(
                death_id=of_b.death_id,
                personal_id=B,
                died_on=of_b.died_on,
                cause="WRONG_PERSON",
                found_alive=False,
                cancelled_at=datetime(2026, 9, 2, tzinfo=UTC),
                office="X26740",
            )
        )
        assert await self.lives(session) == {A: "DECEASED"}
        await done(client, officer, {"kind": "UNDO", "merger_id": merge.json()["id"], "document": DOCUMENT})
        assert await self.lives(session) == {A: "DECEASED", B: "ALIVE"}
