"""What a guesser must not get: more one-time passwords, more sources, simpler passcodes, an error of ours."""

import pytest
from starlette.requests import Request
from svc_auth.authenticators.passcodes import is_too_simple
from svc_auth.authenticators.source import source_of


class TestOneTimePasswords:
    async def test_a_log_in_with_the_passcode_alone_gives_no_further_guesses(self, flow, holder):
        """Who knows the passcode has one factor; it must not pay for guesses of the other."""
        statuses = []
        for guess in range(3):
            form = await flow.form()
            for wrong in range(2):
                reply = await flow.submit(
                    form, handle=holder.handle, passcode=holder.passcode, otp=f"00{guess}{wrong}00"
                )
                statuses.append(reply.status_code)
            form = await flow.form(acr_values="1")
            reply = await flow.submit(form, handle=holder.handle, passcode=holder.passcode)
            assert reply.status_code == 303
        assert statuses == [403] * 5 + [429]

    async def test_a_log_in_with_both_factors_begins_the_count_anew(self, flow, holder):
        form = await flow.form()
        for wrong in range(4):
            await flow.submit(form, handle=holder.handle, passcode=holder.passcode, otp=f"000{wrong}00")
        assert (await flow.log_in(holder)).status_code == 303
        form = await flow.form()
        for wrong in range(4):
            reply = await flow.submit(
                form, handle=holder.handle, passcode=holder.passcode, otp=f"100{wrong}00"
            )
            assert reply.status_code == 403


class TestSources:
    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("2001:ee0:1:2::5", "2001:ee0:1:2:ffff::1", True),
            ("2001:ee0:1:2::5", "2001:ee0:1:3::5", False),
            ("::ffff:203.0.113.7", "203.0.113.7", True),
            ("203.0.113.7", "203.0.113.8", False),
        ],
    )
    def test_a_line_of_ipv6_is_one_source(self, one, other, same):
        def source(address: str) -> str:
            headers = [(b"x-forwarded-for", f"198.51.100.1, {address}".encode())]
            return source_of(Request({"type": "http", "headers": headers, "client": None}))

        assert (source(one) == source(other)) is same


@pytest.mark.parametrize("handle", ["079190583206", "0791 9058 3206", "０７９１９０５８３２０６"])
def test_a_part_of_the_number_is_too_simple_however_it_is_written(handle):
    assert is_too_simple("583206", handle)


class TestOddText:
    async def test_half_a_character_is_refused(self, flow):
        body = '{"handle": "\\ud800", "activation_code": "\\ud800", "passcode": "583206"}'
        reply = await flow.http.post(
            "/auth/v1/activations", content=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code == 422
        raw = "transaction=%ED%A0%80&handle=%ED%A0%80&token=%FF"
        reply = await flow.http.post(
            "/auth/v1/authorize", content=raw, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert reply.status_code in {400, 422}
