"""What the first pages tell agencies, operators and auditors to type does what they say."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ndx_demo.main import shell_settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(system, walked, tmp_path: Path) -> Path:
    """Return a folder in which the demo seems to have run."""
    settings = tmp_path / ".local" / "demo" / "env"
    settings.parent.mkdir(parents=True)
    ca = system.enrolment.operators["NDX-an"].ca
    settings.write_text(shell_settings(system.stack, system.description, ca, walked), encoding="utf-8")
    return tmp_path


def paste(folder: Path, page: str) -> str:
    """Run all blocks of a page in one shell, that ends at the first command that fails."""
    blocks = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    assert blocks, f"nothing to type in {page}"
    script = "set -euo pipefail\n" + "\n".join(blocks)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{page}: {done.stderr[-2000:]}\n{done.stdout[-1000:]}"
    assert '"type":"/problems/' not in done.stdout
    return done.stdout


class TestPages:
    """Each page is pasted once: every `ndx` is a process of its own."""

    def test_an_agency_has_its_certificate_its_call_and_its_renewal(self, checkout: Path) -> None:
        told = paste(checkout, "agencies/README.md")
        assert "urn:ndx:agency:H79.001:his-" in told
        assert "insurance.create_entitlement_check" in told
        assert told.count('"birth_name"') >= 2
        (key,) = (checkout / ".local" / "his" / "keys").glob("*.key")
        assert key.stat().st_mode & 0o077 == 0

    def test_an_agency_follows_changes(self, checkout: Path) -> None:
        told = paste(checkout, "agencies/follow-changes.md")
        assert "population.follow_person_deceased" in told
        assert '"people_of_interest": 1' in told
        assert '"state": "ENDED"' in told

    def test_an_operator_sees_who_and_what_is_there(self, checkout: Path) -> None:
        told = paste(checkout, "operators/README.md")
        assert "X26740" in told
        assert "DSA-X26740-1" in told

    def test_an_operator_enrols_a_system_and_has_the_revocation_list(self, checkout: Path) -> None:
        told = paste(checkout, "operators/certificates.md")
        assert re.search(r"lab-\d+", told), "the code that nobody has used yet"
        assert (checkout / ".local" / "operator" / "agency-ca.crl").stat().st_size > 100

    def test_a_mother_sees_who_read_her_childs_data(self, checkout: Path) -> None:
        told = paste(checkout, "citizens/README.md")
        assert '"state":"ACTIVE"' in told
        assert "CIVIL_REGISTRATION" in told

    def test_an_auditor_has_a_read_proven(self, checkout: Path, walked: Any) -> None:
        told = paste(checkout, "auditors/README.md")
        assert walked.disclosure_ids[0] in told
        assert "proven" in told
