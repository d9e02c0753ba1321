"""A household has one head; a person is in one household; joins, splits and deaths keep it so."""

import asyncio
import random
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from ndx_contracts.events import PersonDeceased
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

MOTHER, FATHER = "079190000011", "079088000022"
CHILD, OTHER, LAST = "079312000001", "079080000002", "079080000003"
URL = "/population/v1/households"
OPERATIONS = (
    "form_household",
    "get_household",
    "join_household",
    "leave_household",
    "split_household",
    "change_household_head",
    "list_headless_households",
)
STEP = {"on": "2026-03-01", "document": "HGD-1"}


@pytest.fixture
def police(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    groups = [FieldGroup.HOUSEHOLD, FieldGroup.RELATION_TO_HEAD]
    agree("G01", {f"population.{n}": groups for n in OPERATIONS}, purposes=["RESIDENCE_MANAGEMENT"])
    return as_agency("G01", system="police-office", purpose="RESIDENCE_MANAGEMENT")


@pytest.fixture
def form(client, police) -> Callable[..., Any]:
    """Form a household, the first person its head."""

    async def make(head: str, **relations: str) -> Any:
        members = [{"personal_id": head, "relation_to_head": "HEAD"}]
        members += [{"personal_id": n[1:], "relation_to_head": r} for n, r in relations.items()]
        body = {**STEP, "province_code": "79", "commune_code": "26740", "members": members}
        return await client.post(URL, json=body, headers=police)

    return make


def relations(body: dict[str, Any]) -> dict[str, str]:
    return {m["personal_id"]: m["relation_to_head"] for m in body["members"]}


async def died(deliver, session, number: str, day: date = date(2026, 6, 1)) -> None:
    """Close the person's row as the registered death does, then tell of it."""
    found = await session.execute(
        text(
            "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = :day"
            " WHERE personal_id = :n RETURNING person_id"
        ),
        {"n": number, "day": day},
    )
    person_id = found.scalar_one()
    await session.commit()
    await deliver(PersonDeceased(person_id=person_id, personal_id=number, version=9, died_on=day))


class TestFormHousehold:
    async def test_members_are_read_with_the_person_and_told_of(
        self, client, police, insurer, form, add_person, emitted
    ):
        await add_person(FATHER)
        await add_person(MOTHER)
        made = await form(FATHER, **{f"n{MOTHER}": "SPOUSE"})
        assert made.status_code == 201, made.text
        assert relations(made.json()) == {FATHER: "HEAD", MOTHER: "SPOUSE"}
        read = await client.get(
            f"/population/v1/persons/{MOTHER}",
            params={"fields": "household,relation_to_head"},
            headers=insurer,
        )
        assert read.json()["relation_to_head"] == "SPOUSE"
        assert read.json()["household"]["number"] == made.json()["number"]
        assert [m["personal_id"] for m in read.json()["household"]["members"]] == [FATHER, MOTHER]
        told = [e for e in await emitted() if e["type"] == "population.household-changed.v1"]
        assert {e["data"]["personal_id"] for e in told} == {FATHER, MOTHER}
        assert {tuple(e["data"]["changed"]) for e in told} == {("relation_to_head", "household")}

    async def test_nobody_is_in_two_households(self, form, add_person):
        await add_person(FATHER)
        await add_person(MOTHER)
        replies = await asyncio.gather(form(FATHER, **{f"n{MOTHER}": "SPOUSE"}), form(MOTHER))
        assert sorted(r.status_code for r in replies) == [201, 409]
        assert {r.json().get("code") for r in replies} == {None, "household-member-elsewhere"}

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"on": "2199-01-01"}, "household-dates-invalid"),
            ({"on": "1980-01-01"}, "household-dates-invalid"),
            ({"commune_code": "99999"}, "place-unknown"),
            ({"members": [{"personal_id": FATHER, "relation_to_head": "SPOUSE"}]}, "invalid-input"),
            ({"members": [{"personal_id": FATHER, "relation_to_head": "HEAD"}] * 2}, "invalid-input"),
        ],
    )
    async def test_what_does_not_fit_is_refused(self, client, police, add_person, changes, code):
        await add_person(FATHER)
        members = [{"personal_id": FATHER, "relation_to_head": "HEAD"}]
        body = {**STEP, "province_code": "79", "commune_code": "26740", "members": members, **changes}
        reply = await client.post(URL, json=body, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (422, code)

    async def test_a_refusal_that_tells_something_of_a_person_is_recorded(
        self, form, client, police, add_person, disclosed
    ):
        await add_person(FATHER, household_number="TN000000001", relation_to_head="HEAD")
        await add_person(OTHER)
        assert (await form(FATHER)).json()["code"] == "household-member-elsewhere"
        body: dict[str, Any] = {**STEP, "on": "1980-01-01", "province_code": "79", "commune_code": "26740"}
        body |= {"members": [{"personal_id": OTHER, "relation_to_head": "HEAD"}]}
        assert (await client.post(URL, json=body, headers=police)).status_code == 422
        found = [(r["outcome"], r["subjects"]) for r in await disclosed()]
        assert found == [("NOT_MATCHED", [FATHER]), ("NOT_MATCHED", [OTHER])]

    async def test_a_zero_byte_in_a_text_is_refused(self, client, police, add_person):
        await add_person(FATHER)
        members = [{"personal_id": FATHER, "relation_to_head": "HEAD"}]
        body = {**STEP, "province_code": "79", "commune_code": "26740", "members": members}
        for wrong in (
            {"document": "a\0b"},
            {"address": "a\0b"},
            {"document": "a\x1bb"},
            {"address": "a\x07"},
        ):
            reply = await client.post(URL, json={**body, **wrong}, headers=police)
            assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input"), reply.text
        reply = await client.get(URL, params={"cursor": "\0"}, headers=police)
        assert reply.status_code == 422


class TestImportedHousehold:
    async def test_it_is_read_before_anybody_touched_it_and_taken_in_hand_by_the_first_change(
        self, client, police, add_person, session
    ):
        await add_person(FATHER, household_number="TN000000001", relation_to_head="HEAD")
        await add_person(MOTHER, household_number="TN000000001", relation_to_head="SPOUSE")
        await add_person(CHILD, birth_date=date(2012, 1, 1))
        read = await client.get(f"{URL}/TN000000001", headers=police)
        assert (read.json()["household_id"], relations(read.json())) == (
            None,
            {FATHER: "HEAD", MOTHER: "SPOUSE"},
        )
        join = {**STEP, "personal_id": CHILD, "relation_to_head": "CHILD"}
        reply = await client.post(f"{URL}/TN000000001/members", json=join, headers=police)
        assert reply.status_code == 200, reply.text
        rows = await session.execute(
            text("SELECT personal_id, recorded_by FROM household_members ORDER BY 1")
        )
        assert {r.personal_id: r.recorded_by for r in rows} == {
            FATHER: "import",
            MOTHER: "import",
            CHILD: "G01/police-office",
        }
        assert (await client.get(f"{URL}/TN9", headers=police)).json()["code"] == "household-not-found"


class TestJoinAndLeave:
    async def test_who_joins_another_household_leaves_the_former_only_if_stated(
        self, client, police, form, add_person
    ):
        for number in (FATHER, MOTHER, OTHER):
            await add_person(number)
        one = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE"})).json()["number"]
        two = (await form(OTHER)).json()["number"]
        join = {**STEP, "personal_id": MOTHER, "relation_to_head": "SIBLING"}
        reply = await client.post(f"{URL}/{two}/members", json=join, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (409, "household-member-elsewhere")
        moved = {**join, "leaves_former": True, "on": "2026-04-01"}
        reply = await client.post(f"{URL}/{two}/members", json=moved, headers=police)
        assert relations(reply.json()) == {OTHER: "HEAD", MOTHER: "SIBLING"}
        left = (await client.get(f"{URL}/{one}", headers=police)).json()
        assert relations(left) == {FATHER: "HEAD"}
        assert [(m["personal_id"], m["end_cause"]) for m in left["former_members"]] == [(MOTHER, "MOVED")]

    async def test_two_people_who_change_places_at_once_do_not_wait_for_each_other(
        self, client, police, form, add_person
    ):
        for number in (FATHER, MOTHER, OTHER, LAST):
            await add_person(number)
        one = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE"})).json()["number"]
        two = (await form(OTHER, **{f"n{LAST}": "SIBLING"})).json()["number"]
        body = {**STEP, "relation_to_head": "OTHER", "leaves_former": True, "on": "2026-04-01"}
        replies = await asyncio.gather(
            client.post(f"{URL}/{two}/members", json={**body, "personal_id": MOTHER}, headers=police),
            client.post(f"{URL}/{one}/members", json={**body, "personal_id": LAST}, headers=police),
        )
        assert [r.status_code for r in replies] == [200, 200]

    async def test_the_head_leaves_last_and_that_dissolves_the_household(
        self, client, police, form, add_person
    ):
        await add_person(FATHER)
        await add_person(MOTHER)
        number = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE"})).json()["number"]
        leave = {**STEP, "on": "2026-04-01"}
        refused = await client.post(f"{URL}/{number}/members/{FATHER}/leave", json=leave, headers=police)
        assert (refused.status_code, refused.json()["code"]) == (409, "household-head-needed")
        for member in (MOTHER, FATHER):
            reply = await client.post(f"{URL}/{number}/members/{member}/leave", json=leave, headers=police)
            assert reply.status_code == 200, reply.text
        assert reply.json()["state"] == "DISSOLVED"
        join = {**STEP, "personal_id": FATHER, "relation_to_head": "OTHER"}
        reply = await client.post(f"{URL}/{number}/members", json=join, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (409, "household-dissolved")
        stranger = await client.post(f"{URL}/{number}/members/{LAST}/leave", json=leave, headers=police)
        assert stranger.json()["code"] == "household-dissolved"

    async def test_nobody_dead_joins(self, client, police, form, add_person):
        await add_person(FATHER)
        await add_person(MOTHER, life_status="DECEASED", death_or_missing_date=date(2026, 1, 1))
        number = (await form(FATHER)).json()["number"]
        join = {**STEP, "personal_id": MOTHER, "relation_to_head": "SPOUSE"}
        reply = await client.post(f"{URL}/{number}/members", json=join, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (409, "person-locked")


class TestSplitAndHead:
    async def test_some_members_form_their_own_household(self, client, police, form, add_person):
        for number in (FATHER, MOTHER, OTHER):
            await add_person(number)
        number = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE", f"n{OTHER}": "SIBLING"})).json()["number"]
        body = {
            **STEP,
            "on": "2026-05-01",
            "province_code": "79",
            "commune_code": "26743",
            "members": [{"personal_id": OTHER, "relation_to_head": "HEAD"}],
        }
        reply = await client.post(f"{URL}/{number}/split", json=body, headers=police)
        assert reply.status_code == 201, reply.text
        assert relations(reply.json()) == {OTHER: "HEAD"}
        left = (await client.get(f"{URL}/{number}", headers=police)).json()
        assert relations(left) == {FATHER: "HEAD", MOTHER: "SPOUSE"}
        with_head = {**body, "members": [{"personal_id": FATHER, "relation_to_head": "HEAD"}]}
        refused = await client.post(f"{URL}/{number}/split", json=with_head, headers=police)
        assert refused.json()["code"] == "household-head-needed"
        stranger = {**body, "members": [{"personal_id": LAST, "relation_to_head": "HEAD"}]}
        refused = await client.post(f"{URL}/{number}/split", json=stranger, headers=police)
        assert (refused.status_code, refused.json()["code"]) == (404, "household-member-not-found")

    async def test_another_head_is_set_with_everybodys_relation(self, client, police, form, add_person):
        await add_person(FATHER)
        await add_person(MOTHER)
        number = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE"})).json()["number"]
        alone = {**STEP, "members": [{"personal_id": MOTHER, "relation_to_head": "HEAD"}]}
        refused = await client.post(f"{URL}/{number}/head", json=alone, headers=police)
        assert (refused.status_code, refused.json()["code"]) == (422, "household-relations-incomplete")
        both = {
            **STEP,
            "on": "2026-05-01",
            "members": [
                {"personal_id": MOTHER, "relation_to_head": "HEAD"},
                {"personal_id": FATHER, "relation_to_head": "SPOUSE"},
            ],
        }
        reply = await client.post(f"{URL}/{number}/head", json=both, headers=police)
        assert relations(reply.json()) == {MOTHER: "HEAD", FATHER: "SPOUSE"}


class TestDeath:
    async def test_one_who_stays_becomes_the_head(self, client, police, form, add_person, deliver, session):
        await add_person(FATHER)
        await add_person(MOTHER)
        number = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE"})).json()["number"]
        await died(deliver, session, FATHER)
        body = (await client.get(f"{URL}/{number}", headers=police)).json()
        assert (body["state"], relations(body)) == ("ACTIVE", {MOTHER: "HEAD"})
        ended = {(m["personal_id"], m["relation_to_head"], m["end_cause"]) for m in body["former_members"]}
        assert ended == {(FATHER, "HEAD", "DEATH"), (MOTHER, "SPOUSE", "RELATION_CHANGED")}

    async def test_several_who_stay_wait_for_a_head_until_one_is_set(
        self, client, police, form, add_person, deliver, session
    ):
        await add_person(FATHER)
        await add_person(MOTHER)
        await add_person(CHILD, birth_date=date(2012, 1, 1))
        number = (await form(FATHER, **{f"n{MOTHER}": "SPOUSE", f"n{CHILD}": "CHILD"})).json()["number"]
        await died(deliver, session, FATHER)
        waiting = (await client.get(URL, headers=police)).json()["items"]
        assert [(h["number"], h["commune_code"]) for h in waiting] == [(number, "26740")]
        new = {
            **STEP,
            "on": "2026-07-01",
            "members": [
                {"personal_id": MOTHER, "relation_to_head": "HEAD"},
                {"personal_id": CHILD, "relation_to_head": "CHILD"},
            ],
        }
        reply = await client.post(f"{URL}/{number}/head", json=new, headers=police)
        assert (reply.json()["state"], relations(reply.json())) == (
            "ACTIVE",
            {MOTHER: "HEAD", CHILD: "CHILD"},
        )
        assert (await client.get(URL, headers=police)).json()["items"] == []

    async def test_who_is_in_no_household_leaves_none(self, add_person, deliver, session, emitted):
        await add_person(FATHER)
        await died(deliver, session, FATHER)
        assert await emitted() == []


class TestScope:
    async def test_a_household_elsewhere_is_not_there(self, client, agree, as_agency, form, add_person):
        from ndx_contracts.agreements import AdminScope

        await add_person(FATHER)
        number = (await form(FATHER)).json()["number"]
        agree(
            "P00070",
            {"population.get_household": [FieldGroup.HOUSEHOLD, FieldGroup.RELATION_TO_HEAD]},
            purposes=["RESIDENCE_MANAGEMENT"],
            admin_scope=AdminScope(communes=("00070",)),
        )
        reply = await client.get(
            f"{URL}/{number}", headers=as_agency("P00070", purpose="RESIDENCE_MANAGEMENT")
        )
        assert (reply.status_code, reply.json()["code"]) == (404, "household-not-found")


class TestInvariants:
    """Whatever is asked in whatever order, the book and the persons' rows agree and keep the rules."""

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_a_random_walk_keeps_them(self, client, police, form, add_person, session, seed):
        chance = random.Random(seed)
        people = [FATHER, MOTHER, OTHER, LAST]
        for number in people:
            await add_person(number)
        homes: list[str] = []
        accepted = 0
        for _ in range(40):
            who, other = chance.sample(people, 2)
            home = chance.choice(homes) if homes else "none"
            act = chance.choice(["form", "join", "leave", "split", "head"])
            members = [{"personal_id": who, "relation_to_head": "HEAD"}]
            place = {"province_code": "79", "commune_code": "26740"}
            if act == "form":
                reply = await form(who, **{f"n{other}": "OTHER"})
            elif act == "join":
                body: dict[str, Any] = {**STEP, "personal_id": who, "relation_to_head": "OTHER"}
                body["leaves_former"] = chance.random() < 0.7
                reply = await client.post(f"{URL}/{home}/members", json=body, headers=police)
            elif act == "leave":
                reply = await client.post(f"{URL}/{home}/members/{who}/leave", json=STEP, headers=police)
            elif act == "split":
                body = {**STEP, **place, "members": members}
                reply = await client.post(f"{URL}/{home}/split", json=body, headers=police)
            else:
                body = {**STEP, "members": [*members, {"personal_id": other, "relation_to_head": "OTHER"}]}
                reply = await client.post(f"{URL}/{home}/head", json=body, headers=police)
            assert reply.status_code < 500, reply.text
            if reply.status_code < 300:
                accepted += 1
                homes = list(dict.fromkeys([*homes, reply.json()["number"]]))
            await self.check(session)
        assert accepted > 5

    async def check(self, session) -> None:
        rows = await session.execute(
            text(
                "SELECT h.number, h.state, count(p.*) AS people,"
                " count(p.*) FILTER (WHERE p.relation_to_head = 'HEAD') AS heads"
                " FROM households h LEFT JOIN persons p ON p.household_number = h.number GROUP BY 1, 2"
            )
        )
        for row in rows:
            assert (row.people, row.heads) == (0, 0) if row.state == "DISSOLVED" else row.heads == 1
        differing = await session.execute(
            text(
                "SELECT count(*) FROM persons p FULL JOIN"
                " (SELECT * FROM household_members WHERE ended_on IS NULL) m ON m.person_id = p.person_id"
                " WHERE p.household_number IS DISTINCT FROM m.household_number"
                " OR p.relation_to_head IS DISTINCT FROM m.relation_to_head"
            )
        )
        assert differing.scalar_one() == 0
        await session.rollback()
