"""Settings that every service has: read from the environment, one prefix per service."""

import ssl
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROLES = frozenset({"http", "relay", "consumers", "jobs"})


def settings_for(prefix: str) -> SettingsConfigDict:
    """Return the configuration of a settings class whose variables start with `<prefix>_`."""
    return SettingsConfigDict(env_prefix=f"{prefix}_", extra="ignore", populate_by_name=True, frozen=True)


class ServiceSettings(BaseSettings):
    """Where the service finds its database, Kafka, the gateway, its certificates and the trace backend."""

    model_config = settings_for("NDX")
    service: ClassVar[str] = "service"

    database_url: SecretStr = SecretStr("postgresql://localhost/none")
    database_pool_size: int = Field(default=20, ge=1, le=200)
    database_idle_seconds: float = Field(default=60.0, ge=0, le=3600)
    """How long a transaction may rest between statements: an open one hides newer rows from all relays."""
    reading_database_url: SecretStr | None = None
    """Copies (hot standbys) that serve reads which may be a little late, and last the primary itself for the
    time when all of them are away: several hosts in one URL. None: everything is asked of the primary."""
    reading_late_seconds: float = Field(default=30.0, gt=0)
    """So late a copy is not asked any more: the primary answers until it has caught up."""
    host: str = "127.0.0.1"
    port: int = 8000
    drain_seconds: float = Field(default=5.0, ge=0, le=300)
    """How long it goes on serving after it was told to stop, while its readiness says that it is leaving."""
    workers_roles: str = "http,relay,consumers,jobs"
    """What this process does; a cluster may run the doors apart."""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    agency_cert_file: Path | None = None
    agency_key_file: Path | None = None
    reply_key_file: Path | None = None
    """Ed25519 key that signs replies to agencies; without it they go unsigned."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024)

    gateway_url: str = Field(default="https://localhost:8443", validation_alias="NDX_GATEWAY_URL")
    gateway_ca_file: Path | None = Field(default=None, validation_alias="NDX_GATEWAY_CA_FILE")
    citizen_url: str = Field(default="https://localhost:8444", validation_alias="NDX_CITIZEN_URL")
    kafka_bootstrap_servers: str | None = Field(default=None, validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    traces_exporter: str = Field(default="none", validation_alias="OTEL_TRACES_EXPORTER")
    log_level: str = Field(default="INFO", validation_alias="NDX_LOG_LEVEL")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _require_certificate("TLS", self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file)
        _require_certificate("AGENCY", self.agency_cert_file, self.agency_key_file)
        return self

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles of this process."""
        return frozenset(r.strip() for r in self.workers_roles.split(",")) & ROLES

    @property
    def asyncpg_dsn(self) -> str:
        """Return the database URL in the form that asyncpg takes."""
        return _asyncpg(self.database_url)

    @property
    def sqlalchemy_url(self) -> str:
        """Return the database URL in the form that SQLAlchemy takes."""
        return self.asyncpg_dsn.replace("postgresql://", "postgresql+asyncpg://", 1)

    @property
    def reading_dsn(self) -> str | None:
        """Return the URL of the copies in the form that asyncpg takes."""
        return None if self.reading_database_url is None else _asyncpg(self.reading_database_url)


class KafkaSettings(BaseSettings):
    """How Kafka's clients connect, in every service: in the clear, or by TLS with a certificate."""

    model_config = settings_for("KAFKA")

    security_protocol: Literal["PLAINTEXT", "SSL"] = "PLAINTEXT"
    ca_file: Path | None = None
    """Who vouches for the brokers; the system's authorities when not set."""
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _require_certificate("KAFKA", self.cert_file, self.key_file)
        return self


def kafka_client(servers: str) -> dict[str, Any]:
    """Return what each client of Kafka is made with; certificates are read each time, as they are renewed.

    Raises:
        OSError: a file is away, or is no certificate or key that fits.
        ValueError: the settings say something else than these protocols.
    """
    settings = KafkaSettings()
    if settings.security_protocol == "PLAINTEXT":
        return {"bootstrap_servers": servers}
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return {"bootstrap_servers": servers, "security_protocol": "SSL", "ssl_context": context}


def _require_certificate(name: str, certificate: Path | None, *belonging: Path | None) -> None:
    """Refuse what says nothing without its certificate: it would be forgotten without a word."""
    if certificate is None and any(file is not None for file in belonging):
        raise ValueError(f"{name}_CERT_FILE is not set, but its key or authority is")


def _asyncpg(url: SecretStr) -> str:
    return url.get_secret_value().replace("postgresql+asyncpg://", "postgresql://", 1)
