"""What is read of agreements: documents, versions, who decided what, and what differs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ndx_contracts.agreements import CLASS_NAMES, Agreement, AgreementState, LegalBasis
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agreements import repository
from gateway.agreements.differences import differences
from gateway.agreements.errors import AgreementNotFound, AgreementVersionNotFound
from gateway.agreements.models import OPEN, STANDING, AgreementRow
from gateway.agreements.schemas import (
    AgreementDiff,
    AgreementHistory,
    AgreementList,
    AgreementPage,
    DecisionOut,
    DifferenceOut,
    VersionList,
    VersionOut,
)

Key = tuple[str, int]
"""Id and version of an agreement."""
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class View:
    """A version with the tag of all that a reader saw of the agreement, for `If-Match`."""

    agreement: Agreement
    etag: str


def document(row: AgreementRow, name: str = "", name_en: str = "") -> Agreement:
    """Return the version as a document."""
    return Agreement(
        agreement_id=row.agreement_id,
        version=row.version,
        state=AgreementState(row.state),
        consumer_name=name,
        consumer_name_en=name_en,
        **row.terms,
    )


async def named(session: AsyncSession, row: AgreementRow) -> Agreement:
    """Return the version as a document that names its consumer in words."""
    found = document(row)
    if found.consumer_class is not None:
        name, name_en = CLASS_NAMES[found.consumer_class]
    else:
        agency = await agencies.agency_named(session, found.consumer_agency or "")
        name, name_en = agency.name, agency.name_en
    return found.model_copy(update={"consumer_name": name, "consumer_name_en": name_en})


def etag(rows: Sequence[AgreementRow]) -> str:
    """Return the tag of an agreement: the states of the versions that still matter."""
    live = [f"{r.version}-{r.state}" for r in rows if r.state in OPEN | STANDING or r is rows[-1]]
    return f'"{".".join(live)}"'


async def enforced(
    session: AsyncSession,
    ended_since: date,
    known: Mapping[Key, str],
    agreement_id: str | None = None,
) -> tuple[dict[Key, str], list[Agreement]]:
    """Return what the data plane must know of all agreements, or of one: marks, and documents not known yet.

    That is what stands, and what expired lately, so that a refusal can say so. `known` are the marks of the
    documents that the caller has already.
    """
    rows = await repository.enforced(session, ended_since, agreement_id)
    marks = {(found, version): mark for found, version, mark in rows}
    fresh = sorted(key for key, mark in marks.items() if known.get(key) != mark)
    found = []
    for start in range(0, len(fresh), _AT_A_TIME):
        some = await repository.named_versions(session, fresh[start : start + _AT_A_TIME])
        found += [document(row) for row in some]
    return marks, found


async def standing(session: AsyncSession, ids: Sequence[str]) -> dict[str, Agreement]:
    """Return those of the agreements that are active or suspended, by id."""
    mine = AgreementRow.agreement_id.in_(ids)
    return {row.agreement_id: document(row) for row in await repository.in_states(session, STANDING, mine)}


async def standing_ids(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Return those of the agreements that are active or suspended, without their documents."""
    return await repository.standing_ids(session, ids)


async def consumed_by(session: AsyncSession, agency: str) -> list[Agreement]:
    """Return the standing agreements that bind an agency: its own, and its class's templates."""
    known = await agencies.agency_named(session, agency)
    mine = repository.consumed_by(agency, known.agency_class)
    return [document(row) for row in await repository.in_states(session, STANDING, mine)]


async def enforced_on(session: AsyncSession, agency: str, ended_since: date) -> list[Agreement]:
    """Return what the data plane knows of the agreements that bind an agency."""
    known = await agencies.agency_named(session, agency)
    mine = repository.consumed_by(agency, known.agency_class)
    return [document(row) for row in await repository.enforced_on(session, ended_since, mine)]


async def agreements_of(session: AsyncSession, agency: str) -> AgreementList:
    return AgreementList(items=await consumed_by(session, agency))


async def page_of_agreements(
    session: AsyncSession,
    *,
    state: AgreementState | None,
    consumer: str | None,
    consumer_class: str | None,
    cursor: str,
    limit: int,
) -> AgreementPage:
    rows = await repository.page(
        session,
        state=state,
        consumer=consumer,
        consumer_class=consumer_class,
        after=cursor,
        limit=limit + 1,
    )
    more = len(rows) > limit
    return AgreementPage(
        items=[document(row) for row in rows[:limit]],
        next_cursor=rows[limit - 1].agreement_id if more else None,
    )


async def _versions(session: AsyncSession, agreement_id: str) -> list[AgreementRow]:
    rows = list(await repository.versions(session, agreement_id))
    if not rows:
        raise AgreementNotFound
    return rows


def _version(rows: list[AgreementRow], number: int) -> AgreementRow:
    found = next((r for r in rows if r.version == number), None)
    if found is None:
        raise AgreementVersionNotFound
    return found


async def show(session: AsyncSession, agreement_id: str) -> View:
    """Return the version that stands, or else the newest."""
    rows = await _versions(session, agreement_id)
    row = next((r for r in rows if r.state in STANDING), rows[-1])
    return View(await named(session, row), etag(rows))


async def version_of(session: AsyncSession, agreement_id: str, number: int) -> View:
    rows = await _versions(session, agreement_id)
    return View(await named(session, _version(rows, number)), etag(rows))


async def versions_of(session: AsyncSession, agreement_id: str) -> VersionList:
    items = [
        VersionOut(
            agreement=document(row),
            drafted_by=row.drafted_by,
            decided_by=row.decided_by,
            updated_at=row.updated_at,
        )
        for row in await _versions(session, agreement_id)
    ]
    return VersionList(agreement_id=agreement_id, items=items)


async def diff_of(session: AsyncSession, agreement_id: str, before: int | None, after: int) -> AgreementDiff:
    """Compare two versions; without the first, the one that stood or was agreed on before the second."""
    rows = await _versions(session, agreement_id)
    second = _version(rows, after)
    if before is None:
        earlier = [r for r in rows if r.version < after]
        agreed = [r for r in earlier if r.decided_by is not None and r.state != AgreementState.REJECTED]
        before = (agreed or earlier or [second])[-1].version
    first = _version(rows, before)
    return AgreementDiff(
        agreement_id=agreement_id,
        from_version=first.version,
        to_version=second.version,
        items=[
            DifferenceOut(term=d.term, before=d.before, after=d.after)
            for d in differences(first.terms, second.terms)
        ],
    )


async def history_of(session: AsyncSession, agreement_id: str) -> AgreementHistory:
    rows = await repository.history(session, agreement_id)
    if not rows:
        raise AgreementNotFound
    items = [
        DecisionOut(
            version=r.version,
            action=r.action,
            state=r.state,
            decided_by=r.decided_by,
            reason=r.reason,
            legal_basis=None if r.legal_basis is None else LegalBasis(**r.legal_basis),
            decided_at=r.decided_at,
        )
        for r in rows
    ]
    return AgreementHistory(agreement_id=agreement_id, items=items)
