"""What the lines of a slice get for an answer: by number where they have one, else by weighing candidates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ndx_contracts.names import same_name

from svc_population.match_jobs.feed import Batch
from svc_population.match_jobs.lines import Answer, Record
from svc_population.match_jobs.vocabulary import LineOutcome
from svc_population.matching import guesses as matching
from svc_population.matching.birth_dates import DateAgreement
from svc_population.matching.grading import Claimed, MatchZone, Reason, Verdict
from svc_population.matching.guesses import Limits

_EXHAUSTED = "too-many-wrong-guesses"


@dataclass(slots=True)
class Guesses:
    """Wrong answers about each person: those of the last 24 hours, and those that this slice adds.

    A file that says many things about one number is fishing, as many calls are: the same limit holds.
    """

    limits: Limits
    before: dict[str, int]
    added: Counter[str] = field(default_factory=Counter)

    def left(self, key: str) -> bool:
        return self.before.get(key, 0) + self.added[key] < self.limits.of(key)

    def guard(self, about: str, answer: Answer, *, wrong: bool) -> Answer:
        """Return the answer, or that there is none any more, which still tells that there is this person."""
        if not self.left(about):
            return Answer(LineOutcome.INVALID, subjects=(about,), reasons=(_EXHAUSTED,))
        if wrong:
            self.added[about] += 1
        return answer


def invalid(record: Record) -> Answer:
    return Answer(LineOutcome.INVALID, reasons=(record.invalid or "",))


def by_number(claimed: Claimed, row: Any | None, guesses: Guesses) -> Answer:
    """Compare a line with the person of its number; the row holds only what is not plainly equal."""
    if row is None:
        return Answer(LineOutcome.NOT_FOUND, subjects=(claimed.personal_id or "",))
    fields, reasons = [], []
    if row.name is not None and not same_name(row.name, claimed.name):
        fields.append("name")
    if row.birth_date is not None:
        fields.append("birth_date")
        if claimed.birth_date.agreement(row.birth_date) is DateAgreement.PARTIAL:
            reasons.append(Reason.BIRTH_DATE_PARTIAL.value)
    for name, stored in (("sex", row.sex), ("legacy_id_number", row.legacy_id_number)):
        stated = getattr(claimed, name)
        if stated is not None and stored is not None and stated != stored:
            fields.append(name)
    number = row.personal_id
    if fields:
        answer = Answer(
            LineOutcome.MISMATCH, subjects=(number,), fields=tuple(fields), reasons=tuple(reasons)
        )
    else:
        answer = Answer(LineOutcome.MATCHED, subjects=(number,), personal_id=number)
    return guesses.guard(number, answer, wrong=bool(fields))


def by_evidence(claimed: Claimed, verdict: Verdict, guesses: Guesses) -> Answer:
    """Answer a line without a number."""
    told = matching.told(
        verdict, name=matching.name_of(claimed), left=guesses.left, given=lambda _number: True
    )
    if told.exhausted:
        people = tuple(key for key in told.exhausted if not matching.is_name(key))
        return Answer(LineOutcome.INVALID, subjects=people, reasons=(_EXHAUSTED,))
    guesses.added.update(told.counted)
    verdict = told.verdict
    if verdict.personal_id is not None:
        return Answer(LineOutcome.MATCHED, subjects=verdict.about, personal_id=verdict.personal_id)
    outcome = LineOutcome.NOT_FOUND if verdict.zone is MatchZone.NO else LineOutcome.AMBIGUOUS
    return Answer(outcome, subjects=verdict.about, reasons=tuple(r.value for r in verdict.reasons))


def answers(
    batch: Batch,
    numbers: Sequence[str],
    odd: Mapping[int, Any],
    judged: Mapping[int, Verdict],
    guesses: Guesses,
) -> dict[int, Answer]:
    """Return a slice's answers by place, in its order; a line without one is plainly that of its number.

    `numbers` are those that the lines state, empty where they state none. `odd` holds, by place in the slice,
    what the database says of lines with numbers that are not plain, `judged` those without a number.
    """
    # Where a line may be a wrong guess, all lines about the same person count one after the other.
    touched = {row.personal_id for row in odd.values()}
    touched |= {n for v in judged.values() for n in (*v.about, *v.holders)}
    touched.discard(None)
    found: dict[int, Answer] = {}
    if not touched and not odd and "" not in numbers:
        return found
    for place, number in enumerate(numbers):
        if place in odd:
            row, claimed = odd[place], batch.record(place).claimed
            if claimed is None:
                raise AssertionError(place)
            found[place] = by_number(claimed, None if row.personal_id is None else row, guesses)
        elif number:
            if number in touched:
                same = Answer(LineOutcome.MATCHED, subjects=(number,), personal_id=number)
                found[place] = guesses.guard(number, same, wrong=False)
        elif place in judged and (claimed := batch.record(place).claimed) is not None:
            found[place] = by_evidence(claimed, judged[place], guesses)
        else:
            found[place] = invalid(batch.record(place))
    return found


def counts(answers: Mapping[int, Answer], lines: int) -> Mapping[str, int]:
    """Return how many of so many lines got which outcome, by the names of the job's columns."""
    found = Counter(a.outcome for a in answers.values())
    found[LineOutcome.MATCHED] += lines - len(answers)
    return {outcome.value.lower(): found[outcome] for outcome in LineOutcome}
