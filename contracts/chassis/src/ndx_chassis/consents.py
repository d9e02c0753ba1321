"""The service's own copy of consents, and the refusal where an agreement asks for one that is not there."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ndx_contracts.events import ConsentChanged
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.tables import consents as table

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime


class ConsentMissing(DomainError):
    kind = Kind.FORBIDDEN
    code = "consent-missing"
    title = "The person has not consented"
    title_vi = "Chưa có sự đồng ý của người dân"


async def consenting(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    subjects: Collection[str],
    field_groups: Iterable[FieldGroup],
) -> set[str]:
    """Return of whom the caller may have these groups: of all, where the agreement asks for no consent."""
    if not grant.agreement.conditions.consent_required:
        return set(subjects)
    found = await session.execute(
        select(table.c.personal_id, table.c.field_groups).where(
            table.c.personal_id.in_(subjects),
            table.c.agency == caller.agency,
            table.c.purpose == caller.purpose,
            table.c.withdrawn_at.is_(None),
            table.c.valid_until > func.now(),
        )
    )
    given: dict[str, set[str]] = {}
    for personal_id, groups in found:
        given.setdefault(personal_id, set()).update(groups)
    wanted = {group.value for group in field_groups}
    return {subject for subject, groups in given.items() if wanted <= groups}


async def require_consent(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    subjects: Collection[str],
    field_groups: Iterable[FieldGroup],
) -> None:
    """Refuse what the agreement lets the caller have only with each person's consent.

    It is asked before anybody is told whether the person exists, so that the refusal says nothing.

    Raises:
        ConsentMissing: none is in force for this agency and purpose, or it leaves out a field group.
    """
    given = await consenting(session, caller, grant, subjects=subjects, field_groups=field_groups)
    if not given.issuperset(subjects):
        raise ConsentMissing


async def _keep(session: AsyncSession, event: Event[ConsentChanged], _runtime: "Runtime") -> None:
    """Take a consent as it is now; a withdrawal is final, in whatever order events come."""
    values = event.data.model_dump(exclude={"field_groups", "purpose"})
    values["purpose"] = event.data.purpose.value
    values["field_groups"] = [group.value for group in event.data.field_groups]
    statement = insert(table).values(values)
    withdrawn = {"withdrawn_at": func.coalesce(table.c.withdrawn_at, statement.excluded.withdrawn_at)}
    await session.execute(
        statement.on_conflict_do_update(index_elements=[table.c.consent_id], set_=withdrawn)
    )


def subscription(service: str) -> Subscription:
    """Return what keeps the copy current."""
    return Subscription(ConsentChanged.TOPIC, service, {ConsentChanged: _keep})
