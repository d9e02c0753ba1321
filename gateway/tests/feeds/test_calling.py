"""The exchange as a caller of webhooks: its certificate is renewed while it runs."""

from pathlib import Path

import pytest
from gateway.authorities import authority
from gateway.feeds.calling import Identity, Lines
from ndx_chassis.ids import new_id
from ndx_contracts.signatures import Signer


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    ca = authority.open_authority(tmp_path, "agency-ca", "agency CA")
    authority.issue_server(ca, tmp_path, "webhooks", ["localhost"])
    pair = tmp_path / "webhooks.crt", tmp_path / "webhooks.key"
    signer = Signer.__new__(Signer)
    return Identity(*pair, tmp_path / "agency-ca.crt", signer, listed=(), seconds=1.0)


def test_settings_are_made_once_for_all_endpoints_under_one_ca(identity: Identity, tmp_path: Path):
    other = authority.open_authority(tmp_path, "other-ca", "other CA")
    theirs = authority.certificate_pem(other.certificate).decode()
    assert identity.context(None) is identity.context(None)
    assert identity.context(theirs) is identity.context(theirs)
    assert identity.context(theirs) is not identity.context(None)
    assert [c["subject"] for c in identity.context(theirs).get_ca_certs()] == [
        ((("commonName", "other CA"),),)
    ]


@pytest.mark.parametrize("name", ["webhooks.crt", "agency-ca.crt"])
def test_a_file_that_was_written_again_is_read_again(identity: Identity, tmp_path: Path, name: str):
    before = identity.context(None)
    authority.write_whole(tmp_path / name, (tmp_path / name).read_bytes())
    assert identity.context(None) is not before


def test_a_file_that_is_not_there_is_no_silent_trust(identity: Identity, tmp_path: Path):
    identity.context(None)
    (tmp_path / "agency-ca.crt").unlink()
    with pytest.raises(OSError, match="agency-ca"):
        identity.context(None)


class TestLines:
    URL = "https://bank.example/hook"

    async def test_a_line_is_kept_for_its_webhook_until_others_need_the_room(self, identity: Identity):
        lines, webhooks = Lines(most=2), [new_id() for _ in range(3)]
        made = [await lines.take(one, self.URL, None, identity) for one in webhooks]
        assert await lines.take(webhooks[0], self.URL, None, identity) is not made[0], "it is in use"
        for webhook, line in zip(webhooks, made, strict=True):
            line._http()
            await lines.give_back(webhook, line)
        assert [line._session is not None and line._session.closed for line in made] == [True, False, False]
        assert await lines.take(webhooks[1], self.URL, None, identity) is made[1]
        assert await lines.take(webhooks[2], f"{self.URL}2", None, identity) is not made[2]
        await lines.close()
        await made[1].close()

    async def test_a_line_is_made_anew_when_the_certificate_is(self, identity: Identity, tmp_path: Path):
        lines, webhook = Lines(), new_id()
        line = await lines.take(webhook, self.URL, None, identity)
        line._http()
        await lines.give_back(webhook, line)
        authority.write_whole(tmp_path / "webhooks.crt", (tmp_path / "webhooks.crt").read_bytes())
        assert await lines.take(webhook, self.URL, None, identity) is not line
        assert line._session is not None
        assert line._session.closed
