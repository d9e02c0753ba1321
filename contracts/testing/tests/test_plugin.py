"""What the plugin sets for every test."""

from hypothesis import HealthCheck, settings


def test_an_example_of_a_property_may_take_as_long_as_the_machine_does() -> None:
    chosen = settings()
    assert chosen.deadline is None
    assert HealthCheck.too_slow in chosen.suppress_health_check
