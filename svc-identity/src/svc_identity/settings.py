"""Settings of svc-identity, read from `IDENTITY_…` variables."""

from typing import ClassVar

from ndx_chassis.settings import ServiceSettings, settings_for


class Settings(ServiceSettings):
    model_config = settings_for("IDENTITY")
    service: ClassVar[str] = "identity"
