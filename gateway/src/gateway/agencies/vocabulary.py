"""The words that describe agencies and operators: states of an agency, roles of an operator."""

from enum import StrEnum


class AgencyState(StrEnum):
    REGISTERED = "REGISTERED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


TRANSITIONS: dict[AgencyState, frozenset[AgencyState]] = {
    AgencyState.REGISTERED: frozenset({AgencyState.ACTIVE, AgencyState.CLOSED}),
    AgencyState.ACTIVE: frozenset({AgencyState.SUSPENDED, AgencyState.CLOSED}),
    AgencyState.SUSPENDED: frozenset({AgencyState.ACTIVE, AgencyState.CLOSED}),
    AgencyState.CLOSED: frozenset(),
}


class Role(StrEnum):
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
