"""HTTP door: agreements for operators and, their own, for agencies."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.agreements import Agreement, AgreementState, AgreementTerms

from gateway.agencies.schemas import ReasonIn
from gateway.agreements import reading, service
from gateway.agreements.reading import View
from gateway.agreements.schemas import (
    AgreementDiff,
    AgreementHistory,
    AgreementList,
    AgreementPage,
    RefusalIn,
    VersionList,
)
from gateway.agreements.terms import Offer
from gateway.doors import OperatorDep

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])
_OPERATOR = operation(door="operator")


async def _offer(runtime: RuntimeDep) -> Offer:
    return service.offer_of(runtime)


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            max_length=200,
            description="ETag of what you decide on; 412 when it changed. Who approves or rejects names it.",
        ),
    ] = None,
) -> str | None:
    return if_match


OfferDep = Annotated[Offer, Depends(_offer)]
IfMatch = Annotated[str | None, Depends(_if_match)]


def _shown(response: Response, view: View) -> Agreement:
    response.headers["ETag"] = view.etag
    return view.agreement


@router.post("", status_code=201, openapi_extra=_OPERATOR)
async def draft_agreement(
    body: AgreementTerms, session: SessionDep, operator: OperatorDep, offer: OfferDep, response: Response
) -> Agreement:
    return _shown(response, await service.draft_agreement(session, operator, terms=body, offer=offer))


@router.get("", openapi_extra=_OPERATOR)
async def list_agreements(
    *,
    session: SessionDep,
    operator: OperatorDep,
    state: AgreementState | None = None,
    consumer: Annotated[str | None, Query(max_length=32)] = None,
    consumer_class: Annotated[str | None, Query(max_length=32)] = None,
    cursor: Annotated[str, Query(max_length=80)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> AgreementPage:
    del operator  # any operator may look
    return await reading.page_of_agreements(
        session, state=state, consumer=consumer, consumer_class=consumer_class, cursor=cursor, limit=limit
    )


@router.get("/mine", openapi_extra=operation(door="agency_metadata"))
async def list_my_agreements(session: SessionDep, caller: CallerDep) -> AgreementList:
    return await reading.agreements_of(session, caller.agency)


@router.get("/{agreement_id}", openapi_extra=_OPERATOR)
async def show_agreement(
    agreement_id: str, session: SessionDep, operator: OperatorDep, response: Response
) -> Agreement:
    del operator  # any operator may look
    return _shown(response, await reading.show(session, agreement_id))


@router.get("/{agreement_id}/history", openapi_extra=_OPERATOR)
async def show_agreement_history(
    agreement_id: str, session: SessionDep, operator: OperatorDep
) -> AgreementHistory:
    del operator  # any operator may look
    return await reading.history_of(session, agreement_id)


@router.get("/{agreement_id}/versions", openapi_extra=_OPERATOR)
async def list_agreement_versions(
    agreement_id: str, session: SessionDep, operator: OperatorDep
) -> VersionList:
    del operator  # any operator may look
    return await reading.versions_of(session, agreement_id)


@router.get("/{agreement_id}/versions/{version}", openapi_extra=_OPERATOR)
async def show_agreement_version(
    agreement_id: str, version: int, session: SessionDep, operator: OperatorDep, response: Response
) -> Agreement:
    del operator  # any operator may look
    return _shown(response, await reading.version_of(session, agreement_id, version))


@router.get("/{agreement_id}/versions/{version}/diff", openapi_extra=_OPERATOR)
async def diff_agreement_versions(
    agreement_id: str,
    version: int,
    session: SessionDep,
    operator: OperatorDep,
    since: Annotated[int | None, Query(ge=1, description="Default: the version agreed on before.")] = None,
) -> AgreementDiff:
    del operator  # any operator may look
    return await reading.diff_of(session, agreement_id, since, version)


@router.put("/{agreement_id}", openapi_extra=_OPERATOR)
async def change_draft_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: AgreementTerms,
    session: SessionDep,
    operator: OperatorDep,
    offer: OfferDep,
    response: Response,
) -> Agreement:
    changed = await service.change_draft(
        session, operator, terms=body, offer=offer, agreement_id=agreement_id, if_match=if_match
    )
    return _shown(response, changed)


@router.post("/{agreement_id}/amendments", status_code=201, openapi_extra=_OPERATOR)
async def amend_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: AgreementTerms,
    session: SessionDep,
    operator: OperatorDep,
    offer: OfferDep,
    response: Response,
) -> Agreement:
    drafted = await service.amend_agreement(
        session, operator, terms=body, offer=offer, agreement_id=agreement_id, if_match=if_match
    )
    return _shown(response, drafted)


@router.post("/{agreement_id}/submit", openapi_extra=_OPERATOR)
async def submit_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    session: SessionDep,
    operator: OperatorDep,
    offer: OfferDep,
    response: Response,
) -> Agreement:
    return _shown(
        response,
        await service.submit_agreement(
            session, operator, offer=offer, agreement_id=agreement_id, if_match=if_match
        ),
    )


@router.post("/{agreement_id}/approve", openapi_extra=_OPERATOR)
async def approve_agreement(
    *, agreement_id: str, if_match: IfMatch, session: SessionDep, operator: OperatorDep, response: Response
) -> Agreement:
    return _shown(
        response,
        await service.decide_agreement(session, operator, agreement_id=agreement_id, if_match=if_match),
    )


@router.post("/{agreement_id}/reject", openapi_extra=_OPERATOR)
async def reject_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: RefusalIn,
    session: SessionDep,
    operator: OperatorDep,
    response: Response,
) -> Agreement:
    return _shown(
        response,
        await service.decide_agreement(
            session, operator, refusal=body, agreement_id=agreement_id, if_match=if_match
        ),
    )


@router.post("/{agreement_id}/recall", openapi_extra=_OPERATOR)
async def recall_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: ReasonIn,
    session: SessionDep,
    operator: OperatorDep,
    response: Response,
) -> Agreement:
    recalled = await service.take_back(
        session, operator, action="recall", reason=body.reason, agreement_id=agreement_id, if_match=if_match
    )
    return _shown(response, recalled)


@router.post("/{agreement_id}/withdraw", openapi_extra=_OPERATOR)
async def withdraw_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: ReasonIn,
    session: SessionDep,
    operator: OperatorDep,
    response: Response,
) -> Agreement:
    withdrawn = await service.take_back(
        session, operator, action="withdraw", reason=body.reason, agreement_id=agreement_id, if_match=if_match
    )
    return _shown(response, withdrawn)


@router.post("/{agreement_id}/suspend", openapi_extra=_OPERATOR)
async def suspend_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: ReasonIn,
    session: SessionDep,
    operator: OperatorDep,
    response: Response,
) -> Agreement:
    moved = await service.move_agreement(
        session, operator, action="suspend", reason=body.reason, agreement_id=agreement_id, if_match=if_match
    )
    return _shown(response, moved)


@router.post("/{agreement_id}/resume", openapi_extra=_OPERATOR)
async def resume_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: ReasonIn,
    session: SessionDep,
    operator: OperatorDep,
    response: Response,
) -> Agreement:
    moved = await service.move_agreement(
        session, operator, action="resume", reason=body.reason, agreement_id=agreement_id, if_match=if_match
    )
    return _shown(response, moved)


@router.post("/{agreement_id}/terminate", openapi_extra=_OPERATOR)
async def terminate_agreement(
    *,
    agreement_id: str,
    if_match: IfMatch,
    body: ReasonIn,
    session: SessionDep,
    operator: OperatorDep,
    response: Response,
) -> Agreement:
    moved = await service.move_agreement(
        session,
        operator,
        action="terminate",
        reason=body.reason,
        agreement_id=agreement_id,
        if_match=if_match,
    )
    return _shown(response, moved)
