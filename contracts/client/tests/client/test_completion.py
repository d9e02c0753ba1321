"""A shell completes names that were shown before, and asks nobody for them."""

from pathlib import Path

import pytest
from ndx_client import completion
from ndx_client.main import app
from typer.testing import CliRunner

DOOR = "https://door.example:8443"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def completed(words: str, cache: Path, door: str = DOOR) -> list[str]:
    """Return what a bash offers at the end of a line."""
    settings = {
        "_NDX_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "NDX_GATEWAY_URL": door,
        "XDG_CACHE_HOME": str(cache),
    }
    return CliRunner().invoke(app, [], env=settings, prog_name="ndx").stdout.split()


class TestCompletion:
    def test_services_operations_and_agreements_that_were_shown_are_offered(self, cache: Path):
        completion.remember(DOOR, [{"service": "population", "title": "x"}, {"service": "tax"}])
        completion.remember(DOOR, [{"operation": "population.get_person", "agreement": "DSA-H79.001-1"}])
        assert completed("ndx operations p", cache) == ["population"]
        assert completed("ndx explain population.g", cache) == ["population.get_person"]
        assert completed("ndx agreements show DSA", cache) == ["DSA-H79.001-1"]

    def test_another_door_has_other_names(self, cache: Path):
        completion.remember(DOOR, [{"service": "population"}])
        assert completed("ndx operations p", cache, door="https://other.example:8443") == []

    def test_nothing_but_names_is_kept_for_the_owner_alone(self, cache: Path):
        row = {"operation": "population.get_person", "path": "/population/v1/persons/079190000017"}
        completion.remember(DOOR, [row, {"service": "$(reboot)"}, {"service": None}])
        (file,) = (cache / "ndx").iterdir()
        assert "079190000017" not in file.read_text()
        assert "reboot" not in file.read_text()
        assert file.stat().st_mode & 0o077 == 0

    def test_where_nothing_can_be_kept_or_read_nothing_fails(self, tmp_path: Path, monkeypatch):
        blocked = tmp_path / "file"
        blocked.write_text("no folder")
        monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
        completion.remember(DOOR, [{"service": "population"}])
        assert completed("ndx operations p", blocked) == []
