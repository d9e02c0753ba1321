"""What the demo leaves behind is enough to go on by oneself."""

import json
import ssl

import httpx
import pytest
from ndx_client.main import app
from ndx_demo.main import shell_settings, summary
from typer.testing import CliRunner


@pytest.fixture
def left(system, walked) -> dict:
    return json.loads(json.dumps(summary(system.description, system.enrolment, walked)))


def get(left: dict, files: dict[str, str], path: str) -> httpx.Response:
    context = ssl.create_default_context(cafile=files["ca"])
    context.load_cert_chain(files["certificate"], files["key"])
    return httpx.get(f"{left['gateway_url']}{path}", verify=context, trust_env=False)


class TestSummary:
    def test_every_agency_and_operator_can_call_with_the_files_it_names(self, left) -> None:
        assert len(left["agencies"]) >= 10
        assert len(left["operators"]) >= 5
        for name, files in left["agencies"].items():
            assert get(left, files, "/v1/allowed-operations").status_code == 200, name
        for name, files in left["operators"].items():
            assert get(left, files, "/v1/agreements").status_code == 200, name

    def test_each_step_has_its_status_and_duration(self, left) -> None:
        assert [step["number"] for step in left["steps"]] == list(range(1, len(left["steps"]) + 1))
        assert all(step["status"] in range(200, 500) and step["milliseconds"] > 0 for step in left["steps"])

    def test_the_citizens_door_and_the_trace_page_answer(self, system, left) -> None:
        context = ssl.create_default_context(cafile=left["operators"]["NDX-an"]["ca"])
        url = f"{left['citizen_url']}/auth/.well-known/openid-configuration"
        assert httpx.get(url, verify=context, trust_env=False).status_code == 200
        assert httpx.get(left["trace_url"], follow_redirects=True).status_code == 200

    def test_a_shell_gets_what_the_command_line_reads(self, system, walked, left) -> None:
        ca = system.enrolment.operators["NDX-an"].ca
        text = shell_settings(system.stack, system.description, ca, walked)
        assert f"export NDX_GATEWAY_URL={left['gateway_url']}\n" in text
        assert f"export NDX_CA={ca}\n" in text

    def test_the_ledger_bundle_is_proven_offline(self, left) -> None:
        arguments = ["ledger", "verify", left["ledger"]["bundle"], "--key", left["ledger"]["verifier_key"]]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "are proven" in result.output
