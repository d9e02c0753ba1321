"""The HTTP door of certificates."""

from uuid import UUID

from fastapi import APIRouter
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep

from svc_civil_registry.births.service import GROUPS
from svc_civil_registry.certificates import service
from svc_civil_registry.certificates.schemas import BirthCertificate

router = APIRouter(prefix="/civil-registry/v1", tags=["certificates"])


@router.get(
    "/births/{birth_id}/certificate",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=GROUPS),
)
async def get_birth_certificate(
    birth_id: UUID, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> BirthCertificate:
    """Read what the certificate of a registered birth says."""
    return await service.read_birth_certificate(session, caller, grant, birth_id)
