"""Use cases: a new authority beside the old, who still depends on the old, and its end."""

import asyncio

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.authorities import files
from gateway.authorities import service as authorities
from gateway.authorities.errors import AuthorityInUse, RotationRefused
from gateway.authorities.vocabulary import Kind
from gateway.certificates import service as certificates
from gateway.rotation.schemas import AuthorityList, AuthorityProgress, RetirementIn, RotationIn
from gateway.settings import Settings


async def overview(session: AsyncSession) -> AuthorityList:
    """List all authorities with who depends on each."""
    counted = await certificates.progress(session)
    found = []
    for each in await authorities.all_authorities(session):
        mine = counted.get(each.name, certificates.Dependants())
        found.append(
            AuthorityProgress(
                **each.model_dump(exclude={"revocation_list"}),
                revocation_list=each.revocation_list,
                good_certificates=mine.good,
                systems_waiting=mine.waiting,
                successors_unused=mine.unused,
            )
        )
    return AuthorityList(items=found)


async def make_files(settings: Settings) -> None:
    """Renew what ends within 30 days; the gateway's certificate and CA file follow the authorities."""
    passphrase = authorities.passphrase_of(settings)
    await asyncio.to_thread(files.make_files, settings.state_dir, [], passphrase)


async def rotate(
    session: AsyncSession, operator: Operator, *, wanted: RotationIn, settings: Settings
) -> AuthorityList:
    """Let a new authority issue; certificates of the old one go on working.

    Raises:
        RotationRefused: a former one is still trusted; retire it first.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await authorities.lock_issuing(session)
    if len(await authorities.embedded_in_force(session)) > 1:
        raise RotationRefused("A former authority is still trusted: finish that rotation first.")
    made = await authorities.add_generation(session, settings)
    await record_audit(
        session,
        operator,
        action="authority_rotated",
        entity_type="authority",
        entity_id=made.name,
        details={"reason": wanted.reason},
    )
    await make_files(settings)
    return await overview(session)


async def retire(
    session: AsyncSession, operator: Operator, *, name: str, wanted: RetirementIn, settings: Settings
) -> AuthorityList:
    """Trust an authority no longer, when nobody depends on it or by decision; an embedded one's key goes.

    Raises:
        AuthorityInUse: systems would be shut out, and `cut_off` is not set.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    waiting = (await certificates.progress(session)).get(name, certificates.Dependants()).waiting
    if waiting and not wanted.cut_off:
        raise AuthorityInUse(f"{waiting} systems or operators have no certificate of the new authority yet.")
    retired = await authorities.retire(session, name)
    await record_audit(
        session,
        operator,
        action="authority_retired",
        entity_type="authority",
        entity_id=name,
        details={"reason": wanted.reason, "cut_off": waiting},
    )
    if retired.kind == Kind.EMBEDDED.value:
        await certificates.end_all_of(session, name)
        files.retire_generation(settings.state_dir, name)
        await make_files(settings)
    return await overview(session)


def settings_of(runtime: Runtime) -> Settings:
    return certificates.issuing_settings(runtime)
