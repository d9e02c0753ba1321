"""`ledger`: disclosure records from their Kafka messages to signed positions; the ceiling is `COPY`.

The messages are those that the relay of a service makes, in fetches as the reader takes them. Taking in and
making checkpoints go on side by side in one process, as in the leading process of the control plane, against
a database of its own with synced commits; that the last checkpoint waits for its second counts. The ceiling
copies the same rows into a table like that of entries. Kafka itself is not in it (`relay` measures it).

Proofs are asked of the same ledger, by the use case that answers auditors, audit entry included.
"""

import asyncio
import gc
import os
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gateway.ledger import consumers, service
from gateway.settings import Settings
from harness import ROOT, CannotMeasure, Result, Round, percentile, result, server_cpu
from ndx_chassis.agreements import AgreementBook
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Operator
from ndx_chassis.consumer import handle_together
from ndx_chassis.db import Copies, make_engine, make_sessions
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import parcel_of
from ndx_chassis.relay import disclosure_message
from ndx_chassis.server import GC_THRESHOLDS
from ndx_local import postgres
from people import database

ROUNDS, FETCH = 3, 500
RECORDS = int(os.environ.get("NDX_BENCH_RECORDS", "100000"))
PROOFS = 300
_PAUSE = 1.0
"""Seconds between two runs of the control plane's job that makes checkpoints."""
FOLDER = ROOT / ".local" / "bench-ledger"
_GROUPS = ["birth_date", "birth_name", "permanent_residence", "personal_id", "sex"]
_AUDITOR = """
    INSERT INTO agencies (code, name, name_en, agency_class, state, created_at)
        VALUES ('G01', 'Bộ Công an', 'Ministry of Public Security', 'MINISTRY', 'ACTIVE', now());
    INSERT INTO operators (agency, login, roles, state) VALUES ('G01', 'auditor', '{auditor}', 'ACTIVE')
"""
_LATEST = (
    "SELECT position, disclosure_id, service, leaf_hash, leaf, record, received_at"
    " FROM ledger_entries WHERE position >= {}"
)


def _record(number: int) -> dict[str, Any]:
    return {
        "xid": 1,
        "id": new_id(),
        "occurred_at": datetime.now(UTC),
        "agency": "G03",
        "system": "insurance-link",
        "officer": None,
        "case_id": None,
        "purpose": "SOCIAL_INSURANCE",
        "agreement": "DSA-G03-1",
        "agreement_version": 1,
        "operation": "population.get_person",
        "subjects": [f"0793260{number % 100_000:05d}"],
        "field_groups": _GROUPS,
        "outcome": "DISCLOSED",
        "request_id": str(new_id()),
        "trace_id": secrets.token_hex(16),
    }


def _fetched(number: int) -> "ConsumerRecord[bytes, bytes]":
    sent = disclosure_message("population", _record(number))
    return ConsumerRecord(
        topic=sent.topic,
        partition=0,
        offset=number,
        timestamp=0,
        timestamp_type=0,
        key=sent.key,
        value=sent.value,
        checksum=None,
        serialized_key_size=len(sent.key),
        serialized_value_size=len(sent.value),
        headers=sent.headers,
    )


def _settings(url: str) -> Settings:
    pseudonyms, signing = FOLDER / "pseudonyms.key", FOLDER / "signing.pem"
    postgres.private_file(pseudonyms, secrets.token_hex(32))
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    postgres.private_file(signing, pem.decode())
    return Settings(database_url=url, ledger_pseudonym_key_file=pseudonyms, ledger_signing_key_file=signing)


async def _measured(url: str, server: int) -> tuple[list[Round], Round]:
    settings = _settings(url)
    engine = make_engine(settings)
    runtime = Runtime(
        service="gateway",
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        gateway=GatewayClient(settings),
        agreements=AgreementBook(),
        copies=Copies(settings),
    )
    await service.open_keys(runtime)
    connection = await asyncpg.connect(settings.asyncpg_dsn, command_timeout=None)
    rounds = []
    try:
        for number in range(ROUNDS + 1):
            fetches = [[_fetched(n) for n in range(s, s + FETCH)] for s in range(0, RECORDS, FETCH)]
            gc.collect()  # as a service does when it has started
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            before = await connection.fetchval("SELECT count(*) FROM ledger_entries")
            started, own, its = time.perf_counter(), time.process_time(), server_cpu(server)
            await asyncio.gather(_taken_in(runtime, fetches), _placed(runtime, connection, before + RECORDS))
            took = time.perf_counter() - started
            spent = {"python": time.process_time() - own, "postgres": server_cpu(server) - its}
            after = await connection.fetchval("SELECT count(*) FROM ledger_entries")
            if after - before != RECORDS:
                raise CannotMeasure(f"of {RECORDS:,} records {after - before:,} have a position")
            top = await _copied(connection, before)
            if number:  # the first round warms up
                micro = {part: seconds / RECORDS * 1e6 for part, seconds in spent.items()}
                rounds.append(Round(RECORDS / took, ceiling=top, cpu_us=micro))
        return rounds, await _proofs(runtime, connection)
    finally:
        await connection.close()
        await runtime.gateway.close()
        await engine.dispose()


async def _taken_in(runtime: Runtime, fetches: list[list["ConsumerRecord[bytes, bytes]"]]) -> None:
    population = next(s for s in consumers.subscriptions() if s.topic.startswith("population."))
    for fetch in fetches:
        await handle_together(runtime, population, [parcel_of(one) for one in fetch])


async def _placed(runtime: Runtime, connection: asyncpg.Connection, size: int) -> None:
    """Make checkpoints until the tree has its size; the job pauses for a second when it finds few records."""
    while await connection.fetchval("SELECT max(size) FROM ledger_checkpoints") != size:
        await service.make_checkpoint(runtime)
        await asyncio.sleep(_PAUSE)


async def _copied(connection: asyncpg.Connection, first: int) -> float:
    """Copy the last round's entries into a table like theirs; return how many a second."""
    file = FOLDER / "entries.copy"
    await connection.copy_from_query(_LATEST.format(first), output=file)
    await connection.execute("CREATE TABLE copied (LIKE ledger_entries INCLUDING ALL)")
    try:
        started = time.perf_counter()
        await connection.copy_to_table("copied", source=file)
        return RECORDS / (time.perf_counter() - started)
    finally:
        await connection.execute("DROP TABLE copied")


async def _proofs(runtime: Runtime, connection: asyncpg.Connection) -> Round:
    """Ask for the inclusion proofs of entries at random, as auditors do; milliseconds each."""
    await connection.execute(_AUDITOR)
    asked = await connection.fetch(
        f"SELECT disclosure_id FROM ledger_entries ORDER BY hashtext(disclosure_id::text) LIMIT {PROOFS}"
    )
    operator = Operator("G01", "auditor", str(new_id()), "gateway.get_ledger_entry")
    took = []
    for (disclosure_id,) in asked:
        started = time.perf_counter()
        async with runtime.sessions() as session, session.begin():
            await service.entry_with_proof(session, operator, disclosure_id=disclosure_id)
        took.append((time.perf_counter() - started) * 1000)
    return Round(
        1000 / (sum(took) / len(took)),
        p50_ms=percentile(took, 0.5),
        p95_ms=percentile(took, 0.95),
        p99_ms=percentile(took, 0.99),
    )


def measure() -> list[Result]:
    with database(FOLDER, "gateway", "GATEWAY_DATABASE_URL") as (url, server):
        rounds, proofs = asyncio.run(_measured(url, server))
    entries = (ROUNDS + 1) * RECORDS
    return [
        result(
            "ledger",
            "records/s",
            rounds,
            f"{RECORDS:,} records a round from their Kafka messages, {FETCH} a fetch, to signed positions,"
            f" a checkpoint for each {service.BATCH:,}; one process, synced commits",
            ceiling="COPY of the same entries",
        ),
        result("ledger-proof", "proofs/s", [proofs], f"one after the other, of {entries:,} entries"),
    ]
