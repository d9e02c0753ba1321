"""Puts the control plane together."""

from fastapi import FastAPI
from ndx_chassis.app import Runtime, ServiceSpec, build_app
from ndx_chassis.jobs import Job

from gateway.agencies.endpoints import router as agencies
from gateway.agreements import jobs as agreement_jobs
from gateway.agreements.endpoints import router as agreements
from gateway.authorities import service as authorities_service
from gateway.calls import jobs as call_jobs
from gateway.calls import service as calls_service
from gateway.calls.endpoints import router as calls
from gateway.catalogue import service as catalogue_service
from gateway.catalogue.endpoints import router as catalogue
from gateway.certificates import jobs as certificate_jobs
from gateway.certificates import usage as certificate_usage
from gateway.certificates.endpoints import router as certificates
from gateway.closures.endpoints import router as closures
from gateway.decisions.endpoints import router as decisions
from gateway.enrolments.endpoints import router as enrolments
from gateway.feeds import jobs as feed_jobs
from gateway.feeds import reading as feed_reading
from gateway.feeds import workers as feed_workers
from gateway.feeds.consumers import subscriptions as feed_subscriptions
from gateway.feeds.desk import open_desk
from gateway.feeds.endpoints import operators as feed_operators
from gateway.feeds.endpoints import router as feeds
from gateway.ledger import service as ledger_service
from gateway.ledger.consumers import subscriptions as ledger_subscriptions
from gateway.ledger.endpoints import router as ledger
from gateway.notifications import answering as notification_answering
from gateway.notifications.endpoints import router as notifications
from gateway.quotas import jobs as quota_jobs
from gateway.quotas.endpoints import router as quotas
from gateway.rotation import jobs as rotation_jobs
from gateway.rotation import service as rotation_service
from gateway.rotation.endpoints import router as rotation
from gateway.settings import Settings
from gateway.signing_keys import own_keys
from gateway.signing_keys.endpoints import router as signing_keys
from gateway.xds import service as xds
from gateway.xds.endpoints import router as configuration


async def _read_catalogue(runtime: Runtime) -> None:
    catalogue_service.read_into(runtime)


async def _count_feeds(runtime: Runtime) -> None:
    runtime.metrics.sources.append(feed_reading.backlog)


async def _watch_lists(runtime: Runtime) -> None:
    runtime.metrics.sources.extend([authorities_service.lists_end_in, rotation_service.certificates_end_in])


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the control plane's API; the configuration server starts with it."""
    app = build_app(
        ServiceSpec(
            name="gateway",
            title="ndx gateway: control plane",
            settings=settings or Settings(),
            routers=[
                agencies,
                closures,
                enrolments,
                certificates,
                rotation,
                agreements,
                catalogue,
                decisions,
                quotas,
                calls,
                ledger,
                configuration,
                signing_keys,
                feeds,
                feed_operators,
                notifications,
            ],
            subscriptions=[*ledger_subscriptions(), *feed_subscriptions()],
            jobs=[
                Job("agreement_calendar", 30.0, agreement_jobs.follow_calendar),
                Job("certificate_overlaps", 10.0, certificate_jobs.end_overlaps),
                Job("certificate_warnings", 3600.0, certificate_jobs.warn_of_expiry),
                Job("revocation_lists", 60.0, rotation_jobs.refresh_lists),
                Job("revocation_list_alarms", 60.0, rotation_jobs.watch_lists),
                Job("revocation_list_fetches", 30.0, rotation_jobs.fetch_lists),
                Job("internal_authority", 5.0, rotation_jobs.follow_internal),
                Job("platform_certificates", 21_600.0, rotation_jobs.renew_files),
                Job("feed_webhooks", 1.0, feed_workers.push_for_ever),
                Job("feed_endings", 5.0, feed_jobs.end_orphans),
                Job("feed_erasure", 600.0, feed_jobs.erase),
                Job("calls", 1.0, call_jobs.follow),
                Job("call_days_guarded", 600.0, call_jobs.guard_days),
                Job("calls_kept", 3600.0, call_jobs.clear),
                Job("quota_corrections", 30.0, quota_jobs.correct),
                Job("quota_tallies", 86_400.0, quota_jobs.clear),
                Job("ledger_checkpoint", 1.0, ledger_service.make_checkpoint),
            ],
            on_start=[
                _read_catalogue,
                calls_service.start,
                ledger_service.open_keys,
                open_desk,
                _count_feeds,
                _watch_lists,
                certificate_usage.start,
                xds.start,
            ],
            on_stop=[xds.stop, certificate_usage.stop],
            uses_agreements=False,
        )
    )
    notification_answering.install(app)
    own_keys.install(app.state.runtime)
    usage = certificate_usage.Usage()
    app.state.runtime.extras["usage"] = usage
    app.add_middleware(certificate_usage.SeesCertificates, usage=usage)
    return app
