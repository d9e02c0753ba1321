"""Logs are rotated under their writers, and give the last line for a message."""

from pathlib import Path

from ndx_local import logs


class TestLogs:
    def test_a_grown_log_is_moved_and_its_writer_goes_on(self, tmp_path: Path) -> None:
        log = tmp_path / "a.log"
        with log.open("ab", buffering=0) as writer:
            for round_ in range(4):
                writer.write(f"round {round_}\n".encode())
                logs.rotate(tmp_path, limit=5)
            writer.write(b"end\n")
        assert log.read_text() == "end\n"
        assert (tmp_path / "a.log.1").read_text() == "round 3\n"
        assert (tmp_path / "a.log.2").read_text() == "round 2\n"
        assert len(list(tmp_path.iterdir())) == 3

    def test_the_last_line_is_that_of_this_run(self, tmp_path: Path) -> None:
        log = tmp_path / "a.log"
        log.write_text("old\n")
        assert logs.last_line(log, after=4) == ""
        log.write_text("old\nnew\n\n")
        assert logs.last_line(log, after=4) == "new"
