"""The arithmetic of cover: on which days an entitlement holds."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Cover:
    """An entitlement as other slices see it; first and last days are covered."""

    entitlement_id: UUID
    kind: str
    participant_group: str
    benefit_level: int
    valid_from: date
    valid_to: date | None = None
    ended_on: date | None = None
    end_cause: str | None = None

    def holds_on(self, day: date) -> bool:
        """Tell whether the participant is covered on that day."""
        return self.valid_from <= day and not self.ran_out_before(day) and not self.ended_before(day)

    def ran_out_before(self, day: date) -> bool:
        """Tell whether the interval was over by its rule before that day."""
        return self.valid_to is not None and self.valid_to < day

    def ended_before(self, day: date) -> bool:
        """Tell whether something had ended it early before that day."""
        return self.ended_on is not None and self.ended_on < day
