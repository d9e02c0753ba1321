"""The promises of the runtime that no service tests alone: pauses grow, headers hold no data, shapes hold."""

import asyncio
import contextlib
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_chassis.inbox import delay_after
from ndx_chassis.kafka import is_stopped
from ndx_chassis.tables import disclosures
from ndx_chassis.telemetry import OnceInAWhile, inbound, is_sampled, traceparent
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.personal_ids import mask, mask_all

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"


class TestPauses:
    @given(st.integers(min_value=0, max_value=60))
    def test_a_pause_is_never_longer_than_six_minutes(self, attempts: int) -> None:
        assert 0.3 < delay_after(attempts).total_seconds() <= 360

    def test_later_attempts_wait_longer(self) -> None:
        assert delay_after(6).total_seconds() > 3 * delay_after(2).total_seconds()


class TestDisclosureRecords:
    def test_what_is_published_is_what_the_ledger_reads(self) -> None:
        kept = {column.name for column in disclosures.columns} - {"xid"}
        assert {*kept, "service"} == set(DisclosureRecord.model_fields)


class TestMasking:
    @given(st.from_regex(r"\A[0-9]{12}\Z"))
    def test_no_log_line_keeps_a_whole_number(self, number: str) -> None:
        assert number not in mask_all(f"person {number}, again {number}.")
        assert mask(number) == f"{number[:3]}*******{number[-2:]}"

    def test_other_numbers_stay(self) -> None:
        assert mask_all("took 1234567890123 ns, order 12345") == "took 1234567890123 ns, order 12345"


class TestQuietLogs:
    def test_what_the_kafka_client_repeats_is_written_once_in_a_while(self) -> None:
        quiet = OnceInAWhile()

        def passes(name: str, words: str, at: float) -> bool:
            record = logging.LogRecord(name, logging.ERROR, "", 0, words, (), None)
            record.created = at
            return quiet.filter(record)

        said = [
            passes("aiokafka.conn", "Unable connect to node", second / 10) for second in range(1000, 1250)
        ]
        assert said.count(True) == 3
        assert passes("aiokafka.conn", "another trouble", 124.9)
        assert all(passes("ndx", "relay_interrupted", 100.0) for _ in range(5))


class TestEnds:
    async def test_an_end_that_came_while_a_client_was_closed_is_still_known(self) -> None:
        closing = asyncio.Event()

        async def close_in_any_case() -> bool:
            with contextlib.suppress(asyncio.CancelledError):
                closing.set()
                await asyncio.Event().wait()
            return is_stopped()

        task = asyncio.create_task(close_in_any_case())
        await closing.wait()
        task.cancel()
        assert await task

    async def test_a_cancellation_that_escaped_another_task_is_no_end(self) -> None:
        other = asyncio.create_task(asyncio.sleep(60))
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        assert not is_stopped()


class TestTraceContext:
    @pytest.mark.parametrize(("flag", "sampled"), [("1", True), ("0", False), ("3", True)])
    def test_the_sampled_flag_decides(self, flag: str, sampled: bool) -> None:
        assert is_sampled(PARENT + flag) is sampled

    def test_an_unsampled_context_is_passed_on_as_it_came(self) -> None:
        with inbound(PARENT + "0"):
            assert traceparent() == PARENT + "0"

    def test_nonsense_is_not_passed_on(self) -> None:
        with inbound("x" * 55):
            assert traceparent() is None
