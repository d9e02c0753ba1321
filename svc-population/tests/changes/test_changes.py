"""A person's record is changed by whom the law names, once, with its source, and never unseen."""

import asyncio
from datetime import date
from typing import Any

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from ndx_contracts.population import Sex
from sqlalchemy import text
from svc_population.changes.rules import Facts, contradictions
from svc_population.changes.schemas import CHANGEABLE
from svc_population.changes.source_of_truth import Wish, sources
from svc_population.persons.vocabulary import ChangeKind

MOTHER = "079190000011"
URL = f"/population/v1/persons/{MOTHER}"
DOCUMENT = {"kind": "decision", "number": "12/QĐ", "issued_by": "UBND", "issued_on": "2026-11-02"}


def change(effective_from: str | None = "2026-11-01", kind: str = "CHANGE", **groups: Any) -> dict[str, Any]:
    body = {"kind": kind, "document": DOCUMENT, "changes": groups}
    return body if effective_from is None else {**body, "effective_from": effective_from}


def correction(effective_from: str | None = None, **groups: Any) -> dict[str, Any]:
    return change(effective_from, "CORRECTION", **groups)


@pytest.fixture
def police(agree, as_agency):
    agree("G01", {"population.change_person": list(CHANGEABLE)}, purposes=["RESIDENCE_MANAGEMENT"])
    return as_agency(
        "G01", purpose="RESIDENCE_MANAGEMENT", If_Match='"1"', NDX_Case_Id="HS-1", NDX_Officer="CA-7"
    )


@pytest.fixture
def justice(agree, as_agency):
    agree("G02", {"population.change_person": list(CHANGEABLE)}, purposes=["CIVIL_REGISTRATION"])
    return as_agency("G02", purpose="CIVIL_REGISTRATION", If_Match='"1"', NDX_Case_Id="HS-2")


async def row(session, personal_id=MOTHER):
    found = await session.execute(text("SELECT * FROM persons WHERE personal_id = :n"), {"n": personal_id})
    return found.mappings().one()


class TestChangePerson:
    async def test_new_values_stand_with_their_history_event_audit_and_record(
        self, client, police, add_person, session, emitted, disclosed
    ):
        await add_person(MOTHER, phone="0900000001")
        reply = await client.patch(
            URL, json=change(religion="Phật giáo", contact={"phone": "0900000002"}), headers=police
        )
        assert reply.status_code == 200, reply.text
        assert reply.json() == {"version": 2, "changed": ["religion", "contact"]}
        assert reply.headers["etag"] == '"2"'
        assert (await row(session))["phone"] == "0900000002"
        history = (await session.execute(text("SELECT * FROM person_history"))).mappings().one()
        assert (history["version"], history["valid_from"], history["kind"]) == (
            2,
            date(2026, 11, 1),
            "CHANGE",
        )
        assert history["before"]["phone"] == "0900000001"
        assert (history["source_agency"], history["case_id"], history["officer"]) == ("G01", "HS-1", "CA-7")
        assert history["document"] == DOCUMENT
        (event,) = await emitted()
        assert event["type"] == "population.person-changed.v1"
        assert (event["data"]["version"], event["data"]["changed"]) == (2, ["religion", "contact"])
        assert "0900000002" not in str(event)
        (record,) = await disclosed()
        assert (record["outcome"], record["field_groups"]) == ("NOT_MATCHED", ["contact", "religion"])
        audit = (await session.execute(text("SELECT * FROM audit_entries"))).mappings().one()
        assert (audit["action"], audit["case_id"]) == ("person_changed", "HS-1")

    async def test_what_the_record_says_already_is_no_change_even_on_an_old_version(
        self, client, police, add_person, session, emitted, disclosed
    ):
        await add_person(MOTHER)
        body = change(contact={"phone": "0900000002"})
        assert (await client.patch(URL, json=body, headers=police)).json()["version"] == 2
        again = await client.patch(URL, json=body, headers=police)
        assert (again.status_code, again.json()) == (200, {"version": 2, "changed": []})
        assert len(await emitted()) == 1
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED", "MATCHED"]

    @pytest.mark.parametrize("if_match", [None, "", "*", "abc"])
    async def test_a_change_without_a_version_is_refused(self, client, police, add_person, if_match):
        await add_person(MOTHER)
        headers = {k: v for k, v in police.items() if k != "If-Match"}
        headers |= {} if if_match is None else {"If-Match": if_match}
        reply = await client.patch(URL, json=change(religion="Phật giáo"), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (428, "person-version-missing")

    async def test_of_two_changes_decided_on_one_version_one_wins(
        self, client, police, add_person, session, emitted
    ):
        await add_person(MOTHER)
        bodies = [change(contact={"phone": f"090000000{n}"}) for n in range(5)]
        replies = await asyncio.gather(*(client.patch(URL, json=b, headers=police) for b in bodies))
        assert sorted(r.status_code for r in replies) == [200, 412, 412, 412, 412]
        lost = next(r for r in replies if r.status_code == 412)
        assert lost.json()["code"] == "person-version-conflict"
        won = bodies[[r.status_code for r in replies].index(200)]
        found = await row(session)
        assert (found["version"], found["phone"]) == (2, won["changes"]["contact"]["phone"])
        assert len(await emitted()) == 1

    async def test_every_changeable_group_is_read_back_as_it_was_written(
        self, client, police, justice, insurer, add_person
    ):
        await add_person(MOTHER)
        groups: dict[str, Any] = {
            "birth_name": {"surname": "Trần", "middle_name": None, "given_name": "Hoa"},
            "birth_date": "1990-06-01",
            "sex": "FEMALE",
            "birth_place": {"commune_code": None, "text": "Bệnh viện Từ Dũ"},
            "birth_registration_place": {"province_code": "79", "commune_code": "26740"},
            "home_town": {"province_code": "01", "text": "Hà Nội"},
            "ethnicity": "02",
            "nationality": "VN",
            "marital_status": "MARRIED",
        }
        mine: dict[str, Any] = {
            "other_name": "Hoa Hồng",
            "religion": "Phật giáo",
            "blood_group": "AB+",
            "legacy_id_number": "012345678",
            "card_history": [
                {"kind": "CCCD", "issued_on": "2021-05-01", "issued_at": "Cục", "valid_to": "2030-05-17"}
            ],
            "contact": {"phone": "0900000002", "email": "hoa@example.vn"},
            "other_information": {"note": "x"},
        }
        # The end of a life is changed by a court or taken back; the tests below do.
        assert {*groups, *mine, "death_or_missing_date"} == {g.value for g in CHANGEABLE}
        first = await client.patch(URL, json=correction(**groups), headers=justice)
        assert first.status_code == 200, first.text
        second = await client.patch(URL, json=correction(**mine), headers={**police, "If-Match": "2"})
        assert second.status_code == 200, second.text
        names = ",".join({**groups, **mine})
        read = await client.get(f"{URL}?fields={names}", headers=insurer)
        assert read.json() == {**groups, **mine}
        assert read.headers["etag"] == '"3"'

    async def test_null_empties_a_group_and_what_is_left_out_stays(self, client, police, add_person, session):
        await add_person(MOTHER, phone="0900000001", religion="Phật giáo")
        reply = await client.patch(URL, json=change(religion=None), headers=police)
        assert reply.json()["changed"] == ["religion"]
        found = await row(session)
        assert (found["religion"], found["phone"]) == (None, "0900000001")

    async def test_a_group_outside_the_agreement_or_a_person_outside_its_scope_is_refused(
        self, client, agree, as_agency, add_person, disclosed
    ):
        agree(
            "G01",
            {"population.change_person": [FieldGroup.RELIGION]},
            purposes=["RESIDENCE_MANAGEMENT"],
            admin_scope=AdminScope(provinces=("01",)),
        )
        headers = as_agency("G01", purpose="RESIDENCE_MANAGEMENT", If_Match="1")
        await add_person(MOTHER)
        reply = await client.patch(URL, json=change(contact=None), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        reply = await client.patch(URL, json=change(religion=None), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (404, "person-not-found")
        (record,) = await disclosed()
        assert record["outcome"] == "NOT_FOUND"

    async def test_an_agency_that_is_not_the_source_is_sent_to_reconciliation(
        self, client, police, add_person, session
    ):
        await add_person(MOTHER)
        reply = await client.patch(URL, json=change(marital_status="MARRIED"), headers=police)
        assert (reply.status_code, reply.json()["code"]) == (403, "source-of-truth-elsewhere")
        assert "marital_status: G02" in reply.json()["detail"]
        assert (await row(session))["version"] == 1

    async def test_a_correction_needs_a_case(self, client, justice, add_person):
        await add_person(MOTHER)
        headers = {k: v for k, v in justice.items() if k != "NDX-Case-Id"}
        reply = await client.patch(URL, json=correction(ethnicity="02"), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (400, "case-missing")

    async def test_a_new_fact_older_than_a_known_one_needs_a_correction(
        self, client, police, add_person, session
    ):
        await add_person(MOTHER)
        await client.patch(URL, json=change(religion="Phật giáo"), headers=police)
        older = {"effective_from": "2020-01-01", "religion": "Công giáo"}
        headers = {**police, "If-Match": "2"}
        reply = await client.patch(URL, json=change(**older), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (409, "later-change-known")
        reply = await client.patch(URL, json=correction(**older), headers=headers)
        assert reply.status_code == 200, reply.text

    @pytest.mark.parametrize(
        ("groups", "field"),
        [
            ({"birth_date": "1991-05-17"}, "body.changes.birth_date"),
            ({"sex": "MALE"}, "body.changes.sex"),
            (
                {"birth_registration_place": {"province_code": "01"}},
                "body.changes.birth_registration_place",
            ),
        ],
    )
    async def test_what_the_number_is_made_of_changes_with_the_number_only(
        self, client, justice, add_person, groups, field
    ):
        await add_person(MOTHER)
        reply = await client.patch(URL, json=correction(**groups), headers=justice)
        assert (reply.status_code, reply.json()["code"]) == (409, "personal-id-decides")
        assert [e["field"] for e in reply.json()["errors"]] == [field]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (change("2999-01-01", religion="x"), "in-the-future"),
            (change("1980-01-01", religion="x"), "before-birth"),
            (change(), "value_error"),
            (change(None, religion="x"), "value_error"),
            (change(religion=""), "string_too_short"),
            (change(religion="Phật\x00giáo"), "value_error"),
            (change(other_information={"note": "\x00"}), "value_error"),
            (change(permanent_residence={}), "extra_forbidden"),
            (change(blood_group="C"), "string_pattern_mismatch"),
            (change(legacy_id_number="12345678"), "string_pattern_mismatch"),
            (change(contact={"email": "a b@c"}), "string_pattern_mismatch"),
            (
                change(card_history=[{"kind": "CCCD", "issued_on": "1980-01-01"}]),
                "impossible-date",
            ),
            (
                change(card_history=[{"kind": "CCCD", "issued_on": "2020-01-01"}] * 2),
                "value_error",
            ),
        ],
    )
    async def test_impossible_input_is_refused_by_name(self, client, police, add_person, body, code):
        await add_person(MOTHER)
        reply = await client.patch(URL, json=body, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        assert code in [e["code"] for e in reply.json()["errors"]]

    async def test_missing_by_a_court_and_back_again(self, client, justice, add_person, session):
        await add_person(MOTHER)
        missing = {"status": "MISSING", "date": "2026-10-01"}
        reply = await client.patch(URL, json=change(death_or_missing_date=missing), headers=justice)
        assert reply.status_code == 200, reply.text
        assert (await row(session))["life_status"] == "MISSING"
        reply = await client.patch(
            URL, json=change(death_or_missing_date=None), headers={**justice, "If-Match": "2"}
        )
        assert reply.json()["changed"] == ["death_or_missing_date"]
        dead = {"status": "DECEASED", "date": "2026-10-01"}
        reply = await client.patch(
            URL, json=change(death_or_missing_date=dead), headers={**justice, "If-Match": "3"}
        )
        assert [e["code"] for e in reply.json()["errors"]] == ["death-not-registered"]


class TestTheDead:
    @pytest.fixture(autouse=True)
    async def _dead(self, add_person):
        await add_person(MOTHER, life_status="DECEASED", death_or_missing_date=date(2026, 1, 5))

    async def test_the_record_is_locked(self, client, police):
        reply = await client.patch(URL, json=change(religion="Phật giáo"), headers=police)
        assert (reply.status_code, reply.json()["code"]) == (409, "person-locked")

    async def test_only_the_lawful_agency_corrects_it(self, client, police, justice, session):
        name = {"surname": "Trần", "given_name": "Hoa"}
        reply = await client.patch(URL, json=correction(birth_name=name), headers=police)
        assert (reply.status_code, reply.json()["code"]) == (403, "source-of-truth-elsewhere")
        reply = await client.patch(URL, json=correction(birth_name=name), headers=justice)
        assert reply.status_code == 200, reply.text
        found = await row(session)
        assert (found["given_name"], found["life_status"]) == ("Hoa", "DECEASED")

    async def test_a_death_registered_of_the_wrong_person_is_taken_back(
        self, client, justice, session, emitted
    ):
        reply = await client.patch(URL, json=correction(death_or_missing_date=None), headers=justice)
        assert reply.status_code == 200, reply.text
        assert (await row(session))["life_status"] == "ALIVE"
        # Whoever acts on deaths hears of it as of a cancelled one.
        told = [e for e in await emitted() if e["type"] == "population.person-death-cancelled.v1"]
        assert [(e["data"]["died_on"], e["data"]["version"]) for e in told] == [("2026-01-05", 2)]

    @pytest.mark.parametrize("status", [None, {"status": "MISSING", "date": "2026-01-05"}])
    async def test_a_death_that_stands_in_the_civil_registry_is_cancelled_there_only(
        self, client, justice, session, emitted, status
    ):
        await session.execute(
            text(
                "INSERT INTO registered_deaths (death_id, personal_id, died_on, source)"
                " VALUES (uuidv7(), :n, '2026-01-05', 'X26740:death')"
            ),
            {"n": MOTHER},
        )
        await session.commit()
        reply = await client.patch(URL, json=correction(death_or_missing_date=status), headers=justice)
        assert (reply.status_code, reply.json()["code"]) == (409, "death-is-registered")
        assert (await row(session))["life_status"] == "DECEASED"
        assert await emitted() == []
        # What else was wrong, the day among it, is corrected as before.
        day = {"status": "DECEASED", "date": "2026-01-04"}
        reply = await client.patch(URL, json=correction(death_or_missing_date=day), headers=justice)
        assert reply.status_code == 200, reply.text

    async def test_a_death_on_another_day_is_told_with_that_day(self, client, justice, emitted):
        day = {"status": "DECEASED", "date": "2026-01-04"}
        reply = await client.patch(URL, json=correction(death_or_missing_date=day), headers=justice)
        assert reply.status_code == 200, reply.text
        told = [e for e in await emitted() if e["type"] == "population.person-deceased.v1"]
        assert [(e["data"]["died_on"], e["data"]["version"]) for e in told] == [("2026-01-04", 2)]


class TestCardsFollowTheNumber:
    async def test_a_re_established_number_keeps_its_cards(
        self, client, police, registry, insurer, add_person
    ):
        await add_person(MOTHER)
        card = {"kind": "CCCD", "issued_on": "2021-05-01", "issued_at": None, "valid_to": None}
        assert (await client.patch(URL, json=change(card_history=[card]), headers=police)).status_code == 200
        cancelled = await client.post(
            f"/population/v1/personal-ids/{MOTHER}/cancel",
            json={
                "cause": "BIRTH_YEAR_CORRECTED",
                "decision": {"number": "1", "decided_on": "2026-11-01", "decided_by": "C06"},
                "valid_from": "2026-11-01",
                "birth_date": "1991-05-17",
            },
            headers=registry,
        )
        assert cancelled.status_code == 200, cancelled.text
        read = await client.get(f"{URL}?fields=card_history", headers=insurer)
        assert read.json()["card_history"] == [card]


class TestSourcesOfTruth:
    async def test_any_agency_sees_the_table(self, client, as_agency):
        reply = await client.get("/population/v1/sources-of-truth", headers=as_agency("B01"))
        assert reply.status_code == 200
        one = next(i for i in reply.json()["items"] if i["field_group"] == "blood_group")
        assert (one["agency"], one["verified"]) == ("G01", False)

    def test_every_group_of_article_9_has_a_source(self):
        assert {s.group for s in sources()} == POPULATION_GROUPS

    def test_a_rule_holds_in_its_period_only(self):
        wish = Wish("G01", "", ChangeKind.CHANGE, of_the_dead=False, day=date(2021, 6, 30))
        assert wish.groups_elsewhere([FieldGroup.HOUSEHOLD]) == {FieldGroup.HOUSEHOLD: []}

    def test_a_value_that_mends_a_number_of_wrong_structure_is_no_contradiction(self):
        facts = Facts(MOTHER, date(1991, 5, 17), "ALIVE")
        assert contradictions({FieldGroup.BIRTH_DATE: date(1990, 5, 17)}, facts) == []
        assert contradictions({FieldGroup.SEX: Sex.FEMALE.value}, facts) == []
        assert len(contradictions({FieldGroup.BIRTH_DATE: date(1992, 5, 17)}, facts)) == 1


class TestChangesBesideOthers:
    async def test_a_change_beside_a_re_established_number_is_made_before_or_after_it(
        self, client, police, registry, add_person, session
    ):
        """The row moves to another partition while others wait for it."""
        cancellation = {
            "cause": "BIRTH_YEAR_CORRECTED",
            "decision": {"number": "1", "decided_on": "2026-11-01", "decided_by": "C06"},
            "valid_from": "2026-11-01",
            "birth_date": "1991-05-17",
        }
        for turn in range(6):
            number = f"07919000{turn:04}"
            await add_person(number, sex="FEMALE")
            url = f"/population/v1/persons/{number}"
            bodies = [change(contact={"phone": f"090000000{n}"}) for n in range(4)]
            cancelled, *replies = await asyncio.gather(
                client.post(
                    f"/population/v1/personal-ids/{number}/cancel", json=cancellation, headers=registry
                ),
                *(client.patch(url, json=b, headers=police) for b in bodies),
            )
            assert cancelled.status_code in {200, 503}, cancelled.text
            assert {r.status_code for r in replies} <= {200, 412, 503}, [r.text for r in replies]
            statement = text(
                "SELECT version FROM persons WHERE personal_id LIKE '07919%' AND source <> 'test'"
            )
            assert (await session.scalars(statement)).all()
            await session.rollback()
