"""Ports and passwords are chosen once; what is set outside wins."""

import json
import socket
import stat
from pathlib import Path

import pytest
from ndx_local import ports
from ndx_local.config import PORT_NAMES, SERVICES, choose_ports, env_for, environment, passwords
from ndx_local.errors import StackError
from ndx_local.parts import declare
from ndx_local.paths import StackPaths


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackPaths:
    monkeypatch.setenv("NDX_LOCAL_DIR", str(tmp_path))
    return StackPaths("test")


def names_of_parts(paths: StackPaths) -> set[str]:
    numbers = choose_ports(paths)
    return {p.name for p in declare(paths, numbers, environment(paths, numbers, passwords(paths)))}


class TestPorts:
    def test_are_remembered(self, paths: StackPaths) -> None:
        first = choose_ports(paths)
        assert set(first) == set(PORT_NAMES)
        assert len(set(first.values())) == len(first)
        assert choose_ports(paths) == first

    def test_a_remembered_port_that_is_taken_is_replaced_and_reported(self, paths: StackPaths) -> None:
        first = choose_ports(paths)
        said: list[str] = []
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", first["kafka"]))
            stranger.listen()
            second = choose_ports(paths, said.append)
        assert second["kafka"] != first["kafka"]
        assert {**first, "kafka": second["kafka"]} == second
        assert len(said) == 1
        assert f"port {first['kafka']} is in use by" in said[0]

    def test_a_fixed_port_that_is_taken_is_an_error_that_names_the_holder(
        self, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            port = stranger.getsockname()[1]
            monkeypatch.setenv("NDX_PORT_LISTENER", str(port))
            with pytest.raises(StackError, match=rf"port {port} \(NDX_PORT_LISTENER\) is in use by .*pid"):
                choose_ports(paths)

    def test_a_closed_connection_does_not_make_a_port_busy(self) -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                accepted, _ = listener.accept()
                accepted.close()  # this side now waits out the closed connection
            assert not ports.is_free(port)
        assert ports.is_free(port)


class TestSettings:
    def test_passwords_are_kept_in_a_file_of_the_owner(self, paths: StackPaths) -> None:
        first = passwords(paths)
        assert stat.S_IMODE(paths.secrets.stat().st_mode) == 0o600
        assert json.loads(paths.secrets.read_text()) == first == passwords(paths)
        assert len(set(first.values())) == len(SERVICES) + 1

    def test_a_service_gets_no_settings_of_another(self, paths: StackPaths) -> None:
        values = environment(paths, choose_ports(paths), passwords(paths))
        tax = env_for(values, next(s for s in SERVICES if s.name == "tax"))
        assert "TAX_DATABASE_URL" in tax
        assert "KAFKA_BOOTSTRAP_SERVERS" in tax
        assert not [name for name in tax if name.startswith(("POPULATION_", "AUTH_", "GATEWAY_"))]

    def test_every_part_of_the_suite_is_declared(self, paths: StackPaths) -> None:
        names = names_of_parts(paths)
        assert {"postgres", "kafka", "zipkin", "envoy", *(s.name for s in SERVICES)} <= names

    def test_kafka_elsewhere_is_not_started_here(
        self, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
        assert "kafka" not in names_of_parts(paths)
        assert "topics" in names_of_parts(paths)

    def test_kafka_elsewhere_is_spoken_to_as_it_wants(
        self, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "/ca.crt", "KAFKA_TOPIC_REPLICAS": "3"}
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        numbers = choose_ports(paths)
        here = environment(paths, numbers, passwords(paths))
        assert not told.keys() & here.keys()
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9093")
        values = environment(paths, numbers, passwords(paths))
        parts = {part.name: part for part in declare(paths, numbers, values)}
        for name in ("topics", "gateway", "tax"):
            assert told.items() <= parts[name].env.items()

    def test_databases_elsewhere_are_used(self, paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TAX_DATABASE_URL", "postgresql://db.example/tax")
        values = environment(paths, choose_ports(paths), passwords(paths))
        assert values["TAX_DATABASE_URL"] == "postgresql://db.example/tax"
        assert "postgres" in names_of_parts(paths)
        for service in SERVICES:
            monkeypatch.setenv(f"{service.prefix}_DATABASE_URL", "postgresql://db.example/x")
        assert "postgres" not in names_of_parts(paths)

    def test_traces_elsewhere_are_sent_there(
        self, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp_json_http")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318")
        values = environment(paths, choose_ports(paths), passwords(paths))
        assert values["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.example:4318"
        assert values["GATEWAY_ZIPKIN_ADDRESS"] == ""
        assert "zipkin" not in names_of_parts(paths)
