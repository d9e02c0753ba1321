"""HTTP door of accounts: offices open, lock, unlock and show; the holder sees their own."""

from uuid import UUID

from fastapi import APIRouter
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep, CitizenDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.idempotency import IdempotencyKey
from ndx_contracts.field_groups import FieldGroup

from svc_identity.accounts import locking, service
from svc_identity.accounts.models import LockCause
from svc_identity.accounts.schemas import (
    AccountIn,
    AccountOut,
    ActivationCodeOut,
    LockIn,
    OpenedAccountOut,
    UnlockIn,
)

router = APIRouter(prefix="/identity/v1", tags=["accounts"])
_AT_THE_OFFICE = operation(door="agency", personal_data=True, field_groups=[FieldGroup.EID_ACCOUNT])


@router.post("/accounts", status_code=201, openapi_extra=_AT_THE_OFFICE, dependencies=[NO_STORE])
async def open_account(
    *,
    body: AccountIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> OpenedAccountOut:
    return await service.open_account(
        session,
        runtime,
        caller=caller,
        grant=grant,
        application=body,
        idempotency_key=idempotency_key,
    )


@router.get("/accounts/{account_id}", openapi_extra=_AT_THE_OFFICE)
async def show_account(
    account_id: UUID, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> AccountOut:
    return await service.show_account(session, caller=caller, grant=grant, account_id=account_id)


@router.post("/accounts/{account_id}/lock", openapi_extra=_AT_THE_OFFICE)
async def lock_account(
    account_id: UUID, body: LockIn, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> AccountOut:
    return await locking.lock_account(
        session, caller=caller, grant=grant, account_id=account_id, cause=LockCause(body.cause)
    )


@router.post("/accounts/{account_id}/unlock", openapi_extra=_AT_THE_OFFICE)
async def unlock_account(
    account_id: UUID, body: UnlockIn, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> AccountOut:
    return await locking.unlock_account(
        session, caller=caller, grant=grant, account_id=account_id, cause=LockCause(body.cause)
    )


@router.post(
    "/accounts/{account_id}/activation-codes",
    status_code=201,
    openapi_extra=_AT_THE_OFFICE,
    dependencies=[NO_STORE],
)
async def issue_activation_code(
    account_id: UUID, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> ActivationCodeOut:
    return await service.issue_activation_code(session, caller=caller, grant=grant, account_id=account_id)


@router.get("/me/account", openapi_extra=operation(door="citizen", personal_data=True, acr=1))
async def show_my_account(session: SessionDep, citizen: CitizenDep) -> AccountOut:
    return await service.show_own_account(session, citizen)
