"""What operators and agencies see of agreements."""

from datetime import datetime

from ndx_contracts.agreements import Agreement
from ndx_contracts.base import Output


class AgreementList(Output):
    items: list[Agreement]


class DecisionOut(Output):
    version: int
    action: str
    state: str
    decided_by: str
    reason: str | None
    decided_at: datetime


class AgreementHistory(Output):
    agreement_id: str
    items: list[DecisionOut]
