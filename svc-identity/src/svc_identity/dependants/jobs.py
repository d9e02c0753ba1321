"""Clock door of dependants: the age limit ends an attachment on its day."""

from ndx_chassis.app import Runtime
from ndx_chassis.jobs import Job

from svc_identity.dependants import service
from svc_identity.rules.calendar import today


async def end_by_age(runtime: Runtime) -> None:
    while True:
        async with runtime.sessions() as session, session.begin():
            ended = await service.end_by_age(session, today())
        runtime.nudge()
        if ended == 0:
            return


END_BY_AGE = Job("dependants_of_age", 600.0, end_by_age)
