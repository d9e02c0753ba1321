"""One change of a change file."""

from typing import Annotated

from ndx_contracts.personal_ids import PersonalId
from pydantic import Field, StringConstraints

from svc_population.changes.schemas import PersonChangeIn

_Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ChangeLine(PersonChangeIn):
    """A change as it is sent one by one, with whom it is about and what else its headers would say."""

    personal_id: PersonalId
    case_id: _Name | None = None
    officer: _Name | None = None
    version: int | None = Field(default=None, ge=1)
    """Without it, the change applies to whatever the record is now."""
