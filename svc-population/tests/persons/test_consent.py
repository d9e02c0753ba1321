"""An agreement may give data only with the person's consent, as far as it goes and while it lasts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from ndx_contracts.agreements import Conditions
from ndx_contracts.events import ConsentChanged
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup

MOTHER, FATHER = "079190000011", "079088000022"
READ = "/population/v1/persons/{}?fields={}"
VERIFY = f"/population/v1/persons/{MOTHER}/verify"


def consent(**changes: Any) -> ConsentChanged:
    now = datetime.now(UTC)
    values = {
        "consent_id": uuid4(),
        "personal_id": MOTHER,
        "agency": "B01",
        "purpose": "CREDIT_INSTITUTION_KYC",
        "field_groups": ("birth_name", "birth_date"),
        "given_at": now,
        "valid_until": now + timedelta(days=30),
    }
    return ConsentChanged.model_validate(values | changes)


@pytest.fixture
def bank(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Headers of a bank that may read and verify with consent."""
    groups = [g for g in FieldGroup if g in POPULATION_GROUPS]
    agree(
        "B01",
        {
            "population.get_person": groups,
            "population.verify_person": groups,
            "population.lookup_persons": groups,
        },
        purposes=["CREDIT_INSTITUTION_KYC"],
        conditions=Conditions(consent_required=True),
    )
    return as_agency("B01", system="core", purpose="CREDIT_INSTITUTION_KYC")


class TestConsent:
    async def test_without_it_nothing_is_given_and_nothing_recorded(
        self, client, bank, add_person, disclosed
    ) -> None:
        await add_person(MOTHER)
        for number in (MOTHER, FATHER):
            reply = await client.get(READ.format(number, "birth_name"), headers=bank)
            assert (reply.status_code, reply.json()["code"]) == (403, "consent-missing")
        many = {"personal_ids": [MOTHER, FATHER], "fields": ["birth_name"]}
        reply = await client.post("/population/v1/person-lookups", json=many, headers=bank)
        assert (reply.status_code, reply.json()["code"]) == (403, "consent-missing")
        claim = {"kind": "EQUALS", "field": "birth_date", "value": "1990-05-17"}
        reply = await client.post(VERIFY, json={"claims": [claim]}, headers=bank)
        assert (reply.status_code, reply.json()["code"]) == (403, "consent-missing")
        assert await disclosed() == []

    async def test_with_it_the_agreed_groups_are_given_until_it_is_withdrawn(
        self, client, bank, add_person, deliver, disclosed
    ) -> None:
        await add_person(MOTHER)
        given = consent()
        await deliver(given)
        assert (await client.get(READ.format(MOTHER, "birth_name"), headers=bank)).status_code == 200
        claim = {"kind": "EQUALS", "field": "birth_date", "value": "1990-05-17"}
        assert (await client.post(VERIFY, json={"claims": [claim]}, headers=bank)).status_code == 200
        more = await client.get(READ.format(MOTHER, "birth_name,permanent_residence"), headers=bank)
        assert more.json()["code"] == "consent-missing"
        assert len(await disclosed()) == 2
        await deliver(given.model_copy(update={"withdrawn_at": datetime.now(UTC)}))
        # An older event may come again: a withdrawal is final.
        await deliver(given)
        reply = await client.get(READ.format(MOTHER, "birth_name"), headers=bank)
        assert reply.json()["code"] == "consent-missing"

    @pytest.mark.parametrize(
        "change",
        [
            {"agency": "B02"},
            {"purpose": "STATISTICS"},
            {"personal_id": FATHER},
            {"valid_until": datetime(2026, 1, 1, tzinfo=UTC)},
        ],
    )
    async def test_one_for_another_agency_purpose_person_or_time_does_not_do(
        self, client, bank, add_person, deliver, change
    ) -> None:
        await add_person(MOTHER)
        await deliver(consent(**change))
        reply = await client.get(READ.format(MOTHER, "birth_name"), headers=bank)
        assert reply.json()["code"] == "consent-missing"

    async def test_two_consents_add_up(self, client, bank, add_person, deliver) -> None:
        await add_person(MOTHER)
        await deliver(consent(field_groups=("birth_name",)))
        await deliver(consent(field_groups=("birth_date",)))
        reply = await client.get(READ.format(MOTHER, "birth_name,birth_date"), headers=bank)
        assert reply.status_code == 200
