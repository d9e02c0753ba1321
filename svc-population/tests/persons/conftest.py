"""A family in one household, for what a death closes and opens again."""

from datetime import date

import pytest
from sqlalchemy import text

MOTHER, HUSBAND, SON = "079190000011", "079090000012", "079210000013"


@pytest.fixture
def family(add_person, session):
    """A couple with a son in one household at one place; the wife heads it."""

    async def make():
        home = {
            "permanent_province_code": "79",
            "permanent_commune_code": "26740",
            "permanent_address": "1 Lê Lợi",
            "permanent_since": date(2020, 1, 1),
        }
        for number, relation, more in (
            (MOTHER, "HEAD", {"sex": "FEMALE", "birth_date": date(1990, 1, 1), "marital_status": "MARRIED"}),
            (HUSBAND, "SPOUSE", {"sex": "MALE", "birth_date": date(1990, 1, 1), "marital_status": "MARRIED"}),
            (SON, "CHILD", {"sex": "MALE", "birth_date": date(2010, 1, 1)}),
        ):
            await add_person(number, household_number="H-1", relation_to_head=relation, **home, **more)
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_personal_id, source, since) VALUES"
                " (:wife, 'SPOUSE', :husband, 't', '2015-01-01'),"
                " (:husband, 'SPOUSE', :wife, 't', '2015-01-01')"
            ),
            {"wife": MOTHER, "husband": HUSBAND},
        )
        await session.execute(
            text(
                "INSERT INTO residences (id, person_id, personal_id, kind, state, province_code,"
                " commune_code, address, units_on, valid_from, valid_to, source, registered_by)"
                " SELECT uuidv7(), person_id, personal_id, 'PERMANENT', 'REGISTERED', '79', '26740',"
                " '1 Lê Lợi', '2025-07-01', '2020-01-01', NULL, 't', 't' FROM persons"
                " WHERE personal_id = :n"
            ),
            {"n": MOTHER},
        )
        await session.commit()

    return make
