"""Use cases: what is on the bus, and what this caller may call."""

from datetime import UTC, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_contracts.feeds import OPERATIONS as FEED_OPERATIONS
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements import reading as agreements
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
from gateway.settings import Settings


def read_into(runtime: Runtime) -> None:
    """Read the committed documents once, at start."""
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("the catalogue needs the gateway's settings")
    documents = read_documents(settings.openapi_dir)
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


def openapi_of(runtime: Runtime, service: str) -> dict[str, Any]:
    documents: dict[str, Any] = runtime.extras["documents"]
    if service not in documents:
        raise ServiceUnknown
    document: dict[str, Any] = documents[service]
    return document


def list_operations(runtime: Runtime, service: str) -> OperationList:
    openapi_of(runtime, service)
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


async def allowed_operations(
    session: AsyncSession, runtime: Runtime, *, agency: str, system: str
) -> AllowedOperations:
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    by_name = {o.name: o for o in all_operations(runtime)}
    items = []
    for agreement in await agreements.consumed_by(session, agency):
        if not agreement.in_force(today):
            continue
        if agreement.consumer_systems and system not in agreement.consumer_systems:
            continue
        for grant in agreement.operations:
            operation = by_name.get(grant.operation)
            if operation is not None:
                items.append(
                    AllowedOperation(
                        operation=operation.name,
                        method=operation.method,
                        path=operation.path,
                        agreement=agreement.agreement_id,
                        purposes=[p.value for p in agreement.purposes],
                        field_groups=[g.value for g in grant.field_groups],
                        per_second=agreement.quotas.per_second,
                        per_day=agreement.quotas.per_day,
                    )
                )
    return AllowedOperations(items=items)
