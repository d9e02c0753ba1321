"""Registering deaths through the HTTP door."""

import asyncio
from typing import Any

import pytest

DEATHS = "/civil-registry/v1/deaths"


@pytest.fixture
def death(days_ago: Any) -> dict[str, Any]:
    return {
        "office": "X26740",
        "deceased": {
            "personal_id": "079040001234",
            "name": "Lê Văn Tâm",
            "sex": "MALE",
            "birth_date": "1940-02-03",
            "last_residence": "Phường Sài Gòn",
        },
        "died_on": days_ago(4),
        "death_place": "tại nhà",
        "notice_number": "GBT-7",
        "declarant": {"name": "Lê Thị Hạnh", "relation": "CHILD", "personal_id": "079170000007"},
    }


class TestRegisterDeath:
    async def test_a_death_is_registered_and_announced(
        self, client: Any, office: Any, death: dict[str, Any], emitted: Any, count: Any, disclosed: Any
    ) -> None:
        answer = await client.post(DEATHS, json=death, headers=office())
        body = answer.json()
        assert answer.status_code == 201, answer.text
        assert (body["status"], body["flags"]) == ("REGISTERED", [])
        assert body["register_number"]["book"] == "DEATH"
        (event,) = await emitted()
        assert event["type"] == "civil-registry.death-registered.v1"
        assert event["data"]["personal_id"] == "079040001234"
        assert event["data"]["died_on"] == death["died_on"]
        assert await count("audit_entries WHERE action = 'death_registered'") == 1
        assert [(r["subjects"], r["outcome"]) for r in await disclosed()] == [(["079040001234"], "DISCLOSED")]

    async def test_who_hears_that_a_death_is_known_already_leaves_a_record(
        self, client: Any, office: Any, death: dict[str, Any], disclosed: Any
    ) -> None:
        await client.post(DEATHS, json=death, headers=office())
        again = await client.post(DEATHS, json=death | {"office": "X00070"}, headers=office("X00070"))
        assert again.json()["code"] == "death-already-registered"
        last = (await disclosed())[-1]
        assert (last["agency"], last["subjects"], last["outcome"]) == ("X00070", ["079040001234"], "MATCHED")

    class TestMoreAtOnceThanConnections:
        @pytest.fixture
        def service_settings(self, service_settings: dict[str, Any]) -> dict[str, Any]:
            return {**service_settings, "database_pool_size": 2}

        async def test_each_hears_that_the_death_is_known_already(
            self, client: Any, office: Any, death: dict[str, Any], disclosed: Any
        ) -> None:
            await client.post(DEATHS, json=death, headers=office())
            # Each under a key of its own: what a refusal takes back, the key, must not stay.
            again = [
                client.post(DEATHS, json=death, headers=office(**{"Idempotency-Key": f"d-{n}"}))
                for n in range(6)
            ]
            assert [a.status_code for a in await asyncio.gather(*again)] == [409] * 6
            assert [r["outcome"] for r in await disclosed()] == ["DISCLOSED"] + ["MATCHED"] * 6

    async def test_a_person_dies_once_even_when_declared_at_one_instant(
        self, client: Any, office: Any, death: dict[str, Any], emitted: Any, count: Any
    ) -> None:
        answers = await asyncio.gather(*(client.post(DEATHS, json=death, headers=office()) for _ in range(5)))
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409]
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"death-already-registered"}
        assert len(await emitted()) == await count("records") == await count("register_entries") == 1

    async def test_one_key_is_one_death(
        self, client: Any, office: Any, death: dict[str, Any], emitted: Any
    ) -> None:
        headers = office(**{"Idempotency-Key": "d-1"})
        first = await client.post(DEATHS, json=death, headers=headers)
        again = await client.post(DEATHS, json=death, headers=headers)
        assert first.json() == again.json()
        changed = await client.post(DEATHS, json=death | {"death_place": "bệnh viện"}, headers=headers)
        assert (changed.status_code, changed.json()["code"]) == (422, "idempotency-key-reused")
        assert len(await emitted()) == 1

    async def test_after_fifteen_days_it_is_late(
        self, client: Any, office: Any, death: dict[str, Any], days_ago: Any
    ) -> None:
        answer = await client.post(DEATHS, json=death | {"died_on": days_ago(16)}, headers=office())
        assert answer.json()["flags"] == ["late"]

    @pytest.mark.parametrize("died_on", ["2999-01-01", "1939-01-01", "2026-02-30"])
    async def test_an_impossible_date_is_refused(
        self, client: Any, office: Any, death: dict[str, Any], died_on: str
    ) -> None:
        answer = await client.post(DEATHS, json=death | {"died_on": died_on}, headers=office())
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")

    async def test_reading_is_recorded_and_limited_to_the_office(
        self, client: Any, office: Any, death: dict[str, Any], disclosed: Any
    ) -> None:
        made = (await client.post(DEATHS, json=death, headers=office())).json()
        url = f"{DEATHS}/{made['death_id']}"
        body = (await client.get(url, headers=office())).json()
        assert body["declaration"]["deceased"]["name"] == "Lê Văn Tâm"
        record = (await disclosed())[-1]
        assert set(record["subjects"]) == {"079040001234", "079170000007"}
        hidden = await client.get(url, headers=office("X00070"))
        assert (hidden.status_code, hidden.json()["code"]) == (404, "death-not-found")
