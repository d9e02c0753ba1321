"""RFC 6238's own examples, drift, and use only once."""

from hypothesis import given
from hypothesis import strategies as st
from svc_auth.authenticators import one_time_passwords as otp
from svc_auth.authenticators.limits import Limit

SECRET = b"12345678901234567890"


def test_the_examples_of_the_rfc():
    for at, password in (
        (59, "287082"),
        (1111111109, "081804"),
        (1234567890, "005924"),
        (2000000000, "279037"),
    ):
        assert otp.password_at(SECRET, at // 30) == password


@given(st.integers(120, 4_000_000_000), st.integers(-1, 1))
def test_a_password_is_accepted_one_step_around_now_and_once(now, off):
    step = now // 30 + off
    password = otp.password_at(SECRET, step)
    accepted = otp.accepted_step(SECRET, password, now=now, last_step=0)
    assert accepted is not None
    assert otp.password_at(SECRET, accepted) == password
    assert otp.accepted_step(SECRET, password, now=now, last_step=accepted) is None


def test_a_password_of_two_steps_ago_or_ahead_is_refused():
    for off in (-2, 2):
        assert otp.accepted_step(SECRET, otp.password_at(SECRET, 100 + off), now=3000, last_step=0) is None


@given(st.integers(1, 1000))
def test_locks_only_grow(failures):
    limit = Limit(free=5, first=60, longest=86_400, forget=1)
    assert limit.lock_seconds(failures) <= limit.lock_seconds(failures + 1) <= limit.longest
    assert (limit.lock_seconds(failures) == 0) == (failures < limit.free)
