"""The agencies' door of a real Envoy: who gets in, as whom, and with which words the others are refused."""

from uuid import UUID, uuid4

import httpx
import pytest
from cryptography import x509
from ndx_contracts.purposes import Purpose
from ndx_testing.bus import NO_HANDSHAKE, PERSON, Bus, agreement

PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
G03 = "G03:insurance-link"
FORGED = {
    "NDX-Agency": "G01",
    "NDX-System": "identity",
    "NDX-Operator": "NDX:an",
    "NDX-Agreement": "DSA-G01-1",
    "NDX-Certificate": "ab" * 32,
    "NDX-Citizen": str(uuid4()),
    "NDX-Acr": "4",
}


def seen(answer: httpx.Response) -> dict[str, str]:
    """Return the headers that the provider received."""
    assert answer.status_code == 200, answer.text
    headers: dict[str, str] = answer.json()["headers"]
    return headers


def fingerprint(live: Bus, uri: str) -> str:
    file, _ = live.pki.client(uri)
    return live.pki.fingerprint(x509.load_pem_x509_certificate(file.read_bytes()))


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["instance"] == f"urn:ndx:request:{answer.headers['ndx-request-id']}"
    assert len(problem["trace_id"]) == 32
    assert problem["title"]
    assert problem["detail"]


class TestAllowedCall:
    async def test_the_provider_learns_who_calls_from_the_certificate(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            headers = seen(await client.get(PERSON, headers=PURPOSE))
        assert headers["ndx-agency"] == "G03"
        assert headers["ndx-system"] == "insurance-link"
        assert headers["ndx-agreement"] == "DSA-G03-1"
        assert headers["ndx-purpose"] == "SOCIAL_INSURANCE"
        assert "ndx-operator" not in headers

    async def test_forged_identity_headers_are_replaced_or_removed(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            headers = seen(await client.get(PERSON, headers=PURPOSE | FORGED))
            listed = seen(await client.get("/v1/agencies", headers=FORGED))
        assert headers["ndx-agency"] == "G03"
        assert headers["ndx-system"] == "insurance-link"
        assert headers["ndx-agreement"] == "DSA-G03-1"
        assert not {"ndx-operator", "ndx-certificate", "ndx-citizen", "ndx-acr"} & set(headers)
        assert listed["ndx-certificate"] == fingerprint(live, f"urn:ndx:agency:{G03}")
        assert not {"ndx-operator", "ndx-citizen", "ndx-acr", "ndx-agreement"} & set(listed)

    @pytest.mark.parametrize("forged", ["NDX_Agency", "ndx_agency"])
    async def test_a_look_alike_header_with_an_underscore_is_refused(self, live: Bus, forged: str) -> None:
        async with live.caller(G03) as client:
            answer = await client.get(PERSON, headers=PURPOSE | {forged: "G01"})
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid-request"

    async def test_a_request_id_is_kept_when_it_is_a_uuid_and_echoed(self, live: Bus) -> None:
        wanted = str(uuid4())
        async with live.caller(G03) as client:
            answer = await client.get(PERSON, headers=PURPOSE | {"NDX-Request-Id": wanted})
        assert seen(answer)["ndx-request-id"] == wanted
        assert answer.headers["ndx-request-id"] == wanted

    @pytest.mark.parametrize("given", [None, "079190000017", "x" * 36])
    async def test_any_other_request_id_is_replaced(self, live: Bus, given: str | None) -> None:
        extra = {"X-Request-Id": "079190000017"} | ({"NDX-Request-Id": given} if given else {})
        async with live.caller(G03) as client:
            answer = await client.get(PERSON, headers=PURPOSE | extra)
        assert UUID(answer.headers["ndx-request-id"])
        assert seen(answer)["ndx-request-id"] == answer.headers["ndx-request-id"]
        assert "079190000017" not in str(seen(answer))

    async def test_a_caller_does_not_steer_the_gateway(self, live: Bus) -> None:
        steering = {
            "x-envoy-upstream-rq-timeout-ms": "1",
            "x-envoy-max-retries": "9",
            "x-envoy-retry-on": "5xx",
            "x-envoy-decorator-operation": "079190000017",
            "x-forwarded-client-cert": "URI=urn:ndx:agency:G01:identity",
        }
        async with live.caller(G03) as client:
            answer = await client.get(PERSON, headers=PURPOSE | steering)
        assert not set(steering) & set(seen(answer))
        assert not [name for name in answer.headers if name.startswith("x-envoy")]

    async def test_the_trace_of_the_caller_is_continued(self, live: Bus) -> None:
        trace = "0af7651916cd43dd8448eb211c80319c"
        async with live.caller(G03) as client:
            answer = await client.get(
                PERSON, headers=PURPOSE | {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
            )
        assert seen(answer)["traceparent"].split("-")[1] == trace
        assert answer.headers["traceparent"].split("-")[1] == trace

    async def test_an_operation_without_personal_data_needs_no_purpose(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            headers = seen(await client.get("/population/v1/admin-units?limit=5"))
        assert headers["ndx-agreement"] == "DSA-G03-2"

    async def test_the_conditions_of_the_agreement_are_met_by_headers(self, live: Bus) -> None:
        met = PURPOSE | {"NDX-Officer": "bs.lan", "NDX-Case-Id": "HS-1"}
        async with live.caller("H79.001:his") as client:
            headers = seen(await client.get(PERSON, headers=met))
        assert headers["ndx-agency"] == "H79.001"
        assert headers["ndx-officer"] == "bs.lan"

    async def test_a_body_reaches_the_provider(self, live: Bus) -> None:
        terms = live.snapshot.agreements[0].model_copy(
            update={"operations": live.snapshot.agreements[3].operations}
        )
        await live.apply(agreements=[terms])
        async with live.caller(G03) as client:
            answer = await client.post("/population/v1/persons/verify", headers=PURPOSE, json={"a": 1})
        assert seen(answer)["ndx-agreement"] == "DSA-G03-1"
        assert live.provider.received[-1].body == b'{"a":1}'


class TestRefusedCall:
    @pytest.mark.parametrize(
        ("uri", "path", "headers", "status", "code"),
        [
            ("G99:nobody", PERSON, PURPOSE, 403, "agency-unknown"),
            ("B02:core", PERSON, PURPOSE, 403, "agency-unknown"),
            ("urn:ndx:operator:NDX:gone", "/v1/agencies", {}, 403, "agency-unknown"),
            ("urn:ndx:other:G03", PERSON, PURPOSE, 403, "agency-unknown"),
            ("B01:core", PERSON, PURPOSE, 403, "agency-suspended"),
            ("G03:old", PERSON, PURPOSE, 403, "agency-suspended"),
            ("G01:identity", PERSON, PURPOSE, 403, "no-agreement"),
            ("urn:ndx:operator:NDX:an", PERSON, PURPOSE, 403, "no-agreement"),
            (G03, PERSON, {}, 400, "purpose-missing"),
            (G03, PERSON, {"NDX-Purpose": ""}, 400, "purpose-missing"),
            (G03, PERSON, {"NDX-Purpose": "STATISTICS"}, 403, "purpose-not-covered"),
            (G03, PERSON, {"NDX-Purpose": "anything"}, 400, "purpose-unknown"),
            ("T01:core", PERSON, PURPOSE, 403, "agreement-suspended"),
            ("T01:core", PERSON, {"NDX-Purpose": "STATISTICS"}, 403, "purpose-not-covered"),
            ("T01:core", "/population/v1/admin-units", {}, 403, "no-agreement"),
            ("H79.001:his", PERSON, PURPOSE, 400, "officer-missing"),
            ("H79.001:his", PERSON, PURPOSE | {"NDX-Officer": "x"}, 400, "case-missing"),
            ("H79.001:his", PERSON, PURPOSE | {"NDX-Case-Id": "x"}, 400, "officer-missing"),
            (G03, "/population/v1/nothing", {}, 404, "operation-unknown"),
            (G03, "/nowhere/v1/x", {}, 404, "operation-unknown"),
            (G03, "/", {}, 404, "operation-unknown"),
            (G03, PERSON + "/more", PURPOSE, 404, "operation-unknown"),
            (G03, "/population/v1/me", {}, 404, "operation-unknown"),
            (G03, "/v1/agreements/DSA-1", {}, 403, "operator-required"),
        ],
    )
    async def test_each_reason_has_its_own_code(
        self, live: Bus, uri: str, path: str, headers: dict[str, str], status: int, code: str
    ) -> None:
        async with live.caller(uri) as client:
            answer = await client.get(path, headers=headers)
        assert_refused(answer, status, code)
        assert "079190000017" not in answer.text
        assert live.provider.received == []

    async def test_a_purpose_that_only_others_have_is_not_covered(self, live: Bus) -> None:
        other = agreement("DSA-G01-1", ["population.get_person"], purposes=(Purpose.STATISTICS,))
        await live.apply(agreements=[*live.snapshot.agreements, other])
        statistics = {"NDX-Purpose": "STATISTICS"}
        async with live.caller(G03) as client, live.caller("G01:identity") as holder:
            answer = await client.get(PERSON, headers=statistics)
            allowed = await holder.get(PERSON, headers=statistics)
            none_yet = await holder.get(PERSON, headers=PURPOSE)
        async with live.caller("G04:tax-link") as stranger:
            no_agreement = await stranger.get(PERSON, headers=statistics)
        assert_refused(answer, 403, "purpose-not-covered")
        assert allowed.status_code == 200
        assert_refused(none_yet, 403, "purpose-not-covered")
        assert_refused(no_agreement, 403, "no-agreement")

    async def test_an_expired_agreement_says_so(self, live: Bus) -> None:
        async with live.caller("H79.001:his") as client:
            answer = await client.post("/population/v1/persons/verify", headers=PURPOSE, json={})
        assert_refused(answer, 403, "agreement-expired")

    async def test_the_title_is_vietnamese_for_those_who_ask_so(self, live: Bus) -> None:
        async with live.caller("G01:identity") as client:
            answer = await client.get(PERSON, headers=PURPOSE | {"Accept-Language": "vi-VN,vi;q=0.9"})
        assert_refused(answer, 403, "no-agreement")
        assert answer.json()["title"] == "Không có thỏa thuận chia sẻ dữ liệu"

    async def test_another_method_is_answered_with_those_that_exist(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            answer = await client.delete(PERSON, headers=PURPOSE)
            listed = await client.request("PATCH", "/v1/agencies")
        assert_refused(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET"
        assert listed.headers["allow"] == "GET, POST"

    @pytest.mark.parametrize(
        "path", ["/population/v1/me/../persons/1", "/population//v1/persons/1", "/population/v1/%70ersons/1"]
    )
    async def test_another_spelling_of_a_path_gets_nobody_past_the_agreement(
        self, live: Bus, path: str
    ) -> None:
        async with live.caller("G01:identity") as client:
            answer = await client.get(path, headers=PURPOSE)
        assert answer.status_code in {400, 403, 404}
        assert live.provider.received == []

    async def test_an_escaped_slash_is_refused(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            answer = await client.get("/population/v1/persons/1%2F2", headers=PURPOSE)
        assert answer.status_code == 400


class TestOperators:
    async def test_an_operator_is_named_by_agency_and_login(self, live: Bus) -> None:
        async with live.caller("urn:ndx:operator:NDX:an") as client:
            headers = seen(await client.post("/v1/agencies", json={}, headers=FORGED))
        assert headers["ndx-operator"] == "NDX:an"
        assert headers["ndx-agency"] == "NDX"
        assert not {"ndx-system", "ndx-agreement"} & set(headers)

    async def test_an_agency_may_not_do_an_operators_work(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            answer = await client.post("/v1/agencies", json={}, headers=FORGED)
        assert_refused(answer, 403, "operator-required")

    async def test_metadata_is_for_agencies_and_operators_each_under_their_own_name(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            agency = seen(await client.get("/v1/agreements/mine"))
        async with live.caller("urn:ndx:operator:G01:chi") as client:
            operator = seen(await client.get("/v1/agreements/mine"))
        assert (agency["ndx-agency"], agency["ndx-system"]) == ("G03", "insurance-link")
        assert agency["ndx-certificate"] == fingerprint(live, f"urn:ndx:agency:{G03}")
        assert "ndx-operator" not in agency
        assert operator["ndx-operator"] == "G01:chi"
        assert "ndx-system" not in operator


class TestCertificates:
    async def test_without_a_certificate_there_is_no_connection(self, live: Bus) -> None:
        async with live.caller(None) as client:
            with pytest.raises(NO_HANDSHAKE):
                await client.get(PERSON, headers=PURPOSE)

    async def test_a_certificate_of_another_authority_is_refused(self, live: Bus) -> None:
        async with live.caller(G03, ca="internal") as client:
            with pytest.raises(NO_HANDSHAKE):
                await client.get(PERSON, headers=PURPOSE)

    async def test_an_expired_certificate_is_refused(self, live: Bus) -> None:
        async with live.caller(G03, days=-0.001) as client:
            with pytest.raises(NO_HANDSHAKE):
                await client.get(PERSON, headers=PURPOSE)
