"""Puts svc-population together: the slices' routes, subscriptions, jobs, and what they keep running."""

from typing import Any

from fastapi import FastAPI
from ndx_chassis.app import Runtime, ServiceSpec, build_app
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import PersonDeathCancelled, PersonDeceased

from svc_population.admin_units import endpoints as admin_unit_endpoints
from svc_population.changes import endpoints as change_endpoints
from svc_population.citizen_accounts import consumers as account_consumers
from svc_population.dedupe import endpoints as dedupe_endpoints
from svc_population.dedupe import service as dedupe
from svc_population.disclosures import consumers as disclosure_consumers
from svc_population.disclosures import endpoints as disclosure_endpoints
from svc_population.disclosures import jobs as disclosure_jobs
from svc_population.families import consumers as family_consumers
from svc_population.families import ending as families
from svc_population.families import endpoints as family_endpoints
from svc_population.forecast import endpoints as forecast_endpoints
from svc_population.histories import endpoints as history_endpoints
from svc_population.households import consumers as household_consumers
from svc_population.households import endpoints as household_endpoints
from svc_population.households import returning as households
from svc_population.match_jobs import endpoints as match_job_endpoints
from svc_population.match_jobs import jobs as match_job_jobs
from svc_population.matching import endpoints as matching_endpoints
from svc_population.mergers import endpoints as merger_endpoints
from svc_population.osia import answering
from svc_population.osia import endpoints as osia_endpoints
from svc_population.personal_ids import endpoints as personal_id_endpoints
from svc_population.personal_ids import jobs as personal_id_jobs
from svc_population.personal_ids import watching
from svc_population.personal_ids.allocator import Allocator
from svc_population.personal_ids.service import ALLOCATOR
from svc_population.persons import consumers as person_consumers
from svc_population.persons import deaths, hot_read, hot_verify
from svc_population.persons import endpoints as person_endpoints
from svc_population.persons import service as persons
from svc_population.persons.desk import Desk, Gathered
from svc_population.persons.sealing import Keyring
from svc_population.persons.service import KEYRING
from svc_population.quality import endpoints as quality_endpoints
from svc_population.quality import jobs as quality_jobs
from svc_population.quality_cases import endpoints as quality_case_endpoints
from svc_population.quality_cases import jobs as quality_case_jobs
from svc_population.quality_days import endpoints as quality_day_endpoints
from svc_population.quality_days import jobs as quality_day_jobs
from svc_population.reconciliation import endpoints as reconciliation_endpoints
from svc_population.residences import consumers as residence_consumers
from svc_population.residences import endpoints as residence_endpoints
from svc_population.residences import jobs as residence_jobs
from svc_population.settings import Settings, settings_of
from svc_population.statistics import endpoints as statistics_endpoints
from svc_population.statistics import jobs as statistics_jobs

_DESKS: dict[str, Gathered[Any]] = {
    hot_read.DESK: hot_read.LOOKUPS,
    hot_verify.CLAIMS_DESK: hot_verify.CLAIMS,
    hot_verify.CONFIRM_DESK: hot_verify.CONFIRMATIONS,
}


async def _open(runtime: Runtime) -> None:
    settings = settings_of(runtime)
    keys = Keyring.of_file(settings.sensitive_key_file)
    runtime.extras[hot_read.KEYRING] = keys
    runtime.sessions.configure(info={KEYRING: keys})
    runtime.extras[ALLOCATOR] = Allocator(
        settings.asyncpg_dsn, key_file=settings.personal_id_key_file, lease=settings.personal_id_lease
    )
    runtime.metrics.sources += [watching.prefix_use, dedupe.files_left]
    for name, gathered in _DESKS.items():
        desk = Desk(
            settings.asyncpg_dsn,
            gathered,
            lanes=settings.lookup_lanes,
            batch=settings.lookup_batch,
            queue=settings.lookup_queue,
            committed=runtime.nudge,
        )
        runtime.extras[name] = desk
        await desk.start()


async def _close(runtime: Runtime) -> None:
    for name in _DESKS:
        await runtime.extras[name].stop()
    await runtime.extras[ALLOCATOR].close()


_CLOSED_BY_DEATH = (
    residence_consumers.on_person_deceased,
    household_consumers.on_person_deceased,
    family_consumers.on_person_deceased,
)


async def _hold(session: Session, personal_id: str) -> None:
    """Lock whom a death or its end touches in everybody's order: the household, then people by number."""
    members = await households.hold(session, personal_id)
    for number in sorted({*members, *await families.touched_by_death(session, personal_id)}):
        await persons.find(session, number, lock=True)


async def _close_by_death(session: Session, event: Event[PersonDeceased], runtime: Runtime) -> None:
    """Let each slice close what hangs on a person who died, in one transaction.

    A death that was taken back since closes nothing, however late it is told.
    """
    if await deaths.taken_back_since(session, event.data.person_id, event.data.version):
        return
    await _hold(session, event.data.personal_id)
    for close in _CLOSED_BY_DEATH:
        await close(session, event, runtime)


_OPENED_AGAIN = (
    residence_consumers.on_person_death_cancelled,
    household_consumers.on_person_death_cancelled,
    family_consumers.on_person_death_cancelled,
)


async def _open_again(session: Session, event: Event[PersonDeathCancelled], runtime: Runtime) -> None:
    """Let each slice give back what a death had closed, to somebody who lives."""
    person = await deaths.lives_again(session, event.data.person_id, event.data.personal_id)
    if person is None:
        return
    await _hold(session, event.data.personal_id)
    for give_back in _OPENED_AGAIN:
        await give_back(session, event, runtime)


def create_app(settings: Settings | None = None) -> FastAPI:
    app = build_app(
        ServiceSpec(
            name="population",
            title="The national population database",
            settings=settings or Settings(),
            routers=[
                person_endpoints.router,
                change_endpoints.router,
                matching_endpoints.router,
                match_job_endpoints.router,
                history_endpoints.router,
                residence_endpoints.router,
                merger_endpoints.router,
                household_endpoints.router,
                family_endpoints.router,
                reconciliation_endpoints.router,
                dedupe_endpoints.router,
                statistics_endpoints.router,
                quality_endpoints.router,
                quality_day_endpoints.router,
                quality_case_endpoints.router,
                forecast_endpoints.router,
                personal_id_endpoints.router,
                admin_unit_endpoints.router,
                disclosure_endpoints.router,
                osia_endpoints.data_access,
                osia_endpoints.numbers,
                osia_endpoints.population,
            ],
            plain_routes=[*hot_read.PLAIN_ROUTES, *hot_verify.PLAIN_ROUTES],
            subscriptions=[
                *person_consumers.SUBSCRIPTIONS,
                *account_consumers.SUBSCRIPTIONS,
                *disclosure_consumers.SUBSCRIPTIONS,
                Subscription(
                    "population.person.v1",
                    "population",
                    {PersonDeceased: _close_by_death, PersonDeathCancelled: _open_again},
                ),
            ],
            jobs=[
                personal_id_jobs.WATCH_PREFIXES,
                disclosure_jobs.INDEX_OWN,
                residence_jobs.EXPIRE,
                statistics_jobs.FOLD,
                quality_jobs.RULES,
                quality_jobs.FOLD,
                quality_day_jobs.KEEP,
                quality_case_jobs.WORK,
                match_job_jobs.WORK,
                match_job_jobs.ERASE,
            ],
            on_start=[_open],
            on_stop=[_close],
        )
    )
    return answering.install(app)
