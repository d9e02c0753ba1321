"""Lists of provinces and communes of a day, and what the old ones became."""

URL = "/population/v1"


class TestAdminUnits:
    async def test_the_list_of_a_day_is_that_days_list(self, client, as_agency):
        headers = as_agency("H79.001")
        today = (await client.get(f"{URL}/provinces", headers=headers)).json()["items"]
        before = await client.get(f"{URL}/provinces", params={"valid_on": "2025-06-30"}, headers=headers)
        assert (len(today), len(before.json()["items"])) == (34, 63)

    async def test_communes_of_a_province_before_and_after(self, client, as_agency, as_operator):
        url = f"{URL}/provinces/79/communes"
        today = (await client.get(url, headers=as_operator("NDX", "an"))).json()["items"]
        assert "26740" in {u["code"] for u in today}
        before = await client.get(url, params={"valid_on": "2025-06-30"}, headers=as_agency("B01"))
        assert len(before.json()["items"]) > 200
        gone = await client.get(f"{URL}/provinces/74/communes", headers=as_agency("B01"))
        assert (gone.status_code, gone.json()["code"]) == (404, "admin-unit-not-found")

    async def test_an_old_province_leads_to_its_successor(self, client, as_agency):
        reply = await client.get(f"{URL}/admin-units/provinces/74/successors", headers=as_agency("B01"))
        assert [(u["code"], u["is_default"]) for u in reply.json()["items"]] == [("79", True)]

    async def test_nobody_unknown_gets_in(self, client):
        assert (await client.get(f"{URL}/provinces")).status_code == 401
