"""Ports, passwords and environment variables of a stack: made once, remembered, the same after a restart."""

import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from ndx_local.paths import ROOT, StackPaths


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the stack: its short name, package and prefix of settings."""

    name: str
    package: str
    prefix: str
    agency: str | None = None
    system: str | None = None


SERVICES: tuple[Service, ...] = (
    Service("gateway", "gateway", "GATEWAY"),
    Service("population", "svc_population", "POPULATION", "G01", "population"),
    Service("civil-registry", "svc_civil_registry", "CIVIL_REGISTRY", "G02", "civil-registry"),
    Service("insurance", "svc_insurance_link", "INSURANCE", "G03", "insurance-link"),
    Service("tax", "svc_tax_link", "TAX", "G04", "tax-link"),
    Service("identity", "svc_identity", "IDENTITY", "G01", "identity"),
    Service("auth", "svc_auth", "AUTH", "G01", "auth"),
)
PREFERRED: dict[str, int] = {"listener": 8443, "citizen": 8444, "zipkin": 9411}
PORT_NAMES: tuple[str, ...] = (
    "listener",
    "citizen",
    "admin",
    "xds",
    "postgres",
    "kafka",
    "kafka-controller",
    "zipkin",
    *(service.name for service in SERVICES),
)


class PortInUseError(Exception):
    """A configured port is taken by a program that is not ours."""


def _free(port: int = 0) -> int | None:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def choose_ports(paths: StackPaths) -> dict[str, int]:
    """Return the stack's ports; NDX_PORT_<NAME> in the environment fixes one."""
    known: dict[str, int] = json.loads(paths.ports.read_text()) if paths.ports.exists() else {}
    chosen: dict[str, int] = {}
    for name in PORT_NAMES:
        variable = f"NDX_PORT_{name.upper().replace('-', '_')}"
        if variable in os.environ:
            port = _free(int(os.environ[variable]))
            if port is None:
                raise PortInUseError(f"port {os.environ[variable]} ({variable}) is in use by another program")
        else:
            wanted = known.get(name) or (PREFERRED.get(name, 0) if paths.name == "demo" else 0)
            port = _free(wanted) or _free()
        while port in chosen.values() or port is None:
            port = _free()
        chosen[name] = port
    paths.home.mkdir(parents=True, exist_ok=True)
    paths.ports.write_text(json.dumps(chosen, indent=1))
    return chosen


def passwords(paths: StackPaths) -> dict[str, str]:
    """Return the generated database passwords, kept in a file that only the owner reads."""
    if not paths.secrets.exists():
        paths.home.mkdir(parents=True, exist_ok=True)
        made = {name: secrets.token_urlsafe(24) for name in ("postgres", *(s.name for s in SERVICES))}
        descriptor = os.open(paths.secrets, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(made, file)
    loaded: dict[str, str] = json.loads(paths.secrets.read_text())
    return loaded


def database_url(service: Service, ports: dict[str, int], keys: dict[str, str]) -> str:
    """Return where a service finds its database; `<PREFIX>_DATABASE_URL` in the environment wins."""
    role = service.name.replace("-", "_")
    return os.environ.get(
        f"{service.prefix}_DATABASE_URL",
        f"postgresql://{role}:{keys[service.name]}@127.0.0.1:{ports['postgres']}/{role}",
    )


def environment(paths: StackPaths, ports: dict[str, int], keys: dict[str, str]) -> dict[str, str]:
    """Return the settings of all services; each reads those of its own prefix."""
    pki = paths.pki
    values = {
        "NDX_STACK_DIR": str(paths.home),
        "NDX_GATEWAY_URL": f"https://localhost:{ports['listener']}",
        "NDX_CITIZEN_URL": f"https://localhost:{ports['citizen']}",
        "NDX_GATEWAY_CA_FILE": str(pki / "agency-ca.crt"),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['kafka']}",
        "OTEL_TRACES_EXPORTER": "zipkin_json",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"http://127.0.0.1:{ports['zipkin']}/api/v2/spans",
        "NDX_LOG_LEVEL": "INFO",
        "GATEWAY_STATE_DIR": str(pki),
        "GATEWAY_LISTENER_PORT": str(ports["listener"]),
        "GATEWAY_CITIZEN_PORT": str(ports["citizen"]),
        "GATEWAY_ADMIN_PORT": str(ports["admin"]),
        "GATEWAY_XDS_PORT": str(ports["xds"]),
        "GATEWAY_UPSTREAMS": json.dumps({s.name: f"127.0.0.1:{ports[s.name]}" for s in SERVICES}),
        "GATEWAY_ZIPKIN_ADDRESS": f"127.0.0.1:{ports['zipkin']}",
        "GATEWAY_ACCESS_LOG": str(paths.access_log),
        "GATEWAY_OPENAPI_DIR": str(ROOT / "contracts" / "openapi"),
        "POPULATION_PERSONAL_ID_KEY_FILE": str(pki / "keys" / "personal-id.key"),
        "AUTH_SIGNING_KEY_FILE": str(pki / "keys" / "auth-signing.pem"),
        "GATEWAY_LEDGER_PSEUDONYM_KEY_FILE": str(pki / "keys" / "ledger-pseudonym.key"),
        "GATEWAY_LEDGER_SIGNING_KEY_FILE": str(pki / "keys" / "ledger-signing.pem"),
        "PYTHONUNBUFFERED": "1",
    }
    for service in SERVICES:
        p = service.prefix
        values[f"{p}_PORT"] = str(ports[service.name])
        values[f"{p}_TLS_CERT_FILE"] = str(pki / "services" / f"{service.name}.crt")
        values[f"{p}_TLS_KEY_FILE"] = str(pki / "services" / f"{service.name}.key")
        values[f"{p}_TLS_CLIENT_CA_FILE"] = str(pki / "internal-ca.crt")
        if service.agency is not None:
            stem = pki / "agencies" / f"{service.agency}-{service.system}"
            values[f"{p}_AGENCY_CERT_FILE"] = f"{stem}.crt"
            values[f"{p}_AGENCY_KEY_FILE"] = f"{stem}.key"
    # What the operator set outside wins: the same code runs against parts elsewhere.
    for name in list(values):
        if name in os.environ and name != "NDX_STACK_DIR":
            values[name] = os.environ[name]
    for service in SERVICES:
        values[f"{service.prefix}_DATABASE_URL"] = database_url(service, ports, keys)
    return values


def env_for(values: dict[str, str], service: Service) -> dict[str, str]:
    """Return the environment of one service: the shared settings and its own, nobody else's."""
    others = tuple(f"{s.prefix}_" for s in SERVICES if s.name != service.name)
    return {k: v for k, v in values.items() if not k.startswith(others)}


def write_description(paths: StackPaths, ports: dict[str, int], values: dict[str, str]) -> None:
    """Write what tests and tools need to know, without secrets' values beyond the owner's eyes."""
    document = {
        "name": paths.name,
        "home": str(paths.home),
        "pki": str(paths.pki),
        "ports": ports,
        "gateway_url": values["NDX_GATEWAY_URL"],
        "citizen_url": values["NDX_CITIZEN_URL"],
        "trace_url": f"http://127.0.0.1:{ports['zipkin']}/zipkin/",
        "access_log": values["GATEWAY_ACCESS_LOG"],
        "env": values,
    }
    descriptor = os.open(paths.description, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)


def log_folder(paths: StackPaths) -> Path:
    paths.logs.mkdir(parents=True, exist_ok=True)
    return paths.logs
