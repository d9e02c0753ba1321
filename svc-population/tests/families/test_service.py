"""Parents, marriages and guardians: one at a time, lawful, without circles, with their days."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from ndx_contracts.events import PersonDeceased
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.relationships import service as relationships
from svc_population.relationships.errors import RelationshipCycle
from svc_population.relationships.service import Parent
from svc_population.relationships.vocabulary import Relation

WIFE, HUSBAND = "079190000011", "079088000022"
CHILD, OTHER = "079312000001", "079080000002"
DOCUMENT = {"document": "HT-1"}


def url(number: str) -> str:
    return f"/population/v1/persons/{number}/relationships"


@pytest.fixture
def registrar(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    operations = ("add_relationship", "list_relationships", "end_relationship")
    agree(
        "G02",
        {f"population.{n}": [FieldGroup.FAMILY_RELATIONS] for n in operations},
        purposes=["CIVIL_REGISTRATION"],
    )
    return as_agency("G02", system="civil-registry", purpose="CIVIL_REGISTRATION")


@pytest.fixture
async def family(add_person) -> None:
    await add_person(WIFE)
    await add_person(HUSBAND)
    await add_person(CHILD, birth_date=date(2012, 3, 1))
    await add_person(OTHER, birth_date=date(1980, 1, 1))


@pytest.fixture
def marry(client, registrar) -> Callable[..., Any]:
    async def send(one: str, other: str, since: str = "2015-05-05") -> Any:
        body = {**DOCUMENT, "relation": "SPOUSE", "personal_id": other, "since": since}
        return await client.post(url(one), json=body, headers=registrar)

    return send


async def column(session, number: str, name: str) -> Any:
    found = await session.execute(
        text(f"SELECT {name} FROM persons WHERE personal_id = :n"),  # noqa: S608 - a fixed name
        {"n": number},
    )
    value = found.scalar_one()
    await session.rollback()
    return value


class TestMarriage:
    async def test_it_stands_with_both_and_both_are_told_of(
        self, client, insurer, family, marry, emitted, session
    ):
        reply = await marry(WIFE, HUSBAND)
        assert reply.status_code == 201, reply.text
        for one, other in ((WIFE, HUSBAND), (HUSBAND, WIFE)):
            read = await client.get(
                f"/population/v1/persons/{one}",
                params={"fields": "family_relations,marital_status"},
                headers=insurer,
            )
            assert read.json()["marital_status"] == "MARRIED"
            assert [(r["relation"], r["personal_id"]) for r in read.json()["family_relations"]] == [
                ("SPOUSE", other)
            ]
            assert read.headers["etag"] == '"2"'
        told = await emitted()
        assert {e["data"]["personal_id"] for e in told} == {WIFE, HUSBAND}
        assert {tuple(e["data"]["changed"]) for e in told} == {("family_relations", "marital_status")}

    async def test_nobody_has_two_spouses_also_when_two_offices_marry_them_at_once(
        self, family, marry, session
    ):
        replies = await asyncio.gather(marry(WIFE, HUSBAND), marry(OTHER, WIFE), marry(WIFE, HUSBAND))
        assert sorted(r.status_code for r in replies) == [201, 409, 409]
        assert {r.json().get("code") for r in replies if r.status_code == 409} == {"relationship-exists"}

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"personal_id": OTHER, "since": "2015-01-01"}, "spouses-of-one-sex"),
            ({"personal_id": CHILD, "since": "2026-01-01"}, "spouse-too-young"),
            ({"personal_id": HUSBAND, "since": "2199-01-01"}, "in-future"),
            ({"personal_id": WIFE, "since": "2015-01-01"}, "oneself"),
        ],
    )
    async def test_what_the_law_does_not_admit_is_refused(
        self, client, registrar, family, session, changes, fault
    ):
        who = HUSBAND if changes["personal_id"] == OTHER else WIFE
        body = {**DOCUMENT, "relation": "SPOUSE", **changes}
        reply = await client.post(url(who), json=body, headers=registrar)
        assert (reply.status_code, reply.json()["code"]) == (422, "relationship-not-lawful")
        assert fault in {e["code"] for e in reply.json()["errors"]}

    async def test_a_divorce_ends_it_for_both_and_frees_both(self, client, registrar, family, marry, session):
        made = (await marry(WIFE, HUSBAND)).json()
        end = {**DOCUMENT, "cause": "DIVORCE", "ended_on": "2020-06-30"}
        # The husband's row has an id of its own; either one ends the marriage.
        listed = (await client.get(url(HUSBAND), headers=registrar)).json()["items"]
        reply = await client.post(
            f"{url(HUSBAND)}/{listed[0]['relationship_id']}/end", json=end, headers=registrar
        )
        assert (reply.status_code, reply.json()["end_cause"]) == (200, "DIVORCE")
        assert await column(session, WIFE, "marital_status") == "DIVORCED"
        again = await client.post(f"{url(WIFE)}/{made['relationship_id']}/end", json=end, headers=registrar)
        assert (again.status_code, again.json()["code"]) == (404, "relationship-not-found")
        assert (await marry(WIFE, HUSBAND, since="2021-01-01")).status_code == 201
        on = (await client.get(url(WIFE), params={"on": "2018-01-01"}, headers=registrar)).json()["items"]
        assert [(r["since"], r["ended_on"]) for r in on] == [("2015-05-05", "2020-06-30")]

    async def test_a_marriage_that_never_was_leaves_them_as_before(
        self, client, registrar, family, marry, session
    ):
        made = (await marry(WIFE, HUSBAND)).json()
        wrong = {**DOCUMENT, "cause": "WRONG_ENTRY"}
        reply = await client.post(f"{url(WIFE)}/{made['relationship_id']}/end", json=wrong, headers=registrar)
        assert reply.status_code == 200, reply.text
        assert await column(session, HUSBAND, "marital_status") == "SINGLE"
        on = await client.get(url(WIFE), params={"on": "2018-01-01"}, headers=registrar)
        assert on.json()["items"] == []

    async def test_a_cause_of_another_relation_or_a_day_outside_is_refused(
        self, client, registrar, family, marry
    ):
        made = (await marry(WIFE, HUSBAND)).json()
        for end in (
            {"cause": "GUARDIANSHIP_ENDED", "ended_on": "2020-01-01"},
            {"cause": "DIVORCE", "ended_on": "2014-01-01"},
            {"cause": "DIVORCE", "ended_on": "2199-01-01"},
        ):
            reply = await client.post(
                f"{url(WIFE)}/{made['relationship_id']}/end", json={**DOCUMENT, **end}, headers=registrar
            )
            assert (reply.status_code, reply.json()["code"]) == (422, "relationship-not-lawful")

    async def test_a_death_widows_the_survivor(self, client, registrar, family, marry, deliver, session):
        await marry(WIFE, HUSBAND)
        person_id: UUID = await column(session, HUSBAND, "person_id")
        await deliver(
            PersonDeceased(person_id=person_id, personal_id=HUSBAND, version=3, died_on=date(2026, 6, 1))
        )
        assert await column(session, WIFE, "marital_status") == "WIDOWED"
        (former,) = (await client.get(url(WIFE), headers=registrar)).json()["items"]
        assert (former["end_cause"], former["ended_on"]) == ("DEATH", "2026-06-01")


class TestRelativesWhomTheRegisterDoesNotHold:
    """An import may bring a relative's number without the relative."""

    ABROAD = "000190000001"

    async def _named(self, session) -> None:
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_personal_id, related_name, source)"
                " VALUES (:one, 'SPOUSE', :other, 'Lan', 'import'),"
                " (:child, 'GUARDIAN', :other, 'Lan', 'import')"
            ),
            {"one": HUSBAND, "child": CHILD, "other": self.ABROAD},
        )
        await session.execute(
            text("UPDATE persons SET marital_status = 'MARRIED' WHERE personal_id = :n"), {"n": HUSBAND}
        )
        await session.commit()

    async def test_a_death_ends_a_marriage_with_one(self, client, registrar, family, marry, deliver, session):
        await self._named(session)
        person_id: UUID = await column(session, HUSBAND, "person_id")
        await deliver(
            PersonDeceased(person_id=person_id, personal_id=HUSBAND, version=2, died_on=date(2026, 6, 1))
        )
        (former,) = (await client.get(url(HUSBAND), headers=registrar)).json()["items"]
        assert (former["end_cause"], former["personal_id"]) == ("DEATH", self.ABROAD)

    @pytest.mark.parametrize(("who", "cause"), [(HUSBAND, "DIVORCE"), (CHILD, "GUARDIANSHIP_ENDED")])
    async def test_what_is_recorded_with_one_can_end(self, client, registrar, family, session, who, cause):
        await self._named(session)
        (known,) = (await client.get(url(who), headers=registrar)).json()["items"]
        end = {**DOCUMENT, "cause": cause, "ended_on": "2026-06-30"}
        reply = await client.post(f"{url(who)}/{known['relationship_id']}/end", json=end, headers=registrar)
        assert (reply.status_code, reply.json().get("end_cause")) == (200, cause), reply.text


class TestParents:
    async def test_a_parent_is_added_once_and_replaced_after_the_end_of_the_former(
        self, client, registrar, family
    ):
        body = {**DOCUMENT, "relation": "FATHER", "personal_id": HUSBAND}
        made = await client.post(url(CHILD), json=body, headers=registrar)
        assert made.status_code == 201, made.text
        again = await client.post(url(CHILD), json={**body, "personal_id": OTHER}, headers=registrar)
        assert (again.status_code, again.json()["code"]) == (409, "relationship-exists")
        children = (await client.get(url(HUSBAND), headers=registrar)).json()["items"]
        assert [(r["relation"], r["personal_id"]) for r in children] == [("CHILD", CHILD)]
        end = {**DOCUMENT, "cause": "PARENTAGE_CHANGED", "ended_on": "2026-01-01"}
        reply = await client.post(
            f"{url(CHILD)}/{made.json()['relationship_id']}/end", json=end, headers=registrar
        )
        assert reply.status_code == 200, reply.text
        again = await client.post(url(CHILD), json={**body, "personal_id": OTHER}, headers=registrar)
        assert again.status_code == 201

    @pytest.mark.parametrize(
        ("who", "relation", "parent", "fault"),
        [
            (CHILD, "MOTHER", HUSBAND, "parent-sex-differs"),
            (WIFE, "FATHER", HUSBAND, "parent-too-young"),
            (HUSBAND, "MOTHER", WIFE, "parent-too-young"),
        ],
    )
    async def test_a_parent_of_the_wrong_sex_or_age_is_refused(
        self, client, registrar, family, who, relation, parent, fault
    ):
        body = {**DOCUMENT, "relation": relation, "personal_id": parent}
        reply = await client.post(url(who), json=body, headers=registrar)
        assert (reply.status_code, reply.json()["code"]) == (422, "relationship-not-lawful")
        assert [e["code"] for e in reply.json()["errors"]] == [fault]

    async def test_two_at_once_never_close_a_circle(self, family, runtime):
        async def link(child: str, parent: str) -> str:
            named = Parent(Relation.FATHER, parent, "", None, "VN")
            try:
                async with runtime.sessions() as own, own.begin():
                    await relationships.relate(own, child, named, since=None, source="test")
                    await asyncio.sleep(0.05)
            except RelationshipCycle:
                return "refused"
            return "linked"

        found = await asyncio.gather(link(HUSBAND, OTHER), link(OTHER, CHILD), link(CHILD, HUSBAND))
        assert sorted(found) == ["linked", "linked", "refused"]


class TestGuardians:
    async def test_a_ward_has_several_and_a_guardian_sees_the_ward(self, client, registrar, insurer, family):
        for guardian in (OTHER, WIFE):
            body = {**DOCUMENT, "relation": "GUARDIAN", "personal_id": guardian, "since": "2024-01-01"}
            assert (await client.post(url(CHILD), json=body, headers=registrar)).status_code == 201
        read = await client.get(
            f"/population/v1/persons/{OTHER}", params={"fields": "family_relations"}, headers=insurer
        )
        assert [(r["relation"], r["personal_id"]) for r in read.json()["family_relations"]] == [
            ("WARD", CHILD)
        ]
        young = {**DOCUMENT, "relation": "GUARDIAN", "personal_id": CHILD, "since": "2024-01-01"}
        reply = await client.post(url(OTHER), json=young, headers=registrar)
        assert [e["code"] for e in reply.json()["errors"]] == ["guardian-too-young"]

    async def test_someone_without_a_number_is_named(self, client, registrar, family):
        body = {
            **DOCUMENT,
            "relation": "GUARDIAN",
            "name": "Trần Thị Hạnh",
            "nationality": "FR",
            "since": "2024-01-01",
        }
        reply = await client.post(url(CHILD), json=body, headers=registrar)
        assert (reply.status_code, reply.json()["name"]) == (201, "Trần Thị Hạnh")
        both = {**body, "personal_id": WIFE}
        assert (await client.post(url(CHILD), json=both, headers=registrar)).status_code == 422


class TestDaysThatCannotBe:
    @pytest.mark.parametrize(
        ("who", "stated", "fault"),
        [
            (WIFE, {"relation": "SPOUSE", "name": "John Smith", "since": "1989-01-01"}, "before-birth"),
            (WIFE, {"relation": "SPOUSE", "name": "John Smith", "since": "2003-01-01"}, "spouse-too-young"),
            (
                WIFE,
                {"relation": "SPOUSE", "name": "John Smith", "birth_year": 2000, "since": "2015-05-05"},
                "spouse-too-young",
            ),
            (CHILD, {"relation": "MOTHER", "name": "Trần Thị Hạnh", "birth_year": 2003}, "parent-too-young"),
            (CHILD, {"relation": "FATHER", "name": "John Smith", "birth_year": 2200}, "parent-too-young"),
            (CHILD, {"relation": "GUARDIAN", "name": "John Smith", "since": "2012-02-01"}, "before-birth"),
            (CHILD, {"relation": "GUARDIAN", "personal_id": OTHER, "since": "2012-02-01"}, "before-birth"),
            (
                CHILD,
                {"relation": "GUARDIAN", "name": "John Smith", "birth_year": 2007, "since": "2024-01-01"},
                "guardian-too-young",
            ),
        ],
    )
    async def test_they_are_refused_also_of_somebody_known_by_name_only(
        self, client, registrar, family, session, who, stated, fault
    ):
        reply = await client.post(url(who), json={**DOCUMENT, **stated}, headers=registrar)
        assert (reply.status_code, reply.json().get("code")) == (422, "relationship-not-lawful"), reply.text
        assert [e["code"] for e in reply.json()["errors"]] == [fault]
        assert await session.scalar(text("SELECT count(*) FROM relationships")) == 0

    async def test_a_name_without_letters_of_a_hand_is_no_text(self, client, registrar, family):
        for wrong in ({"name": "John\x07"}, {"name": "John", "document": "HT\x1b[2J"}):
            body = {**DOCUMENT, "relation": "MOTHER", **wrong}
            reply = await client.post(url(CHILD), json=body, headers=registrar)
            assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input"), reply.text

    @pytest.mark.parametrize(
        "stated",
        [
            {"relation": "SPOUSE", "name": "John Smith", "birth_year": 1995, "since": "2015-05-05"},
            {"relation": "MOTHER", "name": "Trần Thị Hạnh", "birth_year": 1980},
            {"relation": "GUARDIAN", "name": "John Smith", "birth_year": 1980, "since": "2024-01-01"},
        ],
    )
    async def test_what_can_be_is_recorded(self, client, registrar, family, stated):
        reply = await client.post(url(WIFE), json={**DOCUMENT, **stated}, headers=registrar)
        assert reply.status_code == 201, reply.text

    async def test_what_an_import_brought_without_a_day_ended_after_both_were_born(
        self, client, registrar, family, session
    ):
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_personal_id, source)"
                " VALUES (:wife, 'SPOUSE', :husband, 'import:t'), (:husband, 'SPOUSE', :wife, 'import:t')"
            ),
            {"wife": WIFE, "husband": HUSBAND},
        )
        await session.commit()
        (marriage,) = (await client.get(url(WIFE), headers=registrar)).json()["items"]
        for day, status in (("1990-05-16", 422), ("2020-01-01", 200)):
            body = {**DOCUMENT, "cause": "DIVORCE", "ended_on": day}
            reply = await client.post(
                f"{url(WIFE)}/{marriage['relationship_id']}/end", json=body, headers=registrar
            )
            assert reply.status_code == status, reply.text


async def test_relatives_whom_an_answer_names_see_who_was_told_of_them(
    client, registrar, insurer, family, marry, disclosed
):
    await marry(WIFE, HUSBAND)
    body = {**DOCUMENT, "relation": "MOTHER", "personal_id": WIFE}
    assert (await client.post(url(CHILD), json=body, headers=registrar)).status_code == 201
    assert set((await disclosed())[-1]["subjects"]) == {CHILD, WIFE}
    await client.get(url(WIFE), headers=registrar)
    assert set((await disclosed())[-1]["subjects"]) == {WIFE, HUSBAND, CHILD}
    read = f"/population/v1/persons/{WIFE}"
    await client.get(read, params={"fields": "sex,family_relations"}, headers=insurer)
    record = (await disclosed())[-1]
    assert (record["subjects"][0], set(record["subjects"])) == (WIFE, {WIFE, HUSBAND, CHILD})
    await client.get(read, params={"fields": "sex"}, headers=insurer)
    assert (await disclosed())[-1]["subjects"] == [WIFE]
