"""Outside authorities and their lists of revoked certificates, and what is written for Envoy."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from gateway.authorities import authority, files
from gateway.authorities import service as authorities
from gateway.certificates import revoking
from gateway.rotation import jobs
from ndx_chassis.app import Runtime
from ndx_testing.authorities import make_authority
from sqlalchemy import text

from .conftest import named, trusted

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


@pytest.fixture
def put(client: httpx.AsyncClient, as_operator: Callable[..., dict[str, str]]) -> Do:
    async def send(who: str, path: str, body: Any, status: int = 200) -> Any:
        reply = await client.put(path, json=body, headers=as_operator(*who.split(":")))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


def anchor_body(found: authority.Authority, *agencies: str) -> dict[str, Any]:
    pem = authority.certificate_pem(found.certificate).decode()
    return {"name": "vnpt-ca", "pem": pem, "may_certify": list(agencies)}


def crl(found: authority.Authority, *serials: str, number: int = 1) -> dict[str, Any]:
    revoked = [authority.Revoked(s, datetime.now(UTC) - timedelta(hours=1)) for s in serials]
    return {"pem": authority.list_pem(authority.revocation_list(found, revoked, number=number))}


class TestOutsideAuthority:
    async def test_it_is_trusted_from_its_first_list_on_and_for_its_agencies_only(
        self, post: Do, put: Do, runtime: Runtime, bus: Any
    ):
        ca = make_authority()
        made = await post("NDX:an", "/v1/authorities", anchor_body(ca, "B01", "H79.*"), 201)
        assert (made["state"], made["may_certify"]) == ("REGISTERED", ["B01", "H79.*"])
        assert await trusted(runtime) == ["CN=ndx agency CA"]
        ready = await put("NDX:an", "/v1/authorities/vnpt-ca/revocation-list", crl(ca))
        assert ready["state"] == "TRUSTED"
        async with runtime.sessions() as session:
            found = await authorities.trust(session)
        assert found.issuers[-1] == authorities.Issuer("CN=Outside CA", ("B01", "H79.*"), ())
        assert authority.certificate_pem(ca.certificate).decode() in found.anchors_pem

    async def test_what_a_later_list_adds_is_denied_on_open_connections_too(
        self, post: Do, put: Do, runtime: Runtime, bus: Any
    ):
        ca = make_authority()
        path = "/v1/authorities/vnpt-ca/revocation-list"
        await post("NDX:an", "/v1/authorities", anchor_body(ca, "B01"), 201)
        await put("NDX:an", path, crl(ca, "aa", number=4))
        await put("NDX:an", path, crl(ca, "aa", "bb", number=5))

        async def late() -> tuple[str, ...]:
            async with runtime.sessions() as session:
                return (await authorities.trust(session)).issuers[-1].late

        assert await late() == ("bb",)
        refused = await put("NDX:an", path, crl(ca, number=4), 422)
        assert refused["code"] == "revocation-list-refused"
        async with runtime.sessions() as session, session.begin():
            await session.execute(text("UPDATE late_revocations SET seen_at = now() - interval '3 days'"))
        await jobs.watch_lists(runtime)
        assert await late() == ()

    async def test_names_and_subjects_are_taken_once(self, post: Do, bus: Any, state_dir: Path):
        ca = make_authority()
        await post("NDX:an", "/v1/authorities", anchor_body(ca, "B01"), 201)
        again = anchor_body(make_authority(), "B01") | {"name": "other-ca"}
        assert (await post("NDX:an", "/v1/authorities", again, 409))["code"] == "authority-exists"
        ours = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ndx agency CA")])
        impostor = anchor_body(make_authority(name=ours), "B01") | {"name": "other-ca"}
        assert (await post("NDX:an", "/v1/authorities", impostor, 409))["code"] == "authority-exists"

    async def test_a_retired_one_is_trusted_no_longer(self, post: Do, put: Do, runtime: Runtime, bus: Any):
        ca = make_authority()
        await post("NDX:an", "/v1/authorities", anchor_body(ca, "B01"), 201)
        await put("NDX:an", "/v1/authorities/vnpt-ca/revocation-list", crl(ca))
        await post("NDX:an", "/v1/authorities/vnpt-ca/retire", {"reason": "contract is over"})
        assert await trusted(runtime) == ["CN=ndx agency CA"]
        gone = await put("NDX:an", "/v1/authorities/vnpt-ca/revocation-list", crl(ca), 404)
        assert gone["code"] == "authority-not-found"


class TestLists:
    async def test_anyone_fetches_the_list_and_the_door_s_ca(
        self, issued: dict[str, Any], post: Do, client: httpx.AsyncClient, runtime: Runtime
    ):
        path = f"/v1/certificates/{issued['serial']}/revoke"
        await post("NDX:an", path, {"reason": "key lost", "cause": "KEY_COMPROMISE"})
        await revoking.sign_lists(runtime)
        reply = await client.get("/v1/revocation-lists/agency-ca")
        assert reply.headers["content-type"] == "application/pkix-crl"
        found = x509.load_der_x509_crl(reply.content)
        assert [format(e.serial_number, "x") for e in found] == [issued["serial"]]
        ca = x509.load_pem_x509_certificates((await client.get("/v1/gateway-ca")).content)
        assert found.is_signature_valid(ca[0].public_key())  # type: ignore[arg-type]
        made = x509.load_pem_x509_certificate(issued["certificate_pem"].encode())
        point = made.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]
        assert point.full_name is not None
        assert point.full_name[0].value.endswith("/v1/revocation-lists/agency-ca")
        assert (await client.get("/v1/revocation-lists/no-ca")).status_code == 404

    async def test_numbers_grow_with_each_revocation_and_not_without(
        self, issued: dict[str, Any], post: Do, client: httpx.AsyncClient, runtime: Runtime
    ):
        async def number() -> int:
            return int((await client.get("/v1/revocation-lists")).json()["items"][0]["number"])

        first = await number()
        await revoking.sign_lists(runtime)
        assert await number() == first
        await post("NDX:an", f"/v1/certificates/{issued['serial']}/revoke", {"reason": "key lost"})
        for _ in range(2):
            await revoking.sign_lists(runtime)
        assert await number() == first + 1

    async def test_a_list_that_could_not_be_signed_is_signed_later(
        self, issued: dict[str, Any], post: Do, runtime: Runtime, state_dir: Path, client: httpx.AsyncClient
    ):
        key = state_dir / "agency-ca.key"
        key.rename(state_dir / "away")
        done = await post("NDX:an", f"/v1/certificates/{issued['serial']}/revoke", {"reason": "key lost"})
        assert done["state"] == "REVOKED"
        async with runtime.sessions() as session:
            assert await revoking.revoked_fingerprints(session)
        await revoking.sign_lists(runtime)
        (state_dir / "away").rename(key)
        await jobs.refresh_lists(runtime)
        found = x509.load_der_x509_crl((await client.get("/v1/revocation-lists/agency-ca")).content)
        assert len(found) == 1

    async def test_a_list_near_its_end_raises_the_alarm_once_and_a_new_one_ends_it(
        self, bus: Any, runtime: Runtime, emitted: Do, read: Do
    ):
        async def alarms() -> int:
            return len([e for e in await emitted() if e["type"] == "gateway.revocation-list-ending.v1"])

        async def ends_soon() -> bool:
            found = named(await read("NDX:an", "/v1/authorities"), "agency-ca")
            return bool(found["revocation_list"]["ends_soon"])

        await jobs.watch_lists(runtime)
        assert (await alarms(), await ends_soon()) == (0, False)
        async with runtime.sessions() as session, session.begin():
            late = "UPDATE revocation_lists SET next_update = now() + interval '10 days'"
            await session.execute(text(late + ", this_update = now() - interval '20 days'"))
        await jobs.watch_lists(runtime)
        await jobs.watch_lists(runtime)
        assert (await alarms(), await ends_soon()) == (1, True)
        await jobs.refresh_lists(runtime)
        await jobs.watch_lists(runtime)
        assert (await alarms(), await ends_soon()) == (1, False)


class TestFiles:
    async def test_what_ends_within_thirty_days_is_renewed(self, bus: Any, runtime: Runtime, state_dir: Path):
        internal = authority.open_authority(state_dir, "internal-ca", "")
        agency = files.open_generation(state_dir, "agency-ca", None)
        doors = {"gateway-public": agency, "gateway-client": internal}
        for name, ca in doors.items():
            short = authority.sign(ca, agency.key.public_key(), uri="urn:ndx:internal:x", days=29)
            (state_dir / f"{name}.crt").write_bytes(authority.certificate_pem(short))
        await jobs.renew_files(runtime)
        for name in doors:
            made = x509.load_pem_x509_certificate((state_dir / f"{name}.crt").read_bytes())
            key = serialization.load_pem_private_key((state_dir / f"{name}.key").read_bytes(), None)
            assert made.public_key() == key.public_key()
            assert made.not_valid_after_utc > datetime.now(UTC) + timedelta(days=800)
