"""Redeeming a code: what comes out, and every way in which it must not."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet, OctKey
from svc_auth.keys import keys_of

pytestmark = pytest.mark.integration


class TestRedeemCode:
    async def test_a_code_gives_tokens_that_verify_with_the_published_keys(self, flow, holder):
        reply = await flow.redeem(await flow.code(holder))
        assert reply.status_code == 200, reply.text
        assert reply.headers["cache-control"] == "no-store"
        tokens = reply.json()
        keys = KeySet.import_key_set((await flow.http.get("/auth/v1/jwks")).json())
        access = jwt.decode(tokens["access_token"], keys, algorithms=["ES256"])
        identity = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"])
        assert access.header["typ"] == "at+jwt"
        assert access.claims["iss"] == "https://localhost:8444/auth"
        assert access.claims["aud"] == "ndx-citizen"
        assert access.claims["sub"] == str(holder.account_id)
        assert access.claims["acr"] == "2"
        assert access.claims["exp"] - access.claims["iat"] == 300
        assert access.claims["jti"]
        assert identity.claims["aud"] == "ndx-demo"
        assert identity.claims["nonce"] == "no-4711"
        assert holder.handle not in json.dumps([access.claims, identity.claims])

    async def test_the_passcode_alone_is_acr_1(self, flow, holder):
        form = await flow.form(acr_values=None)
        reply = await flow.submit(form, handle=holder.handle, passcode=holder.passcode)
        tokens = (await flow.redeem(flow.answer(reply)["code"])).json()
        assert _claims(tokens["access_token"])["acr"] == "1"
        assert (await flow.userinfo(tokens["access_token"])).json()["acr"] == "1"

    async def test_a_second_redemption_takes_the_first_ones_tokens_back(self, flow, holder):
        code = await flow.code(holder)
        first = (await flow.redeem(code)).json()
        assert (await flow.userinfo(first["access_token"])).status_code == 200
        second = await flow.redeem(code)
        assert second.status_code == 400
        assert second.json()["error"] == "invalid_grant"
        assert "used before" in second.json()["error_description"]
        assert (await flow.userinfo(first["access_token"])).status_code == 401

    async def test_of_many_redemptions_at_one_instant_one_gives_tokens(self, flow, holder):
        code = await flow.code(holder)
        replies = await asyncio.gather(*(flow.redeem(code) for _ in range(8)))
        given = [r for r in replies if r.status_code == 200]
        assert len(given) == 1
        assert (await flow.userinfo(given[0].json()["access_token"])).status_code == 401

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"code_verifier": "x" * 43}, "invalid_grant", "code_verifier"),
            ({"code_verifier": None}, "invalid_request", "code_verifier"),
            ({"code_verifier": "short"}, "invalid_grant", "code_verifier"),
            ({"redirect_uri": "http://127.0.0.1:43002/callback"}, "invalid_grant", "redirect_uri"),
            ({"client_id": "someone-else"}, "invalid_client", ""),
            ({"grant_type": "client_credentials"}, "unsupported_grant_type", ""),
            ({"code": "guessed"}, "invalid_grant", "unknown"),
        ],
    )
    async def test_a_wrong_member_is_named_and_the_code_still_works(
        self, flow, holder, changes, error, words
    ):
        code = await flow.code(holder)
        refused = await flow.redeem(code, **changes)
        assert refused.status_code in {400, 401}
        assert refused.json()["error"] == error
        assert words in refused.json()["error_description"]
        assert (await flow.redeem(code)).status_code == 200

    async def test_an_account_locked_after_the_log_in_gets_no_token(self, flow, holder, deliver):
        from ndx_contracts.events import AccountLocked

        code = await flow.code(holder)
        await deliver(AccountLocked(account_id=holder.account_id, account_version=2, cause="DEATH"))
        refused = await flow.redeem(code)
        assert refused.status_code == 400
        assert "no longer in force" in refused.json()["error_description"]

    async def test_a_lock_takes_tokens_back(self, flow, holder, deliver):
        from ndx_contracts.events import AccountLocked

        token = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        await deliver(AccountLocked(account_id=holder.account_id, account_version=2, cause="TERMS_BREACH"))
        assert (await flow.userinfo(token)).status_code == 401


class TestAlgorithms:
    async def test_a_token_without_signature_is_refused(self, flow, holder):
        good = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        header = _encoded({"alg": "none", "typ": "at+jwt"})
        assert (await flow.userinfo(f"{header}.{good.split('.')[1]}.")).status_code == 401

    async def test_the_public_key_is_no_hmac_secret(self, flow, holder):
        good = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        jwk = (await flow.http.get("/auth/v1/jwks")).json()["keys"][0]
        forged = jwt.encode(
            {"alg": "HS256", "typ": "at+jwt", "kid": jwk["kid"]},
            {**_claims(good), "acr": "4"},
            OctKey.import_key(json.dumps(jwk)),
            algorithms=["HS256"],
        )
        assert (await flow.userinfo(forged)).status_code == 401

    async def test_an_id_token_is_no_access_token(self, flow, holder):
        identity = (await flow.redeem(await flow.code(holder))).json()["id_token"]
        assert (await flow.userinfo(identity)).status_code == 401

    async def test_a_changed_claim_breaks_the_signature(self, flow, holder):
        good = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        head, _, signature = good.split(".")
        changed = f"{head}.{_encoded({**_claims(good), 'acr': '4'})}.{signature}"
        assert (await flow.userinfo(changed)).status_code == 401
        keys = KeySet.import_key_set((await flow.http.get("/auth/v1/jwks")).json())
        with pytest.raises((BadSignatureError, JoseError)):
            jwt.decode(changed, keys, algorithms=["ES256"])


class TestMetadata:
    async def test_discovery_names_endpoints_under_the_issuer(self, flow):
        found = (await flow.http.get("/auth/.well-known/openid-configuration")).json()
        assert found["issuer"] == "https://localhost:8444/auth"
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert all(found[k].startswith(found["issuer"]) for k in found if k.endswith("_endpoint"))

    async def test_the_published_key_is_public(self, flow):
        (key,) = (await flow.http.get("/auth/v1/jwks")).json()["keys"]
        assert key["alg"] == "ES256"
        assert "d" not in key


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _encoded(members: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


class TestClocks:
    @pytest.mark.parametrize(("left", "status"), [(300, 200), (-15, 200), (-60, 401)])
    async def test_a_clock_may_be_half_a_minute_ahead_of_the_one_that_set_the_end(
        self, flow, holder, app, left, status
    ):
        token = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        claims = {**_claims(token), "exp": int(time.time()) + left}
        moved = keys_of(app.state.runtime).signing.sign(claims, kind="at+jwt")
        assert (await flow.userinfo(moved)).status_code == status
