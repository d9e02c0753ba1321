"""What a guesser must not get: more one-time passwords, more sources, simpler passcodes, an error of ours."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from svc_auth.authenticators.limits import LIMITS, CounterKind, Limit
from svc_auth.authenticators.passcodes import is_too_simple
from svc_auth.authenticators.source import source_of
from svc_auth.keys import load_keys
from svc_auth.sessions.browser import COOKIE, digest
from svc_auth.sessions.carrying import read, written
from svc_auth.settings import Settings


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
        assert reply.status_code in {400, 410, 422}


class TestRoom:
    """What nobody has to log in for takes no room, and what attempts take is bounded by their number."""

    async def rows(self, session: AsyncSession) -> int:
        return await session.scalar(text("SELECT count(*) FROM login_transactions")) or 0

    async def test_asking_for_the_page_keeps_nothing(self, flow: Any, session: AsyncSession) -> None:
        for _ in range(20):
            assert (await flow.open()).status_code == 200
        assert await self.rows(session) == 0

    async def test_beyond_its_attempts_a_source_leaves_no_rows(
        self, flow: Any, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        few = Limit(free=3, first=600, longest=600, forget=3600)
        monkeypatch.setitem(LIMITS, CounterKind.SOURCE, few)
        told = []
        for number in range(6):
            form = await flow.form(acr_values="1")
            reply = await flow.submit(form, handle=f"07919000002{number}", passcode="583207")
            told.append(reply.status_code)
        assert told == [403] * 3 + [429] * 3
        assert await self.rows(session) == 3

    async def test_a_locked_name_leaves_no_rows_either(
        self, flow: Any, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        few = Limit(free=2, first=600, longest=600, forget=3600)
        monkeypatch.setitem(LIMITS, CounterKind.ACCOUNT, few)
        for wanted in (403, 403, 429, 429):
            form = await flow.form(acr_values="1")
            reply = await flow.submit(form, handle="079190000021", passcode="583207")
            assert reply.status_code == wanted
        assert await self.rows(session) == 2

    async def test_a_page_is_worth_nothing_in_another_browser_or_after_its_time(
        self, flow: Any, holder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = await flow.form(acr_values="1")
        typed = {"handle": holder.handle, "passcode": holder.passcode}
        flow.http.cookies.clear()
        assert (await flow.submit(page, **typed)).status_code == 410
        own = await flow.form(acr_values="1")
        assert (await flow.submit(own | {"transaction": page["transaction"]}, **typed)).status_code == 410
        cut = own["transaction"][:-4] + "AAAA"
        assert (await flow.submit(own | {"transaction": cut}, **typed)).status_code == 410
        later = datetime.now(UTC) + timedelta(seconds=601)
        with monkeypatch.context() as patch:
            patch.setattr("svc_auth.sessions.service.datetime", SimpleNamespace(now=lambda _zone: later))
            assert (await flow.submit(own, **typed)).status_code == 410
        assert (await flow.submit(own, **typed)).status_code == 303

    @pytest.mark.parametrize(
        "of_another_release",
        [
            {"id": None},
            {"expires_at": None},
            {"wanted": None},
            {"wanted": {"client_id": "ndx-demo"}},
            {"id": "1"},
        ],
    )
    async def test_a_page_of_another_release_has_ended(
        self, flow: Any, signing_key_file: Path, of_another_release: dict[str, Any]
    ) -> None:
        page = await flow.form(acr_values="1")
        seal = load_keys(Settings(signing_key_file=signing_key_file)).secrets.pages
        owner = f"login:{digest(flow.http.cookies[COOKIE]).hex()}"
        said = json.loads(seal.open(read(page["transaction"]), owner=owner))
        changed = {k: v for k, v in {**said, **of_another_release}.items() if v is not None}
        other = written(seal.seal(json.dumps(changed).encode(), owner=owner))
        reply = await flow.submit(page | {"transaction": other}, handle="079190000022", passcode="583207")
        assert reply.status_code == 410
        same = written(seal.seal(json.dumps(said).encode(), owner=owner))
        reply = await flow.submit(page | {"transaction": same}, handle="079190000022", passcode="583207")
        assert reply.status_code == 403
