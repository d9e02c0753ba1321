"""Two officers for what rewrites a registered entry: who asked, and that somebody else decides."""

from ndx_chassis.agreements import CaseMissing, OfficerMissing
from ndx_chassis.caller import Caller, HeaderInvalid

from svc_civil_registry.events.errors import SecondOfficerNeeded
from svc_civil_registry.events.officers import is_officer, one_officer

ASKED_BY = "asked_by"
"""Where the content of an action that asks names the officer."""


def officer_of(caller: Caller) -> str:
    """Return the officer who acts, with the agency.

    Raises:
        OfficerMissing, HeaderInvalid: the call names none, or not by a number.
        CaseMissing: the call names no dossier.
    """
    if not caller.officer:
        raise OfficerMissing("Two officers decide on it: name yours in NDX-Officer.")
    if not is_officer(caller.officer):
        raise HeaderInvalid(
            "NDX-Officer must hold the officer's own number: letters, digits and . _ / - only."
        )
    if not caller.case_id:
        raise CaseMissing("It belongs to a dossier: name it in NDX-Case-Id.")
    return f"{caller.agency}:{caller.officer}"


def require_second(officer: str, *, asked_by: object) -> None:
    """Refuse the officer who asked, however the number is written.

    Raises:
        SecondOfficerNeeded: it is the same one.
    """
    if one_officer(str(asked_by), officer):
        raise SecondOfficerNeeded
