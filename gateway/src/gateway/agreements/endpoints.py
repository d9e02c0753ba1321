"""HTTP door: agreements for operators and, their own, for agencies."""

from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep, OperatorDep
from ndx_chassis.db import SessionDep
from ndx_contracts.agreements import Agreement, AgreementState, AgreementTerms

from gateway.agencies.schemas import ReasonIn
from gateway.agreements import service
from gateway.agreements.schemas import AgreementHistory, AgreementList

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])
_OPERATOR = operation(door="operator")


@router.post("", status_code=201, openapi_extra=_OPERATOR)
async def draft_agreement(
    body: AgreementTerms, session: SessionDep, operator: OperatorDep, runtime: RuntimeDep
) -> Agreement:
    known, owners = service.known_operations(runtime), service.service_owners(runtime)
    return await service.draft_agreement(session, operator, terms=body, known=known, owners=owners)


@router.get("", openapi_extra=_OPERATOR)
async def list_agreements(
    session: SessionDep,
    operator: OperatorDep,
    state: AgreementState | None = None,
    consumer: Annotated[str | None, Query(max_length=32)] = None,
) -> AgreementList:
    del operator  # any operator may look
    return await service.list_of_agreements(session, consumer=consumer, state=state)


@router.get("/mine", openapi_extra=operation(door="agency_metadata"))
async def list_my_agreements(session: SessionDep, caller: CallerDep) -> AgreementList:
    return await service.list_of_agreements(session, consumer=caller.agency)


@router.get("/{agreement_id}", openapi_extra=_OPERATOR)
async def show_agreement(agreement_id: str, session: SessionDep, operator: OperatorDep) -> Agreement:
    del operator  # any operator may look
    return await service.agreement_named(session, agreement_id)


@router.get("/{agreement_id}/history", openapi_extra=_OPERATOR)
async def show_agreement_history(
    agreement_id: str, session: SessionDep, operator: OperatorDep
) -> AgreementHistory:
    del operator  # any operator may look
    return await service.history_of(session, agreement_id)


@router.put("/{agreement_id}", openapi_extra=_OPERATOR)
async def change_draft_agreement(  # noqa: PLR0917 - each is a part of the request
    agreement_id: str,
    body: AgreementTerms,
    session: SessionDep,
    operator: OperatorDep,
    runtime: RuntimeDep,
    seen_version: Annotated[int | None, Query(ge=1)] = None,
) -> Agreement:
    return await service.change_draft(
        session,
        operator,
        agreement_id=agreement_id,
        terms=body,
        known=service.known_operations(runtime),
        owners=service.service_owners(runtime),
        seen_version=seen_version,
    )


@router.post("/{agreement_id}/submit", openapi_extra=_OPERATOR)
async def submit_agreement(agreement_id: str, session: SessionDep, operator: OperatorDep) -> Agreement:
    return await service.submit_agreement(session, operator, agreement_id=agreement_id)


@router.post("/{agreement_id}/approve", openapi_extra=_OPERATOR)
async def approve_agreement(agreement_id: str, session: SessionDep, operator: OperatorDep) -> Agreement:
    return await service.decide_agreement(
        session, operator, agreement_id=agreement_id, approve=True, reason=None
    )


@router.post("/{agreement_id}/reject", openapi_extra=_OPERATOR)
async def reject_agreement(
    agreement_id: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> Agreement:
    return await service.decide_agreement(
        session, operator, agreement_id=agreement_id, approve=False, reason=body.reason
    )


@router.post("/{agreement_id}/suspend", openapi_extra=_OPERATOR)
async def suspend_agreement(
    agreement_id: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> Agreement:
    return await service.move_agreement(
        session, operator, agreement_id=agreement_id, action="suspend", reason=body.reason
    )


@router.post("/{agreement_id}/resume", openapi_extra=_OPERATOR)
async def resume_agreement(
    agreement_id: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> Agreement:
    return await service.move_agreement(
        session, operator, agreement_id=agreement_id, action="resume", reason=body.reason
    )


@router.post("/{agreement_id}/terminate", openapi_extra=_OPERATOR)
async def terminate_agreement(
    agreement_id: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> Agreement:
    return await service.move_agreement(
        session, operator, agreement_id=agreement_id, action="terminate", reason=body.reason
    )
