"""One transaction of a match job: answers some lines, records them, and moves the job forward."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.match_jobs import cases, repository, verdicts
from svc_population.match_jobs.errors import BatchRowsExceeded
from svc_population.match_jobs.feed import Batch
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.lines import Answer, Record, result_header, result_line, shown
from svc_population.match_jobs.models import MatchJob
from svc_population.match_jobs.schemas import MatchJobIn
from svc_population.match_jobs.service import ENTITY, OPERATION, announce_end, opener
from svc_population.match_jobs.turns import Settling
from svc_population.match_jobs.vocabulary import JobState, LineOutcome
from svc_population.matching import records
from svc_population.matching.grading import Claimed
from svc_population.matching.guesses import Limits, name_of
from svc_population.matching.service import scope_of
from svc_population.persons import verification
from svc_population.reconciliation.schemas import MOST_CASES, CasesIn
from svc_population.reconciliation.service import open_cases
from svc_population.settings import Settings

_OUTCOMES = {
    LineOutcome.MATCHED: Outcome.MATCHED,
    LineOutcome.MISMATCH: Outcome.NOT_MATCHED,
    LineOutcome.AMBIGUOUS: Outcome.NOT_MATCHED,
    LineOutcome.NOT_FOUND: Outcome.NOT_FOUND,
    LineOutcome.INVALID: Outcome.NOT_MATCHED,
}
"""INVALID tells of somebody only where guesses about them are used up; it then names them."""

_LINE_BYTES = 50
"""What a line of name, birth date and places takes, about."""


def announced(job: MatchJob) -> dict[str, Any]:
    return {
        "format": job.format,
        "compression": job.compression,
        "columns": job.columns,
        "bytes": job.bytes,
        "sha256": job.sha256,
    }


class LookAgain(Exception):
    """Others changed meanwhile what this slice looked at; it is done again, alone."""


@dataclass(slots=True)
class Slice:
    """One transaction: answers some lines, records them, and moves the job forward.

    `prepare` does nearly all of the work and waits for nobody. `settle` comes in the order of the slices; it
    holds the lock of the job's row, which others wait for, and ends with the commit of whoever calls it.
    """

    session: AsyncSession
    settings: Settings
    job: MatchJob
    caller: Caller
    grant: Grant
    files: JobFiles
    batch: Batch
    last: bool
    settling: Settling
    opening: Grant | None = None
    """The grant under which mismatches become cases, where the job asked for it."""
    alone: bool = False
    """Its turn has come already, and no other slice of the agency settles meanwhile."""
    taken: int = field(init=False, default=0)
    is_whole: bool = field(init=False, default=True)
    """The rows of the day reach for all lines."""
    numbers: list[str] = field(init=False, default_factory=list)
    answers: dict[int, Answer] = field(init=False, default_factory=dict)
    added: Counter[str] = field(init=False, default_factory=Counter)
    _seen: int = field(init=False, default=0)
    _told: set[str] = field(init=False, default_factory=set)
    """Whom the answers say something about, beside the numbers that the lines state."""
    _decide: Callable[[dict[str, int]], Awaitable[None]] = field(init=False)
    _before: dict[str, int] = field(init=False, default_factory=dict)

    async def prepare(self) -> None:
        """Find the answers; unless it is alone, write their records as well.

        Raises:
            BatchRowsExceeded: there is no row left of the day.
        """
        self._seen = self.settling.settled
        quota = self.grant.agreement.quotas.batch_rows_per_day
        read = self.taken = len(self.batch)
        if quota is not None:
            self.taken = max(0, min(read, quota - await repository.rows_seen(self.session, *self._day())))
            if read and not self.taken:
                raise BatchRowsExceeded
        if self.taken < read:
            self.batch, self.last, self.is_whole = self.batch.first_of(self.taken), False, False
        self.numbers = _numbers(self.batch)
        await self._answer()
        if not self.alone:
            await self._record()

    async def settle(self) -> bool | None:
        """Return whether the job has ended; None when it may not go on here.

        Raises:
            LookAgain: the answers hold no more, or rows of the day went elsewhere.
        """
        job = await repository.job(self.session, self.job.id, lock=True)
        if job is None or job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return None
        # Another process may have been faster: the place in the database decides, not what was read.
        if job.lines != self.batch.first - 1:
            return None
        if not self.alone:
            self._require_unguessed()
        await self._count_guesses()
        opened, known = await self._open_cases()
        await self._take_rows()
        if self.alone:
            await self._record()
        await asyncio.to_thread(self._write, job.slices)
        values: dict[str, Any] = {
            name: getattr(job, name) + n for name, n in verdicts.counts(self.answers, self.taken).items()
        }
        values |= {"lines": job.lines + self.taken, "position": self.batch.end, "slices": job.slices + 1}
        values |= {"cases_opened": job.cases_opened + opened, "cases_known": job.cases_known + known}
        values |= {"state": JobState.RUNNING.value, "checked": True, "waiting_for": None}
        now = datetime.now(UTC)
        values["expires_at"] = now + timedelta(days=self.settings.match_job_stalled_days)
        if self.last:
            keep = timedelta(days=self.settings.match_job_result_days)
            values |= {"state": JobState.FINISHED.value, "ended_at": now, "expires_at": now + keep}
            await record_audit(
                self.session,
                self.caller,
                action="match_job_finished",
                entity_type=ENTITY,
                entity_id=self.job.id,
                details={"lines": values["lines"]},
            )
        await repository.change_job(self.session, self.job.id, **values)
        if self.last:
            await announce_end(self.session, self.job.id)
        return self.last

    def _day(self) -> tuple[str, str, date]:
        return self.caller.agreement, self.caller.agency, datetime.now(VIETNAM).date()

    async def _take_rows(self) -> None:
        """Take rows from the day's quota, which other slices did meanwhile as well."""
        if not self.taken:
            return
        used = await repository.add_rows(self.session, *self._day(), self.taken)
        quota = self.grant.agreement.quotas.batch_rows_per_day
        if quota is not None and used > quota:
            raise LookAgain

    def _require_unguessed(self) -> None:
        guessed = self.settling.guessed_since(self._seen)
        if guessed is None or (guessed and not guessed.isdisjoint([*self.numbers, *self._told])):
            raise LookAgain

    async def _answer(self) -> None:
        scope = scope_of(self.grant)
        places, columns = self._stated()
        rows = await repository.people_of(
            self.session,
            {
                "agency": self.caller.agency,
                "scoped": scope.bounded,
                "provinces": list(scope.provinces),
                "communes": list(scope.communes),
                **columns,
            },
        )
        claimed = self._without_number()
        judged = await records.judged_together(self.session, claimed, scope)
        found = {n for v in judged.values() for n in (*v.about, *v.holders)}
        # Not among those whom others may have guessed at meanwhile: two lines of one name are no reason to
        # look again, and where both count, the count itself tells.
        names = {name_of(one) for one in claimed.values()}
        self._before = await verification.wrong_guesses(
            self.session, agency=self.caller.agency, personal_ids=[*found, *names]
        )
        self._before |= {row.personal_id: row.wrong for row in rows if row.personal_id is not None}
        self._told = {*self._before, *found} - names
        odd = {row.n - 1 if places is None else places[row.n - 1]: row for row in rows}

        async def decide(before: dict[str, int]) -> None:
            guesses = verdicts.Guesses(self._limits(), before)
            # In a thread: calls that wait for an answer are not held up by thousands of lines.
            self.answers = await asyncio.to_thread(
                verdicts.answers, self.batch, self.numbers, odd, judged, guesses
            )
            self.added = guesses.added

        self._decide = decide
        await decide(self._before)

    def _limits(self) -> Limits:
        # What a file will have is judged by its size: sorted by name, all of one name come together.
        lines = max(self.job.lines + len(self.batch), self.job.bytes // _LINE_BYTES)
        misses = self.settings.match_misses + lines // self.settings.match_lines_a_miss
        return Limits(self.settings.verify_wrong_guesses, misses)

    def _without_number(self) -> dict[int, Claimed]:
        claimed = ((place, self.batch.record(place).claimed) for place in self.batch.odd)
        return {place: one for place, one in claimed if one is not None and one.personal_id is None}

    async def _count_guesses(self) -> None:
        agency, added, before = self.caller.agency, +self.added, self._before
        counted = await verification.count_guesses(self.session, agency, added)
        meanwhile = {n: w - added[n] for n, w in counted.items() if w - added[n] != (before.get(n) or 0)}
        if not meanwhile:
            return
        if not self.alone:
            raise LookAgain
        # Others guessed between the look and the count. Now those rows are held: what is left decides.
        await self._decide(before | meanwhile)
        less = {n: self.added[n] - added[n] for n in meanwhile if self.added[n] != added[n]}
        await verification.count_guesses(self.session, agency, less)

    def _stated(self) -> tuple[list[int] | None, dict[str, str]]:
        """Return the lines with a number as texts, and their places; None when these are all."""
        stated, places = self.batch.stated, None
        columns = [stated.number, stated.name, stated.born, stated.sex, stated.legacy]
        if odd := self.batch.odd:
            columns = [column.copy() for column in columns]
            without = {place for place in odd if not self.numbers[place]}
            for place in odd:
                if place not in without:
                    for column, cell in zip(columns, _cells(self.batch.record(place)), strict=True):
                        column[place] = cell
            places = [place for place in range(len(self.batch)) if place not in without]
            columns = [[column[place] for place in places] for column in columns]
        number, name, born, sex, legacy = columns
        return places, {
            "numbers": "\n".join(number),
            "names": "\n".join(name),
            "born": "\n".join(born),
            "sexes": "\n".join(sex) if any(sex) else "",
            "legacies": "\n".join(legacy) if any(legacy) else "",
        }

    async def _open_cases(self) -> tuple[int, int]:
        """Open cases for what differs, in this very transaction; return how many are new and known before."""
        if self.opening is None:
            return 0, 0
        differing = {
            self.batch.record(place).number: (self.batch.record(place), a)
            for place, a in _mismatches(self.answers)
        }
        wanted = cases.differences(self.job.id, differing.values())
        new: set[UUID] = set()
        differences = 0
        while some := list(islice(wanted, MOST_CASES)):
            found = await open_cases(
                self.session,
                caller=opener(self.caller),
                grant=self.opening,
                body=CasesIn(items=tuple(case for _, case in some)),
                # The lines were counted as guesses when they were answered.
                wrong_guesses=None,
            )
            for (number, _), case in zip(some, found.items, strict=True):
                differing[number][1].cases += (str(case.case_id),)
                if case.is_new:
                    new.add(case.case_id)
            differences += len(some)
        return len(new), differences - len(new)

    async def _record(self) -> None:
        """Write the records of disclosure and the mismatches."""
        subjects = list(self.numbers)
        outcomes = [Outcome.MATCHED.value] * len(subjects)
        silent = []
        for place, answer in self.answers.items():
            subjects[place] = ",".join(answer.subjects)
            outcomes[place] = _OUTCOMES[answer.outcome].value
            if answer.outcome is LineOutcome.INVALID and not answer.subjects:
                silent.append(place)
        for place in reversed(silent):
            del subjects[place], outcomes[place]
        if subjects:
            await repository.disclose_lines(
                self.session,
                {**self._records(), "subjects": "\n".join(subjects), "outcomes": "\n".join(outcomes)},
            )
        await repository.add_mismatches(
            self.session,
            [
                {
                    "job_id": self.job.id,
                    "line": self.batch.first + place,
                    "personal_id": answer.subjects[0],
                    "fields": list(answer.fields),
                }
                for place, answer in _mismatches(self.answers)
            ],
        )

    def _write(self, slices: int) -> None:
        opens = self.opening is not None
        header = "" if slices else result_header(opens_cases=opens)
        end = ",,,\n" if opens else ",,\n"
        refs = self.batch.stated.ref.copy()
        for place in self.batch.odd:
            refs[place] = self.batch.record(place).ref
        if not "".join(refs).isalnum():
            refs = [*map(shown, refs)]
        lines = [
            f"{line},{ref},MATCHED,{number}{end}"
            for line, ref, number in zip(count(self.batch.first), refs, self.numbers, strict=False)
        ]
        for place, answer in self.answers.items():
            lines[place] = result_line(self.batch.record(place), answer, opens_cases=opens)
        self.files.write(self.files.result(slices + 1), (header + "".join(lines)).encode())

    def _records(self) -> dict[str, Any]:
        job = self.job
        groups = MatchJobIn(**announced(job)).field_groups
        return {
            "agency": job.agency,
            "system": job.system,
            "officer": job.officer,
            "case_id": job.case_id,
            "purpose": job.purpose,
            "agreement": job.agreement,
            "agreement_version": self.grant.agreement.version,
            "operation": OPERATION,
            "field_groups": sorted(g.value for g in groups),
            "request_id": job.request_id,
        }


def _numbers(batch: Batch) -> list[str]:
    """Return the number that each line states, empty where it states none or cannot be read."""
    numbers = list(batch.stated.number)
    for place in batch.odd:
        claimed = batch.record(place).claimed
        numbers[place] = "" if claimed is None else claimed.personal_id or ""
    return numbers


def _cells(record: Record) -> tuple[str, str, str, str, str]:
    """Return what a line states that is not plain; a birth date that is no day is empty."""
    claimed = record.claimed
    if claimed is None:
        raise AssertionError(record.number)
    born = str(claimed.birth_date.span[0]) if claimed.birth_date.day else ""
    return (
        claimed.personal_id or "",
        claimed.name,
        born,
        claimed.sex or "",
        claimed.legacy_id_number or "",
    )


def _mismatches(answers: Mapping[int, Answer]) -> Iterator[tuple[int, Answer]]:
    for place, answer in answers.items():
        if answer.outcome is LineOutcome.MISMATCH:
            yield place, answer
