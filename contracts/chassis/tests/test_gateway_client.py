"""What a caller does with a provider's answer."""

import orjson
import pytest
from ndx_chassis.errors import Kind
from ndx_chassis.gateway_client import ProviderAnswerUnusable, Reply, read_answer
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import PersonName, PersonReading


class Known(PersonReading):
    personal_id: PersonalId
    birth_name: PersonName


class TestReadAnswer:
    def test_it_is_read_as_the_caller_needs_it(self):
        body = {"personal_id": "079226000017", "birth_name": {"given_name": "An"}, "sex": None}
        assert read_answer(Reply(200, orjson.dumps(body)), Known).birth_name.full == "An"

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"<html>",
            b"[]",
            b'{"personal_id": "079226000017"}',
            b'{"personal_id": 79226000017, "birth_name": {"given_name": "An"}}',
            b'{"personal_id": "079226000017", "birth_name": {"given_name": null}}',
        ],
    )
    def test_anything_else_is_asked_again_later(self, content):
        with pytest.raises(ProviderAnswerUnusable) as caught:
            read_answer(Reply(200, content), Known)
        assert caught.value.kind is Kind.UNAVAILABLE

    def test_the_refusal_names_the_member_and_no_value(self):
        body = {"personal_id": "79226000017 ", "birth_name": {"given_name": "Hòa"}}
        with pytest.raises(ProviderAnswerUnusable) as caught:
            read_answer(Reply(200, orjson.dumps(body)), Known)
        assert "personal_id" in str(caught.value)
        assert "79226" not in str(caught.value)
