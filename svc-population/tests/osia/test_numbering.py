"""Numbers by OSIA: the file's answers over our own request for a number."""

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup

MOTHER = "079190000011"
URL = "/population/osia/uin/v1/uin"
CHILD = {
    "firstName": "Minh Hòa",
    "lastName": "Nguyễn",
    "dateOfBirth": "2026-11-20",
    "gender": 2,
    "birthRegistrationProvince": "79",
    "birthRegistrationCommune": "26740",
    "motherUin": MOTHER,
    "motherName": "Trần Thị Hòa",
    "office": "X26740",
}


@pytest.fixture
def registry(agree, as_agency):
    def make(**scope):
        agree(
            "G02",
            {"population.osia_generate_uin": [FieldGroup.PERSONAL_ID]},
            purposes=["CIVIL_REGISTRATION"],
            admin_scope=AdminScope(**scope),
        )
        return as_agency("G02", system="civil-registry", purpose="CIVIL_REGISTRATION")

    return make


class TestGenerateUin:
    async def test_a_transaction_gets_one_number_and_another_is_suspected_as_a_duplicate(
        self, client, registry, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        headers = registry()
        reply = await client.post(f"{URL}?transactionId=T-1", json=CHILD, headers=headers)
        assert reply.status_code == 200, reply.text
        number = judge("uin", "generateUIN", reply)
        assert number.startswith("079326")
        again = await client.post(f"{URL}?transactionId=T-1", json=CHILD, headers=headers)
        assert judge("uin", "generateUIN", again) == number
        other = await client.post(f"{URL}?transactionId=T-2", json=CHILD, headers=headers)
        assert other.status_code == 400
        assert judge("uin", "generateUIN", other)["code"] == 1010
        assert number not in other.text
        assert [r["outcome"] for r in await disclosed()] == ["DISCLOSED", "DISCLOSED", "MATCHED"]

    async def test_what_is_no_request_is_refused_and_says_nothing_of_what_was_sent(
        self, client, registry, add_person, judge, disclosed
    ):
        await add_person(MOTHER)
        for query, body, code in (
            ("", CHILD, 1000),
            (f"?transactionId={MOTHER}", CHILD, 1000),
            ("?transactionId=T-3", {**CHILD, "shoeSize": 38}, 1023),
            ("?transactionId=T-3", {**CHILD, "uin": MOTHER}, 1004),
            ("?transactionId=T-3", {**CHILD, "dateOfBirth": "20/11/2026"}, 1006),
            ("?transactionId=T-3", {**CHILD, "gender": 9}, 1000),
            ("?transactionId=T-3", {"firstName": "Hòa"}, 1000),
            ("?transactionId=T-3", {**CHILD, "dateOfBirth": "2099-01-01"}, 1011),
        ):
            reply = await client.post(URL + query, json=body, headers=registry())
            assert reply.status_code == 400, reply.text
            assert judge("uin", "generateUIN", reply)["code"] == code
            assert MOTHER not in reply.text
        elsewhere = await client.post(
            f"{URL}?transactionId=T-4", json=CHILD, headers=registry(provinces=("01",))
        )
        assert elsewhere.status_code == 403
        assert judge("uin", "generateUIN", elsewhere)["code"] == "outside-admin-scope"
        assert await disclosed() == []
