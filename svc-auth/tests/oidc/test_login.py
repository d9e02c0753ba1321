"""The log-in page: whom it answers, what it tells, and what it never does."""

import asyncio

import pytest
from ndx_contracts.events import AccountLocked, AccountUnlocked, ActivationCodeIssued
from sqlalchemy import text

pytestmark = pytest.mark.integration


class TestBeginLogin:
    async def test_the_page_is_vietnamese_first_and_strict(self, flow):
        page = await flow.open()
        assert page.status_code == 200
        assert '<html lang="vi">' in page.text
        assert "Số định danh cá nhân" in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self' http://127.0.0.1:43001;" in policy
        assert "script" not in page.text
        cookie = page.headers["set-cookie"]
        assert cookie.startswith("__Host-ndx-login=")
        assert {"HttpOnly", "Secure", "Path=/"} <= {p.strip() for p in cookie.split(";")}

    async def test_english_on_request(self, flow):
        assert "Personal ID" in (await flow.open(ui_locales="en")).text
        page = await flow.http.get(
            "/auth/v1/authorize", params=flow.query(), headers={"Accept-Language": "en-GB"}
        )
        assert "Personal ID" in page.text

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "unknown"},
            {"redirect_uri": None},
            {"redirect_uri": "https://evil.example/callback"},
            {"redirect_uri": "http://127.0.0.1:43001/callback/"},
            {"redirect_uri": "http://127.0.0.1:43001/callback?x=1"},
            {"redirect_uri": "http://localhost:43001/callback"},
            {"redirect_uri": "http://127.0.0.1:43001@evil.example/callback"},
            {"redirect_uri": "https://127.0.0.1:43001/callback"},
        ],
    )
    async def test_an_unregistered_address_is_never_redirected_to(self, flow, changes):
        reply = await flow.open(**changes)
        assert reply.status_code == 400
        assert "location" not in reply.headers
        assert "evil.example" not in reply.text

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"scope": "profile"}, "invalid_scope"),
            ({"state": None}, "invalid_request"),
            ({"nonce": None}, "invalid_request"),
            ({"code_challenge": None}, "invalid_request"),
            ({"code_challenge": "too-short"}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"acr_values": "4"}, "unmet_authentication_requirements"),
            ({"prompt": "none"}, "login_required"),
            ({"request": "eyJ"}, "request_not_supported"),
        ],
    )
    async def test_other_faults_go_back_to_the_relying_party(self, flow, changes, error):
        reply = await flow.open(**changes)
        assert reply.status_code == 303
        answer = flow.answer(reply)
        assert answer["error"] == error
        assert answer["iss"] == "https://localhost:8444/auth"
        assert answer.get("state") == (None if changes.get("state", "") is None else "st-4711")

    async def test_a_repeated_parameter_is_refused(self, flow):
        members = [*flow.query().items(), ("nonce", "another")]
        reply = await flow.http.get("/auth/v1/authorize", params=members)
        assert flow.answer(reply)["error"] == "invalid_request"


class TestSubmitLogin:
    async def test_success_goes_back_with_code_state_and_issuer(self, flow, holder):
        reply = await flow.log_in(holder)
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("http://127.0.0.1:43001/callback?")
        answer = flow.answer(reply)
        assert answer["state"] == "st-4711"
        assert answer["iss"] == "https://localhost:8444/auth"
        assert holder.handle not in reply.headers["location"]

    async def test_unknown_name_and_wrong_passcode_get_the_same_answer(self, flow, holder):
        pages = []
        for handle, passcode, otp in (
            (holder.handle, "000111", "123456"),
            (holder.handle, holder.passcode, "123456"),
            ("079190999999", holder.passcode, "123456"),
        ):
            form = await flow.form()
            reply = await flow.submit(form, handle=handle, passcode=passcode, otp=otp)
            assert reply.status_code == 403
            text_ = reply.text
            for own in (*form.values(), handle, _nonce(text_)):
                text_ = text_.replace(own, "")
            pages.append((text_, sorted(reply.headers.keys())))
        assert pages[0] == pages[1] == pages[2]

    async def test_the_one_time_password_is_needed_where_asked_for_and_works_once(self, flow, holder):
        form = await flow.form()
        without = await flow.submit(form, handle=holder.handle, passcode=holder.passcode)
        assert without.status_code == 400
        otp = holder.otp()
        first = await flow.submit(form, handle=holder.handle, passcode=holder.passcode, otp=otp)
        assert first.status_code == 303
        again = await flow.submit(await flow.form(), handle=holder.handle, passcode=holder.passcode, otp=otp)
        assert again.status_code == 403

    async def test_a_form_works_in_its_own_browser_only(self, flow, holder, app):
        import httpx

        form = await flow.form()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost:8444") as other:
            fields = {**form, "handle": holder.handle, "passcode": holder.passcode, "otp": holder.otp()}
            assert (await other.post("/auth/v1/authorize", data=fields)).status_code == 410
            await other.get("/auth/v1/authorize", params=flow.query())
            assert (await other.post("/auth/v1/authorize", data=fields)).status_code == 410

    async def test_a_forged_form_token_is_refused(self, flow, holder):
        form = {**await flow.form(), "token": "0" * 64}
        reply = await flow.submit(form, handle=holder.handle, passcode=holder.passcode, otp=holder.otp())
        assert reply.status_code == 410

    async def test_a_transaction_ends_with_its_success(self, flow, holder):
        form = await flow.form()
        fields = {"handle": holder.handle, "passcode": holder.passcode}
        assert (await flow.submit(form, **fields, otp=holder.otp())).status_code == 303
        assert (await flow.submit(form, **fields, otp=holder.otp())).status_code == 410

    async def test_two_submissions_at_one_instant_give_one_code(self, flow, holder, session):
        form = await flow.form(acr_values=None)
        fields = {"handle": holder.handle, "passcode": holder.passcode}
        replies = await asyncio.gather(*(flow.submit(form, **fields) for _ in range(4)))
        given, *refused = sorted(r.status_code for r in replies)
        assert given == 303
        # On a stalled machine one may wait too long for its turn, and is told to come again.
        assert set(refused) <= {410, 503}
        assert await session.scalar(text("SELECT count(*) FROM authorization_codes")) == 1

    async def test_a_locked_account_is_refused_and_comes_back_after_the_unlock(self, flow, holder, deliver):
        await deliver(AccountLocked(account_id=holder.account_id, account_version=2, cause="HOLDER_REQUEST"))
        refused = await flow.log_in(holder)
        assert refused.status_code == 403
        assert "đang bị khóa" in refused.text
        wrong = await flow.submit(await flow.form(), handle=holder.handle, passcode="000111", otp="123456")
        assert "đang bị khóa" not in wrong.text
        await deliver(AccountUnlocked(account_id=holder.account_id, account_version=3))
        form = await flow.form()
        reply = await flow.submit(form, handle=holder.handle, passcode=holder.passcode, otp=holder.otp())
        assert reply.status_code == 303

    async def test_a_new_activation_code_ends_the_former_means(self, flow, holder, deliver):
        token = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        await deliver(
            ActivationCodeIssued(account_id=holder.account_id, account_version=2, activation_hash="$x")
        )
        assert (await flow.log_in(holder)).status_code == 403
        assert (await flow.userinfo(token)).status_code == 401


class TestLimits:
    async def test_a_transaction_takes_five_attempts(self, flow, holder):
        form = await flow.form(acr_values=None)
        for n in range(5):
            reply = await flow.submit(form, handle=f"07919000010{n}", passcode="000111")
            assert reply.status_code == 403
        assert (await flow.submit(form, handle=holder.handle, passcode=holder.passcode)).status_code == 410

    @pytest.mark.parametrize("handle", ["079190000017", "079190999999"])
    async def test_five_wrong_attempts_lock_a_name_known_or_not(self, flow, holder, handle):
        for _ in range(5):
            form = await flow.form(acr_values=None)
            assert (await flow.submit(form, handle=handle, passcode="000111")).status_code == 403
        form = await flow.form(acr_values=None)
        reply = await flow.submit(form, handle=handle, passcode=holder.passcode)
        assert reply.status_code == 429
        assert 0 < int(reply.headers["retry-after"]) <= 60

    async def test_many_attempts_at_one_instant_do_not_pass_the_limit(self, flow, holder, session):
        forms = [await flow.form(acr_values=None) for _ in range(24)]
        replies = await asyncio.gather(
            *(flow.submit(f, handle=holder.handle, passcode=f"{n:06d}") for n, f in enumerate(forms))
        )
        statuses = [r.status_code for r in replies]
        assert statuses.count(403) == 5
        assert statuses.count(429) == 19

    async def test_the_lock_grows_and_a_success_clears_it(self, flow, holder, session):
        for _ in range(5):
            form = await flow.form(acr_values=None)
            await flow.submit(form, handle=holder.handle, passcode="000111")
        first = await _locked_seconds(session)
        await _let_pass(session)
        form = await flow.form(acr_values=None)
        await flow.submit(form, handle=holder.handle, passcode="000111")
        second = await _locked_seconds(session)
        assert 50 < first <= 60
        assert 110 < second <= 120
        await _let_pass(session)
        form = await flow.form(acr_values=None)
        assert (await flow.submit(form, handle=holder.handle, passcode=holder.passcode)).status_code == 303
        left = text("SELECT count(*) FROM attempt_counters WHERE kind = 'ACCOUNT'")
        assert await session.scalar(left) == 0

    async def test_one_source_cannot_try_many_names(self, flow, holder):
        headers = {"X-Forwarded-For": "10.0.0.1, 203.0.113.9"}
        statuses = []
        form: dict[str, str] = {}
        for n in range(51):
            if n % 5 == 0:
                form = await flow.form(acr_values=None)
            fields = {**form, "handle": f"0791901{n:05d}", "passcode": "000111"}
            reply = await flow.http.post("/auth/v1/authorize", data=fields, headers=headers)
            statuses.append(reply.status_code)
        assert statuses == [403] * 50 + [429]
        form = await flow.form(acr_values=None)
        assert (await flow.submit(form, handle=holder.handle, passcode=holder.passcode)).status_code == 303


class TestTraces:
    async def test_nothing_personal_is_kept(self, flow, holder, session):
        await flow.redeem(await flow.code(holder))
        tables = (
            "logins login_transactions grants authorization_codes attempt_counters audit_entries inbox outbox"
        )
        for table in tables.split():
            everything = f"SELECT row_to_json(t)::text FROM {table} t"  # noqa: S608 - names are written above
            rows = (await session.execute(text(everything))).scalars()
            for row in rows:
                assert holder.handle not in row, table
                assert holder.passcode not in row, table


def _nonce(page: str) -> str:
    return page.split('style nonce="', 1)[1].split('"', 1)[0]


async def _locked_seconds(session) -> float:
    left = text(
        "SELECT extract(epoch FROM locked_until - clock_timestamp()) FROM attempt_counters"
        " WHERE kind = 'ACCOUNT'"
    )
    seconds = float(await session.scalar(left))
    await session.rollback()
    return seconds


async def _let_pass(session) -> None:
    await session.execute(
        text("UPDATE attempt_counters SET locked_until = clock_timestamp() - interval '1 second'")
    )
    await session.commit()
