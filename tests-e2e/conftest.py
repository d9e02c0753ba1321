"""A whole stack of its own for the end-to-end tests: free ports, enrolled agencies, one walk done."""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from ndx_client.citizen import LoginRefused
from ndx_demo import walk
from ndx_demo.door import Door, StepFailed
from ndx_demo.enrolment import Enrolment, enrol
from ndx_demo.loading import load_population
from ndx_local.stack import Stack

BIRTHS = "/civil-registry/v1/births"
COMMUNE = "X26740/one-stop"
PEOPLE = 10_000
"""Of whom a hundred couples and fifty old people can walk."""
FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class Message:
    """A record of a Kafka topic."""

    partition: int
    offset: int
    event_id: str
    value: str


def _event_of(headers: dict[str, bytes]) -> str:
    return (headers.get("ndx_original_id") or headers["ce_id"]).decode()


@dataclass(frozen=True, slots=True)
class System:
    """The running system as a test sees it."""

    stack: Stack
    description: dict[str, Any]
    enrolment: Enrolment

    def door(self, name: str) -> Door:
        found = self.enrolment.systems.get(name) or self.enrolment.operators[name]
        return Door(self.description["gateway_url"], found.certificate, found.key, found.ca)

    def context(self) -> walk.Context:
        return walk.Context(
            gateway_url=self.description["gateway_url"],
            citizen_url=self.description["citizen_url"],
            trace_url=self.description["trace_url"],
            home=self.stack.paths.home,
            enrolment=self.enrolment,
        )

    @staticmethod
    def wait_for(condition: Callable[[], FoundT], seconds: float = 60.0) -> FoundT:
        """Return the first true answer; a call that gets none counts as an answer that is not true."""
        deadline = time.monotonic() + seconds
        found: Any = None
        while time.monotonic() < deadline:
            try:
                found = condition()
            except (httpx.HTTPError, OSError, asyncpg.PostgresError) as error:
                found, last = None, error
            else:
                last = found
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"did not come true in {seconds:.0f} s, the last answer was {last!r}")

    # Births, as a commune's officer declares them

    @staticmethod
    def letters(count: int = 8) -> str:
        return uuid4().hex[:count].translate(str.maketrans("0123456789", "ghijklmnop"))

    def declaration(self) -> dict[str, Any]:
        """Return a birth that nobody declared before, of a mother without a number."""
        return walk.birth_of(
            given=f"Bền {self.letters()}",
            sex="FEMALE",
            born=date(2024, 1, 1) + timedelta(days=uuid4().int % 600),
            mother=("", f"Hồ Thị {self.letters()}"),
            father=None,
        )

    @staticmethod
    def declare(door: Door, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        return door.post(BIRTHS, body, purpose="CIVIL_REGISTRATION", key=key or uuid4().hex)

    @staticmethod
    def death_of(number: str, birth: dict[str, Any], died_on: str) -> dict[str, Any]:
        """Return the declaration of the death of whose birth was declared."""
        child = birth["child"]
        return {
            "office": "X26740",
            "deceased": {
                "personal_id": number,
                "name": f"{child['surname']} {child['middle_name']} {child['given_name']}",
                "sex": child["sex"],
                "birth_date": child["birth_date"],
                "last_residence": "Phường Sài Gòn, Thành phố Hồ Chí Minh",
            },
            "died_on": died_on,
            "death_place": "Bệnh viện Đa khoa Minh Họa",
            "notice_number": f"GBT-{uuid4().hex[:8]}",
            "declarant": {"name": "Người khai minh họa", "relation": "RELATIVE"},
        }

    # What is in the databases and in Kafka

    def database(self, service: str) -> str:
        return str(self.description["env"][f"{service.upper().replace('-', '_')}_DATABASE_URL"])

    def rows(self, service: str, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement on a service's database."""

        async def read() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.database(service), timeout=30)
            try:
                return [dict(row) for row in await connection.fetch(statement, *values)]
            finally:
                await connection.close()

        return asyncio.run(read())

    def count(self, service: str, table: str, where: str = "true", *values: object) -> int:
        found = self.rows(service, f"SELECT count(*) AS n FROM {table} WHERE {where}", *values)
        return int(found[0]["n"])

    @contextmanager
    def closed(self, service: str, table: str) -> Iterator[None]:
        """Hold back every write to a table; they go on when the block ends."""
        with asyncio.Runner() as runner:
            connection = runner.run(asyncpg.connect(self.database(service), timeout=30))
            try:
                runner.run(connection.execute(f"BEGIN; LOCK TABLE {table} IN SHARE MODE"))
                yield
                runner.run(connection.execute("COMMIT"))
            finally:
                runner.run(connection.close(timeout=30))

    def waits_at(self, service: str, table: str) -> bool:
        """Tell whether somebody waits for a table that is closed."""
        waiting = (
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return bool(self.rows(service, waiting, table))

    def messages(self, topic: str) -> list[Message]:
        """Read a whole topic."""
        found = self.records([topic])[topic]
        return [Message(r.partition, r.offset, _event_of(dict(r.headers)), r.value.decode()) for r in found]

    def records(self, topics: Collection[str] | None = None) -> dict[str, list[ConsumerRecord]]:
        """Read whole topics; by default all that there are, those of Kafka itself apart."""
        servers = self.description["env"]["KAFKA_BOOTSTRAP_SERVERS"]

        async def read() -> dict[str, list[ConsumerRecord]]:
            consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
            await consumer.start()
            try:
                wanted = topics or [t for t in await consumer.topics() if not t.startswith("__")]
                await consumer._client.set_topics(wanted)
                found: dict[str, list[ConsumerRecord]] = {topic: [] for topic in wanted}
                parts = [TopicPartition(t, p) for t in wanted for p in consumer.partitions_for_topic(t)]
                consumer.assign(parts)
                await consumer.seek_to_beginning(*parts)
                ends = await consumer.end_offsets(parts)
                while any([await consumer.position(p) < ends[p] for p in parts]):
                    for part, records in (await consumer.getmany(timeout_ms=500)).items():
                        found[part.topic].extend(records)
            finally:
                await consumer.stop()
            return found

        return asyncio.run(read())

    def produce(self, topic: str, value: bytes, **headers: str) -> None:
        """Put a message of one's own into a topic."""
        servers = self.description["env"]["KAFKA_BOOTSTRAP_SERVERS"]

        async def send() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=servers)
            await producer.start()
            try:
                await producer.send_and_wait(
                    topic, value, key=b"test", headers=[(k, v.encode()) for k, v in headers.items()]
                )
            finally:
                await producer.stop()

        asyncio.run(send())

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return how far a consumer group says it is, by partition."""
        servers = self.description["env"]["KAFKA_BOOTSTRAP_SERVERS"]

        async def read() -> dict[int, int]:
            admin = AIOKafkaAdminClient(bootstrap_servers=servers)
            await admin.start()
            try:
                offsets = await admin.list_consumer_group_offsets(group)
            finally:
                await admin.close()
            return {p.partition: o.offset for p, o in offsets.items() if p.topic == topic}

        return asyncio.run(read())

    @contextmanager
    def unchanged(self, child: str = "") -> Iterator[None]:
        """Check that what happens inside registers nobody, and discloses nothing about a child."""
        before = self._census(child)
        yield
        assert self._census(child) == before

    def _census(self, child: str) -> dict[str, int]:
        told = "outcome = 'DISCLOSED' AND $1 = ANY(subjects)"
        return {
            "births": self.count("civil-registry", "births"),
            "announced": self.count("civil-registry", "outbox", "topic = 'civil-registry.birth.v1'"),
            "persons": self.count("population", "persons"),
            "numbers": self.count("population", "personal_id_requests"),
            "told": self.count("population", "disclosures", told, child),
            "told by the registry": self.count("civil-registry", "disclosures", told, child),
        }

    # The main walk

    def walk_again(self, seconds: float = 60.0) -> tuple[walk.WalkResult, list[str]]:
        """Walk the whole main walk until it passes; return the result and why earlier tries failed.

        Each try has another family, whose mother gets an e-ID account: so the accounts' road is walked too.
        """
        deadline = time.monotonic() + seconds
        failures: list[str] = []
        while True:
            try:
                if failures:
                    # A walk that broke off may have left the agreement suspended; this resumes it.
                    enrol(
                        self.description["gateway_url"], self.description["citizen_url"], self.stack.paths.pki
                    )
                return walk.run(self.context()), failures
            except (StepFailed, LoginRefused, httpx.HTTPError) as error:
                failures.append(str(error)[:300])
                if time.monotonic() > deadline:
                    raise AssertionError(f"the walk does not pass: {failures}") from error
                time.sleep(0.5)


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Start the stack `e2e`, or use a running one named by NDX_E2E_STACK."""
    name = os.environ.get("NDX_E2E_STACK", "e2e")
    stack = Stack.open(name)
    stack.up()
    try:
        description = stack.description
        load_population(stack, PEOPLE)
        yield System(
            stack, description, enrol(description["gateway_url"], description["citizen_url"], stack.paths.pki)
        )
    finally:
        if "NDX_E2E_STACK" not in os.environ:
            stack.down()


@pytest.fixture(scope="session")
def walked(system: System) -> walk.WalkResult:
    """The main walk, run once."""
    return walk.run(system.context())
