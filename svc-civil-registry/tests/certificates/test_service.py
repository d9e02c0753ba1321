"""What a certificate says, and when it may be asked for."""

from datetime import date
from typing import Any

import pytest
from svc_civil_registry.certificates.date_words import date_in_words, number_in_words

BIRTHS = "/civil-registry/v1/births"


class TestBirthCertificate:
    async def test_a_registered_birth_has_a_certificate_and_its_reading_is_recorded(
        self, client: Any, office: Any, birth: Any, population: Any, disclosed: Any
    ) -> None:
        made = (await client.post(BIRTHS, json=birth(birth_date="2025-11-02"), headers=office())).json()
        answer = await client.get(f"{BIRTHS}/{made['birth_id']}/certificate", headers=office())
        body = answer.json()
        assert answer.status_code == 200, answer.text
        assert body["personal_id"] == made["personal_id"]
        assert body["register_number"] == made["register_number"]
        assert body["full_name"] == "Nguyễn Thị Minh An"
        assert body["office_name"] == "Phường Sài Gòn, Thành phố Hồ Chí Minh"
        assert body["ethnicity"] == "Kinh"
        assert body["birth_date_in_words"] == "ngày hai tháng mười một năm hai nghìn không trăm hai mươi lăm"
        assert (await disclosed())[-1]["operation"] == "civil-registry.get_birth_certificate"

    async def test_a_birth_that_waits_has_none_and_the_guard_says_so(
        self, client: Any, office: Any, birth: Any, gateway: Any
    ) -> None:
        gateway.unavailable()
        made = (await client.post(BIRTHS, json=birth(), headers=office())).json()
        answer = await client.get(f"{BIRTHS}/{made['birth_id']}/certificate", headers=office())
        assert (answer.status_code, answer.json()["code"]) == (409, "guard-failed")
        assert "awaiting-personal-id" in answer.json()["detail"]


class TestDateInWords:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (0, "không"),
            (10, "mười"),
            (15, "mười lăm"),
            (21, "hai mươi mốt"),
            (24, "hai mươi tư"),
            (105, "một trăm lẻ năm"),
            (1998, "một nghìn chín trăm chín mươi tám"),
            (2000, "hai nghìn"),
            (2005, "hai nghìn không trăm lẻ năm"),
        ],
    )
    def test_numbers(self, value: int, words: str) -> None:
        assert number_in_words(value) == words

    def test_the_fourth_month_has_its_own_name(self) -> None:
        assert date_in_words(date(2026, 4, 30)).startswith("ngày ba mươi tháng tư năm hai nghìn")
