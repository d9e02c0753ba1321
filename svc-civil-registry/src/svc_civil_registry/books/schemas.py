"""A register number as it is shown."""

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.base import Output
from pydantic import computed_field

from svc_civil_registry.events.models import RecordKind


class RegisterNumber(Output):
    """Unique by office, book and year; `text` is what stands on the paper."""

    office: AgencyCode
    book: RecordKind
    year: int
    number: int

    @computed_field  # type: ignore[prop-decorator]  # mypy has no support for decorated properties
    @property
    def text(self) -> str:
        return f"{self.number}/{self.year}"
