"""What a transaction writes last is written with it or not at all, whatever its values look like."""

import asyncio
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.consumer import Event
from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_last
from ndx_chassis.outbox import publish
from ndx_chassis.tables import audit_entries, outbox, relay_positions
from ndx_contracts.events import PersonDeceased
from sqlalchemy import event as engine_events
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

DEATH = PersonDeceased.model_validate(
    {"person_id": str(new_id()), "personal_id": "079226000017", "died_on": "2026-11-20", "version": 2}
)
CAUSE = Event(new_id(), DEATH.TYPE, "/test", DEATH.key, None, DEATH)


async def rows(runtime: Runtime, table: Any) -> list[Any]:
    async with runtime.sessions() as session:
        return list((await session.execute(select(table))).all())


async def audited(session: Any, entity: str, **details: object) -> None:
    await record_audit(session, CAUSE, action="done", entity_type="thing", entity_id=entity, details=details)


class TestLastWrites:
    async def test_a_commit_writes_them_all_in_one_statement(self, runtime: Runtime) -> None:
        said: list[str] = []
        engine_events.listen(
            runtime.engine.sync_engine, "before_cursor_execute", lambda _c, _x, sql, *_: said.append(sql)
        )
        async with runtime.sessions() as session, session.begin():
            await audited(session, "one", of=["Đặng'\"\\", None, 1.5, {"deep": True}])
            await publish(session, DEATH, DEATH)
            await audited(session, "two")
        assert len(said) == 1
        entries = {row.entity_id: row for row in await rows(runtime, audit_entries)}
        assert entries["one"].details == {"of": ["Đặng'\"\\", None, 1.5, {"deep": True}]}
        assert entries["two"].officer is None
        assert entries["two"].occurred_at is not None
        assert [row.payload for row in await rows(runtime, outbox)] == [DEATH.model_dump_json()] * 2

    async def test_events_keep_their_order(self, runtime: Runtime) -> None:
        deaths = [DEATH.model_copy(update={"version": n}) for n in range(50)]
        async with runtime.sessions() as session, session.begin():
            for death in deaths:
                await publish(session, death)
        async with runtime.sessions() as session:
            found = await session.scalars(select(outbox.c.payload).order_by(outbox.c.xid, outbox.c.id))
            assert list(found) == [death.model_dump_json() for death in deaths]

    async def test_a_rollback_forgets_them(self, runtime: Runtime) -> None:
        async def fail(session: AsyncSession) -> None:
            async with session.begin():
                await audited(session, "never")
                raise LookupError

        async with runtime.sessions() as session:
            with pytest.raises(LookupError):
                await fail(session)
            async with session.begin():
                await audited(session, "after")
        assert [row.entity_id for row in await rows(runtime, audit_entries)] == ["after"]

    async def test_a_rollback_to_a_savepoint_forgets_those_since_then(self, runtime: Runtime) -> None:
        async def fail(session: AsyncSession) -> None:
            async with session.begin_nested():
                await audited(session, "never")
                raise LookupError

        async def refused(session: AsyncSession) -> None:
            position = {"source": "test", "xid": 1, "id": new_id()}
            async with session.begin_nested():
                await audited(session, "with a refused row")
                write_last(session, relay_positions, position, position)

        async with runtime.sessions() as session, session.begin():
            await audited(session, "before")
            with pytest.raises(LookupError):
                await fail(session)
            with pytest.raises(IntegrityError):
                await refused(session)
            async with session.begin_nested():
                await audited(session, "inside")
            await audited(session, "after")
        names = sorted(row.entity_id for row in await rows(runtime, audit_entries))
        assert names == ["after", "before", "inside"]

    async def test_what_the_database_refuses_undoes_the_rest(self, runtime: Runtime) -> None:
        position = {"source": "test", "xid": 1, "id": new_id()}

        async def write() -> None:
            async with runtime.sessions() as session, session.begin():
                await audited(session, "with a refused row")
                write_last(session, relay_positions, position, position)

        with pytest.raises(IntegrityError):
            await write()
        assert await rows(runtime, audit_entries) == []
        assert await rows(runtime, relay_positions) == []

    async def test_transactions_side_by_side_keep_their_own(self, runtime: Runtime) -> None:
        async def one(name: str, *, fails: bool) -> None:
            async with runtime.sessions() as session, session.begin():
                await audited(session, name)
                await asyncio.sleep(0.01)
                if fails:
                    raise LookupError

        await asyncio.gather(*(one(str(n), fails=n % 2 == 0) for n in range(10)), return_exceptions=True)
        assert sorted(row.entity_id for row in await rows(runtime, audit_entries)) == list("13579")
