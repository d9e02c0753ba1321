"""Settings of svc-auth, read from `AUTH_…` variables."""

from pathlib import Path
from typing import ClassVar

from ndx_chassis.settings import ServiceSettings, settings_for
from pydantic import Field


class Settings(ServiceSettings):
    model_config = settings_for("AUTH")
    service: ClassVar[str] = "auth"

    signing_key_file: Path | None = None
    """PEM of the P-256 private key that signs tokens."""
    secrets_key_file: Path | None = None
    """At least 32 random bytes that seal secrets and blind log-in names; derived from the signing key when
    not set, so set it before that key is ever changed."""
    clients_file: Path | None = None
    """JSON list of relying parties; the demo client of the package when not set."""
    display_name: str = "ndx e-ID"
    """The provider's name in the holder's authenticator app."""
    audience: str = "ndx-citizen"
    token_seconds: int = Field(default=300, ge=30, le=3600)
    code_seconds: int = Field(default=60, ge=5, le=600)
    transaction_seconds: int = Field(default=600, ge=60, le=3600)
    activation_days: int = Field(default=7, ge=1, le=90)

    @property
    def issuer(self) -> str:
        """Return the issuer as relying parties know it: under the citizen door."""
        return f"{self.citizen_url.rstrip('/')}/auth"
