"""What operators say and see of every run that they ask for."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Output
from pydantic import StringConstraints

CaseId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+( [!-~]+)*$")]
"""The dossier that a run belongs to."""


class OperatorRunOut(Output):
    """Whose a run is; each kind adds its state, and what the run came to."""

    id: UUID
    case_id: str
    requested_by: str
    approved_by: str | None
    cancelled_by: str | None
    requested_at: datetime
    progress_at: datetime | None
    finished_at: datetime | None
