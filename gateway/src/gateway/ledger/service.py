"""Use cases: take in every disclosure once, grow the tree, sign checkpoints, answer auditors."""

import base64
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Operator
from ndx_contracts.disclosure import DisclosureRecord
from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.models import Role
from gateway.ledger import notes
from gateway.ledger.errors import EntryNotFound, LedgerEmpty
from gateway.ledger.leaf import canonical
from gateway.ledger.merkle import Frontier, inclusion_proof, leaf_hash
from gateway.ledger.models import LedgerArrival, LedgerCheckpoint, LedgerEntry
from gateway.ledger.schemas import CheckpointOut, EntryOut, ServiceCount, StatusOut
from gateway.settings import Settings

ORIGIN = "ndx.example/ledger"
BATCH = 5000


async def open_keys(runtime: Runtime) -> None:
    """Read the pseudonym and signing keys; without them the ledger takes records in but signs nothing."""
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("the ledger needs the gateway's settings")
    secret, pem = settings.ledger_pseudonym_key_file, settings.ledger_signing_key_file
    if secret is None or pem is None:
        return
    runtime.extras["ledger_pseudonym_key"] = secret.read_bytes()
    key = load_pem_private_key(pem.read_bytes(), None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise TypeError("the ledger signs with Ed25519")
    runtime.extras["ledger_signing_key"] = key


async def take_in(session: AsyncSession, record: DisclosureRecord) -> None:
    """Keep a record until the next checkpoint gives it a position; a second copy changes nothing."""
    await session.execute(
        upsert(LedgerArrival)
        .values(
            disclosure_id=record.id,
            service=record.service,
            record=record.model_dump(mode="json"),
            received_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing()
    )


async def make_checkpoint(runtime: Runtime) -> None:
    """Append what has arrived and sign the new root; runs in one process at a time."""
    secret, key = runtime.extras.get("ledger_pseudonym_key"), runtime.extras.get("ledger_signing_key")
    if secret is None or key is None:
        return
    async with runtime.sessions() as session, session.begin():
        arrivals = (
            await session.scalars(select(LedgerArrival).order_by(LedgerArrival.received_at).limit(BATCH))
        ).all()
        if not arrivals:
            return
        ids = [a.disclosure_id for a in arrivals]
        known = set(
            (
                await session.scalars(
                    select(LedgerEntry.disclosure_id).where(LedgerEntry.disclosure_id.in_(ids))
                )
            ).all()
        )
        last = await _latest(session)
        tree = Frontier(last.size, last.frontier) if last is not None else Frontier()
        rows = []
        for arrival in arrivals:
            if arrival.disclosure_id in known:
                continue
            text = canonical(DisclosureRecord.model_validate(arrival.record), secret)
            hashed = leaf_hash(text.encode())
            rows.append(
                {
                    "position": tree.size,
                    "disclosure_id": arrival.disclosure_id,
                    "service": arrival.service,
                    "leaf_hash": hashed,
                    "leaf": text,
                    "record": arrival.record,
                    "received_at": arrival.received_at,
                }
            )
            tree.append(hashed)
        if rows:
            await session.execute(insert(LedgerEntry), rows)
            text = notes.checkpoint_text(ORIGIN, tree.size, tree.root())
            session.add(
                LedgerCheckpoint(
                    size=tree.size,
                    root_hash=tree.root(),
                    frontier=tree.roots,
                    signed_note=notes.sign(ORIGIN, key, text),
                    key_id=int.from_bytes(notes.key_id(ORIGIN, key.public_key()), "big", signed=True),
                    made_at=datetime.now(UTC),
                )
            )
        await session.execute(delete(LedgerArrival).where(LedgerArrival.disclosure_id.in_(ids)))


async def _latest(session: AsyncSession) -> LedgerCheckpoint | None:
    statement = select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1)
    return (await session.scalars(statement)).first()


async def latest_checkpoint(session: AsyncSession) -> CheckpointOut:
    last = await _latest(session)
    if last is None:
        raise LedgerEmpty
    return CheckpointOut(
        size=last.size,
        root_hash=base64.b64encode(last.root_hash).decode(),
        signed_note=last.signed_note,
        made_at=last.made_at,
    )


async def entry_with_proof(session: AsyncSession, operator: Operator, *, disclosure_id: str) -> EntryOut:
    """Return an entry with its inclusion proof in the latest checkpoint.

    The proof is computed from the stored leaf hashes; tiles for very large trees come on top of them.
    """
    await agencies.require_role(session, operator, Role.AUDITOR)
    entry = (
        await session.scalars(select(LedgerEntry).where(LedgerEntry.disclosure_id == disclosure_id))
    ).first()
    last = await _latest(session)
    if entry is None or last is None:
        raise EntryNotFound
    hashes = (
        await session.scalars(
            select(LedgerEntry.leaf_hash)
            .where(LedgerEntry.position < last.size)
            .order_by(LedgerEntry.position)
        )
    ).all()
    proof = inclusion_proof(entry.position, hashes)
    return EntryOut(
        position=entry.position,
        disclosure_id=entry.disclosure_id,
        leaf=entry.leaf,
        leaf_hash=base64.b64encode(entry.leaf_hash).decode(),
        tree_size=last.size,
        root_hash=base64.b64encode(last.root_hash).decode(),
        proof=[base64.b64encode(p).decode() for p in proof],
        checkpoint=last.signed_note,
    )


async def status(session: AsyncSession) -> StatusOut:
    """Return how many records of each service the ledger holds, and how many wait for a position."""
    counted = await session.execute(
        select(LedgerEntry.service, func.count()).group_by(LedgerEntry.service).order_by(LedgerEntry.service)
    )
    waiting = await session.scalar(select(func.count()).select_from(LedgerArrival))
    return StatusOut(
        services=[ServiceCount(service=s, entries=n) for s, n in counted.tuples()], waiting=int(waiting or 0)
    )
