"""What the ledger cannot answer."""

from ndx_chassis.errors import DomainError, Kind


class EntryNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "ledger-entry-not-found"
    title = "The ledger holds no such disclosure (yet)"
    title_vi = "Sổ cái chưa có bản ghi này"


class LedgerEmpty(DomainError):
    kind = Kind.NOT_FOUND
    code = "ledger-empty"
    title = "The ledger has no checkpoint yet"
    title_vi = "Sổ cái chưa có điểm kiểm tra"
