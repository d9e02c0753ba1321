"""Answers of the exchange's metadata services as the client gives them; unknown members are ignored."""

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AllowedOperation(_Answer):
    """An operation that this caller may call now, and under which agreement."""

    operation: str
    method: str
    path: str
    agreement: str
    purposes: list[str]
    field_groups: list[str]
    cost: int = 1
    per_second: int
    per_day: int | None = None
    left_today: int | None = None
    per_month: int | None = None
    left_this_month: int | None = None
    valid_until: str | None = None


class Issued(_Answer):
    """A certificate from the exchange with the CA that signed it."""

    certificate_pem: str
    ca_pem: str
    gateway_ca_pem: str
    serial: str
    fingerprint_sha256: str
    not_after: str
