"""Settings of the civil registry, read from CIVIL_REGISTRY_* variables."""

from typing import ClassVar

from ndx_chassis.settings import ServiceSettings, settings_for
from pydantic import Field


class Settings(ServiceSettings):
    """The shared settings, and how births that wait for a number are retried."""

    model_config = settings_for("CIVIL_REGISTRY")
    service: ClassVar[str] = "civil-registry"

    number_lease_seconds: float = Field(default=15.0, gt=0)
    """How long one attempt owns a waiting birth; longer than the gateway client's timeout."""
    number_first_delay_seconds: float = Field(default=1.0, gt=0)
    """Delay after the first failed attempt; it doubles with each further one."""
    number_longest_delay_seconds: float = Field(default=30.0, gt=0)
    number_concurrency: int = Field(default=8, ge=1, le=64)
    """Waiting births that the job asks for at the same time."""
