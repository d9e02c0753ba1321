"""A register number as it is shown."""

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.bodies import Output

from svc_civil_registry.events.vocabulary import RecordKind


class RegisterNumber(Output):
    """Unique by office, book and year; `text` is what stands on the paper."""

    office: AgencyCode
    book: RecordKind
    year: int
    number: int
    text: str
