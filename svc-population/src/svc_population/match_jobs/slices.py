"""One transaction of a match job: answers some lines, records them, and moves the job forward."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import (
    VIETNAM,
    Grant,
)
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.match_jobs import cases, repository, verdicts
from svc_population.match_jobs.errors import BatchRowsExceeded
from svc_population.match_jobs.feed import Batch, Feed
from svc_population.match_jobs.lines import Answer, result_header, result_line, shown
from svc_population.match_jobs.models import MatchJob
from svc_population.match_jobs.schemas import MatchJobIn
from svc_population.match_jobs.service import ENTITY, OPERATION, announce_end, opener
from svc_population.match_jobs.vocabulary import (
    JobState,
    LineOutcome,
)
from svc_population.matching import records
from svc_population.matching.service import scope_of
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


def announced(job: MatchJob) -> dict[str, Any]:
    return {
        "format": job.format,
        "compression": job.compression,
        "columns": job.columns,
        "bytes": job.bytes,
        "sha256": job.sha256,
    }


@dataclass(slots=True)
class Slice:
    """One transaction: answers some lines, records them, and moves the job forward."""

    session: AsyncSession
    settings: Settings
    job_id: UUID
    caller: Caller
    grant: Grant
    feed: Feed
    opening: Grant | None = None
    """The grant under which mismatches become cases, where the job asked for it."""

    async def answer(self, batch: Batch, last: bool) -> bool | None:
        """Return whether the job has ended; None when it may not go on here."""
        job = await repository.job(self.session, self.job_id, lock=True)
        if job is None or job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return None
        # Another process may have been faster: the place in the database decides, not what was read.
        if job.lines != self.feed.number:
            return None
        taken = await self._allowed(len(batch))
        if batch and not taken:
            raise BatchRowsExceeded
        read = len(batch)
        batch, last = batch.first_of(taken) if taken < read else batch, last and taken == read
        numbers = _numbers(batch)
        answers = await self._answers(batch, numbers)
        opened, known = await self._open_cases(batch, answers)
        await self._keep(job, batch, numbers, answers)
        position = batch.lines[-1].end if taken else self.feed.position
        values: dict[str, Any] = {
            name: getattr(job, name) + n for name, n in verdicts.counts(answers).items()
        }
        values |= {"lines": job.lines + taken, "position": position, "slices": job.slices + 1}
        values |= {"cases_opened": job.cases_opened + opened, "cases_known": job.cases_known + known}
        values |= {"state": JobState.RUNNING.value, "checked": True, "waiting_for": None}
        now = datetime.now(UTC)
        values["expires_at"] = now + timedelta(days=self.settings.match_job_stalled_days)
        if last:
            keep = timedelta(days=self.settings.match_job_result_days)
            values |= {"state": JobState.FINISHED.value, "ended_at": now, "expires_at": now + keep}
            await record_audit(
                self.session,
                self.caller,
                action="match_job_finished",
                entity_type=ENTITY,
                entity_id=self.job_id,
                details={"lines": values["lines"]},
            )
        await repository.change_job(self.session, self.job_id, **values)
        if last:
            await announce_end(self.session, self.job_id)
        self.feed.position, self.feed.number = position, values["lines"]
        if taken < read:
            self.feed.position = -1  # the feed has read on; it begins anew
        return last

    async def _allowed(self, wanted: int) -> int:
        """Take rows from the day's quota; return how many there were."""
        quota = self.grant.agreement.quotas.batch_rows_per_day
        mine = (self.caller.agreement, self.caller.agency, datetime.now(VIETNAM).date())
        if quota is not None:
            wanted = max(0, min(wanted, quota - await repository.rows_used(self.session, *mine)))
        if wanted:
            await repository.add_rows(self.session, *mine, wanted)
        return wanted

    async def _answers(self, batch: Batch, numbers: list[str | None]) -> list[Answer | None]:
        scope = scope_of(self.grant)
        places = [place for place, number in enumerate(numbers) if number is not None]
        stated = [_stated(batch, place) for place in places]
        _, asked, names, born, sexes, legacies = zip(*stated, strict=True) if stated else ((),) * 6
        rows = await repository.people_of(
            self.session,
            {
                "agency": self.caller.agency,
                "scoped": scope.bounded,
                "provinces": list(scope.provinces),
                "communes": list(scope.communes),
                "numbers": "\n".join(asked),
                "names": "\n".join(names),
                "born": "\n".join(born),
                "sexes": "\n".join(sexes) if any(sexes) else "",
                "legacies": "\n".join(legacies) if any(legacies) else "",
            },
        )
        judged = {}
        for place, number in enumerate(numbers):
            claimed = batch.record(place).claimed if number is None else None
            if claimed is not None:
                judged[place] = await records.judged(self.session, claimed, scope)
        before = await repository.guesses(
            self.session, self.caller.agency, [v.about[0] for v in judged.values() if v.about]
        )
        before |= {row.personal_id: row.wrong for row in rows if row.personal_id is not None}
        odd = {places[row.n - 1]: row for row in rows}

        async def decide() -> tuple[list[Answer | None], Counter[str]]:
            guesses = verdicts.Guesses(self.settings.verify_wrong_guesses, before)
            # In a thread: calls that wait for an answer are not held up by thousands of lines.
            found = await asyncio.to_thread(verdicts.answers, batch, numbers, odd, judged, guesses)
            return found, guesses.added

        answers, added = await decide()
        counted = await repository.count_guesses(self.session, self.caller.agency, added)
        meanwhile = {n: w - added[n] for n, w in counted.items() if w - added[n] != (before.get(n) or 0)}
        if meanwhile:
            # Others guessed between the look and the count. Now those rows are held: what is left decides.
            before |= meanwhile
            answers, fewer = await decide()
            less = {n: fewer[n] - added[n] for n in meanwhile if fewer[n] != added[n]}
            await repository.count_guesses(self.session, self.caller.agency, less)
        return answers

    async def _open_cases(self, batch: Batch, answers: list[Answer | None]) -> tuple[int, int]:
        """Open cases for what differs, in this very transaction; return how many are new and known before."""
        if self.opening is None:
            return 0, 0
        differing = {
            batch.record(place).number: (batch.record(place), a) for place, a in _mismatches(answers)
        }
        wanted = cases.differences(self.job_id, differing.values())
        new: set[UUID] = set()
        differences = 0
        while some := list(islice(wanted, MOST_CASES)):
            found = await open_cases(
                self.session,
                caller=opener(self.caller),
                grant=self.opening,
                body=CasesIn(items=tuple(case for _, case in some)),
            )
            for (number, _), case in zip(some, found.items, strict=True):
                differing[number][1].cases += (str(case.case_id),)
                if case.is_new:
                    new.add(case.case_id)
            differences += len(some)
        return len(new), differences - len(new)

    async def _keep(
        self, job: MatchJob, batch: Batch, numbers: list[str | None], answers: list[Answer | None]
    ) -> None:
        """Write the records of disclosure, the mismatches, and the part of the result."""
        subjects: list[str] = []
        outcomes: list[str] = []
        matched = Outcome.MATCHED.value
        for number, answer in zip(numbers, answers, strict=True):
            if answer is None:
                subjects.append(number or "")
                outcomes.append(matched)
            elif answer.outcome is not LineOutcome.INVALID or answer.subjects:
                subjects.append(",".join(answer.subjects))
                outcomes.append(_OUTCOMES[answer.outcome].value)
        if subjects:
            await repository.disclose_lines(
                self.session,
                {**self._records(job), "subjects": "\n".join(subjects), "outcomes": "\n".join(outcomes)},
            )
        await repository.add_mismatches(
            self.session,
            [
                {
                    "job_id": job.id,
                    "line": batch.first + place,
                    "personal_id": answer.subjects[0],
                    "fields": list(answer.fields),
                }
                for place, answer in _mismatches(answers)
            ],
        )
        await asyncio.to_thread(self._write, job.slices, batch, numbers, answers)

    def _write(
        self, slices: int, batch: Batch, numbers: list[str | None], answers: list[Answer | None]
    ) -> None:
        opens = self.opening is not None
        header = "" if slices else result_header(opens_cases=opens)
        end = ",,,\n" if opens else ",,\n"
        found = []
        for place, answer in enumerate(answers):
            if answer is None:
                plain = batch.plain[place]
                ref = batch.record(place).ref if plain is None else plain.ref
                found.append(f"{batch.first + place},{shown(ref)},MATCHED,{numbers[place]}{end}")
            else:
                found.append(result_line(batch.record(place), answer, opens_cases=opens))
        self.feed.files.write(self.feed.files.result(slices + 1), (header + "".join(found)).encode())

    def _records(self, job: MatchJob) -> dict[str, Any]:
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


def _numbers(batch: Batch) -> list[str | None]:
    """Return the number that each line states, where it states one and can be read."""
    numbers: list[str | None] = []
    for place, plain in enumerate(batch.plain):
        if plain is not None:
            numbers.append(plain.number)
        else:
            claimed = batch.record(place).claimed
            numbers.append(None if claimed is None else claimed.personal_id)
    return numbers


def _stated(batch: Batch, place: int) -> tuple[str, str, str, str, str, str]:
    """Return what a line with a number states, as a plain one does; a birth date that is no day is empty."""
    plain = batch.plain[place]
    if plain is not None:
        return plain
    record = batch.record(place)
    claimed = record.claimed
    if claimed is None:
        raise AssertionError(place)
    born = str(claimed.birth_date.span[0]) if claimed.birth_date.day else ""
    return (
        record.ref,
        claimed.personal_id or "",
        claimed.name,
        born,
        claimed.sex or "",
        claimed.legacy_id_number or "",
    )


def _mismatches(answers: list[Answer | None]) -> Iterator[tuple[int, Answer]]:
    for place, answer in enumerate(answers):
        if answer is not None and answer.outcome is LineOutcome.MISMATCH:
            yield place, answer
