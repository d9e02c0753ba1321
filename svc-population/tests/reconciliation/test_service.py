"""A difference between two registers becomes one case, settled where the person lives, without fishing."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from ndx_contracts.agreements import AdminScope
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.reconciliation import repository
from svc_population.reconciliation.service import GROUPS

MOTHER, FATHER = "079190000011", "079088000022"
URL = "/population/v1/reconciliation-cases"


@pytest.fixture
def insurance(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    operations = ("open_reconciliation_cases", "list_own_reconciliation_cases", "reopen_reconciliation_case")
    agree("G03", {f"population.{n}": list(GROUPS) for n in operations}, purposes=["DATA_RECONCILIATION"])
    return as_agency("G03", system="insurance-link", purpose="DATA_RECONCILIATION")


@pytest.fixture
def commune(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    operations = ("list_reconciliation_cases", "decide_reconciliation_case")
    agree(
        "X26740",
        {f"population.{n}": list(GROUPS) for n in operations},
        purposes=["DATA_RECONCILIATION"],
        admin_scope=AdminScope(communes=("26740",)),
    )
    return as_agency("X26740", purpose="DATA_RECONCILIATION", ndx_officer="CA-7")


def item(**values: Any) -> dict[str, Any]:
    return {
        "reference": f"BHXH-{uuid4().hex[:8]}",
        "kind": "NAME_DIFF",
        "personal_id": MOTHER,
        "disputed": [{"field": "birth_name", "value": "Trần Thị Hoa"}],
        "evidence": ["Hồ sơ 17/2025"],
        **values,
    }


@pytest.fixture
def open_(client, insurance) -> Callable[..., Any]:
    async def send(*items: dict[str, Any]) -> Any:
        return await client.post(URL, json={"items": items}, headers=insurance)

    return send


class TestOpenCases:
    async def test_a_difference_goes_to_the_commune_and_what_agrees_is_matched_at_once(
        self, add_person, open_, emitted, disclosed
    ):
        await add_person(MOTHER)
        await add_person(FATHER)
        same = item(
            kind="NAME_DIFF",
            personal_id=FATHER,
            disputed=[{"field": "birth_name", "value": "NGUYỄN VĂN NAM"}],
        )
        reply = await open_(item(), same)
        assert reply.status_code == 200, reply.text
        one, two = reply.json()["items"]
        assert (one["state"], two["state"]) == ("CLERICAL_REVIEW", "AUTO_MATCHED")
        assert one["deadline"] == (today() + timedelta(days=15)).isoformat()
        told = {e["data"]["personal_id"]: e["data"] for e in await emitted()}
        assert told[MOTHER]["commune_code"] == "26740"
        assert told[MOTHER]["disputed"] == ["birth_name"]
        assert "Hoa" not in str(told)
        assert {(tuple(r["subjects"]), r["outcome"]) for r in await disclosed()} == {
            ((MOTHER,), "NOT_MATCHED"),
            ((FATHER,), "MATCHED"),
        }

    async def test_the_same_reference_opens_nothing_more_also_at_the_same_time(
        self, add_person, open_, emitted
    ):
        await add_person(MOTHER)
        body = item()
        replies = await asyncio.gather(*(open_(body) for _ in range(3)))
        ids = {r.json()["items"][0]["case_id"] for r in replies}
        assert len(ids) == 1
        assert sum(r.json()["items"][0]["is_new"] for r in replies) == 1
        assert len(await emitted()) == 1

    async def test_another_reference_about_the_same_tells_nothing_new(self, add_person, open_):
        await add_person(MOTHER)
        first = (await open_(item())).json()["items"][0]
        guess = item(disputed=[{"field": "birth_name", "value": "Trần Thị Hoà"}])
        second = (await open_(guess)).json()["items"][0]
        assert (second["case_id"], second["state"], second["is_new"]) == (
            first["case_id"],
            "CLERICAL_REVIEW",
            False,
        )

    async def test_guesses_here_and_at_verification_are_of_one_number(
        self, client, agree, add_person, open_, insurance, session
    ):
        await add_person(MOTHER)
        operations = ("open_reconciliation_cases", "list_own_reconciliation_cases", "verify_person")
        agree("G03", {f"population.{n}": list(GROUPS) for n in operations}, purposes=["DATA_RECONCILIATION"])
        for kind, day in (("NAME_DIFF", 10), ("DOB_DIFF", 11), ("SEX_DIFF", 12)):
            wrong = [{"field": "birth_date", "value": f"1990-05-{day}"}]
            (opened,) = (await open_(item(kind=kind, disputed=wrong))).json()["items"]
            assert (opened["state"], opened["is_new"]) == ("CLERICAL_REVIEW", True)
        claim = {"claims": [{"kind": "EQUALS", "field": "birth_date", "value": "1990-05-17"}]}
        verified = await client.post(f"/population/v1/persons/{MOTHER}/verify", json=claim, headers=insurance)
        assert verified.json()["code"] == "too-many-wrong-guesses"
        right = item(kind="LEGACY_ID_DIFF", disputed=[{"field": "birth_date", "value": "1990-05-17"}])
        (opened,) = (await open_(right)).json()["items"]
        # The commune compares; the agency is not told that this one is right.
        assert (opened["state"], opened["is_new"]) == ("CLERICAL_REVIEW", True)
        mine = (await client.get(f"{URL}/mine", headers=insurance)).json()["items"]
        assert [case["differing"] for case in mine] == [["birth_date"]] * 4
        guesses = await session.scalars(text("SELECT wrong FROM verification_guards"))
        assert guesses.all() == [3]

    async def test_cases_of_one_call_are_guesses_one_after_the_other(self, add_person, open_, session):
        await add_person(MOTHER)
        kinds = ("NAME_DIFF", "DOB_DIFF", "SEX_DIFF", "LEGACY_ID_DIFF")
        values = [[{"field": "birth_date", "value": f"1990-05-{day}"}] for day in (10, 11, 12, 17)]
        items = [item(kind=k, disputed=v) for k, v in zip(kinds, values, strict=True)]
        reply = await open_(*items)
        assert [i["state"] for i in reply.json()["items"]] == ["CLERICAL_REVIEW"] * 4
        guesses = await session.scalars(text("SELECT wrong FROM verification_guards"))
        assert guesses.all() == [3]

    async def test_a_number_that_nobody_has_goes_where_the_agency_knows_them_to_live(
        self, client, open_, commune
    ):
        unknown = item(
            personal_id="079190999999",
            kind="DOB_DIFF",
            province_code="79",
            commune_code="26740",
            disputed=[{"field": "birth_date", "value": "1990-01-01"}],
        )
        (found,) = (await open_(unknown)).json()["items"]
        assert found["kind"] == "ID_NOT_FOUND"
        (case,) = (await client.get(URL, headers=commune)).json()["items"]
        assert case["disputed"] == [
            {"field": "birth_date", "theirs": "1990-01-01", "ours": None, "agrees": False}
        ]

    async def test_a_field_outside_the_agreement_opens_nothing(
        self, client, agree, as_agency, add_person, session
    ):
        await add_person(MOTHER)
        agree(
            "B01",
            {"population.open_reconciliation_cases": ["birth_name"]},
            purposes=["DATA_RECONCILIATION"],
        )
        other = item(kind="SEX_DIFF", disputed=[{"field": "sex", "value": "MALE"}])
        reply = await client.post(
            URL, json={"items": [item(), other]}, headers=as_agency("B01", purpose="DATA_RECONCILIATION")
        )
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        count = await session.execute(text("SELECT count(*) FROM reconciliation_cases"))
        assert count.scalar_one() == 0

    @pytest.mark.parametrize("merged_before", [1, 2])
    async def test_a_merger_beside_it_changes_the_number_and_breaks_nothing(
        self, add_person, open_, runtime, monkeypatch, merged_before
    ):
        """The case waits under a number that another transaction replaces between the statements."""
        await add_person(MOTHER)
        await add_person(FATHER)
        (first,) = (await open_(item())).json()["items"]
        real, calls = repository.known, 0

        async def known(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == merged_before:
                async with runtime.sessions() as other, other.begin():
                    await other.execute(
                        text(
                            "INSERT INTO former_personal_ids (personal_id, person_id, superseded_by, cause,"
                            " decision, cancelled_by) SELECT :old, person_id, :new, 'MERGED', '{}', 'test'"
                            " FROM persons WHERE personal_id = :new"
                        ),
                        {"old": MOTHER, "new": FATHER},
                    )
            return await real(*args)

        monkeypatch.setattr(repository, "known", known)
        reply = await open_(item())
        assert reply.status_code == 200, reply.text
        (again,) = reply.json()["items"]
        assert (again["case_id"], again["is_new"]) == (first["case_id"], False)

    async def test_a_thousand_at_once(self, add_person, open_, session):
        await add_person(MOTHER)
        many = [item(personal_id=f"0791909{n:05d}", kind="ID_NOT_FOUND", disputed=[]) for n in range(999)]
        reply = await open_(item(), *many)
        assert reply.status_code == 200, reply.text
        assert len(reply.json()["items"]) == 1000
        assert (await open_(item(), *many, item())).status_code == 422


class TestSettle:
    async def test_officers_see_both_sides_of_the_disputed_fields_and_decide(
        self, client, add_person, open_, insurance, commune, emitted
    ):
        await add_person(MOTHER)
        await add_person(FATHER, permanent_province_code="01", permanent_commune_code="00070")
        await open_(item(), item(personal_id=FATHER))
        (case,) = (await client.get(URL, headers=commune)).json()["items"]
        assert case["disputed"] == [
            {
                "field": "birth_name",
                "theirs": "Trần Thị Hoa",
                "ours": "Trần Thị Hoà",
                "agrees": False,
            }
        ]
        url = f"{URL}/{case['case_id']}"
        early = {"state": "RESOLVED", "note": "xong"}
        refused = await client.post(f"{url}/decide", json=early, headers=commune)
        assert (refused.status_code, refused.json()["code"]) == (409, "reconciliation-step-refused")
        for state in ("CONFIRMED_DIFFERENT", "CORRECTION_SENT", "RESOLVED"):
            body = {"state": state, "note": "đã kiểm tra", "evidence": ["Giấy khai sinh"]}
            reply = await client.post(f"{url}/decide", json=body, headers=commune)
            assert (reply.status_code, reply.json()["state"]) == (200, state)
        assert [s["officer"] for s in reply.json()["steps"]] == [None, "CA-7", "CA-7", "CA-7"]
        mine = (await client.get(f"{URL}/mine", headers=insurance)).json()["items"]
        states = {c["personal_id"]: c["state"] for c in mine}
        assert states == {MOTHER: "RESOLVED", FATHER: "CLERICAL_REVIEW"}
        assert "Hoà" not in str(mine)
        last = (await emitted())[-1]
        assert (last["data"]["state"], last["data"]["version"]) == ("RESOLVED", 4)
        again = {"note": "giấy tờ mới", "evidence": ["Bản án 3/2026"]}
        reply = await client.post(f"{url}/reopen", json=again, headers=insurance)
        assert (reply.status_code, reply.json()["state"]) == (200, "CLERICAL_REVIEW")
        twice = await client.post(f"{url}/reopen", json=again, headers=insurance)
        assert (twice.status_code, twice.json()["code"]) == (409, "reconciliation-step-refused")

    async def test_a_case_of_another_commune_or_agency_is_not_there(
        self, client, add_person, open_, commune, agree, as_agency
    ):
        await add_person(FATHER, permanent_province_code="01", permanent_commune_code="00070")
        (case,) = (await open_(item(personal_id=FATHER))).json()["items"]
        body = {"state": "CONFIRMED_SAME", "note": "x"}
        reply = await client.post(f"{URL}/{case['case_id']}/decide", json=body, headers=commune)
        assert (reply.status_code, reply.json()["code"]) == (404, "reconciliation-case-not-found")
        agree(
            "B01",
            {"population.reopen_reconciliation_case": list(GROUPS)},
            purposes=["DATA_RECONCILIATION"],
        )
        reply = await client.post(
            f"{URL}/{case['case_id']}/reopen",
            json={"note": "x", "evidence": ["y"]},
            headers=as_agency("B01", purpose="DATA_RECONCILIATION"),
        )
        assert reply.json()["code"] == "reconciliation-case-not-found"

    async def test_those_due_first_come_first_page_by_page(self, client, add_person, open_, commune):
        await add_person(MOTHER)
        await open_(
            item(),
            item(kind="DEAD_IN_ONE", disputed=[{"field": "life_status", "value": "DECEASED"}]),
            item(kind="DUP_IN_AGENCY", disputed=[]),
        )
        kinds, cursor = [], None
        for _ in range(3):
            asked = {"limit": 1} if cursor is None else {"limit": 1, "cursor": cursor}
            page = (await client.get(URL, params=asked, headers=commune)).json()
            kinds += [c["kind"] for c in page["items"]]
            cursor = page["next_cursor"]
        assert (kinds, cursor) == (["DEAD_IN_ONE", "NAME_DIFF", "DUP_IN_AGENCY"], None)
        odd = {"cursor": "2026-99-99_00000000-0000-0000-0000-000000000000"}
        assert (await client.get(URL, params=odd, headers=commune)).status_code == 422

    async def test_a_case_that_the_agreement_does_not_show_is_passed_over(
        self, client, add_person, open_, commune, agree
    ):
        await add_person(MOTHER)
        await open_(
            item(kind="DEAD_IN_ONE", disputed=[{"field": "life_status", "value": "DECEASED"}]),
            item(),
            item(kind="SEX_DIFF", disputed=[{"field": "sex", "value": "MALE"}]),
        )
        operation = {"population.list_reconciliation_cases": ["sex", "birth_date"]}
        agree("X26740", operation, purposes=["DATA_RECONCILIATION"])
        page = (await client.get(URL, params={"limit": 1}, headers=commune)).json()
        assert [c["kind"] for c in page["items"]] == ["SEX_DIFF"]
        assert page["next_cursor"] is None

    async def test_it_follows_the_person_to_another_number(
        self, client, add_person, open_, commune, insurance, session, disclosed
    ):
        await add_person(MOTHER)
        (first,) = (await open_(item())).json()["items"]
        new = "079190000999"
        await session.execute(text("UPDATE persons SET personal_id = :n"), {"n": new})
        await session.execute(
            text(
                "INSERT INTO former_personal_ids (personal_id, person_id, superseded_by, cause, decision,"
                " cancelled_by) SELECT :old, person_id, :new, 'WRONG_ENTRY', '{}', 'test' FROM persons"
            ),
            {"old": MOTHER, "new": new},
        )
        await session.commit()
        for headers, url in ((commune, URL), (insurance, f"{URL}/mine")):
            (case,) = (await client.get(url, headers=headers)).json()["items"]
            assert case["personal_id"] == new
            assert (await disclosed())[-1]["subjects"] == [new]
        for number in (MOTHER, new):
            (again,) = (await open_(item(personal_id=number))).json()["items"]
            assert (again["case_id"], again["is_new"]) == (first["case_id"], False)
        refused = await client.post(
            f"{URL}/{first['case_id']}/decide", json={"state": "RESOLVED", "note": "x"}, headers=commune
        )
        assert refused.json()["code"] == "reconciliation-step-refused"
        last = (await disclosed())[-1]
        assert (last["outcome"], last["subjects"]) == ("NOT_MATCHED", [new])


@pytest.fixture
def officers(agree, as_agency):
    def of(name: str, **scope: tuple[str, ...]) -> dict[str, str]:
        operations = ("list_reconciliation_cases", "decide_reconciliation_case")
        agree(
            name,
            {f"population.{n}": list(GROUPS) for n in operations},
            purposes=["DATA_RECONCILIATION"],
            admin_scope=AdminScope(**scope),
        )
        return as_agency(name, purpose="DATA_RECONCILIATION", ndx_officer="CA-9")

    return of


UNKNOWN = {"kind": "ID_NOT_FOUND", "disputed": []}


class TestUnitsThatEnded:
    """Phúc Xá (00001) went whole to 00097, Cống Vị (00007) to two wards; 03751 ended unrecorded."""

    async def test_a_case_that_an_agency_states_in_a_former_commune_goes_to_its_successor(
        self, client, open_, officers
    ):
        stated = [
            item(personal_id="001190999991", province_code="01", commune_code="00001", **UNKNOWN),
            item(personal_id="001190999992", province_code="02", commune_code=None, **UNKNOWN),
            item(personal_id="001190999993", province_code=None, commune_code="00001", **UNKNOWN),
        ]
        opened = (await open_(*stated)).json()["items"]
        assert [o["routed_to"] for o in opened] == ["COMMUNE", "PROVINCE", "COMMUNE"]
        successor, province = officers("X00097", communes=("00097",)), officers("T08", provinces=("08",))
        cases = (await client.get(URL, headers=successor)).json()["items"]
        assert {(c["case_id"], c["province_code"], c["commune_code"]) for c in cases} == {
            (opened[0]["case_id"], "01", "00097"),
            (opened[2]["case_id"], "01", "00097"),
        }
        # Hà Giang (02) is in Tuyên Quang (08).
        (case,) = (await client.get(URL, headers=province)).json()["items"]
        assert (case["case_id"], case["province_code"]) == (opened[1]["case_id"], "08")

    async def test_a_record_that_still_names_a_former_commune_is_settled_by_the_successor(
        self, client, add_person, open_, officers
    ):
        await add_person(MOTHER, permanent_province_code="01", permanent_commune_code="00001")
        (opened,) = (await open_(item())).json()["items"]
        assert (opened["kind"], opened["routed_to"]) == ("NAME_DIFF", "COMMUNE")
        (case,) = (await client.get(URL, headers=officers("X00097", communes=("00097",)))).json()["items"]
        assert case["commune_code"] == "00097"

    async def test_a_former_commune_and_its_successor_are_one_place(self, add_person, open_):
        await add_person(MOTHER, permanent_province_code="01", permanent_commune_code="00097")
        stated = {"00001": "AUTO_MATCHED", "00007": "CLERICAL_REVIEW"}
        for code, state in stated.items():
            disputed = [{"field": "permanent_commune_code", "value": code}]
            (opened,) = (await open_(item(kind="STATUS_STALE", disputed=disputed))).json()["items"]
            assert opened["state"] == state

    async def test_without_one_successor_the_province_settles_it_and_the_case_says_so(
        self, client, open_, officers, insurance
    ):
        opened = (
            await open_(
                item(personal_id="001190999991", province_code="01", commune_code="00007", **UNKNOWN),
                item(personal_id="014190999992", commune_code="03751", **UNKNOWN),
                item(personal_id="079190999993", commune_code="99999", **UNKNOWN),
            )
        ).json()["items"]
        assert [o["routed_to"] for o in opened] == ["PROVINCE", "PROVINCE", "COUNTRY"]
        for name, code, case_id in (("T01", "01", 0), ("T14", "14", 1)):
            (case,) = (await client.get(URL, headers=officers(name, provinces=(code,)))).json()["items"]
            assert (case["case_id"], case["commune_code"]) == (opened[case_id]["case_id"], None)
            assert case["routed_to"] == "PROVINCE"
        mine = (await client.get(f"{URL}/mine", headers=insurance)).json()["items"]
        assert sorted(c["routed_to"] for c in mine) == ["COUNTRY", "PROVINCE", "PROVINCE"]

    @pytest.mark.usefixtures("says_nothing")
    async def test_communes_that_took_a_part_do_not_see_what_is_not_known_to_be_theirs(
        self, client, open_, officers
    ):
        await open_(item(personal_id="001190999991", province_code="01", commune_code="00007", **UNKNOWN))
        beside = officers("X00008", communes=("00008", "00025"))
        reply = await client.get(URL, headers=beside)
        assert (reply.status_code, reply.json()["items"]) == (200, [])

    async def test_a_case_from_before_the_change_reaches_the_officers_of_today(
        self, client, open_, officers, session
    ):
        for number in ("001190999991", "001190999992"):
            await open_(item(personal_id=number, commune_code="26740", **UNKNOWN))
        statement = (
            "UPDATE reconciliation_cases SET province_code = :province, commune_code = :commune,"
            " opened_at = '2025-06-02', deadline = '2025-07-02' WHERE personal_id = :number"
        )
        stated = {"001190999991": ("01", "00001"), "001190999992": ("02", None)}
        for number, (of, commune) in stated.items():
            await session.execute(text(statement), {"number": number, "province": of, "commune": commune})
        await session.commit()
        successor, province = officers("X00097", communes=("00097",)), officers("T08", provinces=("08",))
        (case,) = (await client.get(URL, headers=successor)).json()["items"]
        assert (case["province_code"], case["commune_code"], case["routed_to"]) == ("01", "00097", "COMMUNE")
        assert (case["deadline"], case["overdue"]) == ("2025-07-02", True)
        assert [c["personal_id"] for c in (await client.get(URL, headers=province)).json()["items"]] == [
            "001190999992"
        ]
        body = {"state": "CONFIRMED_SAME", "note": "đã xem"}
        for other, status in ((province, 404), (successor, 200)):
            reply = await client.post(f"{URL}/{case['case_id']}/decide", json=body, headers=other)
            assert reply.status_code == status, reply.text
