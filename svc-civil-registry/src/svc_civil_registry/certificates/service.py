"""Gives the data of a certificate for a registered birth."""

from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_contracts.population import ParentIn
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.admin_units.service import commune_of_office, full_title
from svc_civil_registry.births import reading as births
from svc_civil_registry.certificates.date_words import date_in_words
from svc_civil_registry.certificates.ethnic_groups import ethnic_group
from svc_civil_registry.certificates.schemas import BirthCertificate, CertifiedParent
from svc_civil_registry.deadlines.service import VIETNAM
from svc_civil_registry.events.errors import GuardFailed
from svc_civil_registry.events.vocabulary import ActionType


async def read_birth_certificate(
    session: AsyncSession, caller: Caller, grant: Grant, birth_id: UUID
) -> BirthCertificate:
    """Return the certificate's data and note the disclosure.

    Raises:
        BirthNotFound: there is no such birth within the caller's reach.
        GuardFailed: the birth is not registered, or a correction of it is open.
    """
    birth = await births.read_birth(session, caller, grant, birth_id, meaning=ActionType.PRINT_CERTIFICATE)
    if birth.register_number is None or birth.personal_id is None or birth.registered_at is None:
        raise GuardFailed("status-declared", "a certificate needs a registered birth.")
    commune = commune_of_office(birth.office)
    day = birth.registered_at.astimezone(VIETNAM).date()
    child, declarant = birth.declaration.child, birth.declaration.declarant
    return BirthCertificate(
        register_number=birth.register_number,
        office=birth.office,
        office_name=full_title(commune, day) if commune is not None else birth.office,
        registered_on=day,
        personal_id=birth.personal_id,
        full_name=child.full_name,
        sex=child.sex,
        birth_date=child.birth_date,
        birth_date_in_words=date_in_words(child.birth_date),
        birth_place=child.birth_place,
        home_town=child.home_town,
        ethnicity=ethnic_group(child.ethnicity_code),
        nationality=child.nationality,
        mother=_parent(birth.declaration.mother),
        father=_parent(birth.declaration.father),
        declarant_name=declarant.name,
        declarant_relation=declarant.relation.value,
    )


def _parent(parent: ParentIn | None) -> CertifiedParent | None:
    if parent is None:
        return None
    return CertifiedParent(
        name=parent.name,
        personal_id=parent.personal_id,
        birth_year=parent.birth_year,
        ethnicity=ethnic_group(parent.ethnicity_code) if parent.ethnicity_code else None,
        nationality=parent.nationality,
        residence=parent.residence,
    )
