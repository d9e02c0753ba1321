"""The ledger: every disclosure once, in order of arrival, provable from a signed checkpoint."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from gateway.ledger import service
from gateway.ledger.consumers import subscriptions as ledger_subscriptions
from gateway.ledger.leaf import canonical, pseudonym
from gateway.ledger.repository import Arrived
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import handle_together
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel
from ndx_client.ledger import Bundle, VerifierKey, verify
from ndx_contracts.disclosure import DisclosureRecord, Outcome
from ndx_contracts.events import envelope as ce
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.topics import disclosure_topic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Do = Callable[..., Any]
PERSON = "079226000017"
integration = pytest.mark.integration


def record(**changes: Any) -> DisclosureRecord:
    members: dict[str, Any] = {
        "id": new_id(),
        "occurred_at": datetime(2026, 11, 24, 2, 30, tzinfo=UTC),
        "service": "population",
        "agency": "H79.001",
        "system": "his",
        "officer": None,
        "case_id": None,
        "purpose": "HEALTH_ENTITLEMENT",
        "agreement": "DSA-H79.001-1",
        "agreement_version": 1,
        "operation": "population.get_person",
        "subjects": (PERSON,),
        "field_groups": (FieldGroup.BIRTH_NAME,),
        "outcome": Outcome.DISCLOSED,
        "request_id": "r",
        "trace_id": None,
    }
    return DisclosureRecord(**(members | changes))


def arrived(one: DisclosureRecord) -> Arrived:
    return Arrived(one.id, one.service, one.model_dump_json())


def leaf(one: DisclosureRecord, key: bytes = b"k" * 32) -> str:
    return canonical(one.model_dump(mode="json"), key).decode()


class TestLeaf:
    def test_it_holds_no_personal_number(self):
        assert PERSON not in leaf(record())
        assert pseudonym(b"k" * 32, PERSON) in leaf(record())

    def test_another_key_gives_another_pseudonym(self):
        assert pseudonym(b"k" * 32, PERSON) != pseudonym(b"l" * 32, PERSON)

    def test_one_moment_has_one_form(self):
        identifier = new_id()
        east = timezone(timedelta(hours=7))
        there = record(id=identifier, occurred_at=datetime(2026, 11, 24, 9, 30, tzinfo=east))
        assert leaf(there) == leaf(record(id=identifier))

    def test_the_order_of_subjects_does_not_matter(self):
        identifier = new_id()
        one = record(id=identifier, subjects=("079226000017", "079226000028"))
        two = record(id=identifier, subjects=("079226000028", "079226000017"))
        assert leaf(one) == leaf(two)

    def test_what_a_newer_service_adds_is_not_hashed(self):
        one = record()
        newer = one.model_dump(mode="json") | {"subject_name": "An"}
        assert canonical(newer, b"k" * 32).decode() == leaf(one)

    def test_it_is_the_json_that_any_language_writes(self):
        """Other verifiers write the same bytes: sorted names, no spaces, no escapes but those JSON needs."""
        odd = record(officer='Đỗ "Anh"\\ \n\x1f\u2028/😀', case_id="")
        members = json.loads(leaf(odd))
        assert members["officer"] == odd.officer
        assert leaf(odd) == json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert members["occurred_at"] == "2026-11-24T02:30:00.000000Z"


@integration
class TestTakeIn:
    async def test_a_record_that_comes_twice_has_one_place(
        self, bus: Any, deliver: Do, runtime: Runtime, read: Do
    ):
        first = record()
        await deliver(first)
        await service.make_checkpoint(runtime)
        # Again under another message id, after it has a place: the inbox does not know it.
        await deliver(first, event_id=new_id())
        await service.make_checkpoint(runtime)
        status = await read("NDX:mai", "/v1/ledger/status")
        assert (status["size"], status["waiting"]) == (1, 0)
        assert status["services"] == [{"service": "population", "entries": 1, "waiting": 0, "parked": 0}]

    async def test_what_waits_is_counted(self, bus: Any, deliver: Do, read: Do):
        await deliver(record(service="tax"))
        status = await read("NDX:mai", "/v1/ledger/status")
        assert status["services"] == [{"service": "tax", "entries": 0, "waiting": 1, "parked": 0}]

    @pytest.mark.parametrize("table", ["ledger_entries", "ledger_nodes", "ledger_checkpoints"])
    async def test_the_services_own_role_cannot_rewrite_it(self, table: str, bus: Any, session: AsyncSession):
        granted = text(
            "SELECT privilege_type FROM information_schema.role_table_grants"
            " WHERE table_name = :table AND grantee = CURRENT_USER"
        )
        rights = set((await session.scalars(granted, {"table": table})).all())
        assert {"SELECT", "INSERT"} <= rights
        assert rights.isdisjoint({"UPDATE", "DELETE", "TRUNCATE"})

    async def test_only_the_full_record_may_be_erased(self, bus: Any, session: AsyncSession):
        granted = text(
            "SELECT column_name FROM information_schema.column_privileges"
            " WHERE table_name = 'ledger_entries' AND grantee = CURRENT_USER AND privilege_type = 'UPDATE'"
        )
        assert (await session.scalars(granted)).all() == ["record"]


@integration
class TestProof:
    async def test_an_auditor_proves_each_record_from_the_signed_checkpoint(
        self, bus: Any, runtime: Runtime, read: Do
    ):
        records = [record() for _ in range(300)]
        async with runtime.sessions() as session, session.begin():
            await service.take_in(session, [arrived(one) for one in records[:290]])
        await service.make_checkpoint(runtime)
        async with runtime.sessions() as session, session.begin():
            await service.take_in(session, [arrived(one) for one in records[290:]])
        await service.make_checkpoint(runtime)
        latest = await read("NDX:mai", "/v1/ledger/checkpoints/latest")
        entries = [
            await read("NDX:mai", f"/v1/ledger/entries/{one.id}")
            for one in (records[0], records[255], records[256], records[299])
        ]
        bundle = Bundle.model_validate({"verifier_key": latest["verifier_key"], "entries": entries})
        findings = verify(bundle, VerifierKey.parse(latest["verifier_key"]))
        assert [finding.fault for finding in findings] == [None] * 4
        assert findings[0].record["agency"] == records[0].agency
        assert all(PERSON not in entry["leaf"] for entry in entries)

    async def test_only_auditors_see_entries(self, bus: Any, deliver: Do, runtime: Runtime, read: Do):
        one = record()
        await deliver(one)
        await service.make_checkpoint(runtime)
        assert (await read("NDX:an", f"/v1/ledger/entries/{one.id}", 403))["code"] == "role-missing"

    async def test_an_unknown_disclosure(self, bus: Any, read: Do):
        missing = await read("NDX:mai", f"/v1/ledger/entries/{new_id()}", 404)
        assert missing["code"] == "ledger-entry-not-found"

    async def test_no_checkpoint_yet(self, bus: Any, read: Do):
        assert (await read("NDX:mai", "/v1/ledger/checkpoints/latest", 404))["code"] == "ledger-empty"


def parcel(one: DisclosureRecord, value: str | None = None) -> Parcel:
    topic = disclosure_topic(one.service)
    headers = {ce.CE_ID: str(one.id), ce.CE_TYPE: topic}
    return Parcel(topic=topic, key=str(one.id), value=value or one.model_dump_json(), headers=headers)


@integration
class TestRecordsOfOneFetch:
    async def test_each_is_kept_once_whatever_is_repeated(self, bus: Any, runtime: Runtime, read: Do):
        first, second, third = (record() for _ in range(3))
        subscription = next(s for s in ledger_subscriptions() if s.topic == disclosure_topic(first.service))
        await handle_together(runtime, subscription, [parcel(first), parcel(first), parcel(second)])
        await handle_together(runtime, subscription, [parcel(second), parcel(third)])
        await service.make_checkpoint(runtime)
        assert (await read("NDX:mai", "/v1/ledger/status"))["size"] == 3

    async def test_an_unreadable_one_holds_up_nobody_and_is_not_lost(
        self, bus: Any, runtime: Runtime, read: Do
    ):
        good, bad = record(), record()
        subscription = next(s for s in ledger_subscriptions() if s.topic == disclosure_topic(good.service))
        await handle_together(runtime, subscription, [parcel(bad, '{"id": 1}'), parcel(good)])
        await service.make_checkpoint(runtime)
        status = await read("NDX:mai", "/v1/ledger/status")
        assert status["size"] == 1
        assert sum(one["parked"] for one in status["services"]) == 1
