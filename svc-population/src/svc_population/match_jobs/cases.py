"""From lines that differ to cases: one for each person and field, known again by what it says."""

import hashlib
from collections.abc import Iterable, Iterator
from uuid import UUID

from svc_population.match_jobs.lines import Answer, Record
from svc_population.matching.birth_dates import PartialDate
from svc_population.matching.grading import Claimed, Reason
from svc_population.reconciliation.schemas import CaseIn, StatementIn
from svc_population.reconciliation.vocabulary import CaseKind, DisputedField

_DISPUTES = {
    "name": (CaseKind.NAME_DIFF, DisputedField.BIRTH_NAME),
    "birth_date": (CaseKind.DOB_DIFF, DisputedField.BIRTH_DATE),
    "sex": (CaseKind.SEX_DIFF, DisputedField.SEX),
    "legacy_id_number": (CaseKind.LEGACY_ID_DIFF, DisputedField.LEGACY_ID_NUMBER),
}


def differences(job_id: UUID, differing: Iterable[tuple[Record, Answer]]) -> Iterator[tuple[int, CaseIn]]:
    """Yield the cases of lines that are a MISMATCH, each with its line's number.

    A birth date that is only partly known and fits is a difference in the result, but there is nothing for a
    commune to settle: it becomes no case.
    """
    for record, answer in differing:
        if record.claimed is None:
            continue
        number = answer.subjects[0]
        for name in answer.fields:
            if name == "birth_date" and Reason.BIRTH_DATE_PARTIAL.value in answer.reasons:
                continue
            kind, disputed = _DISPUTES[name]
            stated = _stated(record.claimed, name)
            yield (
                record.number,
                CaseIn(
                    reference=_reference(kind, number, stated),
                    kind=kind,
                    personal_id=number,
                    disputed=(StatementIn(field=disputed, value=stated),),
                    evidence=(_evidence(job_id, record),),
                ),
            )


def _stated(claimed: Claimed, name: str) -> str:
    value = getattr(claimed, name)
    if isinstance(value, PartialDate):
        return "-".join(f"{part:02d}" for part in (value.year, value.month, value.day) if part is not None)
    return str(value)


def _reference(kind: CaseKind, number: str, stated: str) -> str:
    """Return the case's key: the same statement about the same person is the same case, in whatever file."""
    digest = hashlib.sha256(f"{number}\n{stated}".encode()).hexdigest()
    return f"match-file:{kind.value}:{digest}"


def _evidence(job_id: UUID, record: Record) -> str:
    line = f"match job {job_id}, line {record.number}"
    return f"{line}, ref {record.ref}" if record.ref else line
