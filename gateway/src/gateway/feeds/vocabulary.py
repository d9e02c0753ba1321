"""Words of feeds that other slices use as well."""

from enum import StrEnum


class Form(StrEnum):
    """How an event is written for a webhook: as a CloudEvent, or as a message of OSIA's notification file."""

    CLOUD_EVENT = "CLOUD_EVENT"
    OSIA = "OSIA"


NOT_CONFIRMED = "not-confirmed"
"""Why a subscription is paused whose address has not confirmed it: nothing is kept for it meanwhile."""
