"""Claims are answered with yes or no, recorded, and not open to guessing."""

import asyncio
from datetime import date

import asyncpg
import pytest
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.persons.schemas import ClaimField
from svc_population.persons.verification import has_reached

MOTHER = "079190000011"
URL = f"/population/v1/persons/{MOTHER}/verify"


def equals(field: str, value: str) -> dict[str, str]:
    return {"kind": "EQUALS", "field": field, "value": value}


class TestVerifyPerson:
    async def test_each_claim_gets_yes_or_no_and_never_a_value(self, client, insurer, add_person, disclosed):
        await add_person(MOTHER)
        claims = [
            {"kind": "FOLDED_EQUALS", "field": "birth_name", "value": "TRẦN thị Hòa"},
            equals("birth_date", "1990-05-18"),
            {"kind": "AT_LEAST_AGE", "years": 18},
            {"kind": "IS_ALIVE"},
        ]
        reply = await client.post(URL, json={"claims": claims}, headers=insurer)
        assert reply.status_code == 200, reply.text
        assert reply.json() == {
            "all_matched": False,
            "results": [
                {"kind": "FOLDED_EQUALS", "field": "birth_name", "matched": True},
                {"kind": "EQUALS", "field": "birth_date", "matched": False},
                {"kind": "AT_LEAST_AGE", "field": None, "matched": True},
                {"kind": "IS_ALIVE", "field": None, "matched": True},
            ],
        }
        (record,) = await disclosed()
        assert record["outcome"] == "NOT_MATCHED"
        assert record["field_groups"] == ["birth_date", "birth_name", "death_or_missing_date"]

    @pytest.mark.parametrize("right", [True, False])
    async def test_a_claim_about_any_field_is_answered(self, client, insurer, add_person, right):
        await add_person(
            MOTHER,
            legacy_id_number="123456789",
            marital_status="MARRIED",
            ethnicity_code="01",
            home_town_province_code="36",
        )
        values = {
            ClaimField.BIRTH_NAME: "Trần Thị Hoà",
            ClaimField.BIRTH_DATE: "1990-05-17",
            ClaimField.SEX: "FEMALE",
            ClaimField.NATIONALITY: "VN",
            ClaimField.ETHNICITY: "01",
            ClaimField.HOME_TOWN_PROVINCE_CODE: "36",
            ClaimField.PERMANENT_PROVINCE_CODE: "79",
            ClaimField.PERMANENT_COMMUNE_CODE: "26740",
            ClaimField.LEGACY_ID_NUMBER: "123456789",
            ClaimField.MARITAL_STATUS: "MARRIED",
        }
        wrong = {ClaimField.BIRTH_DATE: "1990-05-18", ClaimField.SEX: "MALE"}
        said = values if right else {field: wrong.get(field, "no") for field in ClaimField}
        claims = [equals(field.value, said[field]) for field in ClaimField]
        reply = await client.post(URL, json={"claims": claims}, headers=insurer)
        assert reply.status_code == 200, reply.text
        assert [r["matched"] for r in reply.json()["results"]] == [right] * len(ClaimField)

    async def test_many_at_once_get_their_own_answers_and_one_record_each(
        self, client, insurer, add_person, disclosed, session
    ):
        numbers = [await add_person(f"0790880{n:05d}", given_name=f"An{n}") for n in range(20)]
        # The name of the next one is wrong for every second of them.
        asked = [(number, f"Lê An{n + n % 2}") for n, number in enumerate(numbers)]
        replies = await asyncio.gather(
            *(
                client.post(
                    f"/population/v1/persons/{number}/verify",
                    json={"claims": [equals("birth_name", name)]},
                    headers=insurer,
                )
                for number, name in asked
            )
        )
        assert [r.json()["all_matched"] for r in replies] == [n % 2 == 0 for n in range(20)]
        records = {r["subjects"][0]: r["outcome"] for r in await disclosed()}
        assert [records[n] for n in numbers] == ["MATCHED", "NOT_MATCHED"] * 10
        # A yes is no guess: it leaves nothing but its record.
        counted = await session.scalars(text("SELECT personal_id FROM verification_guards"))
        assert sorted(counted) == numbers[1::2]

    async def test_the_right_guess_among_many_sent_at_once_waits_for_its_turn(
        self, client, insurer, add_person, database_url
    ):
        await add_person(MOTHER)
        guesses = [{"claims": [equals("birth_date", f"1990-05-{day}")]} for day in ("11", "12", "13", "17")]
        other = await asyncpg.connect(database_url)
        turn = other.transaction()
        await turn.start()
        await other.execute(
            "INSERT INTO verification_guards (agency, personal_id, wrong, window_ends_at)"
            " VALUES ($1, $2, 0, now() + interval '1 day')",
            insurer["NDX-Agency"],
            MOTHER,
        )
        first = asyncio.create_task(client.post(URL, json=guesses[0], headers=insurer))
        await asyncio.sleep(0.3)
        rest = [asyncio.create_task(client.post(URL, json=g, headers=insurer)) for g in guesses[1:]]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in (first, *rest))
        await turn.rollback()
        await other.close()
        replies = await asyncio.gather(first, *rest)
        wrong = [r for r in replies if r.status_code == 200 and not r.json()["all_matched"]]
        assert len(wrong) == 3
        # When nothing is under way any more, the limit holds for everybody.
        reply = await client.post(URL, json=guesses[3], headers=insurer)
        assert reply.status_code == 429

    async def test_a_former_number_is_answered_and_recorded_as_its_holders(
        self, client, insurer, add_person, disclosed, runtime
    ):
        await add_person(MOTHER)
        async with runtime.sessions() as own, own.begin():
            await own.execute(
                text(
                    "INSERT INTO former_personal_ids (personal_id, person_id, superseded_by, cause, decision,"
                    " cancelled_by) SELECT '079190000099', person_id, personal_id, 'ERROR', 'QD-1', 'test'"
                    " FROM persons"
                )
            )
        claims = {"claims": [equals("birth_date", "1990-05-17")]}
        reply = await client.post("/population/v1/persons/079190000099/verify", json=claims, headers=insurer)
        assert reply.json()["all_matched"] is True
        (record,) = await disclosed()
        assert record["subjects"] == [MOTHER]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "malformed-json"),
            (b"{", "malformed-json"),
            (b'{"claims": []}', "invalid-input"),
            (b'{"claims": [{"kind": "EQUALS", "field": "religion", "value": "x"}]}', "invalid-input"),
            (b"\xff\xfe", "malformed-json"),
        ],
    )
    async def test_what_is_no_question_is_refused(self, client, insurer, add_person, body, code):
        await add_person(MOTHER)
        reply = await client.post(URL, content=body, headers={**insurer, "Content-Type": "application/json"})
        assert (reply.status_code, reply.json()["code"]) in ((400, code), (422, code))

    async def test_guessing_is_stopped_even_for_the_right_value(self, client, insurer, add_person, disclosed):
        await add_person(MOTHER)
        for day in (1, 2, 3):
            wrong = {"claims": [equals("birth_date", f"1990-05-0{day}")]}
            assert (await client.post(URL, json=wrong, headers=insurer)).status_code == 200
        right = {"claims": [equals("birth_date", "1990-05-17")]}
        reply = await client.post(URL, json=right, headers=insurer)
        assert (reply.status_code, reply.json()["code"]) == (429, "too-many-wrong-guesses")
        assert int(reply.headers["retry-after"]) > 80_000
        # That somebody may not be asked about tells that there is somebody.
        assert len(await disclosed()) == 4

    async def test_before_and_after_a_day_are_answered(self, client, insurer, add_person):
        await add_person(MOTHER)
        claims = [
            {"kind": "BEFORE", "field": "birth_date", "value": "1990-05-18"},
            {"kind": "AFTER", "field": "birth_date", "value": "1990-05-17"},
        ]
        reply = await client.post(URL, json={"claims": claims}, headers=insurer)
        assert [r["matched"] for r in reply.json()["results"]] == [True, False]

    @pytest.mark.parametrize(
        "questions",
        [
            [
                {"kind": "BEFORE", "field": "birth_date", "value": f"{y}-01-01"}
                for y in (2020, 2010, 2000, 1995)
            ],
            [{"kind": "AT_LEAST_AGE", "years": years} for years in (14, 18, 25, 30)],
        ],
    )
    async def test_closing_in_on_a_birth_date_by_yes_answers_is_stopped(
        self, client, insurer, add_person, questions
    ):
        await add_person(MOTHER)
        for question in questions:
            reply = await client.post(URL, json={"claims": [question]}, headers=insurer)
            assert (reply.status_code, reply.json()["all_matched"]) == (200, True)
        reply = await client.post(URL, json={"claims": [equals("sex", "FEMALE")]}, headers=insurer)
        assert (reply.status_code, reply.json()["code"]) == (429, "too-many-wrong-guesses")

    async def test_the_same_age_may_be_asked_again(self, client, insurer, add_person):
        await add_person(MOTHER)
        question = {"claims": [{"kind": "AT_LEAST_AGE", "years": 18}]}
        replies = [await client.post(URL, json=question, headers=insurer) for _ in range(6)]
        assert [r.status_code for r in replies] == [200] * 6

    async def test_guesses_are_counted_for_the_whole_agency_and_each_person_alone(
        self, client, insurer, as_agency, add_person
    ):
        await add_person(MOTHER)
        await add_person("079190000012", birth_date=date(1990, 5, 17))
        wrong = {"claims": [equals("birth_date", "1991-01-01")]}
        other_system = as_agency("G03", system="another", purpose="SOCIAL_INSURANCE")
        for headers in (insurer, other_system, insurer):
            assert (await client.post(URL, json=wrong, headers=headers)).status_code == 200
        assert (await client.post(URL, json=wrong, headers=other_system)).status_code == 429
        other = URL.replace(MOTHER, "079190000012")
        assert (await client.post(other, json=wrong, headers=insurer)).status_code == 200

    async def test_right_answers_are_not_counted(self, client, insurer, add_person):
        await add_person(MOTHER)
        right = {"claims": [equals("sex", "FEMALE")]}
        replies = [await client.post(URL, json=right, headers=insurer) for _ in range(5)]
        assert [r.json()["all_matched"] for r in replies] == [True] * 5

    async def test_an_unknown_person_is_404_and_recorded(self, client, insurer, disclosed):
        reply = await client.post(URL, json={"claims": [equals("sex", "MALE")]}, headers=insurer)
        assert (reply.status_code, reply.json()["code"]) == (404, "person-not-found")
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"]

    class TestMoreAtOnceThanConnections:
        @pytest.fixture
        def service_settings(self, service_settings):
            return {**service_settings, "database_pool_size": 2}

        async def test_each_is_told_that_there_is_nobody(self, client, insurer, disclosed):
            asked = [
                client.post(URL, json={"claims": [equals("sex", "MALE")]}, headers=insurer) for _ in range(6)
            ]
            assert [reply.status_code for reply in await asyncio.gather(*asked)] == [404] * 6
            assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"] * 6

    async def test_a_claim_about_a_group_outside_the_agreement_is_refused(
        self, client, agree, as_agency, add_person
    ):
        await add_person(MOTHER)
        agree("B01", {"population.verify_person": [FieldGroup.SEX]}, purposes=["CREDIT_INSTITUTION_KYC"])
        headers = as_agency("B01", purpose="CREDIT_INSTITUTION_KYC")
        claims = [{"kind": "AT_LEAST_AGE", "years": 18}]
        reply = await client.post(URL, json={"claims": claims}, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")

    @pytest.mark.parametrize(
        "claims",
        [
            [],
            [equals("birth_date", "1990-05-17"), equals("birth_date", "1990-05-18")],
            [{"kind": "FOLDED_EQUALS", "field": "sex", "value": "MALE"}],
            [{"kind": "GUESS"}],
            [{"kind": MOTHER}],
            [equals("birth_date", "1990-02-30")],
            [equals("birth_date", "17/05/1990")],
            [equals("birth_date", "１９９０-05-17")],
            [equals("sex", "F")],
            [{"kind": "BEFORE", "field": "birth_date", "value": 0}],
            [{"kind": "BEFORE", "field": "birth_date", "value": "86400"}],
            [{"kind": "AFTER", "field": "birth_date", "value": "1990-02-30"}],
            [{"kind": "AT_LEAST_AGE", "years": True}],
            [{"kind": "AT_LEAST_AGE", "years": "18"}],
            ["IS_ALIVE"],
            {"kind": "IS_ALIVE"},
            None,
        ],
    )
    async def test_unusable_claims_are_refused_without_a_guess_and_without_their_words(
        self, client, insurer, add_person, disclosed, session, claims
    ):
        await add_person(MOTHER)
        reply = await client.post(URL, json={"claims": claims}, headers=insurer)
        assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
        assert MOTHER not in reply.text
        assert await disclosed() == []
        assert (await session.scalars(text("SELECT 1 FROM verification_guards"))).all() == []

    @pytest.mark.parametrize("sent", [b'{"claims": [{"kind": "\\ud800"}]}', b'{"\\udfff": 1}'])
    async def test_half_a_sign_is_refused(self, client, insurer, add_person, sent):
        await add_person(MOTHER)
        reply = await client.post(URL, content=sent, headers={**insurer, "Content-Type": "application/json"})
        assert reply.status_code in {400, 422}

    @pytest.mark.parametrize("number", [f"{MOTHER}%0A", f"{MOTHER}%20", f"{MOTHER[:-1]}１", MOTHER[:-1]])
    async def test_a_number_has_twelve_digits_and_nothing_else(
        self, client, insurer, add_person, disclosed, number
    ):
        await add_person(MOTHER)
        url = f"/population/v1/persons/{number}"
        claims = {"claims": [equals("sex", "FEMALE")]}
        replies = [
            await client.get(f"{url}?fields=sex", headers=insurer),
            await client.post(f"{url}/verify", json=claims, headers=insurer),
        ]
        assert [(r.status_code, r.json()["code"]) for r in replies] == [(422, "invalid-input")] * 2
        assert await disclosed() == []


class TestHasReached:
    def test_the_birthday_itself_counts_and_29_february_falls_on_1_march(self):
        assert has_reached(date(2008, 11, 24), 18, date(2026, 11, 24))
        assert not has_reached(date(2008, 11, 25), 18, date(2026, 11, 24))
        assert not has_reached(date(2012, 2, 29), 14, date(2026, 2, 28))
        assert has_reached(date(2012, 2, 29), 14, date(2026, 3, 1))
