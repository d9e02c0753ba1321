"""Rotating the CA, outside authorities and revocation lists, on a real PostgreSQL."""

import asyncio
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gateway.authorities import authority, files, internal
from gateway.authorities import service as authorities
from gateway.certificates import revoking
from gateway.rotation import jobs, service
from gateway.settings import Settings
from ndx_chassis.app import Runtime
from ndx_contracts import headers as names
from ndx_testing.authorities import make_authority
from sqlalchemy import text

from gateway import bootstrap

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
WHY = {"reason": "the key is ten years old"}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Give each test a state folder of its own: rotations change it."""
    folder = tmp_path / "own"
    bootstrap.make_files(folder)
    return folder


@pytest.fixture
def service_settings(state_dir: Path, service_settings: dict[str, Any]) -> dict[str, Any]:
    (state_dir / "xds-server.crt").unlink()
    return service_settings | {"state_dir": state_dir}


def csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
async def issued(client: httpx.AsyncClient, post: Do, hospital: Any) -> dict[str, Any]:
    made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    body = {"enrolment_code": made["enrolment_code"], "csr_pem": csr()}
    answer: dict[str, Any] = (await client.post("/v1/certificates", json=body)).json()
    return answer


@pytest.fixture
def put(client: httpx.AsyncClient, as_operator: Callable[..., dict[str, str]]) -> Do:
    async def send(who: str, path: str, body: Any, status: int = 200) -> Any:
        reply = await client.put(path, json=body, headers=as_operator(*who.split(":")))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


@pytest.fixture
def renew(client: httpx.AsyncClient) -> Do:
    async def send(certificate: dict[str, Any]) -> dict[str, Any]:
        under = {names.CERTIFICATE: certificate["fingerprint_sha256"]}
        reply = await client.post("/v1/certificates/renewals", json={"csr_pem": csr()}, headers=under)
        assert reply.status_code == 201, reply.text
        made: dict[str, Any] = reply.json()
        return made

    return send


def issuer_of(pem: str) -> str:
    return x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string()


def named(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(a for a in found["items"] if a["name"] == name)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def trusted(runtime: Runtime) -> list[str]:
    async with runtime.sessions() as session:
        found = await authorities.trust(session)
    return [i.subject for i in found.issuers]


class TestRotation:
    async def test_old_and_new_are_trusted_and_the_progress_is_seen(
        self,
        issued: dict[str, Any],
        post: Do,
        read: Do,
        renew: Do,
        runtime: Runtime,
        client: httpx.AsyncClient,
    ):
        begun = await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        old, new = named(begun, "agency-ca"), named(begun, "agency-ca-2")
        assert (old["state"], new["state"]) == ("TRUSTED", "ISSUING")
        assert new["successors_unused"] == 0
        assert (old["good_certificates"], old["systems_waiting"]) == (8, 8)
        assert await trusted(runtime) == ["CN=ndx agency CA", "CN=ndx agency CA 2"]
        due = (await read("NDX:an", f"/v1/certificates/{issued['serial']}"))["renew_from"]
        assert datetime.fromisoformat(due) <= datetime.now(UTC)
        made = await renew(issued)
        assert issuer_of(made["certificate_pem"]) == "CN=ndx agency CA 2"
        bundle = x509.load_pem_x509_certificates(made["gateway_ca_pem"].encode())
        assert len(bundle) == 2
        old = named(await read("NDX:an", "/v1/authorities"), "agency-ca")
        assert (old["good_certificates"], old["systems_waiting"], old["successors_unused"]) == (8, 7, 1)
        waiting = await read("NDX:an", "/v1/certificates?issuer=agency-ca&ending_within_days=3650")
        assert len(waiting["items"]) == 7
        lists = (await client.get("/v1/revocation-lists")).json()["items"]
        assert {found["authority"] for found in lists} == {"agency-ca", "agency-ca-2"}

    async def test_an_old_one_that_is_needed_is_not_retired_unless_by_decision(
        self, issued: dict[str, Any], post: Do, read: Do, runtime: Runtime, state_dir: Path
    ):
        await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        refused = await post("NDX:an", "/v1/authorities/agency-ca/retire", WHY, 409)
        assert refused["code"] == "authority-in-use"
        done = await post("NDX:an", "/v1/authorities/agency-ca/retire", WHY | {"cut_off": True})
        assert named(done, "agency-ca")["state"] == "RETIRED"
        assert await trusted(runtime) == ["CN=ndx agency CA 2"]
        assert not (state_dir / "agency-ca.key").exists()
        door = (state_dir / "gateway-public.crt").read_text()
        assert issuer_of(door) == "CN=ndx agency CA 2"
        shown = await read("NDX:an", f"/v1/certificates/{issued['serial']}")
        assert shown["state"] == "SUPERSEDED"

    async def test_when_nobody_waits_any_more_it_is_retired(
        self, issued: dict[str, Any], post: Do, read: Do, renew: Do
    ):
        await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        waiting = await read("NDX:an", "/v1/certificates?issuer=agency-ca&ending_within_days=3650&limit=100")
        for certificate in waiting["items"]:
            await renew(certificate)
        done = await post("NDX:an", "/v1/authorities/agency-ca/retire", WHY)
        assert named(done, "agency-ca-2")["systems_waiting"] == 0

    async def test_one_rotation_at_a_time_and_the_issuing_one_is_not_retired(self, post: Do):
        await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        for path in ("rotate", "agency-ca-2/retire"):
            body = WHY | ({"cut_off": True} if "retire" in path else {})
            assert (await post("NDX:an", f"/v1/authorities/{path}", body, 409))["code"] == "rotation-refused"

    async def test_it_needs_the_role(self, post: Do):
        assert (await post("NDX:mai", "/v1/authorities/rotate", WHY, 403))["code"] == "role-missing"

    async def test_a_restart_of_the_bootstrap_changes_nothing(
        self, post: Do, runtime: Runtime, state_dir: Path
    ):
        await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        before = contents(state_dir)
        bootstrap.make_files(state_dir)
        changed = {path.name for path, data in contents(state_dir).items() if before.get(path) != data}
        assert changed == set()
        assert isinstance(runtime.settings, Settings)
        await bootstrap.make_rows(runtime.settings)
        assert len(await trusted(runtime)) == 2


class TestWhatEnds:
    async def test_the_page_shows_how_long_each_certificate_of_the_platform_is_good_for(
        self, bus: Any, client: httpx.AsyncClient, state_dir: Path
    ):
        found = re.findall(
            r'^ndx_certificate_left_seconds\{ndx_certificate_file="(.+)"\} (\S+)$',
            (await client.get("/metrics")).text,
            re.MULTILINE,
        )
        left = {name: float(seconds) for name, seconds in found}
        assert left.keys() >= {"agency-ca", "internal-ca", "gateway-public", "gateway-client", "population"}
        shown = x509.load_pem_x509_certificate((state_dir / "gateway-public.crt").read_bytes())
        whole = (shown.not_valid_after_utc - shown.not_valid_before_utc).total_seconds()
        assert 0 < left["gateway-public"] < whole < left["agency-ca"]


class TestAnEndBetweenFolderAndTables:
    """Whatever moment the process ends at, nobody is trusted by accident and no authority is remade."""

    async def test_a_rotation_that_was_not_committed_leaves_nothing_in_force(
        self,
        post: Do,
        runtime: Runtime,
        state_dir: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        async def ends(*_: Any, **__: Any) -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as patch:
            patch.setattr("gateway.rotation.service.record_audit", ends)
            await post("NDX:an", "/v1/authorities/rotate", WHY, 500)
        assert (state_dir / "agency-ca-2.key").exists()
        await jobs.refresh_lists(runtime)
        assert await trusted(runtime) == ["CN=ndx agency CA"]
        assert files.generation_names(state_dir) == ["agency-ca"]
        assert (state_dir / "set-aside" / "agency-ca-2.key").exists()
        begun = await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        assert named(begun, "agency-ca-3")["state"] == "ISSUING"

    async def test_one_that_ended_between_key_and_certificate_is_passed_over(
        self, post: Do, state_dir: Path, bus: Any
    ):
        (state_dir / "agency-ca-2.key").write_bytes(b"half")
        begun = await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        assert named(begun, "agency-ca-3")["state"] == "ISSUING"

    async def test_a_retirement_that_was_not_committed_keeps_the_key(
        self, post: Do, runtime: Runtime, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async def ends(*_: Any, **__: Any) -> None:
            raise RuntimeError("killed")

        await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        key = (state_dir / "agency-ca.key").read_bytes()
        retire = "/v1/authorities/agency-ca/retire"
        with monkeypatch.context() as patch:
            patch.setattr("gateway.rotation.service.overview", ends)
            await post("NDX:an", retire, WHY | {"cut_off": True}, 500)
        await jobs.refresh_lists(runtime)
        assert (state_dir / "agency-ca.key").read_bytes() == key
        assert len(await trusted(runtime)) == 2

    async def test_a_retirement_whose_files_were_not_reached_is_finished_later(
        self, post: Do, runtime: Runtime, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def ends(*_: Any) -> None:
            raise OSError("killed")

        await post("NDX:an", "/v1/authorities/rotate", WHY, 201)
        with monkeypatch.context() as patch:
            patch.setattr(files, "retire_generation", ends)
            done = await post("NDX:an", "/v1/authorities/agency-ca/retire", WHY | {"cut_off": True})
        assert named(done, "agency-ca")["state"] == "RETIRED"
        assert (state_dir / "agency-ca.key").exists()
        await jobs.refresh_lists(runtime)
        assert not (state_dir / "agency-ca.key").exists()
        assert issuer_of((state_dir / "gateway-public.crt").read_text()) == "CN=ndx agency CA 2"
        assert await trusted(runtime) == ["CN=ndx agency CA 2"]

    async def test_an_authority_whose_files_are_lost_is_not_remade_under_its_name(
        self, post: Do, runtime: Runtime, state_dir: Path, issued: dict[str, Any]
    ):
        for end in ("crt", "key"):
            (state_dir / f"agency-ca.{end}").unlink()
        await post("NDX:an", f"/v1/certificates/{issued['serial']}/revoke", {"reason": "key lost"})
        await revoking.sign_lists(runtime)
        assert files.generation_names(state_dir) == []


def anchors(state_dir: Path) -> list[str]:
    found = x509.load_pem_x509_certificates((state_dir / "internal-ca.crt").read_bytes())
    return [one.subject.rfc4514_string() for one in found]


class TestInternalAuthority:
    ROTATE, RETIRE = "/v1/internal-authority/rotate", "/v1/internal-authority/retire"

    async def test_it_is_trusted_first_signs_later_and_then_the_old_one_goes(
        self, bus: Any, post: Do, read: Do, runtime: Runtime, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ):
        bootstrap.make_files(state_dir)  # the certificate whose absence keeps the configuration server away
        first, second = "CN=ndx internal CA", "CN=ndx internal CA 2"
        begun = await post("NDX:an", self.ROTATE, WHY, 201)
        assert [(g["name"], g["signs"]) for g in begun["generations"]] == [
            ("internal-ca", True),
            ("internal-ca-2", False),
        ]
        assert anchors(state_dir) == [first, second]
        service = state_dir / "services" / "population.crt"
        await jobs.follow_internal(runtime)
        assert issuer_of(service.read_text()) == first
        assert (await post("NDX:an", self.ROTATE, WHY, 409))["code"] == "rotation-refused"
        assert (await post("NDX:an", self.RETIRE, WHY, 409))["code"] == "authority-in-use"
        # All parts have had the time to read whom they trust.
        settled = runtime.settings.model_copy(update={"internal_ca_settle_seconds": 0.0})
        monkeypatch.setattr(runtime, "settings", settled)
        assert (await post("NDX:an", self.RETIRE, WHY, 409))["code"] == "authority-in-use"
        await jobs.follow_internal(runtime)
        assert issuer_of(service.read_text()) == second
        assert (await read("NDX:an", "/v1/internal-authority"))["parts_waiting"] == []
        assert anchors(state_dir) == [first, second]
        done = await post("NDX:an", self.RETIRE, WHY)
        assert [g["name"] for g in done["generations"]] == ["internal-ca-2"]
        assert anchors(state_dir) == [second]
        assert not (state_dir / "internal-ca.key").exists()
        bootstrap.make_files(state_dir)
        assert (anchors(state_dir), issuer_of(service.read_text())) == ([second], second)
        assert (await post("NDX:an", self.RETIRE, WHY, 409))["code"] == "rotation-refused"
        third = await post("NDX:an", self.ROTATE, WHY, 201)
        assert [g["name"] for g in third["generations"]] == ["internal-ca-2", "internal-ca-3"]

    async def test_parts_that_were_signed_late_have_their_time_too(
        self, bus: Any, post: Do, read: Do, runtime: Runtime, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The control plane was away for a day after the rotation: no part has read its certificate yet."""
        bootstrap.make_files(state_dir)

        class Yesterday(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return super().now(tz) - timedelta(days=1)

        with monkeypatch.context() as patch:
            patch.setattr(authority, "datetime", Yesterday)
            await post("NDX:an", self.ROTATE, WHY, 201)
        began = datetime.now(UTC).replace(microsecond=0)
        await jobs.follow_internal(runtime)
        shown = await read("NDX:an", "/v1/internal-authority")
        assert shown["parts_waiting"] == []
        settle = timedelta(seconds=service.settings_of(runtime).internal_ca_settle_seconds)
        assert datetime.fromisoformat(shown["former_may_go_from"]) >= began + settle
        assert (await post("NDX:an", self.RETIRE, WHY, 409))["code"] == "authority-in-use"

    async def test_of_two_who_rotate_at_once_one_is_refused(
        self, bus: Any, client: httpx.AsyncClient, as_operator: Do, read: Do, state_dir: Path, session: Any
    ):
        asked = [client.post(self.ROTATE, json=WHY, headers=as_operator("NDX", "an")) for _ in range(3)]
        assert sorted(r.status_code for r in await asyncio.gather(*asked)) == [201, 409, 409]
        found = (await read("NDX:an", "/v1/internal-authority"))["generations"]
        assert [g["name"] for g in found] == ["internal-ca", "internal-ca-2"]
        assert anchors(state_dir) == ["CN=ndx internal CA", "CN=ndx internal CA 2"]
        steps = "SELECT count(*) FROM audit_entries WHERE action = 'internal_authority_rotated'"
        assert await session.scalar(text(steps)) == 1

    def test_files_are_not_made_beside_a_rotation(self, state_dir: Path):
        with internal.held(state_dir):
            others = [
                threading.Thread(target=work)
                for work in (lambda: internal.begin(state_dir, None), lambda: bootstrap.make_files(state_dir))
            ]
            for other in others:
                other.start()
            others[0].join(0.3)
            assert anchors(state_dir) == ["CN=ndx internal CA"]
        for other in others:
            other.join()
        assert anchors(state_dir) == ["CN=ndx internal CA", "CN=ndx internal CA 2"]

    async def test_a_key_in_wrong_hands_is_worth_nothing_at_once_by_decision(
        self, bus: Any, post: Do, state_dir: Path, session: Any
    ):
        await post("NDX:an", self.ROTATE, WHY, 201)
        await post("NDX:an", self.RETIRE, WHY | {"cut_off": True})
        assert anchors(state_dir) == ["CN=ndx internal CA 2"]
        assert issuer_of((state_dir / "gateway-client.crt").read_text()) == "CN=ndx internal CA 2"
        steps = await session.scalars(
            text("SELECT action FROM audit_entries WHERE action LIKE 'internal%' ORDER BY id")
        )
        assert list(steps) == ["internal_authority_rotated", "internal_authority_retired"]

    async def test_it_needs_the_role(self, bus: Any, post: Do):
        for path in (self.ROTATE, self.RETIRE):
            assert (await post("NDX:mai", path, WHY, 403))["code"] == "role-missing"

    @pytest.mark.parametrize("cut_at", ["internal-ca-2.crt", "internal-ca.crt"])
    async def test_an_end_in_the_middle_leaves_it_begun_or_not(
        self, bus: Any, post: Do, state_dir: Path, monkeypatch: pytest.MonkeyPatch, cut_at: str
    ):
        real = authority.write_whole

        def ends(path: Path, data: bytes, *, mode: int = 0o644) -> None:
            if path.name == cut_at:
                raise RuntimeError("killed")
            real(path, data, mode=mode)

        with monkeypatch.context() as patch:
            patch.setattr(authority, "write_whole", ends)
            await post("NDX:an", self.ROTATE, WHY, 500)
        bootstrap.make_files(state_dir)
        begun = cut_at == "internal-ca.crt"
        assert len(anchors(state_dir)) == (2 if begun else 1)
        again = await post("NDX:an", self.ROTATE, WHY, 409 if begun else 201)
        assert begun or [g["name"] for g in again["generations"]] == ["internal-ca", "internal-ca-3"]


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
