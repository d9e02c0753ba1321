"""The internal CA is rotated part by part, and retired when all have new certificates."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from cryptography import x509
from gateway.authorities import authority, internal
from gateway.rotation import jobs, service
from ndx_chassis.app import Runtime
from sqlalchemy import text

from gateway import bootstrap

from .conftest import WHY, issuer_of

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


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
