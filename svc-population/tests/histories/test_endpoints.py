"""The past is read by both clocks, only as far as agreed, and never without a record."""

from datetime import UTC, datetime, timedelta

import pytest
from ndx_contracts.field_groups import FieldGroup
from svc_population.changes.schemas import CHANGEABLE
from svc_population.histories.schemas import GROUPS

MOTHER = "079190000011"
URL = f"/population/v1/persons/{MOTHER}"
DOCUMENT = {"kind": "decision", "number": "12/QĐ", "issued_by": "UBND", "issued_on": "2026-11-02"}


@pytest.fixture
def reader(agree, as_agency):
    operations = {
        "population.get_person_as_of": list(GROUPS),
        "population.list_person_versions": list(GROUPS),
    }
    agree("T01", operations, purposes=["JUDICIAL_PROCEEDINGS"])
    return as_agency("T01", purpose="JUDICIAL_PROCEEDINGS")


@pytest.fixture
def change(client, agree, as_agency):
    """Change the mother's record as the police do, on its version of now."""
    agree("G01", {"population.change_person": list(CHANGEABLE)}, purposes=["RESIDENCE_MANAGEMENT"])
    headers = as_agency("G01", purpose="RESIDENCE_MANAGEMENT", NDX_Case_Id="HS-1")
    version = 1

    async def send(effective_from: str, kind: str = "CHANGE", **groups):
        nonlocal version
        body = {"kind": kind, "effective_from": effective_from, "document": DOCUMENT, "changes": groups}
        reply = await client.patch(URL, json=body, headers={**headers, "If-Match": str(version)})
        assert reply.status_code == 200, reply.text
        version = reply.json()["version"]

    return send


async def as_of(client, headers, fields="religion", **when):
    return await client.get(f"{URL}/as-of", params={"fields": fields, **when}, headers=headers)


class TestAsOf:
    async def test_both_clocks_count(self, client, reader, add_person, change, disclosed):
        await add_person(MOTHER)
        opened = datetime.now(UTC)
        await change("2015-01-01", religion="Phật giáo")
        first = datetime.now(UTC)
        await change("2010-06-01", "CORRECTION", religion="Công giáo")
        for day, moment, expected in (
            ("2012-01-01", opened, None),
            ("2016-01-01", opened, None),
            ("2012-01-01", first, None),
            ("2016-01-01", first, "Phật giáo"),
            ("2012-01-01", None, "Công giáo"),
            ("2009-01-01", None, None),
            ("2016-01-01", None, "Công giáo"),
        ):
            when = {"valid_at": day} | ({} if moment is None else {"known_at": moment.isoformat()})
            reply = await as_of(client, reader, **when)
            assert (reply.status_code, reply.json()["person"]) == (200, {"religion": expected}), when
        records = await disclosed()
        assert {r["outcome"] for r in records if r["operation"].endswith("as_of")} == {"DISCLOSED"}
        assert records[-1]["field_groups"] == ["religion"]

    async def test_every_group_with_a_history_is_as_the_hot_read_gives_it_today(
        self, client, reader, insurer, add_person, change
    ):
        await add_person(MOTHER, phone="0900", permanent_address="1 Lê Lợi", household_number="H1")
        card = {"kind": "CCCD", "issued_on": "2021-05-01", "issued_at": "Cục", "valid_to": None}
        await change("2026-11-01", card_history=[card], other_information={"note": "x"})
        names = ",".join(g.value for g in GROUPS)
        past = await as_of(client, reader, names)
        now = await client.get(f"{URL}?fields={names}", headers=insurer)
        assert past.json()["person"] == now.json()
        assert past.json()["version"] == 2

    async def test_before_birth_and_before_the_record_there_is_nothing(
        self, client, reader, add_person, disclosed
    ):
        await add_person(MOTHER)
        early = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        for when in ({"valid_at": "1985-01-01"}, {"known_at": early}):
            reply = await as_of(client, reader, "birth_date", **when)
            assert (reply.status_code, reply.json()["code"]) == (404, "person-not-known-then")
        assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED", "NOT_MATCHED"]

    async def test_days_tell_no_birth_date_to_who_does_not_ask_for_it(
        self, client, agree, as_agency, add_person, disclosed
    ):
        agree("T01", {"population.get_person_as_of": [FieldGroup.SEX]}, purposes=["JUDICIAL_PROCEEDINGS"])
        headers = as_agency("T01", purpose="JUDICIAL_PROCEEDINGS")
        await add_person(MOTHER)
        days = ("1900-01-01", "1990-05-16", "1990-05-17", "2000-01-01")
        replies = [await as_of(client, headers, "sex", valid_at=day) for day in days]
        assert [r.status_code for r in replies] == [200] * 4
        assert [r.json() for r in replies] == [
            {**replies[0].json(), "valid_at": day, "known_at": r.json()["known_at"]}
            for day, r in zip(days, replies, strict=True)
        ]
        assert [(r["outcome"], r["field_groups"]) for r in await disclosed()] == [("DISCLOSED", ["sex"])] * 4

    @pytest.mark.parametrize("day", ["0", "86400", "1990-02-30", "1990-05", "1990-05-17T00:00:00", "", "now"])
    async def test_what_is_no_day_is_refused(self, client, reader, add_person, disclosed, day):
        await add_person(MOTHER)
        reply = await as_of(client, reader, "sex", valid_at=day)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        assert await disclosed() == []

    @pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
    async def test_the_ends_of_the_calendar_are_moments_too(self, client, reader, add_person, moment):
        await add_person(MOTHER)
        reply = await client.get(f"{URL}/as-of", params={"fields": "sex", "known_at": moment}, headers=reader)
        assert reply.status_code == (200 if moment > "2" else 404), reply.text

    async def test_only_agreed_groups_and_only_those_with_a_history(
        self, client, agree, as_agency, add_person
    ):
        agree("T01", {"population.get_person_as_of": [FieldGroup.SEX]}, purposes=["JUDICIAL_PROCEEDINGS"])
        headers = as_agency("T01", purpose="JUDICIAL_PROCEEDINGS")
        await add_person(MOTHER)
        reply = await as_of(client, headers, "sex,religion")
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        for fields in ("household", "", "nonsense"):
            reply = await as_of(client, headers, fields)
            assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        reply = await as_of(client, headers, "sex", known_at="2026-01-01T00:00:00")
        assert reply.status_code == 422

    async def test_nobody_found_is_recorded(self, client, reader, disclosed):
        reply = await as_of(client, reader)
        assert (reply.status_code, reply.json()["code"]) == (404, "person-not-found")
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"]


class TestHistory:
    async def test_versions_tell_what_was_what_is_and_on_whose_word(self, client, reader, add_person, change):
        await add_person(MOTHER)
        await change("2015-01-01", religion="Phật giáo")
        await change("2016-01-01", contact={"phone": "0900000001"})
        await change("2017-01-01", religion=None, other_name="Hoa")
        reply = await client.get(f"{URL}/history?fields=religion", headers=reader)
        newest, older, first = reply.json()["items"]
        assert (newest["version"], newest["changed"]) == (4, ["religion"])
        assert (newest["before"], newest["after"]) == ({"religion": "Phật giáo"}, {"religion": None})
        assert (older["version"], older["effective_from"], older["kind"]) == (2, "2015-01-01", "CHANGE")
        assert (older["source_agency"], older["document"]) == ("G01", DOCUMENT)
        assert (first["version"], first["effective_from"], first["changed"]) == (1, None, [])
        assert "0900000001" not in reply.text
        assert "Hoa" not in reply.text

    async def test_pages_follow_each_other(self, client, reader, add_person, change):
        await add_person(MOTHER)
        for n in range(3):
            await change(f"201{n}-01-01", contact={"phone": f"090000000{n}"})
        seen, cursor = [], ""
        while True:
            url = f"{URL}/history?fields=contact&limit=2{cursor}"
            page = (await client.get(url, headers=reader)).json()
            seen += [i["version"] for i in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == [4, 3, 2, 1]
