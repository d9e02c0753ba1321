"""Administrative units as they are answered."""

from datetime import date

from ndx_contracts.base import Output


class AdminUnitOut(Output):
    """`type` is the word of the list: tỉnh, thành phố, xã, phường, thị trấn, đặc khu."""

    code: str
    name: str
    type: str
    full_name: str
    valid_from: date | None
    valid_to: date | None


class AdminUnitsOut(Output):
    """A whole list: it is short enough for one page."""

    items: tuple[AdminUnitOut, ...]
    next_cursor: None = None


class SuccessorOut(Output):
    """A unit of today that holds (part of) an old one; one of them is the default."""

    code: str
    full_name: str
    relation: str
    is_default: bool
    effective_from: date


class SuccessorsOut(Output):
    items: tuple[SuccessorOut, ...]
    next_cursor: None = None
