"""What every change of a family leaves: a new version of each person concerned, with its grounds."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from ndx_chassis.audit import Actor
from ndx_chassis.errors import FieldError
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.persons.vocabulary import MaritalStatus

FAMILY = (FieldGroup.FAMILY_RELATIONS,)


@dataclass(frozen=True, slots=True)
class Grounds:
    """Since when a change is true, on which word, by whom."""

    on: date
    source: str
    actor: Actor
    document: dict[str, Any] | None = None


async def note(
    session: AsyncSession,
    person: Person,
    grounds: Grounds,
    *,
    married: bool = False,
    status: MaritalStatus | None = None,
) -> None:
    """Write a person's new version, and announce it; a dead person's record only names the group."""
    values: dict[str, Any] = {}
    if married:
        values = {"marital_status": MaritalStatus.MARRIED.value}
    elif status is not None and not person.locked:
        values = {"marital_status": status.value}
    news = persons.Change(
        values,
        valid_from=grounds.on,
        source=grounds.source,
        agency=grounds.source.partition(":")[0],
        document=grounds.document,
        after_death=True,
    )
    changed = await persons.change(session, person, news, actor=grounds.actor, also=FAMILY)
    await session.refresh(person)
    await persons.announce_change(session, person, changed, version=person.version)


def fault(name: str, code: str) -> FieldError:
    """Name a member of the body and what is wrong with it."""
    return FieldError(field=f"body.{name}", code=code, detail=code.replace("-", " "))
