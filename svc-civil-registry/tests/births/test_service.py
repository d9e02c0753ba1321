"""Declaring births through the HTTP door, with the population database behind the gateway's double."""

import asyncio
from typing import Any

import httpx
import pytest
from svc_civil_registry.deadlines.service import today

BIRTHS = "/civil-registry/v1/births"


class TestDeclareBirth:
    async def test_a_birth_is_registered_with_its_number_in_one_call(
        self, client: Any, office: Any, birth: Any, population: Any, emitted: Any, disclosed: Any, count: Any
    ) -> None:
        answer = await client.post(BIRTHS, json=birth(), headers=office())
        assert answer.status_code == 201, answer.text
        body = answer.json()
        assert body["status"] == "REGISTERED"
        assert body["flags"] == []
        assert body["personal_id"] == "079226000001"
        assert body["register_number"] == {
            "office": "X26740",
            "book": "BIRTH",
            "year": today().year,
            "number": 1,
            "text": f"1/{today().year}",
        }
        assert answer.headers["Location"] == f"{BIRTHS}/{body['birth_id']}"
        assert population.requests[0]["request_id"] == body["birth_id"]
        assert population.requests[0]["birth_registration_commune_code"] == "26740"
        assert population.requests[0]["birth_registration_province_code"] == "79"
        (event,) = await emitted()
        assert event["type"] == "civil-registry.birth-registered.v1"
        assert event["key"] == body["birth_id"]
        assert event["data"]["personal_id"] == body["personal_id"]
        assert event["data"]["mother_personal_id"] == "079198000001"
        (record,) = await disclosed()
        assert record["subjects"] == [body["personal_id"]]
        assert record["operation"] == "civil-registry.declare_birth"
        assert await count("audit_entries WHERE action IN ('birth_declared', 'birth_registered')") == 2
        assert await count("number_requests") == 0

    async def test_one_key_and_one_body_are_one_birth_with_one_answer(
        self, client: Any, office: Any, birth: Any, population: Any, emitted: Any, count: Any
    ) -> None:
        body, headers = birth(), office(**{"Idempotency-Key": "k-1"})
        first = await client.post(BIRTHS, json=body, headers=headers)
        again = await client.post(BIRTHS, json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert len(population.issued) == len(await emitted()) == await count("records") == 1

    async def test_one_key_at_the_same_instant_is_one_birth(
        self, client: Any, office: Any, birth: Any, population: Any, emitted: Any, count: Any
    ) -> None:
        body, headers = birth(), office(**{"Idempotency-Key": "k-1"})
        answers = await asyncio.gather(*(client.post(BIRTHS, json=body, headers=headers) for _ in range(6)))
        assert {a.status_code for a in answers} == {201}
        assert len({a.text for a in answers}) == 1
        assert len(population.issued) == len(await emitted()) == await count("records") == 1

    async def test_one_key_with_a_changed_body_is_refused(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        headers = office(**{"Idempotency-Key": "k-1"})
        await client.post(BIRTHS, json=birth(), headers=headers)
        answer = await client.post(BIRTHS, json=birth(given_name="Bình"), headers=headers)
        assert answer.status_code == 422
        assert answer.json()["code"] == "idempotency-key-reused"

    async def test_one_birth_from_several_systems_at_one_instant_is_registered_once(
        self, client: Any, office: Any, birth: Any, population: Any, emitted: Any, count: Any
    ) -> None:
        body = birth()
        answers = await asyncio.gather(
            *(
                client.post(
                    BIRTHS, json=body, headers=office(system=f"system-{n}", **{"Idempotency-Key": f"k-{n}"})
                )
                for n in range(6)
            )
        )
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409, 409]
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"potential-duplicate"}
        assert len(population.issued) == len(await emitted()) == 1
        assert await count("records WHERE status = 'REGISTERED'") == 1
        assert await count("records WHERE flags = '{potential-duplicate}'") == 5

    async def test_one_birth_written_differently_at_one_instant_is_registered_once(
        self, client: Any, office: Any, birth: Any, population: Any, days_ago: Any, count: Any
    ) -> None:
        """Neither notice nor day nor the mother's number is shared: her name is, and the child's."""
        mother = {"name": "Trần Thị Hoà", "birth_year": 1998, "ethnicity_code": "01", "residence": "Sài Gòn"}
        bodies = [birth(mother=mother, birth_date=days_ago(20 + n)) for n in range(4)]
        answers = await asyncio.gather(
            *(
                client.post(BIRTHS, json=body, headers=office(system=f"system-{n}"))
                for n, body in enumerate(bodies)
            )
        )
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
        assert await count("records WHERE status = 'REGISTERED'") == 1

    async def test_parallel_births_get_numbers_without_gaps(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        answers = await asyncio.gather(
            *(client.post(BIRTHS, json=birth(), headers=office()) for _ in range(20))
        )
        numbers = sorted(a.json()["register_number"]["number"] for a in answers)
        assert numbers == list(range(1, 21))
        assert len({a.json()["personal_id"] for a in answers}) == 20

    async def test_a_declaration_after_sixty_days_is_flagged_not_refused(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        answer = await client.post(BIRTHS, json=birth(birth_date="2020-05-01"), headers=office())
        assert answer.status_code == 201
        assert answer.json()["flags"] == ["late"]

    async def test_another_communes_office_is_refused(
        self, client: Any, office: Any, birth: Any, population: Any, count: Any
    ) -> None:
        answer = await client.post(BIRTHS, json=birth(office="X00070"), headers=office())
        assert (answer.status_code, answer.json()["code"]) == (403, "office-not-covered")
        assert await count("records") == 0

    async def test_an_office_without_a_commune_is_unknown(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        answer = await client.post(BIRTHS, json=birth(office="X99999"), headers=office())
        assert (answer.status_code, answer.json()["code"]) == (422, "office-unknown")

    @pytest.mark.parametrize(
        "change",
        [
            {"birth_date": "2999-01-01"},
            {"birth_date": "2026-02-30"},
            {"sex": "X"},
            {"given_name": "An 3"},
            {"given_name": "  "},
            {"birth_order": 2},
            {"ethnicity_code": "77"},
            {"surprise": 1},
        ],
    )
    async def test_impossible_input_is_refused(
        self, client: Any, office: Any, birth: Any, population: Any, change: dict[str, Any]
    ) -> None:
        body = birth()
        body["child"].update(change)
        answer = await client.post(BIRTHS, json=body, headers=office())
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
        assert population.requests == []

    async def test_a_place_outside_the_list_is_refused(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        answer = await client.post(BIRTHS, json=birth(birth_place_code="99999"), headers=office())
        assert (answer.status_code, answer.json()["code"]) == (422, "place-unknown")

    async def test_both_parents_with_one_number_are_refused_without_showing_it(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        body = birth()
        body["father"] = {"name": "Lê Văn Tâm", "personal_id": body["mother"]["personal_id"]}
        answer = await client.post(BIRTHS, json=body, headers=office())
        assert answer.status_code == 422
        assert body["mother"]["personal_id"] not in answer.text


class TestDuplicates:
    async def test_a_suspected_birth_is_kept_and_registered_after_review(
        self,
        client: Any,
        office: Any,
        birth: Any,
        population: Any,
        emitted: Any,
        disclosed: Any,
        days_ago: Any,
    ) -> None:
        mother = birth()["mother"]
        first = await client.post(BIRTHS, json=birth(mother=mother), headers=office())
        body = birth(mother=mother, given_name="Bình", birth_date=days_ago(50))
        second = await client.post(BIRTHS, json=body, headers=office())
        problem = second.json()
        assert (second.status_code, problem["code"]) == (409, "potential-duplicate")
        assert [(e["code"], e["detail"]) for e in problem["errors"]] == [
            ("implausible-spacing", first.json()["birth_id"])
        ]
        told = (await disclosed())[-1]
        assert (mother["personal_id"] in told["subjects"], told["outcome"]) == (True, "MATCHED")
        listed = await client.get(BIRTHS, params={"flag": "potential-duplicate"}, headers=office())
        (kept,) = listed.json()["items"]
        decided = await client.post(
            f"{BIRTHS}/{kept['birth_id']}/mark-not-duplicate",
            json={"reason": "hai lần sinh khác nhau"},
            headers=office(),
        )
        assert decided.status_code == 200, decided.text
        assert decided.json()["status"] == "REGISTERED"
        assert population.requests[-1]["confirmed_not_duplicate"] is True
        assert len(await emitted()) == 2

    async def test_a_duplicate_is_archived_and_points_at_its_original(
        self, client: Any, office: Any, birth: Any, population: Any, count: Any
    ) -> None:
        body = birth()
        first = await client.post(BIRTHS, json=body, headers=office())
        again = await client.post(BIRTHS, json=body, headers=office())
        kept = again.json()["detail"].split("kept as ")[1][:36]
        url = f"{BIRTHS}/{kept}/mark-duplicate"
        wrong = await client.post(url, json={"duplicate_of": kept, "reason": "x"}, headers=office())
        assert (wrong.status_code, wrong.json()["code"]) == (422, "duplicate-target-invalid")
        decision = {"duplicate_of": first.json()["birth_id"], "reason": "khai hai lần"}
        decided = await client.post(url, json=decision, headers=office())
        assert decided.json()["status"] == "ARCHIVED"
        assert decided.json()["duplicate_of"] == first.json()["birth_id"]
        late = await client.post(f"{BIRTHS}/{kept}/resubmit", headers=office())
        assert (late.status_code, late.json()["code"]) == (409, "guard-failed")
        assert "status-archived" in late.json()["detail"]
        assert await count("audit_entries WHERE action = 'birth_marked_duplicate'") == 1

    async def test_twins_are_two_births(self, client: Any, office: Any, birth: Any, population: Any) -> None:
        mother = birth()["mother"]
        answers = [
            await client.post(
                BIRTHS,
                json=birth(mother=mother, given_name=name, plurality=2, birth_order=order),
                headers=office(),
            )
            for order, name in ((1, "Anh"), (2, "Ánh"))
        ]
        assert [a.status_code for a in answers] == [201, 201]


class TestReading:
    async def test_a_record_is_read_with_its_history_and_the_reading_is_recorded(
        self, client: Any, office: Any, birth: Any, population: Any, disclosed: Any
    ) -> None:
        made = (await client.post(BIRTHS, json=birth(), headers=office())).json()
        answer = await client.get(f"{BIRTHS}/{made['birth_id']}", headers=office())
        body = answer.json()
        assert [s["action"] for s in body["history"]] == ["CREATE", "DECLARE", "REQUEST_NUMBER", "REGISTER"]
        assert body["declaration"]["mother"]["name"] == "Trần Thị Hoà"
        record = (await disclosed())[-1]
        assert record["operation"] == "civil-registry.get_birth"
        assert set(record["subjects"]) == {made["personal_id"], "079198000001"}

    async def test_another_communes_record_does_not_exist(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        made = (await client.post(BIRTHS, json=birth(), headers=office())).json()
        answer = await client.get(f"{BIRTHS}/{made['birth_id']}", headers=office("X00070"))
        assert (answer.status_code, answer.json()["code"]) == (404, "birth-not-found")
        listed = await client.get(BIRTHS, headers=office("X00070"))
        assert listed.json()["items"] == []

    async def test_pages_follow_one_another(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        for _ in range(5):
            await client.post(BIRTHS, json=birth(), headers=office())
        seen: list[str] = []
        cursor: str | None = None
        while True:
            params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(BIRTHS, params=params, headers=office())).json()
            seen += [i["birth_id"] for i in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 5

    async def test_without_a_caller_nothing_is_told(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(BIRTHS)
        assert (answer.status_code, answer.json()["code"]) == (401, "caller-unknown")
