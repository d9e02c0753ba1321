"""Certificates from enrolment code to revocation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway.certificates import jobs, revoking, service
from ndx_chassis.app import Runtime
from ndx_contracts import headers as names
from sqlalchemy import text

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


def csr(key: ec.EllipticCurvePrivateKey | None = None) -> str:
    key = key or ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
async def code(post: Do, hospital: Any) -> str:
    made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    return str(made["enrolment_code"])


@pytest.fixture
async def issued(client: httpx.AsyncClient, code: str) -> dict[str, Any]:
    reply = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
    assert reply.status_code == 201, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


class TestIssue:
    async def test_the_certificate_names_the_enrolled_system(self, issued: dict[str, Any]):
        made = x509.load_pem_x509_certificate(issued["certificate_pem"].encode())
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [n.value for n in names] == ["urn:ndx:agency:H79.001:his"]
        made.verify_directly_issued_by(x509.load_pem_x509_certificate(issued["ca_pem"].encode()))

    async def test_the_first_certificate_makes_the_agency_active(self, issued: Any, read: Do):
        listed = (await read("NDX:an", "/v1/agencies"))["items"]
        assert {a["code"]: a["state"] for a in listed}["H79.001"] == "ACTIVE"

    async def test_a_code_works_once(self, issued: Any, client: httpx.AsyncClient, code: str):
        again = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
        assert (again.status_code, again.json()["code"]) == (403, "enrolment-code-invalid")

    async def test_a_refused_request_does_not_use_the_code_up(self, client: httpx.AsyncClient, code: str):
        bad = {"enrolment_code": code, "csr_pem": "x" * 200}
        assert (await client.post("/v1/certificates", json=bad)).json()["code"] == "csr-refused"
        good = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
        assert good.status_code == 201

    async def test_an_answer_that_was_lost_is_given_again_for_the_same_key(
        self, client: httpx.AsyncClient, code: str
    ):
        body = {"enrolment_code": code, "csr_pem": csr()}
        first, second = [await client.post("/v1/certificates", json=body) for _ in range(2)]
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["serial"] == second.json()["serial"]

    async def test_tries_of_a_code_are_limited_and_refusals_count(self, client: httpx.AsyncClient, code: str):
        wrong = {"enrolment_code": code.partition(".")[0] + "." + "x" * 32, "csr_pem": csr()}
        for _ in range(10):
            assert (await client.post("/v1/certificates", json=wrong)).status_code == 403
        right = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
        assert (right.status_code, right.json()["code"]) == (403, "enrolment-code-invalid")

    async def test_a_key_serves_one_system_only(self, post: Do, client: httpx.AsyncClient, code: str):
        key = ec.generate_private_key(ec.SECP256R1())
        first = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr(key)})
        assert first.status_code == 201
        other = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "lab"}, 201)
        body = {"enrolment_code": other["enrolment_code"], "csr_pem": csr(key)}
        refused = await client.post("/v1/certificates", json=body)
        assert refused.json()["code"] == "csr-refused"
        assert "another system" in refused.json()["detail"]

    async def test_a_system_holds_a_limited_number_of_good_certificates(
        self, issued: Any, post: Do, client: httpx.AsyncClient
    ):
        codes = []
        for _ in range(service.MOST_GOOD):
            fresh = await post("NDX:an", "/v1/agencies/H79.001/systems/his/enrolment-codes", {}, 201)
            body = {"enrolment_code": fresh["enrolment_code"], "csr_pem": csr()}
            reply = await client.post("/v1/certificates", json=body)
            codes.append(reply.json().get("code"))
        assert codes == [None] * (service.MOST_GOOD - 1) + ["certificate-limit-reached"]

    async def test_a_suspended_agency_gets_none(self, issued: Any, post: Do, client: httpx.AsyncClient):
        fresh = await post("NDX:an", "/v1/agencies/H79.001/systems/his/enrolment-codes", {}, 201)
        await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "misuse found"})
        body = {"enrolment_code": fresh["enrolment_code"], "csr_pem": csr()}
        assert (await client.post("/v1/certificates", json=body)).status_code == 403


def under(certificate: dict[str, Any]) -> dict[str, str]:
    """Return the header by which the gateway says under which certificate a call came in."""
    return {names.CERTIFICATE: certificate["fingerprint_sha256"]}


Renew = Callable[..., Any]


@pytest.fixture
def renew(client: httpx.AsyncClient) -> Renew:
    async def send(certificate: dict[str, Any], status: int = 201, request: str | None = None) -> Any:
        body = {"csr_pem": request or csr()}
        reply = await client.post("/v1/certificates/renewals", json=body, headers=under(certificate))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


async def turn_time(runtime: Runtime, serial: str, **columns: timedelta) -> None:
    """Set times of a certificate, counted from now."""
    async with runtime.sessions() as session, session.begin():
        for column, distance in columns.items():
            change = text(f"UPDATE certificates SET {column} = :at WHERE serial = :s")  # noqa: S608 - ours
            await session.execute(change, {"at": datetime.now(UTC) + distance, "s": serial})


async def states(read: Do, agency: str = "H79.001") -> dict[str, str]:
    listed = await read("NDX:an", f"/v1/certificates?agency={agency}")
    return {c["serial"]: c["state"] for c in listed["items"]}


async def standing(read: Do) -> dict[str, str]:
    """Return the states; a certificate that was used is as good as another, whenever that is noted."""
    return {
        serial: "GOOD" if state in {"ISSUED", "ACTIVE"} else state
        for serial, state in (await states(read)).items()
    }


class TestRenew:
    async def test_old_and_new_are_good_until_the_overlap_ends(
        self, issued: dict[str, Any], renew: Renew, read: Do, runtime: Runtime
    ):
        new = await renew(issued)
        made = x509.load_pem_x509_certificate(new["certificate_pem"].encode())
        san = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [n.value for n in san] == ["urn:ndx:agency:H79.001:his"]
        assert await standing(read) == {issued["serial"]: "GOOD", new["serial"]: "GOOD"}
        await jobs.end_overlaps(runtime)
        async with runtime.sessions() as session:
            assert await revoking.revoked_fingerprints(session) == {}
        await turn_time(runtime, issued["serial"], overlap_until=timedelta(seconds=-1))
        assert (await states(read))[issued["serial"]] == "SUPERSEDED"
        await jobs.end_overlaps(runtime)
        assert await standing(read) == {issued["serial"]: "SUPERSEDED", new["serial"]: "GOOD"}
        async with runtime.sessions() as session:
            prints = await revoking.revoked_fingerprints(session)
        assert prints == {"urn:ndx:agency:H79.001:his": [issued["fingerprint_sha256"]]}

    async def test_the_overlap_never_outlives_the_old_certificate(
        self, issued: dict[str, Any], renew: Renew, client: httpx.AsyncClient, runtime: Runtime
    ):
        await turn_time(runtime, issued["serial"], not_after=timedelta(days=5))
        new = await renew(issued)
        mine = await client.get("/v1/certificates/mine", headers=under(new))
        old = next(c for c in mine.json()["items"] if c["serial"] == issued["serial"])
        assert old["overlap_until"] == old["not_after"]
        assert old["replaced_by"] == new["serial"]
        assert old["renew_from"] is None

    async def test_the_same_key_again_is_refused(self, client: httpx.AsyncClient, code: str, renew: Renew):
        key = ec.generate_private_key(ec.SECP256R1())
        body = {"enrolment_code": code, "csr_pem": csr(key)}
        first = (await client.post("/v1/certificates", json=body)).json()
        assert (await renew(first, 422, csr(key)))["code"] == "csr-refused"

    async def test_a_lost_answer_is_given_again(self, issued: dict[str, Any], renew: Renew):
        request = csr()
        first, second = [await renew(issued, request=request) for _ in range(2)]
        assert first["serial"] == second["serial"]

    async def test_an_unknown_certificate_cannot_be_renewed(self, renew: Renew, bus: Any):
        found = await renew({"fingerprint_sha256": "ab" * 32}, 409)
        assert found["code"] == "certificate-not-renewable"

    async def test_nor_can_one_of_a_suspended_agency(self, issued: dict[str, Any], post: Do, renew: Renew):
        await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "misuse found"})
        assert (await renew(issued, 409))["code"] == "certificate-not-renewable"

    async def test_an_operator_renews_its_own(self, read: Do, renew: Renew):
        listed = (await read("NDX:an", "/v1/certificates?agency=G04"))["items"]
        new = await renew(listed[0])
        made = x509.load_pem_x509_certificate(new["certificate_pem"].encode())
        san = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [n.value for n in san] == ["urn:ndx:operator:G04:hai"]


class TestFirstUse:
    async def test_a_call_to_the_control_plane_makes_it_active(
        self, issued: dict[str, Any], client: httpx.AsyncClient, read: Do, runtime: Runtime
    ):
        assert (await states(read))[issued["serial"]] == "ISSUED"
        await client.get("/v1/certificates/mine", headers=under(issued))
        await runtime.extras["usage"].write_down(runtime)
        listed = (await read("NDX:an", "/v1/certificates?agency=H79.001"))["items"][0]
        assert listed["state"] == "ACTIVE"
        assert listed["first_used_at"]


class TestExpiry:
    async def test_each_warning_comes_once_and_a_late_start_gives_only_the_nearest(
        self, issued: dict[str, Any], runtime: Runtime, emitted: Do
    ):
        async def warned() -> list[int]:
            found = [e["data"]["days_left"] for e in await emitted() if e["key"] == issued["serial"]]
            return [int(days) for days in found]

        for left, expected in (
            (timedelta(days=40), []),
            (timedelta(days=29), [29]),
            (timedelta(days=28), [29]),
            (timedelta(days=6), [29, 6]),
            (timedelta(days=5), [29, 6]),
            (timedelta(hours=23), [29, 6, 1]),
        ):
            await turn_time(runtime, issued["serial"], not_after=left)
            await jobs.warn_of_expiry(runtime)
            assert await warned() == expected

    async def test_a_renewed_certificate_is_not_warned_of(
        self, issued: dict[str, Any], renew: Renew, runtime: Runtime, emitted: Do, read: Do
    ):
        await turn_time(runtime, issued["serial"], not_after=timedelta(days=6))
        due = await read("NDX:an", "/v1/certificates?ending_within_days=30")
        assert [c["serial"] for c in due["items"]] == [issued["serial"]]
        await renew(issued)
        await jobs.warn_of_expiry(runtime)
        assert [e for e in await emitted() if e["type"] == "gateway.certificate-expiring.v1"] == []
        assert (await read("NDX:an", "/v1/certificates?ending_within_days=30"))["items"] == []

    async def test_an_expired_certificate_is_shown_so(
        self, issued: dict[str, Any], runtime: Runtime, read: Do
    ):
        await turn_time(runtime, issued["serial"], not_after=timedelta(seconds=-1))
        assert (await states(read))[issued["serial"]] == "EXPIRED"


class TestList:
    async def test_pages_go_on_where_the_last_one_ended(self, read: Do, bus: Any):
        seen: list[str] = []
        cursor = ""
        while True:
            page = await read("NDX:an", f"/v1/certificates?limit=3&cursor={cursor}")
            seen += [c["system"] for c in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 7

    async def test_one_certificate_is_shown_with_its_document(self, issued: dict[str, Any], read: Do):
        found = await read("NDX:an", f"/v1/certificates/{issued['serial']}")
        assert found["certificate_pem"] == issued["certificate_pem"]
        missing = await read("NDX:an", "/v1/certificates/abc", 404)
        assert missing["code"] == "certificate-not-found"


class TestRevoke:
    async def test_a_system_revokes_its_own(
        self, issued: dict[str, Any], renew: Renew, client: httpx.AsyncClient, read: Do
    ):
        new = await renew(issued)
        body = {"serial": issued["serial"], "reason": "laptop stolen", "cause": "KEY_COMPROMISE"}
        gone = await client.post("/v1/certificates/mine/revoke", json=body, headers=under(new))
        assert (gone.status_code, gone.json()["cause"]) == (200, "KEY_COMPROMISE"), gone.text
        assert await standing(read) == {issued["serial"]: "REVOKED", new["serial"]: "GOOD"}

    async def test_but_nobody_elses(self, issued: dict[str, Any], client: httpx.AsyncClient, read: Do):
        theirs = (await read("NDX:an", "/v1/certificates?agency=G04"))["items"][0]
        body = {"serial": theirs["serial"], "reason": "just so"}
        refused = await client.post("/v1/certificates/mine/revoke", json=body, headers=under(issued))
        assert refused.json()["code"] == "certificate-not-found"

    async def test_a_compromised_key_is_never_certified_again(
        self, post: Do, client: httpx.AsyncClient, code: str
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        body = {"enrolment_code": code, "csr_pem": csr(key)}
        serial = (await client.post("/v1/certificates", json=body)).json()["serial"]
        why = {"reason": "found on a public server", "cause": "KEY_COMPROMISE"}
        await post("NDX:an", f"/v1/certificates/{serial}/revoke", why)
        fresh = await post("NDX:an", "/v1/agencies/H79.001/systems/his/enrolment-codes", {}, 201)
        body = {"enrolment_code": fresh["enrolment_code"], "csr_pem": csr(key)}
        refused = await client.post("/v1/certificates", json=body)
        assert refused.json()["code"] == "csr-refused"

    async def test_it_is_in_the_list_and_among_the_fingerprints(
        self, issued: dict[str, Any], post: Do, runtime: Runtime, client: httpx.AsyncClient
    ):
        # As openssl prints serials: upper case, with colons and leading zeros.
        serial = "00:" + issued["serial"].upper()
        reason = {"reason": "key was stolen", "cause": "KEY_COMPROMISE"}
        revoked = await post("NDX:an", f"/v1/certificates/{serial}/revoke", reason)
        assert revoked["state"] == "REVOKED"
        async with runtime.sessions() as session:
            prints = await revoking.revoked_fingerprints(session)
        await revoking.sign_lists(runtime)
        crl = x509.load_der_x509_crl((await client.get("/v1/revocation-lists/agency-ca")).content)
        assert prints == {"urn:ndx:agency:H79.001:his": [issued["fingerprint_sha256"]]}
        assert [format(entry.serial_number, "x") for entry in crl] == [issued["serial"]]
        cause = crl[0].extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert cause is x509.ReasonFlags.key_compromise

    async def test_once_is_enough(self, issued: dict[str, Any], post: Do):
        path = f"/v1/certificates/{issued['serial']}/revoke"
        await post("NDX:an", path, {"reason": "key was stolen"})
        again = await post("NDX:an", path, {"reason": "key was stolen"}, 409)
        assert again["code"] == "certificate-revoked-already"

    async def test_it_needs_the_role(self, issued: dict[str, Any], post: Do):
        path = f"/v1/certificates/{issued['serial']}/revoke"
        assert (await post("NDX:mai", path, {"reason": "curious"}, 403))["code"] == "role-missing"

    async def test_a_first_operators_certificate_can_be_revoked(self, post: Do, read: Do):
        listed = (await read("NDX:an", "/v1/certificates?agency=G04"))["items"]
        assert [c["system"] for c in listed] == ["operator:hai"]
        path = f"/v1/certificates/{listed[0]['serial']}/revoke"
        assert (await post("NDX:an", path, {"reason": "left the office"}))["state"] == "REVOKED"
