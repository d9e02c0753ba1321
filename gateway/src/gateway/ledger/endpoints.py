"""HTTP door: checkpoints for everybody on the bus, entries with proofs for auditors."""

from uuid import UUID

from fastapi import APIRouter
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import KNOWN_CALLER
from ndx_chassis.db import SessionDep

from gateway.doors import OperatorDep
from gateway.ledger import service
from gateway.ledger.schemas import CheckpointOut, EntryOut, StatusOut

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])


@router.get(
    "/checkpoints/latest", openapi_extra=operation(door="agency_metadata"), dependencies=[KNOWN_CALLER]
)
async def show_latest_checkpoint(session: SessionDep, runtime: RuntimeDep) -> CheckpointOut:
    return await service.latest_checkpoint(session, runtime)


@router.get("/entries/{disclosure_id}", openapi_extra=operation(door="operator"))
async def show_ledger_entry(disclosure_id: UUID, session: SessionDep, operator: OperatorDep) -> EntryOut:
    return await service.entry_with_proof(session, operator, disclosure_id=disclosure_id)


@router.get("/status", openapi_extra=operation(door="operator"))
async def show_ledger_status(session: SessionDep, operator: OperatorDep) -> StatusOut:
    del operator  # any operator may look
    return await service.status(session)
