"""Metadata services, in X-Road's words."""

from ndx_contracts.base import Output


class ServiceOut(Output):
    service: str
    title: str


class ServiceList(Output):
    items: list[ServiceOut]


class OperationOut(Output):
    operation: str
    method: str
    path: str
    door: str
    personal_data: bool
    field_groups: list[str]
    cost: int


class OperationList(Output):
    items: list[OperationOut]


class AllowedOperation(Output):
    """What this caller may call now, and under which agreement."""

    operation: str
    method: str
    path: str
    agreement: str
    purposes: list[str]
    field_groups: list[str]
    per_second: int
    per_day: int | None


class AllowedOperations(Output):
    items: list[AllowedOperation]
