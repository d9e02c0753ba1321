"""A quota by month that is used up, as the compiler must know it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """It is told to Envoy so that refusals say so, and when the next month begins."""

    agency: str
    agreement_id: str
    until: int
    """Unix time at which the next month begins."""
