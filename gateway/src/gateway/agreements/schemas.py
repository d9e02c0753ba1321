"""What operators and agencies send and see of agreements."""

from datetime import datetime
from typing import Annotated, Any

from ndx_contracts.agreements import Agreement, LegalBasis
from ndx_contracts.bodies import Input, Output
from pydantic import StringConstraints


class RefusalIn(Input):
    """Why the provider does not share: the law asks for the reason and its legal basis."""

    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
    legal_basis: LegalBasis


class AgreementPage(Output):
    items: list[Agreement]
    next_cursor: str | None


class AgreementList(Output):
    items: list[Agreement]


class VersionOut(Output):
    """One version with who wrote it and who decided on it."""

    agreement: Agreement
    drafted_by: str
    decided_by: str | None
    updated_at: datetime


class VersionList(Output):
    agreement_id: str
    items: list[VersionOut]


class DecisionOut(Output):
    version: int
    action: str
    state: str
    decided_by: str
    reason: str | None
    legal_basis: LegalBasis | None
    decided_at: datetime


class AgreementHistory(Output):
    agreement_id: str
    items: list[DecisionOut]


class DifferenceOut(Output):
    """One term that differs; what is not there in a version is null."""

    term: str
    before: Any
    after: Any


class AgreementDiff(Output):
    agreement_id: str
    from_version: int
    to_version: int
    items: list[DifferenceOut]
