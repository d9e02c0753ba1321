"""Use cases: take in every disclosure once, grow the tree, sign checkpoints, answer auditors."""

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.disclosure import hour_label, settled_hours
from ndx_chassis.metrics import gauge
from ndx_chassis.telemetry import log
from ndx_contracts.topics import DISCLOSING_SERVICES
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.ledger import notes, repository
from gateway.ledger.errors import EntryNotFound, LedgerEmpty
from gateway.ledger.leaf import canonical
from gateway.ledger.merkle import Frontier, fold, full_root, leaf_hash, runs, siblings
from gateway.ledger.models import LedgerCheckpoint
from gateway.ledger.schemas import CheckpointOut, EntryOut, ServiceCount, StatusOut
from gateway.settings import Settings

ORIGIN = "ndx.example/ledger"
BATCH = 2000
COUNTED_A_PAGE = 200_000


async def open_keys(runtime: Runtime) -> None:
    """Read the pseudonym and signing keys; without them the ledger takes records in but signs nothing."""
    runtime.metrics.sources.extend([HoursHeld(), _waiting])
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("the ledger needs the gateway's settings")
    secret, pem = settings.ledger_pseudonym_key_file, settings.ledger_signing_key_file
    if secret is None or pem is None:
        log.warning("ledger_not_signing", reason="no key file is set")
        return
    runtime.extras["ledger_pseudonym_key"] = secret.read_bytes()
    key = load_pem_private_key(pem.read_bytes(), None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise TypeError("the ledger signs with Ed25519")
    runtime.extras["ledger_signing_key"] = key


class HoursHeld:
    """A source of metrics: how many disclosures of each service and hour the ledger holds.

    Every entry is counted once, in the order of positions; nothing is shown before all of them are.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._counted: Counter[tuple[str, datetime]] = Counter()

    async def __call__(self, runtime: Runtime, session: AsyncSession) -> Iterable[Metric]:
        """Return the counts of the last hours, with a zero where the ledger holds nothing."""
        del runtime
        hours = settled_hours(datetime.now(UTC))
        if self._next is None:
            self._next = await repository.size_before(session, hours[0])
        last = await repository.latest_checkpoint(session)
        size = 0 if last is None else last.size
        end = min(size, self._next + COUNTED_A_PAGE)
        for service, hour, number in await repository.by_hour(session, self._next, end):
            self._counted[service, hour] += number
        self._next = max(end, self._next)
        for key in [key for key in self._counted if key[1] < hours[0]]:
            del self._counted[key]
        values: dict[tuple[str, ...], float] = {
            (service, hour_label(hour)): self._counted[service, hour]
            for service in DISCLOSING_SERVICES
            for hour in hours
            if end == size
        }
        words = "Disclosures of a service's hour that the ledger holds."
        return [gauge("ndx_ledger_records", words, values, ("ndx_service", "ndx_hour"))]


async def _waiting(_: Runtime, session: AsyncSession) -> Iterable[Metric]:
    words = "Age of the oldest disclosure record that no checkpoint covers yet."
    return [
        gauge("ndx_ledger_waiting_seconds", words, {(): await repository.oldest_arrival_seconds(session)})
    ]


async def take_in(session: AsyncSession, records: Sequence[repository.Arrived]) -> None:
    """Keep records until the next checkpoint gives them positions; a second copy changes nothing."""
    await repository.keep_arrivals(session, records)


async def make_checkpoint(runtime: Runtime) -> None:
    """Append all that has arrived, batch by batch, each with a signed root; runs in one process at a time."""
    secret, key = runtime.extras.get("ledger_pseudonym_key"), runtime.extras.get("ledger_signing_key")
    if secret is None or key is None:
        return
    taken = BATCH
    while taken == BATCH:
        async with runtime.sessions() as session, session.begin():
            taken = await _append_batch(session, secret, key)


async def _append_batch(session: AsyncSession, secret: bytes, key: ed25519.Ed25519PrivateKey) -> int:
    arrivals = await repository.arrivals(session, BATCH)
    if not arrivals:
        return 0
    ids = [disclosure_id for disclosure_id, _ in arrivals]
    known = await repository.known(session, ids)
    last = await repository.latest_checkpoint(session)
    tree = Frontier() if last is None else Frontier(last.size, last.frontier)
    placed: list[repository.Placed] = []
    nodes: list[dict[str, Any]] = []
    for disclosure_id, record in arrivals:
        if disclosure_id in known:
            continue
        leaf = canonical(orjson.loads(record), secret)
        hashed = leaf_hash(leaf)
        placed.append(repository.Placed(disclosure_id, tree.size, hashed, leaf.decode()))
        nodes.extend({"level": n.level, "index": n.index, "hash": n.hash} for n in tree.append(hashed))
    if await repository.place(session, ids, placed, nodes) != len(placed):
        raise RuntimeError("an arrival went away while it got its position")
    if placed:
        session.add(_signed(tree, key))
    return len(arrivals)


def _signed(tree: Frontier, key: ed25519.Ed25519PrivateKey) -> LedgerCheckpoint:
    text = notes.checkpoint_text(ORIGIN, tree.size, tree.root())
    return LedgerCheckpoint(
        size=tree.size,
        root_hash=tree.root(),
        frontier=list(tree.roots),
        signed_note=notes.sign(ORIGIN, key, text),
        key_id=int.from_bytes(notes.key_id(ORIGIN, key.public_key()), "big", signed=True),
        made_at=datetime.now(UTC),
    )


async def latest_checkpoint(session: AsyncSession, runtime: Runtime) -> CheckpointOut:
    """Return the newest signed state of the tree, and the key to check it with."""
    last = await repository.latest_checkpoint(session)
    if last is None:
        raise LedgerEmpty
    key: ed25519.Ed25519PrivateKey | None = runtime.extras.get("ledger_signing_key")
    return CheckpointOut(
        size=last.size,
        root_hash=_text(last.root_hash),
        signed_note=last.signed_note,
        verifier_key=None if key is None else notes.verifier_key(ORIGIN, key.public_key()),
        made_at=last.made_at,
    )


async def entry_with_proof(session: AsyncSession, operator: Operator, *, disclosure_id: UUID) -> EntryOut:
    """Return an entry with its inclusion proof in the latest checkpoint; the look itself is recorded.

    Raises:
        RoleMissing: the operator is no auditor.
        EntryNotFound: no such disclosure has a position yet.
    """
    await agencies.require_role(session, operator, Role.AUDITOR)
    entry = await repository.find_entry(session, disclosure_id)
    last = await repository.latest_checkpoint(session)
    if entry is None or last is None:
        raise EntryNotFound
    proof = await _proof(session, entry.position, last.size)
    await record_audit(
        session,
        operator,
        action="ledger_entry_shown",
        entity_type="ledger_entry",
        entity_id=disclosure_id,
        details={"position": entry.position},
    )
    return EntryOut(
        position=entry.position,
        disclosure_id=entry.disclosure_id,
        leaf=entry.leaf,
        leaf_hash=_text(entry.leaf_hash),
        tree_size=last.size,
        root_hash=_text(last.root_hash),
        proof=[_text(part) for part in proof],
        checkpoint=last.signed_note,
    )


async def _proof(session: AsyncSession, position: int, size: int) -> list[bytes]:
    """Return the audit path of an entry, nearest first; all hashes that it needs are read at once."""
    parts = [runs(low, high) for low, high in siblings(position, size)]
    found = iter(await repository.hashes(session, [run for part in parts for run in part]))
    return [fold([full_root(next(found)) for _ in part]) for part in parts]


async def status(session: AsyncSession) -> StatusOut:
    """Return what the ledger holds of each service, what waits for a position, and what was kept back."""
    counted = await repository.counts(session)
    last = await repository.latest_checkpoint(session)
    return StatusOut(
        services=[
            ServiceCount(service=name, entries=entries, waiting=waiting, parked=parked)
            for name, (entries, waiting, parked) in counted.items()
        ],
        waiting=sum(waiting for _, waiting, _ in counted.values()),
        size=0 if last is None else last.size,
        made_at=None if last is None else last.made_at,
    )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
