"""The work folder holds what is compared of everybody: what cannot be erased is never passed over."""

import shutil
import stat
from pathlib import Path
from uuid import UUID

import pytest
from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.workspace import NotErased, Workspace

RUN, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "dedupe")
    made.begin(RUN)
    (made.scratch / "work.duckdb").touch()
    made.people.touch()
    return made


class TestBegin:
    def test_nobody_else_may_look_into_it(self, workspace):
        assert stat.S_IMODE(workspace.folder.stat().st_mode) == 0o700

    def test_what_another_run_left_is_erased_first(self, workspace):
        workspace.begin(OTHER)
        assert not workspace.people.exists()
        assert list(workspace.scratch.iterdir()) == []

    def test_a_folder_of_somebody_else_is_refused(self, tmp_path):
        (tmp_path / "letter").touch()
        with pytest.raises(DedupeRefused):
            Workspace(tmp_path).begin(RUN)
        assert (tmp_path / "letter").exists()


class TestTakeUp:
    def test_only_whole_stages_of_the_same_run_are_kept(self, workspace):
        half = workspace.folder / "pairs-1.parquet.tmp"
        half.touch()
        assert not workspace.take_up(OTHER)
        assert workspace.take_up(RUN)
        assert workspace.people.exists()
        assert not half.exists()
        assert list(workspace.scratch.iterdir()) == []


class TestErase:
    def test_what_cannot_be_erased_is_said_after_all_else_is_gone_and_a_later_try_knows_the_folder(
        self, workspace, monkeypatch
    ):
        whole = Path.unlink

        def busy(path: Path, *, missing_ok: bool = False) -> None:
            if path == workspace.people:
                raise OSError(16, "Device or resource busy")
            whole(path, missing_ok=missing_ok)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", busy)
            with pytest.raises(NotErased, match=r"people\.parquet.*busy"):
                workspace.erase()
            assert sorted(p.name for p in workspace.folder.iterdir()) == ["ndx-dedupe", "people.parquet"]
            # The next run does not begin beside it either.
            with pytest.raises(NotErased):
                workspace.begin(OTHER)
        workspace.erase()
        assert not workspace.folder.exists()

    def test_a_scratch_folder_that_stays_is_said_too(self, workspace, monkeypatch):
        def busy(_: Path) -> None:
            raise OSError(16, "Device or resource busy")

        monkeypatch.setattr(shutil, "rmtree", busy)
        with pytest.raises(NotErased, match="scratch"):
            workspace.erase()

    def test_a_mounted_folder_only_has_to_be_empty(self, workspace, monkeypatch):
        def mounted(_: Path) -> None:
            raise OSError(16, "Device or resource busy")

        monkeypatch.setattr(Path, "rmdir", mounted)
        workspace.erase()
        assert list(workspace.folder.iterdir()) == []
