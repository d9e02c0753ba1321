"""Data access by OSIA: the file's answers, our agreements, records and limits."""

import asyncio
from datetime import date

import pytest
from ndx_contracts.agreements import AdminScope, Conditions
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup

MOTHER, NOBODY = "079190000011", "079190999999"
BASE = "/population/osia/dataaccess/v1/persons"
OPERATIONS = (
    "osia_query_person_list",
    "osia_read_person_attributes",
    "osia_match_person_attributes",
    "osia_verify_person_attributes",
)
FOUND_BY = {"lastName": "trần", "firstName": "thị hoà", "dateOfBirth": "1990-05-17"}


@pytest.fixture
def agency(agree, as_agency):
    """Make headers of an agency that may use every operation, with these groups in these places."""

    def make(groups=None, conditions=None, **scope):
        everything = [g for g in FieldGroup if g in POPULATION_GROUPS]
        agree(
            "G03",
            {f"population.{name}": everything if groups is None else groups for name in OPERATIONS},
            purposes=["SOCIAL_INSURANCE"],
            admin_scope=AdminScope(**scope),
            conditions=conditions or Conditions(),
        )
        return as_agency("G03", system="insurance-link", purpose="SOCIAL_INSURANCE")

    return make


class TestReadPersonAttributes:
    async def test_named_attributes_come_with_a_record_of_what_they_tell(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        names = ["firstName", "lastName", "fullName", "dateOfBirth", "gender", "status", "uin", "shoeSize"]
        reply = await client.get(
            f"{BASE}/{MOTHER}", params={"attributeNames": [*names, "dateOfDeath"]}, headers=agency()
        )
        assert judge("dataaccess", "readPersonAttributes", reply) == {
            "firstName": "Thị Hoà",
            "lastName": "Trần",
            "fullName": "Trần Thị Hoà",
            "dateOfBirth": "1990-05-17",
            "gender": "2",
            "status": "alive",
            "uin": MOTHER,
            "shoeSize": {"code": 1023, "message": "Unknown attribute name"},
            "dateOfDeath": {"code": 1024, "message": "No value"},
        }
        assert reply.headers["cache-control"] == "no-store"
        (record,) = await disclosed()
        assert (record["subjects"], record["outcome"]) == ([MOTHER], "DISCLOSED")
        assert record["operation"] == "population.osia_read_person_attributes"
        groups = ["birth_date", "birth_name", "death_or_missing_date", "personal_id", "sex"]
        assert sorted(record["field_groups"]) == groups

    async def test_nobody_and_who_lives_elsewhere_are_the_same_404_and_recorded(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = agency(provinces=("01",))
        for number in (MOTHER, NOBODY):
            reply = await client.get(f"{BASE}/{number}?attributeNames=gender", headers=headers)
            assert reply.status_code == 404
            assert judge("dataaccess", "readPersonAttributes", reply) is None
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND", "NOT_FOUND"]

    async def test_what_the_agreement_leaves_out_is_refused_by_name(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = agency(groups=[FieldGroup.BIRTH_NAME])
        reply = await client.get(
            f"{BASE}/{MOTHER}", params={"attributeNames": ["firstName", "spouseName"]}, headers=headers
        )
        assert reply.status_code == 403
        found = judge("dataaccess", "readPersonAttributes", reply)
        assert (found["code"], "family_relations" in found["detail"]) == ("field-group-not-covered", True)
        assert await disclosed() == []

    async def test_an_unclear_request_has_the_error_body_and_no_value_in_it(self, client, agency, judge):
        for path in (f"/{MOTHER}", "/12345?attributeNames=uin", f"/{MOTHER}?attributeNames="):
            reply = await client.get(BASE + path, headers=agency())
            assert reply.status_code == 400
            assert judge("dataaccess", "readPersonAttributes", reply)["code"] == 1000
            assert "12345" not in reply.text

    async def test_consent_is_asked_for_where_the_agreement_does(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = agency(conditions=Conditions(consent_required=True))
        reply = await client.get(f"{BASE}/{MOTHER}?attributeNames=gender", headers=headers)
        assert judge("dataaccess", "readPersonAttributes", reply)["code"] == "consent-missing"
        assert await disclosed() == []


class TestQueryPersonList:
    async def test_numbers_come_and_each_person_shown_is_recorded(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        await add_person(
            "079190000099", surname="Trần", middle_name="Thị", given_name="Hòa", birth_date=date(1990, 5, 17)
        )
        reply = await client.get(BASE, params=FOUND_BY, headers=agency())
        assert judge("dataaccess", "queryPersonList", reply) == [MOTHER, "079190000099"]
        assert [r["subjects"] for r in await disclosed()] == [[MOTHER], ["079190000099"]]
        second = await client.get(BASE, params={**FOUND_BY, "offset": 1, "limit": 1}, headers=agency())
        assert judge("dataaccess", "queryPersonList", second) == ["079190000099"]

    async def test_named_attributes_come_as_records(self, client, agency, add_person, judge, disclosed):
        await add_person(MOTHER)
        asked = {**FOUND_BY, "gender": "2", "names": ["firstName", "permanentCommune", "dob"]}
        reply = await client.get(BASE, params=asked, headers=agency())
        assert judge("dataaccess", "queryPersonList", reply) == [
            {
                "firstName": "Thị Hoà",
                "permanentCommune": "26740",
                "dob": {"code": 1023, "message": "Unknown attribute name"},
            }
        ]
        (record,) = await disclosed()
        assert sorted(record["field_groups"]) == ["birth_date", "birth_name", "permanent_residence", "sex"]

    async def test_nobody_is_404_never_an_empty_list_and_recorded(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        for asked, headers in (
            ({**FOUND_BY, "dateOfBirth": "1971-01-02"}, agency()),
            ({**FOUND_BY, "offset": 1}, agency()),
            (FOUND_BY, agency(provinces=("01",))),
        ):
            reply = await client.get(BASE, params=asked, headers=headers)
            assert reply.status_code == 404
            judge("dataaccess", "queryPersonList", reply)
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"] * 3

    class TestMoreAtOnceThanConnections:
        @pytest.fixture
        def service_settings(self, service_settings):
            return {**service_settings, "database_pool_size": 2}

        async def test_each_is_told_that_nobody_fits(self, client, agency, disclosed):
            asked = [client.get(BASE, params=FOUND_BY, headers=agency()) for _ in range(6)]
            assert [reply.status_code for reply in await asyncio.gather(*asked)] == [404] * 6
            assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"] * 6

    async def test_what_is_no_search_is_refused_without_saying_what_was_sent(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        for asked, code in (
            ({"uin": MOTHER}, 1001),
            ({**FOUND_BY, "previousIdNumber": "024111222"}, 1001),
            ({**FOUND_BY, "secret": "x"}, 1023),
            ({**FOUND_BY, "maritalStatus": "SINGLE"}, 1002),
            ({"lastName": "Trần", "dateOfBirth": "1990"}, 1002),
            ({"lastName": "Trần", "firstName": "Hoà"}, 1002),
            ({**FOUND_BY, "dateOfBirth": "17/05/1990"}, 1002),
            ({**FOUND_BY, "gender": "M"}, 1006),
            ({**FOUND_BY, "firstName": ["Hoà", "Lan"]}, 1005),
            ({**FOUND_BY, "names": ["spouseName"]}, 1007),
            ({**FOUND_BY, "limit": "0"}, 1000),
            ({**FOUND_BY, "offset": "many"}, 1000),
            ({}, 1002),
        ):
            reply = await client.get(BASE, params=asked, headers=agency())
            assert reply.status_code == 400
            assert judge("dataaccess", "queryPersonList", reply)["code"] == code
            assert not any(v in reply.text for v in (MOTHER, "024111222", "17/05/1990", "Hoà"))
        assert await disclosed() == []

    async def test_searching_by_a_group_outside_the_agreement_is_refused(
        self, client, agency, add_person, judge
    ):
        await add_person(MOTHER)
        headers = agency(groups=[FieldGroup.PERSONAL_ID, FieldGroup.BIRTH_NAME])
        reply = await client.get(BASE, params=FOUND_BY, headers=headers)
        assert judge("dataaccess", "queryPersonList", reply)["code"] == "field-group-not-covered"

    async def test_names_and_dates_of_the_query_reach_no_log_and_no_metric(
        self, client, agency, add_person, capfd, caplog
    ):
        await add_person(MOTHER)
        for extra in ({}, {"uin": MOTHER}):
            await client.get(BASE, params={**FOUND_BY, **extra}, headers=agency())
        metrics = (await client.get("/metrics")).text
        written = "".join(capfd.readouterr()) + caplog.text + metrics
        assert "osia" in metrics
        for secret in ("trần", "tr%E1%BA%A7n", "1990-05-17", MOTHER):
            assert secret not in written


class TestMatchPersonAttributes:
    async def test_what_differs_is_named_and_what_is_unknown_has_its_own_number(
        self, client, agency, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        body = {
            "firstName": "THỊ HÒA",
            "lastName": "Trần",
            "dateOfBirth": "1990-05-18",
            "gender": 2,
            "eyeColour": "brown",
        }
        reply = await client.post(f"{BASE}/{MOTHER}/match", json=body, headers=agency())
        assert judge("dataaccess", "matchPersonAttributes", reply) == [
            {"attributeName": "dateOfBirth", "errorCode": 1},
            {"attributeName": "eyeColour", "errorCode": 0},
        ]
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"]) == ("NOT_MATCHED", [MOTHER])
        assert sorted(record["field_groups"]) == ["birth_date", "birth_name", "sex"]

    async def test_an_empty_list_is_a_match(self, client, agency, add_person, judge, disclosed):
        await add_person(MOTHER)
        body = {"fullName": "Trần Thị Hòa", "status": "alive", "permanentCommune": "26740"}
        reply = await client.post(f"{BASE}/{MOTHER}/match", json=body, headers=agency())
        assert judge("dataaccess", "matchPersonAttributes", reply) == []
        assert [r["outcome"] for r in await disclosed()] == ["MATCHED"]

    async def test_guessing_is_stopped_across_this_facade_and_our_own_verification(
        self, client, agency, insurer, add_person, judge
    ):
        await add_person(MOTHER)
        headers = agency()
        for day in (1, 2, 3):
            wrong = {"dateOfBirth": f"1990-05-0{day}"}
            reply = await client.post(f"{BASE}/{MOTHER}/match", json=wrong, headers=headers)
            assert judge("dataaccess", "matchPersonAttributes", reply)
        right = {"dateOfBirth": "1990-05-17"}
        reply = await client.post(f"{BASE}/{MOTHER}/match", json=right, headers=headers)
        assert reply.status_code == 429
        assert judge("dataaccess", "matchPersonAttributes", reply)["code"] == "too-many-wrong-guesses"
        expression = [{"attributeName": "gender", "operator": "=", "value": "2"}]
        reply = await client.post(f"{BASE}/{MOTHER}/verify", json=expression, headers=headers)
        assert judge("dataaccess", "verifyPersonAttributes", reply)["code"] == "too-many-wrong-guesses"

    async def test_what_cannot_be_compared_is_refused(self, client, agency, add_person, judge, disclosed):
        await add_person(MOTHER)
        for body, code in (
            ({}, 1000),
            ({"dateOfBirth": "17 May"}, 1006),
            ({"gender": "female"}, 1006),
            ({"spouseName": "Nguyễn Văn Nam"}, 1004),
            ({"firstName": ["Hoà"]}, 1000),
            ({"firstName": None}, 1000),
            ({"firstName": "x" * 201}, 1006),
            ([1], 1000),
        ):
            reply = await client.post(f"{BASE}/{MOTHER}/match", json=body, headers=agency())
            assert reply.status_code == 400
            assert judge("dataaccess", "matchPersonAttributes", reply)["code"] == code
        assert await disclosed() == []

    async def test_what_is_no_json_has_the_error_body(self, client, agency, judge):
        for sent in (b"{", b"\xff\xfe", b"[" * 100_000):
            headers = {**agency(), "content-type": "application/json"}
            reply = await client.post(f"{BASE}/{MOTHER}/match", content=sent, headers=headers)
            assert reply.status_code == 400
            assert judge("dataaccess", "matchPersonAttributes", reply)["code"] == 1000

    async def test_nobody_is_404_and_recorded(self, client, agency, judge, disclosed):
        reply = await client.post(f"{BASE}/{NOBODY}/match", json={"gender": "1"}, headers=agency())
        assert reply.status_code == 404
        judge("dataaccess", "matchPersonAttributes", reply)
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"]

    async def test_a_failure_has_the_error_body_and_says_nothing(
        self, client, agency, add_person, judge, monkeypatch, disclosed
    ):
        await add_person(MOTHER)

        def break_down(*_args, **_kwargs):
            raise RuntimeError(MOTHER)

        monkeypatch.setattr("svc_population.osia.comparing.orjson.loads", break_down)
        reply = await client.post(f"{BASE}/{MOTHER}/match", json={"gender": "1"}, headers=agency())
        assert reply.status_code == 500
        assert judge("dataaccess", "matchPersonAttributes", reply)["code"] == 1500
        assert MOTHER not in reply.text
        assert await disclosed() == []


class TestVerifyPersonAttributes:
    async def test_true_when_all_are(self, client, agency, add_person, judge, disclosed):
        alike = {"surname": "Trần", "middle_name": "Thị", "given_name": "Hoà", "sex": "FEMALE"}
        cases: list[tuple[list[tuple[str, str, str | int]], bool]] = [
            ([("firstName", "=", "Thị Hòa"), ("dateOfBirth", "<", "1990-12-31")], True),
            ([("dateOfBirth", "<=", "1990-05-17"), ("dateOfBirth", ">=", "1990-05-17")], True),
            ([("dateOfBirth", "<", "1990-05-17")], False),
            ([("dateOfBirth", ">", "1990-05-17")], False),
            ([("gender", "=", 2), ("status", "=", "dead")], False),
            ([("nationality", "=", "VN")], True),
        ]
        for n, (expressions, true) in enumerate(cases):
            number = await add_person(f"0791900001{n:02}", **alike, birth_date=date(1990, 5, 17))
            body = [{"attributeName": n, "operator": o, "value": v} for n, o, v in expressions]
            reply = await client.post(f"{BASE}/{number}/verify", json=body, headers=agency())
            assert judge("dataaccess", "verifyPersonAttributes", reply) is true
            assert (await disclosed())[-1]["outcome"] == ("MATCHED" if true else "NOT_MATCHED")

    async def test_closing_in_on_a_birth_date_by_yes_answers_is_stopped(
        self, client, agency, add_person, judge
    ):
        await add_person(MOTHER)
        for operator, day in (
            ("<", "2020-01-01"),
            ("<=", "2010-01-01"),
            (">", "1980-01-01"),
            (">=", "1985-01-01"),
        ):
            body = [{"attributeName": "dateOfBirth", "operator": operator, "value": day}]
            reply = await client.post(f"{BASE}/{MOTHER}/verify", json=body, headers=agency())
            assert judge("dataaccess", "verifyPersonAttributes", reply) is True
        reply = await client.post(f"{BASE}/{MOTHER}/verify", json=body, headers=agency())
        assert reply.status_code == 429

    async def test_closing_in_on_a_date_of_death_is_stopped_as_well(self, client, agency, add_person):
        await add_person(MOTHER, life_status="DECEASED", death_or_missing_date=date(2020, 5, 17))
        told = []
        for day in ("2021-01-01", "2020-12-01", "2020-10-01", "2020-08-01", "2020-06-01"):
            body = [{"attributeName": "dateOfDeath", "operator": "<", "value": day}]
            told.append(
                (await client.post(f"{BASE}/{MOTHER}/verify", json=body, headers=agency())).status_code
            )
        assert told == [200] * 4 + [429]

    async def test_what_is_no_expression_is_refused(self, client, agency, add_person, judge, disclosed):
        await add_person(MOTHER)
        for expressions, code in (
            ([("gender", "!=", "1")], 1000),
            ([("firstName", "<", "M")], 1004),
            ([("shoeSize", "=", "38")], 1023),
            ([("gender", "=", "1"), ("gender", "=", "2")], 1005),
            ([], 1000),
        ):
            body = [{"attributeName": n, "operator": o, "value": v} for n, o, v in expressions]
            reply = await client.post(f"{BASE}/{MOTHER}/verify", json=body, headers=agency())
            assert reply.status_code == 400
            assert judge("dataaccess", "verifyPersonAttributes", reply)["code"] == code
        assert await disclosed() == []

    async def test_a_forbidden_attribute_is_403(self, client, agency, add_person, judge):
        await add_person(MOTHER)
        body = [{"attributeName": "maritalStatus", "operator": "=", "value": "SINGLE"}]
        headers = agency(groups=[FieldGroup.BIRTH_NAME])
        reply = await client.post(f"{BASE}/{MOTHER}/verify", json=body, headers=headers)
        assert reply.status_code == 403
        judge("dataaccess", "verifyPersonAttributes", reply)
