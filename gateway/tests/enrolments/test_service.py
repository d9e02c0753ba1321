"""A list of agencies is registered in one request, and may be sent again."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
PATH = "/v1/enrolments"


def clinic(code: str, **further: Any) -> dict[str, Any]:
    words = {"name": f"Trạm y tế {code}", "name_en": f"Health station {code}", "agency_class": "HEALTH"}
    renew = further.pop("renew", False)
    return {"agency": {"code": code, **words, **further}, "system": "his", "renew": renew}


def told(answer: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(i["agency"], i["outcome"], i["problem"]) for i in answer["items"]]


class TestEnrolAgencies:
    async def test_a_wrong_one_does_not_hinder_the_others(self, post: Do, hospital: Any):
        wanted = [
            clinic("T01.001"),
            clinic("T01.002", parent="NOBODY"),
            clinic("H79.001", agency_class="BANK"),
            clinic("T01.003", parent="H79.001"),
        ]
        answer = await post("NDX:an", PATH, {"items": wanted})
        assert told(answer) == [
            ("T01.001", "REGISTERED", None),
            ("T01.002", "REFUSED", "agency-not-found"),
            ("H79.001", "REFUSED", "agency-exists"),
            ("T01.003", "REGISTERED", None),
        ]
        codes = [i["enrolment_code"] for i in answer["items"]]
        assert [bool(c) for c in codes] == [True, False, False, True]

    async def test_sent_again_it_gives_new_codes_to_those_without_a_certificate_only(
        self, post: Do, bus: Any, session: AsyncSession
    ):
        first = await post("NDX:an", PATH, {"items": [clinic("T01.001"), clinic("T01.002")]})
        await session.execute(text("UPDATE systems SET enrolment_serial = 'ab' WHERE agency = 'T01.001'"))
        await session.commit()
        again = await post("NDX:an", PATH, {"items": [clinic("T01.001"), clinic("T01.002")]})
        assert told(again) == [
            ("T01.001", "ENROLLED_BEFORE", None),
            ("T01.002", "CODE_RENEWED", None),
        ]
        assert again["items"][1]["enrolment_code"] != first["items"][1]["enrolment_code"]
        renewed = await post("NDX:an", PATH, {"items": [clinic("T01.001", renew=True)]})
        assert told(renewed) == [("T01.001", "CODE_RENEWED", None)]

    async def test_a_suspended_agency_gets_no_code(self, post: Do, bus: Any, session: AsyncSession):
        await post("NDX:an", PATH, {"items": [clinic("T01.001")]})
        await session.execute(text("UPDATE agencies SET state = 'SUSPENDED' WHERE code = 'T01.001'"))
        await session.commit()
        answer = await post("NDX:an", PATH, {"items": [clinic("T01.001")]})
        assert told(answer) == [("T01.001", "REFUSED", "agency-exists")]

    async def test_only_operators_with_the_role_enrol(self, post: Do):
        body = {"items": [clinic("T01.001")]}
        assert (await post("NDX:binh", PATH, body, 403))["code"] == "role-missing"

    async def test_a_system_is_listed_once(self, post: Do):
        body = {"items": [clinic("T01.001"), clinic("T01.001")]}
        assert (await post("NDX:an", PATH, body, 422))["code"] == "invalid-input"
