"""Lists of provinces and communes of a day, and what the old ones became."""

URL = "/population/v1"


class TestAdminUnits:
    async def test_the_list_of_a_day_is_that_days_list(self, client, as_agency):
        headers = as_agency("H79.001")
        today = (await client.get(f"{URL}/provinces", headers=headers)).json()["items"]
        before = await client.get(f"{URL}/provinces", params={"on": "2025-06-30"}, headers=headers)
        assert (len(today), len(before.json()["items"])) == (34, 63)

    async def test_communes_of_a_province_before_and_after(self, client, as_agency, as_operator):
        url = f"{URL}/provinces/79/communes"
        today = (await client.get(url, headers=as_operator("NDX", "an"))).json()["items"]
        assert "26740" in {u["code"] for u in today}
        before = await client.get(url, params={"on": "2025-06-30"}, headers=as_agency("B01"))
        assert len(before.json()["items"]) > 200
        gone = await client.get(f"{URL}/provinces/74/communes", headers=as_agency("B01"))
        assert (gone.status_code, gone.json()["code"]) == (404, "admin-unit-not-found")

    async def test_an_old_province_leads_to_its_successor(self, client, as_agency):
        reply = await client.get(f"{URL}/admin-units/provinces/74/successors", headers=as_agency("B01"))
        assert [(u["code"], u["is_default"]) for u in reply.json()["items"]] == [("79", True)]

    async def test_nobody_unknown_gets_in(self, client):
        assert (await client.get(f"{URL}/provinces")).status_code == 401

    async def test_districts_are_of_the_time_before_july_2025(self, client, as_agency):
        url = f"{URL}/provinces/79/districts"
        before = await client.get(url, params={"on": "2025-06-30"}, headers=as_agency("B01"))
        assert "760" in {u["code"] for u in before.json()["items"]}
        assert (await client.get(url, headers=as_agency("B01"))).json()["items"] == []
        gone = await client.get(f"{URL}/provinces/74/districts", headers=as_agency("B01"))
        assert (gone.status_code, gone.json()["code"]) == (404, "admin-unit-not-found")

    async def test_a_unit_shows_what_lay_above_it_on_that_day(self, client, as_agency):
        url = f"{URL}/admin-units/communes/26740"
        before = await client.get(url, params={"on": "2025-06-30"}, headers=as_agency("B01"))
        assert [u["full_name"] for u in before.json()["above"]] == ["Quận 1", "Thành phố Hồ Chí Minh"]
        today = (await client.get(url, headers=as_agency("B01"))).json()
        assert [u["code"] for u in today["above"]] == ["79"]
        assert len(today["periods"]) == 2

    async def test_a_code_that_named_another_unit_shows_both(self, client, as_agency):
        url = f"{URL}/admin-units/provinces/52"
        before = await client.get(url, params={"on": "2025-06-30"}, headers=as_agency("B01"))
        today = await client.get(url, headers=as_agency("B01"))
        assert (before.json()["name"], today.json()["name"]) == ("Bình Định", "Gia Lai")
        assert [p["name"] for p in today.json()["periods"]] == ["Bình Định", "Gia Lai"]

    async def test_a_province_that_became_a_city_in_2026_has_its_type_by_date(self, client, as_agency):
        url = f"{URL}/admin-units/provinces/75"
        for day, kind in (("2026-04-29", "tỉnh"), ("2026-04-30", "thành phố")):
            reply = await client.get(url, params={"on": day}, headers=as_agency("B01"))
            assert reply.json()["type"] == kind

    async def test_a_unit_that_no_list_has_is_not_found(self, client, as_agency):
        for url in ("admin-units/communes/99999", "admin-units/communes/99999/successors"):
            reply = await client.get(f"{URL}/{url}", headers=as_agency("B01"))
            assert (reply.status_code, reply.json()["code"]) == (404, "admin-unit-not-found")

    async def test_a_new_province_knows_what_it_was_made_of(self, client, as_agency):
        url = f"{URL}/admin-units/provinces/79/predecessors"
        body = (await client.get(url, headers=as_agency("B01"))).json()
        assert body["outcome"] == "SEVERAL"
        assert {u["full_name"] for u in body["items"]} == {
            "Thành phố Hồ Chí Minh",
            "Tỉnh Bình Dương",
            "Tỉnh Bà Rịa - Vũng Tàu",
        }

    async def test_many_units_of_many_days_are_translated_at_once(self, client, as_agency):
        items = [
            {"level": "PROVINCE", "code": "74", "on": "2020-01-01"},
            {"level": "COMMUNE", "code": "26740", "on": "2026-01-01"},
            {"level": "COMMUNE", "code": "03751", "on": "2024-01-01"},
            {"level": "COMMUNE", "code": "99999", "on": "2024-01-01"},
        ]
        reply = await client.post(
            f"{URL}/admin-unit-translations",
            json={"items": items, "to": "2026-11-24"},
            headers=as_agency("B01"),
        )
        assert reply.status_code == 200, reply.text
        found = reply.json()["items"]
        assert [t["outcome"] for t in found] == ["ONE", "UNCHANGED", "UNKNOWN", "UNKNOWN"]
        assert found[0]["units"][0]["full_name"] == "Thành phố Hồ Chí Minh"
        too_many = {"items": [items[0]] * 1001}
        reply = await client.post(f"{URL}/admin-unit-translations", json=too_many, headers=as_agency("B01"))
        assert reply.status_code == 422
