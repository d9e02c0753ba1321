"""Decides the result code of a check from what is held: no I/O, no clock."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ndx_contracts.names import same_name

from svc_insurance_link.checks.result_codes import code_of_end_cause, code_of_group
from svc_insurance_link.entitlements.intervals import Cover

CORRECT = "000"
OLD_CARD_VOID = "003"
OLD_CARD_STILL_VALID = "004"
EXPIRED = "010"
NOT_FOUND = "050"
CARD_CODE_WRONG = "051"
PROVINCE_WRONG = "052"
BENEFIT_LEVEL_WRONG = "053"
NAME_WRONG = "060"
NAME_WRONG_INITIALS_RIGHT = "061"
BIRTH_DATE_WRONG = "070"
CARD_WITHDRAWN = "110"
FORMAT_WRONG = "205"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A result code, and the entitlement that carries it when the visit is covered."""

    code: str
    cover: Cover | None = None


def identity_fault(*, name: str, birth_date: date, held_name: str, held_birth_date: date) -> str | None:
    """Return the code of the first thing that does not fit, or None; a wrong name hides the birth date."""
    if not same_name(name, held_name):
        return NAME_WRONG_INITIALS_RIGHT if _initials(name) == _initials(held_name) else NAME_WRONG
    return None if birth_date == held_birth_date else BIRTH_DATE_WRONG


def _initials(name: str) -> list[str]:
    # Without marks: Â and A are one initial; Đ has no mark and stays another letter than D.
    return [unicodedata.normalize("NFD", syllable.upper())[0] for syllable in name.split()]


def judge(covers: Sequence[Cover], visit_date: date) -> Verdict:
    """Return the code for an identified participant on the day of the visit."""
    holding = next((c for c in covers if c.holds_on(visit_date)), None)
    if holding is not None:
        return Verdict(code_of_group().get(holding.participant_group, CORRECT), holding)
    past = [c for c in covers if c.valid_from <= visit_date]
    if not past:
        return Verdict(NOT_FOUND)
    latest = max(past, key=lambda c: c.valid_from)
    if latest.end_cause is not None and latest.ended_before(visit_date):
        return Verdict(code_of_end_cause()[latest.end_cause])
    return Verdict(EXPIRED)


def with_old_card(verdict: Verdict, *, replaced: bool, withdrawn: bool, card_valid: bool) -> Verdict:
    """Take into account what became of the card code by which the participant was found."""
    if withdrawn:
        return Verdict(CARD_WITHDRAWN)
    if replaced and verdict.code == CORRECT:
        return Verdict(OLD_CARD_STILL_VALID, verdict.cover) if card_valid else Verdict(OLD_CARD_VOID)
    return verdict
