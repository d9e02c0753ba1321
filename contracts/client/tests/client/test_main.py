"""The command line: settings, files and clear words."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from cryptography import x509
from ndx_client import client as client_module
from ndx_client.errors import GatewayUnreachable
from ndx_client.main import app
from ndx_client.models import Issued
from typer.testing import CliRunner

TERMS = """
consumer_agency: H79.001
consumer_systems: [his]
provider_agency: G03
operations:
  - {operation: insurance.create_entitlement_check, field_groups: [insurance_entitlement]}
purposes: [HEALTH_ENTITLEMENT]
legal_basis: {text: Clinics check entitlement, reference: 25/2008/QH12}
valid_from: 2025-07-01
"""


def decision(purpose: str | None) -> dict[str, Any]:
    """Return what the exchange says of a call with that purpose."""
    refusal = {
        "code": "purpose-missing",
        "status": 400,
        "title": "Purpose missing",
        "detail": "Say in NDX-Purpose for what the data is needed.",
        "remedy": "Send one purpose code.",
        "who_can_help": "your own developers",
        "refused_by": "GATEWAY",
    }
    return {
        "allowed": purpose is not None,
        "refusal": None if purpose else refusal,
        "operation": "insurance.check",
        "agreement": "DSA-H79.001-1",
        "agreement_version": 2,
        "field_groups": ["insurance_entitlement"],
        "quota": {"per_second": 5, "burst": 10, "per_day": None},
        "still_to_be_checked": ["consent"],
    }


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[httpx.Request]:
    """Stand where the exchange stands: remembers requests, answers what a path deserves."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path.endswith("/approve"):
            body = {
                "type": "/problems/four-eyes",
                "title": "A second person must decide",
                "status": 403,
                "detail": "An approver of G03 must decide.",
                "instance": "urn:ndx:request:r-1",
                "code": "four-eyes",
            }
            return httpx.Response(403, json=body)
        if request.url.path.endswith("/decisions"):
            wanted = json.loads(request.content)
            return httpx.Response(200, json=decision(wanted["purpose"]))
        if "/internal-authority" in request.url.path:
            only = {"name": "internal-ca", "signs": True}
            inside = {"generations": [only], "parts_waiting": [], "former_may_go_from": None}
            return httpx.Response(200, json=inside)
        if request.method == "GET":
            return httpx.Response(200, json={"items": [], "next_cursor": None})
        return httpx.Response(201, json={"agreement_id": "DSA-H79.001-1"})

    original = httpx.Client

    def patched(**options: Any) -> httpx.Client:
        return original(**(options | {"transport": httpx.MockTransport(answer)}))

    monkeypatch.setattr(httpx, "Client", patched)
    monkeypatch.setattr(client_module, "_context", lambda *_: True)
    for name in ("NDX_CERT", "NDX_KEY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return seen


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


class TestAgreements:
    def test_a_draft_is_read_from_yaml(self, bus: list[httpx.Request], tmp_path: Path):
        file = tmp_path / "terms.yaml"
        file.write_text(TERMS)
        result = run("agreements", "draft", str(file))
        assert result.exit_code == 0, result.output
        sent = json.loads(bus[0].content)
        assert (sent["valid_from"], sent["quotas"]["per_second"]) == ("2025-07-01", 50)

    def test_a_wrong_term_is_named_and_nothing_is_sent(self, bus: list[httpx.Request], tmp_path: Path):
        file = tmp_path / "terms.yaml"
        file.write_text(TERMS.replace("HEALTH_ENTITLEMENT", "CURIOSITY"))
        result = run("agreements", "draft", str(file))
        assert result.exit_code == 2
        assert "purposes.0" in result.output
        assert bus == []

    def test_a_refusal_says_what_to_do_next(self, bus: list[httpx.Request]):
        result = run("agreements", "approve", "DSA-H79.001-1", "--seen", "1-SUBMITTED")
        assert result.exit_code == 1
        assert "four-eyes" in result.output
        assert "Next: An approver of the providing agency" in result.output
        assert "Traceback" not in result.output

    def test_a_decision_carries_what_was_seen(self, bus: list[httpx.Request]):
        run("agreements", "submit", "DSA-H79.001-1", "--seen", "1-DRAFT")
        assert bus[0].headers["if-match"] == '"1-DRAFT"'

    def test_who_approves_or_rejects_says_what_was_read(self, bus: list[httpx.Request]):
        basis = ("--reason", "no", "--basis", "b", "--reference", "r")
        for decision in (("approve",), ("reject", *basis)):
            assert run("agreements", decision[0], "DSA-H79.001-1", *decision[1:]).exit_code == 2
        assert bus == []
        run("agreements", "approve", "DSA-H79.001-1", "--seen", '"1-SUBMITTED"')
        assert bus[0].headers["if-match"] == '"1-SUBMITTED"'

    def test_a_refusal_to_share_needs_a_legal_basis(self, bus: list[httpx.Request]):
        assert run("agreements", "reject", "DSA-H79.001-1", "--reason", "no").exit_code == 2
        assert bus == []
        basis = ("--basis", "Only what the task needs", "--reference", "91/2025/QH15")
        seen = ("--seen", "1-SUBMITTED")
        run("agreements", "reject", "DSA-H79.001-1", "--reason", "out of scope", *basis, *seen)
        assert json.loads(bus[0].content)["legal_basis"]["reference"] == "91/2025/QH15"

    def test_every_command_says_what_it_does(self):
        listed = run("agreements", "--help").output
        for name in ("draft", "amend", "recall", "withdraw", "diff", "terminate"):
            assert name in listed
            assert run("agreements", name, "--help").exit_code == 0


class TestCall:
    def test_the_body_must_be_json(self, bus: list[httpx.Request]):
        result = run("call", "POST", "/x", "--body", "{")
        assert (result.exit_code, bus) == (2, [])

    def test_an_unknown_purpose_is_refused_here(self, bus: list[httpx.Request]):
        assert run("call", "GET", "/x", "--purpose", "CURIOSITY").exit_code == 2
        assert bus == []

    def test_query_and_purpose_are_sent(self, bus: list[httpx.Request]):
        result = run("call", "GET", "/x", "--purpose", "STATISTICS", "--query", "limit=10")
        assert result.exit_code == 0, result.output
        assert (bus[0].url.query, bus[0].headers["ndx-purpose"]) == (b"limit=10", "STATISTICS")

    def test_without_a_certificate_it_says_so(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("NDX_CERT", raising=False)
        result = run("allowed")
        assert result.exit_code == 2
        assert "NDX_CERT" in result.output


class TestCertificateRequest:
    def test_key_is_private_and_kept_when_the_request_fails(
        self, bus: list[httpx.Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(self: Any, code: str, csr: str) -> Issued:
            assert x509.load_pem_x509_csr(csr.encode()).is_signature_valid
            raise GatewayUnreachable("No answer.")

        monkeypatch.setattr(client_module.NdxClient, "request_certificate", refuse)
        arguments = ("certificate", "request", "--code", "x" * 32, "--out", str(tmp_path), "--name", "his")
        assert run(*arguments).exit_code == 3
        key = tmp_path / "his.key"
        first = key.read_bytes()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert run(*arguments).exit_code == 3
        assert key.read_bytes() == first


class TestAuthorities:
    def test_a_trust_anchor_is_sent_with_its_limits(self, bus: list[httpx.Request], tmp_path: Path):
        file = tmp_path / "ca.pem"
        file.write_text("-----BEGIN CERTIFICATE-----")
        result = run("ca", "trust", "vnpt-ca", "--pem", str(file), "--for", "B01", "--for", "H79.*")
        assert result.exit_code == 0, result.output
        assert json.loads(bus[0].content)["may_certify"] == ["B01", "H79.*"]

    def test_cutting_off_is_never_the_default(self, bus: list[httpx.Request]):
        run("ca", "retire", "agency-ca", "--reason", "nobody waits")
        run("ca", "retire", "agency-ca", "--reason", "key was stolen", "--cut-off")
        assert [json.loads(r.content)["cut_off"] for r in bus] == [False, True]


class TestRevocation:
    @pytest.mark.parametrize("command", [["certificates", "revoke"], ["certificate", "revoke"]])
    def test_the_cause_is_sent_in_the_words_of_the_exchange(
        self, bus: list[httpx.Request], command: list[str]
    ):
        run(*command, "1F:2E", "--reason", "stolen laptop", "--cause", "key-compromise")
        assert json.loads(bus[0].content)["cause"] == "KEY_COMPROMISE"


def test_every_command_has_help_that_says_what_it_does():
    def walk(command: Any, path: tuple[str, ...]) -> None:
        assert command.help, " ".join(path)
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*path, name))
            for parameter in below.params:
                if parameter.param_type_name == "option":
                    assert parameter.help, f"{name} {parameter.opts}"

    walk(typer.main.get_command(app), ("ndx",))


class TestExplain:
    def test_an_allowed_call_leaves_status_0_and_names_agreement_and_quota(self, bus: list[httpx.Request]):
        result = run("explain", "insurance.check", "--purpose", "HEALTH_ENTITLEMENT")
        assert result.exit_code == 0, result.output
        assert "Allowed: insurance.check under DSA-H79.001-1 (version 2)" in result.output
        assert "5 per second, 10 burst" in result.output
        assert "Only the call itself will show: consent" in result.output
        assert bus[0].url.path == "/v1/decisions"

    def test_a_refused_one_leaves_status_1_and_says_what_to_do(self, bus: list[httpx.Request]):
        result = run("explain", "POST /insurance/v1/entitlement-checks", "--for", "H79.001:his")
        assert result.exit_code == 1
        assert "400 purpose-missing" in result.output
        assert "Next: Send one purpose code." in result.output
        assert bus[0].url.path == "/v1/agencies/H79.001/systems/his/decisions"
        sent = json.loads(bus[0].content)
        assert (sent["operation"], sent["method"]) == (None, "POST")

    def test_a_system_without_its_agency_is_not_sent(self, bus: list[httpx.Request]):
        assert run("explain", "insurance.check", "--for", "his").exit_code == 2
        assert bus == []


class TestUsage:
    def test_an_agency_asks_for_its_own_and_an_operator_for_anybodys(self, bus: list[httpx.Request]):
        assert run("usage").exit_code == 0
        assert run("usage", "--all").exit_code == 0
        assert run("usage", "--agency", "H79.001", "--day", "2026-11-24").exit_code == 0
        assert [r.url.path for r in bus] == ["/v1/usage/mine", "/v1/usage", "/v1/usage"]
        assert bus[2].url.query == b"agency=H79.001&day=2026-11-24"

    def test_an_operator_limits_a_whole_agency_and_ends_that(self, bus: list[httpx.Request]):
        set_it = ("agencies", "quota", "H79.001", "--reason", "as agreed")
        assert run(*set_it, "--per-day", "1000").exit_code == 0
        assert run(*set_it).exit_code == 0
        assert {(r.method, r.url.path) for r in bus} == {("PUT", "/v1/agencies/H79.001/quotas")}
        assert [json.loads(r.content)["per_day"] for r in bus] == [1000, None]

    def test_an_operator_rotates_the_internal_authority(self, bus: list[httpx.Request]):
        why = ("--reason", "ten years old")
        for words in (("internal",), ("rotate-internal", *why), ("retire-internal", *why)):
            assert run("ca", *words).exit_code == 0
        assert [(r.method, r.url.path) for r in bus] == [
            ("GET", "/v1/internal-authority"),
            ("POST", "/v1/internal-authority/rotate"),
            ("POST", "/v1/internal-authority/retire"),
        ]

    def test_an_operator_closes_an_agency_and_says_whether_others_lose_by_it(self, bus: list[httpx.Request]):
        close = ("agencies", "close", "H79.001", "--reason", "dissolved")
        assert run(*close).exit_code == 0
        assert run(*close, "--cut-off").exit_code == 0
        assert {(r.method, r.url.path) for r in bus} == {("POST", "/v1/agencies/H79.001/close")}
        assert [json.loads(r.content)["cut_off"] for r in bus] == [False, True]


class TestCalls:
    def test_an_agency_asks_for_its_own_and_an_operator_for_anybodys(self, bus: list[httpx.Request]):
        assert run("calls", "--as-provider", "--status", "4xx").exit_code == 0
        assert run("calls", "--agency", "H79.001").exit_code == 0
        assert [r.url.path for r in bus] == ["/v1/calls/mine", "/v1/calls"]
        assert bus[0].url.query == b"status=4xx&limit=50&side=PROVIDER"
        assert bus[1].url.query == b"limit=50&agency=H79.001"

    def test_how_operations_did_is_asked_for_the_same_two_ways(self, bus: list[httpx.Request]):
        assert run("health", "--as-provider", "--minutes", "5").exit_code == 0
        assert run("health", "--all", "--service", "population").exit_code == 0
        assert [r.url.path for r in bus] == ["/v1/calls/mine/health", "/v1/calls/health"]
        assert bus[0].url.query == b"period_seconds=300&side=PROVIDER"
        assert bus[1].url.query == b"service=population&period_seconds=600"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ndx signing-key re", "revoke"),
        ("ndx call", "calls"),
        ("ndx call GET /x --purpose TAX", "TAX_ADMINISTRATION"),
    ],
)
def test_a_shell_completes_commands(typed: str, offered: str) -> None:
    script = Path(sys.executable).with_name("ndx")
    settings = {
        "_NDX_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run([script], env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert offered in done.stdout.split()
