"""Kinds of registrations of residence, their states, and the field group that each belongs to."""

from enum import StrEnum

from ndx_contracts.field_groups import FieldGroup


class ResidenceKind(StrEnum):
    PERMANENT = "PERMANENT"
    """Thường trú: one at a time, without an end."""
    TEMPORARY = "TEMPORARY"
    """Tạm trú: one at a time, outside the commune of the permanent residence, until a day."""
    CURRENT = "CURRENT"
    """Nơi ở hiện tại: declared where somebody lives at neither of the two."""
    ABSENCE = "ABSENCE"
    """Tạm vắng: declared absence; where to is optional."""
    STAY = "STAY"
    """Lưu trú: notice of a short stay, one after the other."""


class ResidenceState(StrEnum):
    """REGISTERED → ENDED; REVOKED when it turns out that it never was true."""

    REGISTERED = "REGISTERED"
    ENDED = "ENDED"
    REVOKED = "REVOKED"


class EndCause(StrEnum):
    MOVED = "MOVED"
    """Another residence of the same kind followed, or one that makes this one void."""
    EXPIRED = "EXPIRED"
    DEREGISTERED = "DEREGISTERED"
    """Taken off the register on request or by the police (xóa đăng ký)."""
    DEATH = "DEATH"
    WRONG_ENTRY = "WRONG_ENTRY"
    """Registered in error: it never was true."""
    MERGED = "MERGED"
    """Registered for a second record of the same person, whose first record says where they live."""
    CORRECTED = "CORRECTED"
    """Found out later to be wrong for some of its days: other registrations say what was true."""


GROUP_OF: dict[ResidenceKind, FieldGroup] = {
    ResidenceKind.PERMANENT: FieldGroup.PERMANENT_RESIDENCE,
    ResidenceKind.TEMPORARY: FieldGroup.TEMPORARY_RESIDENCE,
    ResidenceKind.CURRENT: FieldGroup.CURRENT_RESIDENCE,
    ResidenceKind.ABSENCE: FieldGroup.TEMPORARY_ABSENCE,
    ResidenceKind.STAY: FieldGroup.CURRENT_RESIDENCE,
}
"""Article 9 has no group of stays: they tell where somebody lives at present."""
