"""People are found by their names as clerks, keyboards and old records write them, in the real database."""

from datetime import date
from typing import Any

import pytest
from ndx_contracts.field_groups import FieldGroup

URL = "/population/v1/persons/search"
SOMEBODY, STRANGER = "079190000011", "079190000012"
BORN = date(1990, 5, 7)
DAY = {"birth_date": "1990-05-07"}
COMMUNE = {"commune_code": "26740"}


@pytest.fixture
def found(client, agree, as_agency, add_person):
    """Store a person among strangers, search, and return the numbers that are shown."""

    async def search(stored: tuple[str | None, str | None, str], asked: str, **more: Any) -> list[str]:
        surname, middle, given = stored
        born = more.pop("born", BORN)
        await add_person(SOMEBODY, surname=surname, middle_name=middle, given_name=given, birth_date=born)
        await add_person(STRANGER, surname="Bùi", middle_name="Quốc", given_name="Khánh", birth_date=born)
        groups = [FieldGroup.PERSONAL_ID, FieldGroup.BIRTH_NAME, FieldGroup.BIRTH_DATE]
        groups.append(FieldGroup.PERMANENT_RESIDENCE)
        agree("G01", {"population.search_persons": groups}, purposes=["RESIDENCE_MANAGEMENT"])
        headers = as_agency("G01", system="police-office", purpose="RESIDENCE_MANAGEMENT")
        body = {"name": asked, "fields": ["personal_id"], **(more or DAY)}
        reply = await client.post(URL, json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        return [item["person"]["personal_id"] for item in reply.json()["items"]]

    return search


class TestNames:
    @pytest.mark.parametrize("where", [DAY, COMMUNE, {"birth_date": "1990"}], ids=["day", "commune", "year"])
    @pytest.mark.parametrize(
        ("stored", "asked"),
        [
            (("Vũ", "Văn", "Lý"), "vu van ly"),
            (("Vũ", "Văn", "Lý"), "vo van li"),
            (("Võ", "Văn", "Lý"), "vu van ly"),
            (("Huỳnh", "Thị", "Mỹ"), "huynh thi my"),
            (("Hoàng", "Thị", "Mỹ"), "huynh thi mi"),
            (("Huỳnh", "Thị", "Mỹ"), "Hoàng Mĩ"),
            (("Vũ", None, "An"), "Võ Văn An"),
            (("Vũ", "Thị Ngọc", "Lan"), "Võ Ngọc Lan"),
            (("Vũ", "Thị Mỹ", "Ly"), "Võ Mỹ Ly"),
            (("Hoàng", "Thị Mỹ Chi", "Ly"), "Huỳnh Thị Mỹ Chi Ly"),
            (("Trần", "Thị", "Hoà"), "tran hoa"),
            (("Nguyễn", "Văn", "An"), "nguyen an"),
            (("Nguyễn", None, "An"), "nguyen van an"),
            (("Nguyễn", "Thị Thu", "Hà"), "NGUYỄN HÀ"),
            (("Nguyễn", "Thị", "Thuý"), "Nguyễn Thị Thúy"),
            (("Lê", "Quý", "Đôn"), "le qui don"),
            (("Đỗ", "Văn", "Đức"), "Ðỗ Văn Ðức"),
            (("Đỗ", "Văn", "Đức"), "do van duc"),
            (("Nguyễn", "Văn", "Hoàng"), "Nguye\u0302\u0303n Va\u0306n Hoa\u0300ng"),
            (("Nguye\u0302\u0303n", "Va\u0306n", "Hoa\u0300ng"), "Nguyễn Văn Hoàng"),
            (("Trần", "Thị", "Hoà"), "Ｔｒầｎ\u200b Ｔｈị　Ｈòa"),
            (("Trần", "Thị", "Hoà"), "Hoà Trần Thị"),
            ((None, None, "H'Hen Niê"), "H’Hen Niê"),
            (("Tôn Nữ", "Thị", "Đào"), "ton nu dao"),
            (("Tôn Nữ", "Thị", "Đào"), "Tôn Nữ Thị Đào"),
            (("Y", None, "Bhiăng"), "y bhiang"),
        ],
    )
    async def test_a_name_is_found_as_it_is_written(self, found, stored, asked, where):
        assert await found(stored, asked, **where) == [SOMEBODY]

    @pytest.mark.parametrize("where", [DAY, COMMUNE], ids=["day", "commune"])
    async def test_the_middle_name_that_is_missing_may_be_the_first(self, found, where):
        assert await found(("Nguyễn", "Ngọc Bảo", "Hà"), "Nguyễn Bảo Hà", **where) == [SOMEBODY]

    @pytest.mark.parametrize(
        "asked", ["Vũ Văn Lan", "vu van ly a", "Trần Văn Lý", "Vũ Lý Văn An", "Ly", "Vương Văn Lý"]
    )
    async def test_another_name_is_not(self, found, asked):
        known = ["Ly"]
        assert await found(("Vũ", "Văn", "Lý"), asked) == ([SOMEBODY] if asked in known else [])

    @pytest.mark.parametrize(
        ("born", "asked"),
        [
            (date(1990, 5, 7), "1990-07-05"),
            (date(1990, 5, 7), "1990-05"),
            (date(1990, 5, 7), "1990"),
            (date(1990, 5, 7), "1990-01-01"),
            (date(1990, 1, 1), "1990-05-07"),
            (date(1990, 1, 1), "1990-05"),
            (date(1988, 2, 29), "1988-02"),
        ],
    )
    async def test_a_date_is_found_as_far_as_it_is_known(self, found, born, asked):
        assert await found(("Vũ", "Văn", "Lý"), "vu ly", born=born, birth_date=asked) == [SOMEBODY]
