"""What the parts of a cluster get of the state folder, and what they do not."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from gateway.authorities import cluster_secrets, files
from ndx_contracts.topics import SERVICES


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    files.make_files(folder, [("NDX", "an")])
    return folder


def opened(state: Path) -> dict[str, dict[str, bytes]]:
    found = cluster_secrets.secrets(state, "ndx")
    return {
        s["metadata"]["name"]: {key: base64.b64decode(value) for key, value in s["data"].items()}
        for s in found
    }


class TestSecrets:
    def test_each_service_has_its_own_certificate_and_keys_and_nobody_elses(self, state: Path):
        found = opened(state)
        services = set(SERVICES) - {"gateway"}
        assert found.keys() == {
            "ndx-envoy-tls",
            *(f"ndx-{service}-{kind}" for service in services for kind in ("tls", "keys")),
        }
        for service in services:
            certificate = x509.load_pem_x509_certificate(found[f"ndx-{service}-tls"]["tls.crt"])
            assert certificate.subject.rfc4514_string() == f"CN={service}.ndx.internal"
        private = [data for name in found for key, data in found[name].items() if not key.endswith(".crt")]
        assert len(private) == len(set(private))

    def test_no_key_of_an_authority_or_of_the_ledger_leaves_the_control_plane(self, state: Path):
        sent = {data for secret in opened(state).values() for data in secret.values()}
        kept = [*state.glob("*-ca*.key"), *(state / "keys").glob("ledger-*"), *state.glob("operators/*.key")]
        assert len(kept) >= 5
        assert not sent & {file.read_bytes() for file in kept}

    def test_an_incomplete_folder_is_said_in_one_sentence(self, tmp_path: Path):
        done = subprocess.run(
            [sys.executable, "-m", "gateway.authorities.cluster_secrets", "ndx"],
            env={"GATEWAY_STATE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "run python -m gateway.bootstrap first" in done.stderr
        assert done.stdout == ""

    def test_it_prints_what_kubectl_applies(self, state: Path):
        done = subprocess.run(
            [sys.executable, "-m", "gateway.authorities.cluster_secrets", "ndx"],
            env={"GATEWAY_STATE_DIR": str(state)},
            capture_output=True,
            text=True,
            check=True,
        )
        document = json.loads(done.stdout)
        assert document["kind"] == "List"
        assert {item["kind"] for item in document["items"]} == {"Secret"}
