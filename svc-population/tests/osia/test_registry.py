"""The population registry by OSIA: persons, versions as identities, changes by their source, mergers."""

import pytest
from ndx_contracts.agreements import AdminScope, Conditions
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from sqlalchemy import text

MOTHER, OTHER, NOBODY = "079190000011", "079190000555", "079190999999"
BASE = "/population/osia/pr/v1/persons"
T = "transactionId=T-1"
OPERATIONS = (
    "osia_find_persons",
    "osia_read_person",
    "osia_merge_person",
    "osia_read_identities",
    "osia_read_identity",
    "osia_partial_update_identity",
    "osia_read_reference",
)
DECIDE = ("propose_person_merger", "decide_person_merger", "get_person_merger")
DOCUMENT = {
    "documentType": "extract",
    "documentNumber": "12/TLKH",
    "documentIssuer": "UBND phường Sài Gòn",
    "documentDate": "2026-11-02",
}
CORRECTION = {"kind": "CORRECTION", **DOCUMENT}


@pytest.fixture
def as_registry(agree, as_agency):
    """Make headers of the civil registry with all operations, for these groups in these places."""

    def make(groups=None, officer="HT-1", case="HS-1", conditions=None, **scope):
        everything = [g for g in FieldGroup if g in POPULATION_GROUPS] if groups is None else groups
        agree(
            "G02",
            {f"population.{name}": everything for name in (*OPERATIONS, *DECIDE)},
            purposes=["CIVIL_REGISTRATION"],
            admin_scope=AdminScope(**scope),
            conditions=conditions or Conditions(),
        )
        named = {"NDX_Officer": officer, "NDX_Case_Id": case}
        return as_agency("G02", system="civil-registry", purpose="CIVIL_REGISTRATION", **named)

    return make


@pytest.fixture
def patch(client):
    async def send(headers, values, version=1, context=CORRECTION, person=MOTHER):
        return await client.patch(
            f"{BASE}/{person}/identities/{version}?{T}",
            json={"biographicData": values, "contextualData": context},
            headers=headers,
        )

    return send


class TestReadPerson:
    async def test_statuses_come_with_a_record(self, client, as_registry, add_person, judge, disclosed):
        await add_person(MOTHER)
        reply = await client.get(f"{BASE}/{MOTHER}?{T}", headers=as_registry())
        assert judge("pr", "readPerson", reply) == {
            "personId": MOTHER,
            "status": "ACTIVE",
            "physicalStatus": "ALIVE",
        }
        (record,) = await disclosed()
        assert (record["operation"], record["subjects"]) == ("population.osia_read_person", [MOTHER])
        assert sorted(record["field_groups"]) == ["death_or_missing_date", "personal_id"]

    @pytest.mark.parametrize(
        ("status", "physical"), [("DECEASED", "DEAD"), ("DECLARED_DEAD", "DEAD"), ("MISSING", "ALIVE")]
    )
    async def test_whom_the_law_holds_for_dead_is_dead(
        self, client, as_registry, add_person, judge, status, physical
    ):
        from datetime import date

        await add_person(MOTHER, life_status=status, death_or_missing_date=date(2026, 1, 2))
        reply = await client.get(f"{BASE}/{MOTHER}?{T}", headers=as_registry())
        assert judge("pr", "readPerson", reply)["physicalStatus"] == physical

    async def test_a_former_number_is_inactive_and_leads_on(
        self, client, as_registry, add_person, judge, session
    ):
        await add_person(MOTHER)
        await session.execute(
            text(
                "INSERT INTO former_personal_ids"
                " SELECT '079190000777', person_id, :n, 'WRONG_ENTRY', '{}', 't'"
                " FROM persons WHERE personal_id = :n"
            ),
            {"n": MOTHER},
        )
        await session.commit()
        reply = await client.get(f"{BASE}/079190000777?{T}", headers=as_registry())
        found = judge("pr", "readPerson", reply)
        assert (found["personId"], found["status"]) == (MOTHER, "INACTIVE")

    async def test_nobody_and_who_lives_elsewhere_are_404(
        self, client, as_registry, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = as_registry(provinces=("01",))
        for number in (MOTHER, NOBODY):
            for path, operation in (
                ("", "readPerson"),
                ("/identities", "readIdentities"),
                ("/identities/1", "readIdentity"),
                ("/reference", "readReference"),
            ):
                reply = await client.get(f"{BASE}/{number}{path}?{T}", headers=headers)
                assert reply.status_code == 404
                judge("pr", operation, reply)
        assert {r["outcome"] for r in await disclosed()} == {"NOT_FOUND"}
        assert len(await disclosed()) == 8

    async def test_a_transaction_is_named_and_not_by_a_number(self, client, as_registry, judge):
        for query in ("", f"?transactionId={MOTHER}"):
            reply = await client.get(f"{BASE}/{MOTHER}{query}", headers=as_registry())
            assert judge("pr", "readPerson", reply)["code"] == 1000


class TestIdentities:
    async def test_versions_show_what_the_agreement_covers_and_no_other_change(
        self, client, as_registry, add_person, patch, judge, disclosed
    ):
        await add_person(MOTHER, ethnicity_code="01")
        assert (await patch(as_registry(), {"firstName": "Thị Hoa"})).status_code == 204
        assert (await patch(as_registry(), {"ethnicity": "02"}, version=2)).status_code == 204
        everything = await client.get(f"{BASE}/{MOTHER}/identities?{T}", headers=as_registry())
        found = judge("pr", "readIdentities", everything)
        assert [(i["identityId"], i["status"]) for i in found] == [
            ("1", "INVALID"),
            ("2", "INVALID"),
            ("3", "VALID"),
        ]
        assert [i["biographicData"]["firstName"] for i in found] == ["Thị Hoà", "Thị Hoa", "Thị Hoa"]
        assert found[1]["contextualData"] == {
            "kind": "CORRECTION",
            "effectiveFrom": "1990-05-17",
            "sourceAgency": "G02",
        }
        narrow = as_registry([FieldGroup.BIRTH_NAME])
        shown = judge(
            "pr", "readIdentities", await client.get(f"{BASE}/{MOTHER}/identities?{T}", headers=narrow)
        )
        assert [i["identityId"] for i in shown] == ["1", "2"]
        assert set(shown[0]["biographicData"]) == {"firstName", "lastName", "fullName"}
        record = (await disclosed())[-1]
        assert (record["field_groups"], record["subjects"]) == (["birth_name"], [MOTHER])
        reference = await client.get(f"{BASE}/{MOTHER}/reference?{T}", headers=narrow)
        assert judge("pr", "readReference", reference) == shown[-1]
        for number, status in (("3", 200), ("4", 404), ("0", 404), ("x", 400)):
            one = await client.get(f"{BASE}/{MOTHER}/identities/{number}?{T}", headers=narrow)
            assert one.status_code == status
            found = judge("pr", "readIdentity", one)
            if status == 200:
                assert found == shown[-1]
        assert [r["outcome"] for r in await disclosed()][-3:] == ["DISCLOSED", "NOT_MATCHED", "NOT_MATCHED"]

    async def test_an_agreement_that_covers_nothing_of_it_is_refused(
        self, client, as_registry, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = as_registry([FieldGroup.HOUSEHOLD])
        for path, operation in (("/identities", "readIdentities"), ("/reference", "readReference")):
            reply = await client.get(f"{BASE}/{MOTHER}{path}?{T}", headers=headers)
            assert judge("pr", operation, reply)["code"] == "field-group-not-covered"
        assert await disclosed() == []

    async def test_consent_is_asked_for_where_the_agreement_does(
        self, client, as_registry, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = as_registry(conditions=Conditions(consent_required=True))
        for path, operation in (("", "readPerson"), ("/reference", "readReference")):
            reply = await client.get(f"{BASE}/{MOTHER}{path}?{T}", headers=headers)
            assert judge("pr", operation, reply)["code"] == "consent-missing"
        assert await disclosed() == []


class TestPartialUpdateIdentity:
    async def test_a_change_leaves_history_event_and_record_and_is_no_change_twice(
        self, as_registry, add_person, patch, judge, disclosed, emitted
    ):
        await add_person(MOTHER, ethnicity_code="01")
        for _ in range(2):
            reply = await patch(as_registry(), {"lastName": "Trần", "firstName": "Thị Hoa"})
            assert reply.status_code == 204, reply.text
            judge("pr", "partialUpdateIdentity", reply)
        (event,) = [e for e in await emitted() if e["type"] == "population.person-changed.v1"]
        assert event["data"]["changed"] == ["birth_name"]
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED", "MATCHED"]

    async def test_it_is_decided_on_the_version_that_was_seen(
        self, as_registry, add_person, patch, judge, disclosed
    ):
        await add_person(MOTHER, ethnicity_code="01")
        assert (await patch(as_registry(), {"ethnicity": "02"})).status_code == 204
        late = await patch(as_registry(), {"ethnicity": "03"})
        assert judge("pr", "partialUpdateIdentity", late)["code"] == 1008
        # Who is not concerned with the ethnicity has seen the last version all the same.
        narrow = as_registry([FieldGroup.BIRTH_NAME])
        assert (await patch(narrow, {"firstName": "Thị Hoa"})).status_code == 204
        unknown = await patch(as_registry(), {"ethnicity": "03"}, version=9)
        assert unknown.status_code == 404
        # What a refusal tells of the person is recorded as well.
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED"] * 4

    async def test_another_source_is_named_and_no_group_goes_round_the_agreement(
        self, as_registry, add_person, patch, judge, agree, as_agency, disclosed
    ):
        await add_person(MOTHER)
        outside = await patch(as_registry([FieldGroup.BIRTH_DATE]), {"firstName": "Hoa"})
        assert judge("pr", "partialUpdateIdentity", outside)["code"] == "field-group-not-covered"
        legacy = await patch(as_registry(), {"previousIdNumber": "123456789"})
        assert judge("pr", "partialUpdateIdentity", legacy)["code"] == "source-of-truth-elsewhere"
        nobody = await patch(as_registry(), {"firstName": "Hoa"}, person=NOBODY)
        assert nobody.status_code == 404
        # Each refusal tells whether there is such a person.
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED", "NOT_MATCHED", "NOT_FOUND"]

    async def test_what_does_not_fit_has_the_error_body_and_no_value_in_it(
        self, as_registry, add_person, patch, judge, client
    ):
        await add_person(MOTHER)
        later = {"kind": "CHANGE", "effectiveFrom": "2026-01-05", **DOCUMENT}
        assert (await patch(as_registry(), {"firstName": "Thị Hoa"}, context=later)).status_code == 204
        earlier = {**later, "effectiveFrom": "2025-01-05"}
        for values, context, code in (
            ({"shoeSize": 38}, CORRECTION, 1023),
            ({"uin": OTHER}, CORRECTION, 1009),
            ({"permanentAddress": "1 Lê Lợi"}, CORRECTION, 1009),
            ({"gender": 7}, CORRECTION, 1006),
            ({"gender": None}, CORRECTION, 1000),
            ({"dateOfBirth": "1991-05-17"}, CORRECTION, 1008),
            ({"firstName": "Thị Hạ"}, earlier, 1008),
            ({"firstName": "Thị Hạ"}, {"kind": "CHANGE", **DOCUMENT}, 1000),
            ({"firstName": "Thị Hạ"}, {"kind": "CHANGE"}, 1000),
            ({}, CORRECTION, 1000),
        ):
            reply = await patch(as_registry(), values, version=2, context=context)
            assert reply.status_code == 400, reply.text
            assert judge("pr", "partialUpdateIdentity", reply)["code"] == code
            assert "Hạ" not in reply.text
        body = {"biographicData": {"ethnicity": "02"}, "contextualData": CORRECTION, "galleries": ["G1"]}
        galleries = await client.patch(f"{BASE}/{MOTHER}/identities/2?{T}", json=body, headers=as_registry())
        assert judge("pr", "partialUpdateIdentity", galleries)["code"] == 1000
        named = {"biographicData": {"ethnicity": "02"}, "contextualData": CORRECTION, OTHER: "x"}
        strange = await client.patch(f"{BASE}/{MOTHER}/identities/2?{T}", json=named, headers=as_registry())
        assert judge("pr", "partialUpdateIdentity", strange)["code"] == 1000
        assert OTHER not in strange.text
        no_case = as_registry()
        del no_case["NDX-Case-Id"]
        assert "case" in (await patch(no_case, {"ethnicity": "02"}, version=2)).text.lower()


class TestMergePerson:
    @pytest.fixture
    async def two(self, add_person):
        await add_person(MOTHER, sex="FEMALE")
        await add_person(OTHER, sex="FEMALE")

    async def decide(self, client, headers, told, verdict):
        path = told["message"].rsplit("POST ", 1)[1]
        return await client.post(path, json={"verdict": verdict}, headers=headers)

    async def test_one_officer_proposes_another_decides_elsewhere_and_then_it_is_done(
        self, client, as_registry, two, judge, disclosed, session
    ):
        url = f"{BASE}/{MOTHER}/merge/{OTHER}?{T}"
        first, second = as_registry(officer="HT-1"), as_registry(officer="HT-2")
        told = judge("pr", "mergePerson", await client.post(url, headers=first))
        assert told["code"] == 1012
        # Neither a repetition nor another officer's call by this door is the second half.
        for headers in (first, second):
            again = judge("pr", "mergePerson", await client.post(url, headers=headers))
            assert again == told
        assert await session.scalar(text("SELECT count(*) FROM person_mergers")) == 1
        await session.rollback()
        assert (await self.decide(client, first, told, "APPROVE")).json()["code"] == "second-officer-needed"
        assert (await self.decide(client, second, told, "APPROVE")).json()["state"] == "DONE"
        done = await client.post(url, headers=first)
        assert done.status_code == 204
        judge("pr", "mergePerson", done)
        assert all({MOTHER, OTHER} >= set(r["subjects"]) for r in await disclosed())
        merged = judge("pr", "readPerson", await client.get(f"{BASE}/{OTHER}?{T}", headers=first))
        assert (merged["personId"], merged["status"]) == (MOTHER, "INACTIVE")
        reference = await client.get(f"{BASE}/{OTHER}/reference?{T}", headers=first)
        assert judge("pr", "readReference", reference)["status"] == "REVOKED"

    async def test_a_rejection_stands_for_its_dossier(self, client, as_registry, two, judge):
        url = f"{BASE}/{MOTHER}/merge/{OTHER}?{T}"
        first, second = as_registry(officer="HT-1"), as_registry(officer="HT-2")
        told = judge("pr", "mergePerson", await client.post(url, headers=first))
        await self.decide(client, second, told, "REJECT")
        assert judge("pr", "mergePerson", await client.post(url, headers=first))["code"] == 1013
        other = await client.post(url, headers=as_registry(case="HS-2"))
        assert judge("pr", "mergePerson", other)["code"] == 1012

    async def test_what_cannot_be_is_refused_in_the_files_words(
        self, client, as_registry, two, judge, session
    ):
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_personal_id, source)"
                " VALUES (:a, 'MOTHER', :b, 't')"
            ),
            {"a": MOTHER, "b": OTHER},
        )
        await session.commit()
        for target, source, status in ((MOTHER, OTHER, 409), (MOTHER, NOBODY, 404), (MOTHER, MOTHER, 400)):
            reply = await client.post(f"{BASE}/{target}/merge/{source}?{T}", headers=as_registry())
            assert reply.status_code == status
            judge("pr", "mergePerson", reply)


class TestFindPersons:
    def by(self, **values):
        return [{"attributeName": n, "operator": "=", "value": v} for n, v in values.items()]

    async def test_numbers_come_with_their_version_and_a_record_of_each(
        self, client, as_registry, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        body = self.by(lastName="trần", firstName="thị hoà", dateOfBirth="1990")
        found = await client.post(f"{BASE}?{T}", json=body, headers=as_registry())
        assert judge("pr", "findPersons", found) == [{"personId": MOTHER, "identityId": "1"}]
        grouped = await client.post(f"{BASE}?{T}&group=true&reference=true", json=body, headers=as_registry())
        assert judge("pr", "findPersons", grouped) == [{"personId": MOTHER}]
        nobody = self.by(lastName="Trần", firstName="Văn Không", dateOfBirth="1950")
        empty = await client.post(f"{BASE}?{T}", json=nobody, headers=as_registry())
        assert judge("pr", "findPersons", empty) == []
        assert [r["outcome"] for r in await disclosed()] == ["DISCLOSED", "DISCLOSED", "NOT_FOUND"]

    async def test_what_is_no_search_is_refused(self, client, as_registry, judge, disclosed):
        born = {"attributeName": "dateOfBirth", "operator": "<", "value": "1990-12-31"}
        for query, body, code in (
            (T, [*self.by(fullName="Trần Hoà"), born], 1004),
            (T, self.by(fullName="Trần Hoà"), 1002),
            (T, self.by(uin=MOTHER), 1002),
            (T, self.by(shoeSize=38), 1023),
            (f"{T}&reference=false", self.by(fullName="Trần Hoà", dateOfBirth="1990"), 1002),
            (f"{T}&gallery=VIP", self.by(fullName="Trần Hoà", dateOfBirth="1990"), 1021),
            ("", self.by(fullName="Trần Hoà", dateOfBirth="1990"), 1000),
        ):
            reply = await client.post(f"{BASE}?{query}", json=body, headers=as_registry())
            assert reply.status_code == 400, reply.text
            assert judge("pr", "findPersons", reply)["code"] == code
        assert await disclosed() == []
