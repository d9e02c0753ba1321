"""PostgreSQL from the wheel: closed databases, quiet logs, gone afterwards."""

from pathlib import Path

import asyncpg
import psutil
import pytest
from ndx_local import postgres

pytestmark = pytest.mark.integration


class TestRunning:
    async def test_it_serves_keeps_values_out_of_its_log_and_ends(self, tmp_path: Path) -> None:
        with postgres.running(tmp_path) as server:
            process = psutil.Process(server.pid)
            assert process.username() != "root"
            connection = await asyncpg.connect(server.url())
            try:
                assert await connection.fetchval("SELECT upper('nguyễn đức')") == "NGUYỄN ĐỨC"
                await connection.execute("CREATE TABLE secrets (word text PRIMARY KEY)")
                await connection.execute("INSERT INTO secrets VALUES ('079086000023')")
                with pytest.raises(asyncpg.UniqueViolationError):
                    await connection.execute("INSERT INTO secrets VALUES ('079086000023')")
            finally:
                await connection.close()
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(server.url(password="wrong"))
        assert not process.is_running()
        log = (tmp_path / "postgres.log").read_text()
        assert "duplicate key" in log
        assert "079086000023" not in log

    def test_a_leftover_server_is_stopped_first(self, tmp_path: Path) -> None:
        with postgres.running(tmp_path) as first:
            leftover = psutil.Process(first.pid)
            with postgres.running(tmp_path) as second:
                assert second.pid != first.pid
                assert not leftover.is_running() or leftover.status() == psutil.STATUS_ZOMBIE

    def test_a_folder_with_a_long_path_works(self, tmp_path: Path) -> None:
        folder = tmp_path / ("x" * 120)
        folder.mkdir()
        with postgres.running(folder) as server:
            assert server.socket_dir.exists()
        assert not server.socket_dir.exists()
