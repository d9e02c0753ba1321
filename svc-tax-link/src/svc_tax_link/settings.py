"""Settings of the tax link; variables start with `TAX_`."""

from typing import ClassVar

from ndx_chassis.settings import ServiceSettings, settings_for


class Settings(ServiceSettings):
    """The shared settings; nothing of its own yet."""

    model_config = settings_for("TAX")
    service: ClassVar[str] = "tax"
