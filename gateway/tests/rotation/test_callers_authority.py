"""The CA of callers is rotated: both are trusted meanwhile, and an interrupted end is made good."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from gateway.authorities import files
from gateway.certificates import revoking
from gateway.rotation import jobs
from gateway.settings import Settings
from ndx_chassis.app import Runtime
from ndx_contracts import headers as names

from gateway import bootstrap

from .conftest import WHY, csr, issuer_of, named, trusted

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


@pytest.fixture
def renew(client: httpx.AsyncClient) -> Do:
    async def send(certificate: dict[str, Any]) -> dict[str, Any]:
        under = {names.CERTIFICATE: certificate["fingerprint_sha256"]}
        reply = await client.post("/v1/certificates/renewals", json={"csr_pem": csr()}, headers=under)
        assert reply.status_code == 201, reply.text
        made: dict[str, Any] = reply.json()
        return made

    return send


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
