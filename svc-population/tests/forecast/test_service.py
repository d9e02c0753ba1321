"""A forecast begins with what is counted today."""

import pytest
from sqlalchemy import text

URL = "/population/v1/statistics/forecast"


@pytest.fixture
def office(agree, as_agency) -> dict[str, str]:
    agree("G05", {"population.get_population_forecast": []}, purposes=["STATISTICS"])
    return as_agency("G05", system="statistics")


class TestGetForecast:
    async def test_it_carries_todays_count_forward(self, client, office, runtime):
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text(
                    "INSERT INTO persons (personal_id, given_name, birth_date, sex,"
                    " permanent_province_code, permanent_commune_code, source)"
                    " SELECT lpad(n::text, 12, '0'), 'An', DATE '2000-01-01' - n * 7,"
                    " CASE n % 2 WHEN 0 THEN 'MALE' ELSE 'FEMALE' END, '79', '26740', 'test'"
                    " FROM generate_series(1, 2000) n"
                )
            )
        reply = await client.get(URL, params={"years": 5, "province_code": "79"}, headers=office)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        # The base is rounded as all statistics are.
        assert (body["base_total"], len(body["items"])) == (pytest.approx(2000, abs=20), 5)
        before, base_year = body["base_total"], body["base_year"]
        years = [body["rest_of_base_year"], *body["items"]]
        assert [y["year"] for y in years] == list(range(base_year, base_year + 6))
        for year in years:
            assert year["total"] == pytest.approx(before + year["births"] - year["deaths"], abs=25)
            assert sum(g["female"] + g["male"] for g in year["pyramid"]) == year["total"]
            before = year["total"]
        longest = (await client.get(URL, params={"years": 25}, headers=office)).json()
        first = longest["base_year"] + 1
        assert [y["year"] for y in longest["items"]] == list(range(first, first + 25))

    async def test_too_few_people_have_no_forecast(self, client, office):
        reply = await client.get(URL, headers=office)
        assert (reply.status_code, reply.json()["code"]) == (422, "forecast-base-too-small")
        assert (await client.get(URL, params={"years": 26}, headers=office)).status_code == 422
