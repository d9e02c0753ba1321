"""The parts of the stack: what each runs, when it is ready, and which parts it needs first."""

import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ndx_local import java, postgres
from ndx_local.config import SERVICES, Service, env_for, is_outside
from ndx_local.paths import CACHE, StackPaths

Ports = dict[str, int]
ENVOY_SETTINGS = (
    "GATEWAY_STATE_DIR",
    "GATEWAY_ADMIN_PORT",
    "GATEWAY_XDS_PORT",
    "GATEWAY_ENVOY_DRAIN_SECONDS",
)
"""What lets an Envoy leave; it gets no secret of the control plane's."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process. It is ready when all its probes are; a `once` part, when it has ended well.

    Its `ports` must be free before it starts: Envoy would silently share one with a stranger.
    """

    name: str
    command: list[str]
    after: list[str]
    env: dict[str, str] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    once: bool = False
    signal: str = "TERM"
    leave: list[str] = field(default_factory=list)
    """What lets it end its work, run before its signal where it alone is stopped; nothing for most parts."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a Python module of the workspace."""
    return [sys.executable, "-m", name, *arguments]


def envoy() -> str:
    """Return the program of the wheel; NDX_ENVOY names another one."""
    return os.environ.get("NDX_ENVOY") or str(Path(sys.executable).parent / "envoy")


def envoy_command(bootstrap: str) -> list[str]:
    """Return what starts Envoy, here and in the benchmarks."""
    return [
        envoy(),
        *("-c", bootstrap, "--concurrency", "1", "--log-level", "warn"),
        *("--disable-hot-restart", "--drain-time-s", "1"),
        # For each quota it would say that the protocol's messages were once marked as unfinished.
        *("--component-log-level", "misc:error"),
        # Who looks at calls sees those of a second ago.
        *("--file-flush-interval-msec", "1000"),
    ]


def write_kafka_config(paths: StackPaths, ports: dict[str, int]) -> Path:
    """Write the settings of one combined broker and controller; topics come from the declared list only."""
    folder = paths.home / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{ports['kafka-controller']}",
        "listeners": f"PLAINTEXT://127.0.0.1:{ports['kafka']},"
        f"CONTROLLER://127.0.0.1:{ports['kafka-controller']}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports['kafka']}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker may come back only when its old session is over.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        "log.segment.bytes": "67108864",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "num.partitions": "6",
    }
    target = folder / "server.properties"
    target.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
    return target


def _postgres(paths: StackPaths, ports: Ports, *, durable: bool) -> list[Part]:
    if all(is_outside(service) for service in SERVICES):
        return []
    settings = postgres.DURABLE if durable else postgres.THROW_AWAY
    return [
        Part(
            "postgres",
            postgres.command(paths.postgres, ports["postgres"], settings),
            [],
            ready=[f"postgres:{paths.postgres}", f"tcp:{ports['postgres']}"],
            ports=[ports["postgres"]],
            signal="INT",
        ),
        Part("databases", module("ndx_local.databases", paths.name), ["postgres"], once=True),
    ]


def _kafka(paths: StackPaths, ports: Ports, values: dict[str, str]) -> list[Part]:
    topics = module("ndx_local.topics")
    env = {name: value for name, value in values.items() if name.startswith("KAFKA_")}
    if values["KAFKA_BOOTSTRAP_SERVERS"] != f"127.0.0.1:{ports['kafka']}":
        return [Part("topics", topics, [], env, once=True)]
    config = write_kafka_config(paths, ports)
    program, classpath = str(java.runtime()), f"{java.folder('kafka')}/*"
    archive = CACHE / "java" / f"{java.folder('kafka').name}.jsa"
    return [
        Part(
            "kafka-format", module("ndx_local.kafka_format", str(config), program, classpath), [], once=True
        ),
        Part(
            "kafka",
            [
                program,
                *(
                    "-Xmx512m",
                    "-Xms256m",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+ExitOnOutOfMemoryError",
                ),
                *("-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off"),
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                f"-Dlog4j2.configurationFile={config.parent / 'log4j2.yaml'}",
                *("-cp", classpath, "kafka.Kafka", str(config)),
            ],
            ["kafka-format"],
            ready=[f"tcp:{ports['kafka']}"],
            ports=[ports["kafka"], ports["kafka-controller"]],
        ),
        Part("topics", topics, ["kafka"], env, once=True),
    ]


def _zipkin(ports: Ports) -> list[Part]:
    jar = java.folder("zipkin") / java.locked("zipkin")[0].file_name
    return [
        Part(
            "zipkin",
            [
                str(java.runtime()),
                *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
                *("-jar", str(jar), f"--armeria.ports[0].port={ports['zipkin']}"),
                *("--armeria.ports[0].ip=127.0.0.1", "--armeria.ports[0].protocols[0]=http"),
                "--logging.level.root=WARN",
            ],
            [],
            env={"QUERY_LOOKBACK": "86400000", "MEM_MAX_SPANS": "150000"},
            ready=[f"http://127.0.0.1:{ports['zipkin']}/health"],
            ports=[ports["zipkin"]],
        )
    ]


def _gateway(paths: StackPaths, ports: Ports, env: dict[str, str]) -> list[Part]:
    bootstrap = str(paths.home / "envoy.json")
    envoys_own = {name: env[name] for name in ENVOY_SETTINGS if name in env}
    doors = [int(env["GATEWAY_LISTENER_PORT"]), int(env["GATEWAY_CITIZEN_PORT"])]
    admin = int(env["GATEWAY_ADMIN_PORT"])
    own = [ports["gateway"], ports["xds"]]
    return [
        Part(
            "gateway-migrations", module("ndx_chassis.migrations", "gateway"), ["databases"], env, once=True
        ),
        Part("gateway-bootstrap", module("gateway.bootstrap"), ["gateway-migrations"], env, once=True),
        Part(
            "gateway",
            module("gateway.main"),
            ["gateway-bootstrap", "topics"],
            env,
            ready=[f"tcp:{port}" for port in own],
            ports=own,
        ),
        Part(
            "standby",
            module("gateway.xds.standby"),
            ["gateway-bootstrap"],
            env,
            ready=[f"tcp:{ports['standby']}"],
            ports=[ports["standby"]],
        ),
        Part(
            "envoy-bootstrap",
            module("gateway.xds.bootstrap", "--out", bootstrap),
            ["gateway-bootstrap"],
            env,
            once=True,
        ),
        Part(
            "envoy",
            envoy_command(bootstrap),
            ["gateway", "standby", "envoy-bootstrap"],
            envoys_own,
            leave=module("gateway.xds.drain"),
            ready=[f"http://127.0.0.1:{admin}/ready", *(f"tcp:{port}" for port in doors)],
            ports=[*doors, admin, ports["health"]],
        ),
    ]


def _service(service: Service, ports: Ports, env: dict[str, str]) -> list[Part]:
    migrations = f"{service.name}-migrations"
    return [
        Part(migrations, module("ndx_chassis.migrations", service.package), ["databases"], env, once=True),
        Part(
            service.name,
            module(f"{service.package}.main"),
            [migrations, "gateway-bootstrap", "topics"],
            env,
            ready=[f"tcp:{ports[service.name]}"],
            ports=[ports[service.name]],
        ),
    ]


def declare(paths: StackPaths, ports: Ports, values: dict[str, str], *, durable: bool = True) -> list[Part]:
    """Return all parts in an order in which each comes after what it needs."""
    parts = _postgres(paths, ports, durable=durable)
    parts += _kafka(paths, ports, values)
    if values["OTEL_TRACES_EXPORTER"] == "zipkin_json" and "OTEL_EXPORTER_ZIPKIN_ENDPOINT" not in os.environ:
        parts += _zipkin(ports)
    control = next(s for s in SERVICES if s.name == "gateway")
    parts += _gateway(paths, ports, env_for(values, control))
    for service in SERVICES:
        if service.name != "gateway":
            parts += _service(service, ports, env_for(values, service))
    return parts
