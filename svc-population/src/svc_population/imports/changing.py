"""Use case: apply a change file once, in batches, each change for itself, and go on where a kill ended it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError
from ndx_chassis.ids import new_id
from ndx_chassis.problems import is_connection_trouble
from ndx_chassis.telemetry import log
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_population.changes import service as person_changes
from svc_population.changes.schemas import PersonChangeIn
from svc_population.changes.service import Requested
from svc_population.imports.change_layout import BadLine, changes, check
from svc_population.imports.errors import ImportRefused
from svc_population.imports.models import ChangeFile, ChangeFileError
from svc_population.imports.schemas import ChangeLine
from svc_population.persons import service as persons
from svc_population.persons.errors import PersonNotFound

BATCH = 100
"""Changes of one transaction: what a kill undoes at most, to be done again by the next run."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before a batch that was interrupted is tried again."""
_SYSTEM = "change-file"
_NOT_OF_THE_BODY = {"personal_id", "case_id", "officer", "version"}
Given = dict[str, Any] | BadLine


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the file, over all its runs."""

    id: UUID
    changes: int
    applied: int
    unchanged: int
    refused: int
    before: bool
    """The file was applied whole before: nothing was done."""


async def apply_changes(
    sessions: async_sessionmaker[AsyncSession], path: Path, *, agency: str, sha256: str | None = None
) -> Applied:
    """Apply each change of a file that can be applied, in the name of an agency; the same file only once.

    Raises:
        ImportRefused: the file cannot be read whole, is not the one of `sha256`, or another process is at it.
    """
    checked = check(path)
    if sha256 is not None and sha256.lower() != checked.sha256:
        raise ImportRefused("the file is not the one that was sent: its SHA-256 differs")
    async with sessions() as session, session.begin():
        file = await _opened(session, agency=agency, sha256=checked.sha256, name=path.name)
    if file.state == "FINISHED":
        return _applied(file, before=True)
    found = enumerate(changes(path, is_csv=checked.is_csv), 1)
    position = file.position
    rest = islice(found, position, None)
    while batch := list(islice(rest, BATCH)):
        await _patiently(sessions, file.id, position, batch)
        position = batch[-1][0]
    async with sessions() as session, session.begin():
        return _applied(await _finished(session, file.id, position), before=False)


async def errors_of(session: AsyncSession, file_id: UUID) -> Iterator[tuple[int, str, str | None]]:
    """Return (number of the change, code, member) of every change that was refused."""
    statement = select(ChangeFileError).where(ChangeFileError.file_id == file_id)
    rows = await session.scalars(statement.order_by(ChangeFileError.number))
    return iter([(row.number, row.code, row.field) for row in rows])


async def _opened(session: AsyncSession, *, agency: str, sha256: str, name: str) -> ChangeFile:
    await session.execute(
        insert(ChangeFile)
        .values(id=new_id(), agency=agency, sha256=sha256, name=name)
        .on_conflict_do_nothing()
    )
    mine = (ChangeFile.agency == agency) & (ChangeFile.sha256 == sha256)
    return (await session.scalars(select(ChangeFile).where(mine))).one()


async def _held(session: AsyncSession, file_id: UUID, position: int) -> ChangeFile:
    statement = select(ChangeFile).where(ChangeFile.id == file_id).with_for_update()
    file = (await session.scalars(statement)).one()
    if file.position != position or file.state == "FINISHED":
        raise ImportRefused("another process applies this file")
    return file


async def _finished(session: AsyncSession, file_id: UUID, position: int) -> ChangeFile:
    file = await _held(session, file_id, position)
    file.state, file.finished_at = "FINISHED", func.clock_timestamp()
    await session.flush()
    await session.refresh(file)
    return file


async def _patiently(
    sessions: async_sessionmaker[AsyncSession], file_id: UUID, position: int, batch: list[tuple[int, Given]]
) -> None:
    """Settle a batch, also across a restart of the database or when somebody else was in its way."""
    careful = False
    for pause in (0.0, *PAUSES, None):
        try:
            async with sessions() as session, session.begin():
                await _settle(session, file_id, position, batch, careful=careful)
        except (DataError, IntegrityError):
            # What the rules let pass and the database does not is rare: only now is each change kept apart.
            if careful:
                raise
            careful = True
        except (DBAPIError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if pause is None or not is_connection_trouble(error):
                raise
            log.warning("change_file_interrupted", error=type(error).__name__, file_id=str(file_id))
            await asyncio.sleep(pause)
        else:
            return


async def _settle(
    session: AsyncSession, file_id: UUID, position: int, batch: list[tuple[int, Given]], *, careful: bool
) -> None:
    """Settle each change of a batch; a refusal comes before anything of its change is written."""
    file = await _held(session, file_id, position)
    lines: list[tuple[int, ChangeLine]] = []
    for number, given in batch:
        try:
            lines.append((number, _read(given)))
        except BadLine as bad:
            _refuse(session, file, number, bad.code, None)
        except ValidationError as error:
            _refuse(session, file, number, "invalid-input", _where(error))
    today = await persons.current_numbers(session, [line.personal_id for _, line in lines])
    for run in _runs(lines, today, longest=1 if careful else len(lines)):
        if careful or run[0][1].effective_to is not None:
            for number, line in run:
                await _one(session, file, number, line, careful=careful)
            continue
        numbers = {line.personal_id: today.get(line.personal_id, line.personal_id) for _, line in run}
        async with persons.together(session, numbers) as held:
            for number, line in run:
                await _one(session, file, number, line, held=held)
    file.position = batch[-1][0]


def _runs(
    lines: list[tuple[int, ChangeLine]], today: Mapping[str, str], *, longest: int
) -> Iterator[list[tuple[int, ChangeLine]]]:
    """Yield lines that can be settled together: nobody is in them twice.

    A correction of some days of the past is made of several versions, and stands alone.
    """
    run: list[tuple[int, ChangeLine]] = []
    people: set[str] = set()
    for number, line in lines:
        person = today.get(line.personal_id, line.personal_id)
        alone = line.effective_to is not None
        if run and (alone or person in people or len(run) >= longest):
            yield run
            run, people = [], set()
        if alone:
            yield [(number, line)]
        else:
            run.append((number, line))
            people.add(person)
    if run:
        yield run


async def _one(
    session: AsyncSession,
    file: ChangeFile,
    number: int,
    line: ChangeLine,
    *,
    careful: bool = False,
    held: persons.Together | None = None,
) -> None:
    try:
        async with session.begin_nested() if careful else nullcontext():
            changed = await _apply(session, file, number, line, held)
    except DomainError as error:
        _refuse(session, file, number, error.code, error.errors[0].field if error.errors else None)
    except (DataError, IntegrityError):
        if not careful:
            raise
        _refuse(session, file, number, "refused-by-the-database", None)
    else:
        file.applied += changed
        file.unchanged += not changed


def _read(given: Given) -> ChangeLine:
    if isinstance(given, BadLine):
        raise given
    return ChangeLine.model_validate(given)


def _where(error: ValidationError) -> str:
    # Names of members of ours; an unknown member's name comes from the file and may hold anything.
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    unknown = first["type"] == "extra_forbidden"
    return ".".join(str(part) for part in (first["loc"][:-1] if unknown else first["loc"]))[:200]


async def _apply(
    session: AsyncSession,
    file: ChangeFile,
    number: int,
    line: ChangeLine,
    held: persons.Together | None,
) -> bool:
    if held is None:
        person = await persons.find(session, line.personal_id, lock=True)
    else:
        person = held.people.get(line.personal_id)
    if person is None:
        raise PersonNotFound
    caller = Caller(
        agency=file.agency,
        system=_SYSTEM,
        agreement="",
        purpose="",
        case_id=line.case_id,
        officer=line.officer,
        request_id=f"{file.id}:{number}",
        operation="population.apply_change_file",
    )
    body = PersonChangeIn.model_validate(
        line.model_dump(exclude=_NOT_OF_THE_BODY, exclude_unset=True), strict=False
    )
    answer = await person_changes.apply(session, person, Requested(caller, body, line.version))
    return bool(answer.changed)


def _refuse(session: AsyncSession, file: ChangeFile, number: int, code: str, field: str | None) -> None:
    file.refused += 1
    session.add(ChangeFileError(file_id=file.id, number=number, code=code, field=field))


def _applied(file: ChangeFile, *, before: bool) -> Applied:
    return Applied(file.id, file.position, file.applied, file.unchanged, file.refused, before)
