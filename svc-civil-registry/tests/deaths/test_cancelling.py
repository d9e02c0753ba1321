"""Taking a registered death back: two officers, a lawful cause, an entry that stays in its book."""

import asyncio
from typing import Any

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonalIdCancelled, PersonsMerged

DEATHS = "/civil-registry/v1/deaths"
NUMBER, OTHER = "079040001234", "079040005678"
FIRST = {"NDX-Officer": "CB-01", "NDX-Case-Id": "HS-1"}
SECOND = {"NDX-Officer": "CB-02", "NDX-Case-Id": "HS-1"}
APPROVE = {"verdict": "APPROVE"}


@pytest.fixture
def asked(days_ago: Any) -> dict[str, Any]:
    return {
        "cause": "PERSON_ALIVE",
        "reason": "Người được khai tử đã trình diện tại trụ sở",
        "document": {
            "kind": "INSPECTION_CONCLUSION",
            "number": "12/KL-TP",
            "issued_by": "Phòng Tư pháp",
            "issued_on": days_ago(1),
        },
    }


@pytest.fixture
def register(client: Any, office: Any, days_ago: Any) -> Any:
    async def send(number: str = NUMBER) -> Any:
        body = {
            "office": "X26740",
            "deceased": {
                "personal_id": number,
                "name": "Lê Văn Tâm",
                "sex": "MALE",
                "last_residence": "Phường Sài Gòn",
            },
            "died_on": days_ago(4),
            "death_place": "tại nhà",
            "declarant": {"name": "Lê Thị Hạnh", "relation": "CHILD"},
        }
        return await client.post(DEATHS, json=body, headers=office())

    return send


@pytest.fixture
def ask(client: Any, office: Any, asked: dict[str, Any]) -> Any:
    async def send(death: str, *, by: dict[str, str] = FIRST, code: str = "X26740", **other: Any) -> Any:
        url = f"{DEATHS}/{death}/cancellation"
        return await client.post(url, json=asked | other, headers=office(code, **by))

    return send


@pytest.fixture
def request_of(client: Any, office: Any) -> Any:
    """Return which request an officer reads of a death; the first one's place where there is none."""

    async def read(death: str) -> int:
        shown = (await client.get(f"{DEATHS}/{death}", headers=office())).json()["cancellation"]
        return 4 if shown is None else int(shown["request_sequence"])

    return read


@pytest.fixture
def decide(client: Any, office: Any, request_of: Any) -> Any:
    """Decide about what stands, or about the request that the body names."""

    async def send(death: str, body: dict[str, Any] = APPROVE, *, by: dict[str, str] = SECOND) -> Any:
        url = f"{DEATHS}/{death}/cancellation/decision"
        sent = {"request_sequence": await request_of(death)} | body
        return await client.post(url, json=sent, headers=office(**by))

    return send


class TestCancelDeath:
    async def test_one_officer_asks_another_cancels_and_everybody_may_hear(
        self, register: Any, ask: Any, decide: Any, emitted: Any, count: Any, client: Any, office: Any
    ) -> None:
        death = (await register()).json()["death_id"]
        requested = await ask(death)
        assert requested.status_code == 200, requested.text
        assert requested.json()["status"] == "REGISTERED"
        assert requested.json()["flags"] == ["cancellation-requested"]
        assert len(await emitted()) == 1
        done = await decide(death)
        assert done.status_code == 200, done.text
        assert (done.json()["status"], done.json()["flags"]) == ("CANCELLED", [])
        event = (await emitted())[-1]
        assert event["type"] == "civil-registry.death-cancelled.v1"
        told = {k: event["data"][k] for k in ("death_id", "personal_id", "cause", "found_alive")}
        assert told == {
            "death_id": death,
            "personal_id": NUMBER,
            "cause": "PERSON_ALIVE",
            "found_alive": True,
        }
        assert await count("audit_entries WHERE action = 'death_cancelled'") == 1
        # The entry stays in its book, and says so.
        assert await count("register_entries") == 1
        read = (await client.get(f"{DEATHS}/{death}", headers=office())).json()
        assert read["register_number"]["number"] == 1
        assert (read["status"], read["cancellation"]["state"]) == ("CANCELLED", "APPROVED")
        assert read["cancellation"]["document"]["number"] == "12/KL-TP"

    async def test_the_officer_who_asked_does_not_decide_however_the_number_is_written(
        self, register: Any, ask: Any, decide: Any, emitted: Any, count: Any
    ) -> None:
        death = (await register()).json()["death_id"]
        await ask(death)
        for same in ("CB-01", "cb01", "CB/01"):
            refused = await decide(death, by={"NDX-Officer": same, "NDX-Case-Id": "HS-1"})
            assert (refused.status_code, refused.json()["code"]) == (403, "second-officer-needed")
        assert len(await emitted()) == 1
        assert await count("deaths WHERE cancelled_at IS NULL") == 1

    @pytest.mark.parametrize(
        ("by", "code"),
        [
            ({"NDX-Case-Id": "HS-1"}, "officer-missing"),
            ({"NDX-Officer": "CB-01"}, "case-missing"),
            ({"NDX-Officer": "-", "NDX-Case-Id": "HS-1"}, "header-invalid"),
        ],
    )
    async def test_without_an_officer_or_a_dossier_nothing_is_asked(
        self, register: Any, ask: Any, by: dict[str, str], code: str
    ) -> None:
        death = (await register()).json()["death_id"]
        assert (await ask(death, by=by)).json()["code"] == code

    async def test_rejected_it_stands_and_may_be_asked_again(
        self, register: Any, ask: Any, decide: Any, emitted: Any, client: Any, office: Any
    ) -> None:
        death = (await register()).json()["death_id"]
        assert (await decide(death)).json()["code"] == "guard-failed"
        await ask(death)
        again = await ask(death)
        assert again.json()["code"] == "guard-failed"
        assert "cancellation-requested" in again.json()["detail"]
        unreasoned = await decide(death, {"verdict": "REJECT"})
        assert (unreasoned.status_code, unreasoned.json()["code"]) == (422, "invalid-input")
        rejected = await decide(death, {"verdict": "REJECT", "reason": "Không đủ căn cứ"})
        assert (rejected.json()["status"], rejected.json()["flags"]) == ("REGISTERED", [])
        read = (await client.get(f"{DEATHS}/{death}", headers=office())).json()["cancellation"]
        assert (read["state"], read["rejection"]) == ("REJECTED", "Không đủ căn cứ")
        assert len(await emitted()) == 1
        assert (await ask(death)).status_code == 200

    async def test_a_decision_is_about_the_request_that_the_officer_read_and_about_no_other(
        self,
        register: Any,
        ask: Any,
        decide: Any,
        request_of: Any,
        emitted: Any,
        client: Any,
        office: Any,
    ) -> None:
        death = (await register()).json()["death_id"]
        await ask(death)
        read = await request_of(death)
        # Between reading and deciding somebody rejects it, and somebody asks for it on other grounds.
        await decide(death, {"verdict": "REJECT", "reason": "Không đủ căn cứ"})
        await ask(death, cause="WRONG_PERSON", reason="Khai tử nhầm người")
        for verdict in (APPROVE, {"verdict": "REJECT", "reason": "Không đủ căn cứ"}):
            late = await decide(death, verdict | {"request_sequence": read})
            assert (late.status_code, late.json()["code"]) == (409, "cancellation-request-changed")
        unnamed = await client.post(
            f"{DEATHS}/{death}/cancellation/decision", json=APPROVE, headers=office(**SECOND)
        )
        assert (unnamed.status_code, unnamed.json()["code"]) == (422, "invalid-input")
        shown = (await client.get(f"{DEATHS}/{death}", headers=office())).json()
        assert (shown["status"], shown["cancellation"]["state"]) == ("REGISTERED", "REQUESTED")
        assert len(await emitted()) == 1
        assert (await decide(death)).json()["status"] == "CANCELLED"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"cause": "NO_SUCH_CAUSE"},
            {"cause": "COURT_DECLARATION_ANNULLED"},
        ],
    )
    async def test_the_law_names_causes_and_what_proves_them(
        self, register: Any, ask: Any, wrong: dict[str, str]
    ) -> None:
        death = (await register()).json()["death_id"]
        refused = await ask(death, **wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "cancellation-unlawful")

    async def test_another_office_sees_nothing_of_it(self, register: Any, ask: Any) -> None:
        death = (await register()).json()["death_id"]
        hidden = await ask(death, code="X00070")
        assert (hidden.status_code, hidden.json()["code"]) == (404, "death-not-found")

    async def test_what_is_cancelled_is_cancelled_once_and_for_good(
        self, register: Any, ask: Any, decide: Any, emitted: Any
    ) -> None:
        death = (await register()).json()["death_id"]
        await ask(death)
        answers = await asyncio.gather(*(decide(death) for _ in range(4)))
        assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
        assert [e["type"] for e in await emitted()].count("civil-registry.death-cancelled.v1") == 1
        assert (await ask(death)).json()["code"] == "guard-failed"

    async def test_one_key_is_one_request(self, register: Any, ask: Any, decide: Any, emitted: Any) -> None:
        death = (await register()).json()["death_id"]
        first, again = [await ask(death, by=FIRST | {"Idempotency-Key": "c-1"}) for _ in range(2)]
        assert first.json() == again.json()
        done, repeated = [await decide(death, by=SECOND | {"Idempotency-Key": "c-2"}) for _ in range(2)]
        assert done.json() == repeated.json()
        assert len(await emitted()) == 2

    async def test_the_person_may_die_later_under_any_of_the_numbers(
        self, register: Any, ask: Any, decide: Any, deliver: Any
    ) -> None:
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=NUMBER, superseded_by=OTHER))
        death = (await register()).json()["death_id"]
        assert (await register(OTHER)).json()["code"] == "death-already-registered"
        await ask(death)
        await decide(death)
        assert (await register(OTHER)).status_code == 201
        assert (await register()).json()["code"] == "death-already-registered"

    async def test_registered_twice_needs_the_other_entry(
        self, register: Any, ask: Any, decide: Any, deliver: Any, emitted: Any, disclosed: Any
    ) -> None:
        first, second = [(await register(n)).json()["death_id"] for n in (NUMBER, OTHER)]
        alone = await ask(first, cause="REGISTERED_TWICE")
        assert (alone.status_code, alone.json()["code"]) == (409, "no-other-entry")
        # It told the office that nobody else registered this death.
        told = (await disclosed())[-1]
        assert (told["operation"], told["subjects"], told["outcome"]) == (
            "civil-registry.request_death_cancellation",
            [NUMBER],
            "NOT_MATCHED",
        )
        await deliver(
            PersonsMerged(
                person_id=new_id(),
                personal_id=NUMBER,
                version=2,
                merged_person_id=new_id(),
                merged_personal_id=OTHER,
            )
        )
        for death in (first, second):
            assert (await ask(death, cause="REGISTERED_TWICE")).status_code == 200
        assert (await decide(second)).json()["status"] == "CANCELLED"
        assert (await emitted())[-1]["data"]["found_alive"] is False
        # The one that is left is not the second one any more.
        assert (await decide(first)).json()["code"] == "no-other-entry"
