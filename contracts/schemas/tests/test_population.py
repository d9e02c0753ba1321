"""A caller asks the population database for what it reads, and reads what it asked for."""

from datetime import date

import pytest
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import PersonName, PersonReading
from pydantic import ValidationError


class Newborn(PersonReading):
    birth_date: date
    birth_name: PersonName


class TestPersonReading:
    def test_its_members_are_the_groups_that_are_asked_for(self):
        assert Newborn.field_groups() == (FieldGroup.BIRTH_DATE, FieldGroup.BIRTH_NAME)
        assert Newborn.query() == {"fields": "birth_date,birth_name"}

    def test_a_member_that_is_no_field_group_is_refused_when_it_is_written(self):
        with pytest.raises(ValueError, match="height"):
            type("Tall", (PersonReading,), {"__annotations__": {"height": int}})

    def test_members_that_the_provider_adds_later_do_no_harm(self):
        answer = {"birth_date": "2026-11-20", "birth_name": {"given_name": "Hòa", "order": 1}, "sex": "MALE"}
        assert Newborn.model_validate(answer).birth_date == date(2026, 11, 20)

    def test_a_name_without_a_given_name_is_none(self):
        with pytest.raises(ValidationError):
            PersonName(given_name="")

    def test_the_full_name_leaves_out_what_is_not_known(self):
        assert PersonName(surname="Nguyễn", middle_name="Thị", given_name="Hòa").full == "Nguyễn Thị Hòa"
        assert PersonName(surname=None, given_name="Hòa").full == "Hòa"
