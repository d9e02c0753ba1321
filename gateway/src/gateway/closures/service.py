"""Use case: close an agency for good; what it holds ends in the same transaction, and its history stays.

One operator decides, as for everything that takes rights away, so that it is quick; giving rights takes two.
"""

from ndx_chassis.app import Runtime
from ndx_chassis.caller import Operator
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.agreements import service as agreements
from gateway.certificates import revoking
from gateway.certificates import service as certificates
from gateway.closures.errors import AgencyInUse
from gateway.closures.schemas import ClosureIn, ClosureOut
from gateway.feeds import service as feeds
from gateway.settings import Settings
from gateway.signing_keys import service as signing_keys


async def close_agency(
    session: AsyncSession, operator: Operator, *, code: str, wanted: ClosureIn, settings: Settings
) -> ClosureOut:
    """Close an agency: its code is never given again, and no step leads back.

    Raises:
        AgencyInUse: it provides a service, or others have agreements with it and `cut_off` is not set.
        TransitionRefused: it is closed already.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    services = sorted(name for name, owner in settings.service_owners.items() if owner == code)
    if services:
        raise AgencyInUse(f"It provides {', '.join(services)}: give that to another agency first.")
    # Agreements before the agency, as whoever submits one: in the other order two could wait for each other.
    await agreements.hold_all_of(session, operator, agency=code)
    closed = await agencies.close(session, operator, code=code, reason=wanted.reason)
    mine, provided = await agreements.hold_all_of(session, operator, agency=code)
    if provided and not wanted.cut_off:
        others = ", ".join(f.newest.agreement_id for f in provided[:20])
        raise AgencyInUse(f"{len(provided)} agreements are about its data: {others}.")
    reason = f"agency {code} closed: {wanted.reason}"
    for found in [*mine, *provided]:
        await agreements.end(found, reason)
    return ClosureOut(
        agency=closed,
        agreements=[f.newest.agreement_id for f in mine],
        provided_agreements=[f.newest.agreement_id for f in provided],
        certificates=await revoking.revoke_all_of(session, operator, agency=code, reason=wanted.reason),
        signing_keys=await signing_keys.revoke_all_of(session, operator, agency=code, reason=wanted.reason),
        feed_subscriptions=await feeds.end_all_of(session, operator, agency=code),
    )


def settings_of(runtime: Runtime) -> Settings:
    return certificates.issuing_settings(runtime)
