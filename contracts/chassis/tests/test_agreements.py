"""What a service asks of an agreement for itself: the time of day, which no gateway's configuration knows."""

from datetime import UTC, datetime

import pytest
from ndx_chassis.agreements import AgreementExpired, OutsideAgreedHours, check
from ndx_chassis.caller import Caller
from ndx_contracts.agreements import Agreement

CALLER = Caller("H79.001", "his", "DSA-H79.001-1", "STATISTICS", None, None, "r", "population.get_person")


def within(start: str, end: str) -> Agreement:
    return Agreement.model_validate(
        {
            "agreement_id": "DSA-H79.001-1",
            "version": 1,
            "state": "ACTIVE",
            "consumer_agency": "H79.001",
            "provider_agency": "G01",
            "operations": [{"operation": "population.get_person"}],
            "purposes": ["STATISTICS"],
            "legal_basis": {"text": "Law", "reference": "1/2020"},
            "valid_from": "2026-01-01",
            "valid_to": "2026-12-31",
            "conditions": {"time_of_day": {"start": start, "end": end}},
        }
    )


class TestTimeOfDay:
    @pytest.mark.parametrize(
        ("start", "end", "utc", "wait"),
        [
            # Vietnam is seven hours ahead: 07:00 there is midnight in UTC.
            ("07:00", "17:00", "2026-03-01T23:59:59", 1),
            ("07:00", "17:00", "2026-03-02T00:00:00", None),
            ("07:00", "17:00", "2026-03-02T09:59:59", None),
            ("07:00", "17:00", "2026-03-02T10:00:01", 14 * 3600 - 1),
            # A night is one span, over midnight.
            ("22:00", "04:00", "2026-03-02T16:00:00", None),
            ("22:00", "04:00", "2026-03-02T12:00:00", 3 * 3600),
        ],
    )
    def test_a_call_outside_is_refused_with_the_time_to_wait(
        self, start: str, end: str, utc: str, wait: int | None
    ) -> None:
        now = datetime.fromisoformat(utc).replace(tzinfo=UTC)
        if wait is None:
            check(within(start, end), CALLER, purpose_needed=True, now=now)
            return
        with pytest.raises(OutsideAgreedHours) as refused:
            check(within(start, end), CALLER, purpose_needed=True, now=now)
        assert refused.value.retry_after == wait + 1
        assert f"{start} to {end}" in str(refused.value.detail)

    def test_its_last_day_ends_at_midnight_in_vietnam(self) -> None:
        # By UTC it is the last day still.
        with pytest.raises(AgreementExpired):
            check(
                within("00:00", "23:59"),
                CALLER,
                purpose_needed=True,
                now=datetime(2026, 12, 31, 17, 0, tzinfo=UTC),
            )
