"""The base of every event's data and its CloudEvents 1.0 header names (binary content mode)."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

CE_ID = "ce_id"
CE_SOURCE = "ce_source"
CE_SPECVERSION = "ce_specversion"
CE_SUBJECT = "ce_subject"
CE_TIME = "ce_time"
CE_TYPE = "ce_type"
CONTENT_TYPE = "content-type"
TRACEPARENT = "traceparent"


class EventData(BaseModel):
    """Data of one event type; consumers ignore members that they do not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    ENTITY: ClassVar[str]
    """Name of the entity, Debezium's aggregatetype."""

    @property
    def key(self) -> str:
        """Return the entity's id: the Kafka key and the CloudEvents subject, never a personal ID."""
        raise NotImplementedError
