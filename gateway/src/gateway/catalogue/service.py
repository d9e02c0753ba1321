"""Use cases: what is on the bus, and what this caller may call."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import Agreement, OperationGrant
from ndx_contracts.feeds import OPERATIONS as FEED_OPERATIONS
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements import reading as agreements
from gateway.catalogue.documents import cut
from gateway.catalogue.errors import ServiceUnknown
from gateway.catalogue.operations import Operation, operations_of, read_documents
from gateway.catalogue.schemas import (
    AllowedOperation,
    AllowedOperations,
    OperationList,
    OperationOut,
    ServiceList,
    ServiceOut,
)
from gateway.quotas import reading as quotas
from gateway.quotas.schemas import PeriodUse, UsageOut
from gateway.quotas.spent import WHOLE_AGENCY
from gateway.settings import Settings

_OPEN = frozenset({"agency_metadata", "public"})
"""Doors that need no agreement."""


def settings_of(runtime: Runtime) -> Settings:
    """Return the control plane's own settings."""
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("the catalogue needs the gateway's settings")
    return settings


def read_into(runtime: Runtime) -> None:
    """Read the committed documents once, at start."""
    documents = read_documents(settings_of(runtime).openapi_dir)
    operations = [o for service, document in documents.items() for o in operations_of(service, document)]
    runtime.extras["documents"] = documents
    runtime.extras["operations"] = operations
    called = {o.name: o.field_groups for o in operations if o.door == "agency"}
    followed = {name: tuple(sorted(fed.groups)) for name, (fed, _) in FEED_OPERATIONS.items()}
    runtime.extras["operation_groups"] = called | followed


def all_operations(runtime: Runtime) -> list[Operation]:
    operations: list[Operation] = runtime.extras["operations"]
    return operations


def list_services(runtime: Runtime) -> ServiceList:
    documents: dict[str, Any] = runtime.extras["documents"]
    return ServiceList(
        items=[ServiceOut(service=name, title=doc["info"]["title"]) for name, doc in documents.items()]
    )


def _document_of(runtime: Runtime, service: str) -> dict[str, Any]:
    documents: dict[str, Any] = runtime.extras["documents"]
    if service not in documents:
        raise ServiceUnknown
    document: dict[str, Any] = documents[service]
    return document


async def openapi_for(
    session: AsyncSession, runtime: Runtime, service: str, *, agency: str, system: str
) -> dict[str, Any]:
    """Return a service's OpenAPI document with nothing in it but what this caller may call now.

    Each operation says under which agreements, in `x-ndx-agreements`. A service of which the caller may call
    nothing has a document without paths.

    Raises:
        ServiceUnknown: there is no such service.
    """
    document = _document_of(runtime, service)
    agreed: dict[tuple[str, str], list[dict[str, Any]]] = {
        (o.method, o.path): [] for o in all_operations(runtime) if o.service == service and o.door in _OPEN
    }
    for found in await _allowed(session, runtime, agency=agency, system=system):
        if found.operation.service == service:
            agreed.setdefault((found.operation.method, found.operation.path), []).append(
                {
                    "agreement": found.agreement.agreement_id,
                    "purposes": [p.value for p in found.agreement.purposes],
                    "field_groups": [g.value for g in found.grant.field_groups],
                }
            )
    named = cut(
        document,
        lambda method, path: (method, path) in agreed,
        lambda method, path: {"x-ndx-agreements": agreed[method, path]} if agreed[method, path] else {},
    )
    return {**named, "servers": [{"url": settings_of(runtime).gateway_url}]}


def list_operations(runtime: Runtime, service: str) -> OperationList:
    _document_of(runtime, service)
    return OperationList(
        items=[
            OperationOut(
                operation=o.name,
                method=o.method,
                path=o.path,
                door=o.door,
                personal_data=o.personal_data,
                field_groups=list(o.field_groups),
                cost=o.cost,
            )
            for o in all_operations(runtime)
            if o.service == service
        ]
    )


@dataclass(frozen=True, slots=True)
class _Allowed:
    """An operation, and an agreement in force that lets this caller call it."""

    operation: Operation
    agreement: Agreement
    grant: OperationGrant


async def _allowed(session: AsyncSession, runtime: Runtime, *, agency: str, system: str) -> list[_Allowed]:
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    by_name = {o.name: o for o in all_operations(runtime)}
    return [
        _Allowed(by_name[grant.operation], agreement, grant)
        for agreement in await agreements.consumed_by(session, agency)
        if agreement.in_force(today)
        if not agreement.consumer_systems or system in agreement.consumer_systems
        for grant in agreement.operations
        if grant.operation in by_name
    ]


async def allowed_operations(
    session: AsyncSession, runtime: Runtime, *, agency: str, system: str
) -> AllowedOperations:
    """Return what this caller may call now, under which agreement, and what is left of the quotas."""
    allowed = await _allowed(session, runtime, agency=agency, system=system)
    usage = await quotas.usage_of(session, settings_of(runtime).quota_calendar, agency, datetime.now(UTC))
    used = {item.agreement: item for item in usage.items}
    return AllowedOperations(
        items=[
            _shown(found, used.get(found.agreement.agreement_id), used.get(WHOLE_AGENCY)) for found in allowed
        ]
    )


def _narrower(*uses: PeriodUse) -> int | None:
    return min((use.left for use in uses if use.left is not None), default=None)


def _shown(found: _Allowed, used: UsageOut | None, whole: UsageOut | None) -> AllowedOperation:
    """Return an operation; what is left is the less of the agreement's quota and the whole agency's."""
    operation, agreement = found.operation, found.agreement
    return AllowedOperation(
        operation=operation.name,
        method=operation.method,
        path=operation.path,
        agreement=agreement.agreement_id,
        agreement_version=agreement.version,
        valid_until=agreement.valid_to,
        purposes=[p.value for p in agreement.purposes],
        field_groups=[g.value for g in found.grant.field_groups],
        admin_scope=agreement.admin_scope,
        conditions=agreement.conditions,
        cost=operation.cost,
        per_second=agreement.quotas.per_second,
        burst=agreement.quotas.burst,
        per_day=agreement.quotas.per_day,
        left_today=_narrower(*(u.day for u in (used, whole) if u)),
        per_month=agreement.quotas.per_month,
        left_this_month=_narrower(*(u.month for u in (used, whole) if u)),
    )
