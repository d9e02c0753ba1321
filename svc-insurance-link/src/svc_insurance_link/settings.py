"""Settings of the insurance link; variables start with `INSURANCE_`."""

from typing import ClassVar

from ndx_chassis.settings import ServiceSettings, settings_for
from pydantic import Field


class Settings(ServiceSettings):
    """The shared settings, and how many wrong checks are let through."""

    model_config = settings_for("INSURANCE")
    service: ClassVar[str] = "insurance"

    wrong_checks_per_subject: int = Field(default=5, ge=1)
    """Wrong checks of one agency about one number within the window, before it must wait."""
    wrong_checks_per_agency: int = Field(default=300, ge=1)
    """Different numbers about which one agency was wrong within the window, before it must wait."""
    wrong_checks_window_seconds: int = Field(default=900, ge=1)
