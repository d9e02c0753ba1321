"""Metadata services, in X-Road's words."""

from datetime import date

from ndx_contracts.agreements import AdminScope, Conditions
from ndx_contracts.bodies import Output


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
    """What this caller may call now, under which agreement, how, and how much is left."""

    operation: str
    method: str
    path: str
    agreement: str
    agreement_version: int
    valid_until: date | None
    """Last day of the agreement, in Vietnam's time; null = no end is agreed."""
    purposes: list[str]
    field_groups: list[str]
    admin_scope: AdminScope
    conditions: Conditions
    cost: int
    """Quota units that one call takes."""
    per_second: int
    burst: int
    per_day: int | None
    left_today: int | None
    """Units left until midnight in Vietnam, as of the last tally; null = no quota by day."""
    per_month: int | None
    left_this_month: int | None


class AllowedOperations(Output):
    items: list[AllowedOperation]
