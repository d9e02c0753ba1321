"""Starts a service: uvicorn with mutual TLS on its own port."""

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar

import uvicorn
from fastapi import FastAPI

from ndx_chassis.settings import ServiceSettings
from ndx_chassis.telemetry import configure_logging, configure_tracing

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def run(create_app: Callable[[SettingsT], FastAPI], settings: SettingsT) -> None:
    """Serve until a signal arrives; connections are finished first."""
    configure_logging(settings.service, settings.log_level)
    provider = configure_tracing(settings.service, settings.traces_exporter)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        ssl_ca_certs=str(settings.tls_client_ca_file) if settings.tls_client_ca_file else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_ca_file else ssl.CERT_NONE,
    )
    if settings.tls_cert_file is not None:
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        uvicorn.Server(config).run()
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    finally:
        if provider is not None:
            provider.shutdown()
