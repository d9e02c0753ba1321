"""Ports, passwords and environment variables of a stack: made once, remembered, the same after a restart."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ndx_local import ports, postgres
from ndx_local.errors import StackError
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
    "health",
    "xds",
    "standby",
    "postgres",
    "kafka",
    "kafka-controller",
    "zipkin",
    *(service.name for service in SERVICES),
)


def service_named(name: str) -> Service:
    """Return a service by its short name."""
    found = next((s for s in SERVICES if s.name == name), None)
    if found is None:
        raise StackError(f"there is no service {name}; services are {', '.join(s.name for s in SERVICES)}")
    return found


def choose_ports(paths: StackPaths, report: Callable[[str], None] = lambda _: None) -> dict[str, int]:
    """Return the stack's ports, remembered from its last start; NDX_PORT_<NAME> in the environment fixes one.

    A remembered port that somebody else took is replaced, and that is reported; a fixed one is an error.
    """
    known: dict[str, int] = json.loads(paths.ports.read_text()) if paths.ports.exists() else {}
    wishes = known if known or paths.name != "demo" else PREFERRED
    chosen: dict[str, int] = {}
    for name in PORT_NAMES:
        variable = f"NDX_PORT_{name.upper().replace('-', '_')}"
        fixed = os.environ.get(variable)
        wish = int(fixed) if fixed else wishes.get(name)
        if wish is None:
            chosen[name] = ports.choose([*known.values(), *chosen.values(), *PREFERRED.values()])
        elif wish not in chosen.values() and ports.is_free(wish):
            chosen[name] = wish
        elif fixed:
            raise StackError(
                f"port {wish} ({variable}) is in use by {ports.holder(wish)}: stop it or set another port"
            )
        else:
            chosen[name] = ports.choose([*known.values(), *chosen.values(), *PREFERRED.values()])
            report(f"port {wish} is in use by {ports.holder(wish)}: {name} takes {chosen[name]}")
    paths.home.mkdir(parents=True, exist_ok=True)
    paths.ports.write_text(json.dumps(chosen, indent=1))
    return chosen


def passwords(paths: StackPaths) -> dict[str, str]:
    """Return the generated database passwords, kept in a file that only the owner reads."""
    paths.home.mkdir(parents=True, exist_ok=True)
    return postgres.passwords(paths.secrets, [postgres.ADMIN, *(s.name for s in SERVICES)])


def is_outside(service: Service) -> bool:
    """Tell whether the service's database is elsewhere, by a setting."""
    return f"{service.prefix}_DATABASE_URL" in os.environ


def database_url(paths: StackPaths, service: Service, numbers: dict[str, int], keys: dict[str, str]) -> str:
    """Return where a service finds its database; `<PREFIX>_DATABASE_URL` in the environment wins."""
    role = service.name.replace("-", "_")
    own = postgres.socket_url(paths.postgres, numbers["postgres"], role, role, keys[service.name])
    return os.environ.get(f"{service.prefix}_DATABASE_URL", own)


def environment(paths: StackPaths, numbers: dict[str, int], keys: dict[str, str]) -> dict[str, str]:
    """Return the settings of all services; each reads those of its own prefix."""
    pki = paths.pki
    values = {
        "NDX_STACK_DIR": str(paths.home),
        "NDX_GATEWAY_URL": f"https://localhost:{numbers['listener']}",
        "NDX_CITIZEN_URL": f"https://localhost:{numbers['citizen']}",
        "NDX_GATEWAY_CA_FILE": str(pki / "gateway-ca.crt"),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{numbers['kafka']}",
        "OTEL_TRACES_EXPORTER": "zipkin_json",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"http://127.0.0.1:{numbers['zipkin']}/api/v2/spans",
        "NDX_LOG_LEVEL": "INFO",
        "GATEWAY_STATE_DIR": str(pki),
        "GATEWAY_LISTENER_PORT": str(numbers["listener"]),
        "GATEWAY_CITIZEN_PORT": str(numbers["citizen"]),
        "GATEWAY_ADMIN_PORT": str(numbers["admin"]),
        "GATEWAY_HEALTH_PORT": str(numbers["health"]),
        # No load balancer need notice that it leaves.
        "GATEWAY_ENVOY_DRAIN_SECONDS": "0",
        "GATEWAY_XDS_PORT": str(numbers["xds"]),
        "GATEWAY_STANDBY_PORT": str(numbers["standby"]),
        "GATEWAY_UPSTREAMS": json.dumps({s.name: f"127.0.0.1:{numbers[s.name]}" for s in SERVICES}),
        "GATEWAY_ZIPKIN_ADDRESS": f"127.0.0.1:{numbers['zipkin']}",
        "GATEWAY_ACCESS_LOG": str(paths.access_log),
        "GATEWAY_OPENAPI_DIR": str(ROOT / "contracts" / "openapi"),
        "POPULATION_PERSONAL_ID_KEY_FILE": str(pki / "keys" / "personal-id.key"),
        "POPULATION_MATCH_JOB_FOLDER": str(paths.home / "match-jobs"),
        "POPULATION_SENSITIVE_KEY_FILE": str(pki / "keys" / "sensitive.json"),
        "AUTH_SIGNING_KEY_FILE": str(pki / "keys" / "auth-signing.pem"),
        "GATEWAY_LEDGER_PSEUDONYM_KEY_FILE": str(pki / "keys" / "ledger-pseudonym.key"),
        "GATEWAY_LEDGER_SIGNING_KEY_FILE": str(pki / "keys" / "ledger-signing.pem"),
        # On one machine every part sees a file as soon as it is written, and looks once a second.
        "GATEWAY_INTERNAL_CA_SETTLE_SECONDS": "10",
        # On one machine the agencies' webhooks are here too.
        "GATEWAY_WEBHOOK_NETWORKS": json.dumps(["127.0.0.0/8", "::1/128"]),
        "PYTHONUNBUFFERED": "1",
    }
    for service in SERVICES:
        p = service.prefix
        values[f"{p}_PORT"] = str(numbers[service.name])
        values[f"{p}_TLS_CERT_FILE"] = str(pki / "services" / f"{service.name}.crt")
        values[f"{p}_TLS_KEY_FILE"] = str(pki / "services" / f"{service.name}.key")
        values[f"{p}_TLS_CLIENT_CA_FILE"] = str(pki / "internal-ca.crt")
        if service.agency is not None:
            stem = pki / "agencies" / f"{service.agency}-{service.system}"
            values[f"{p}_AGENCY_CERT_FILE"] = f"{stem}.crt"
            values[f"{p}_AGENCY_KEY_FILE"] = f"{stem}.key"
            values[f"{p}_REPLY_KEY_FILE"] = str(pki / "keys" / f"{service.name}-replies.pem")
        # The only copy: nobody else could take its calls while it waits.
        values[f"{p}_DRAIN_SECONDS"] = "0"
        values[f"{p}_DATABASE_URL"] = database_url(paths, service, numbers, keys)
    # What the operator set outside wins: the same code runs against parts elsewhere.
    own = [f"{service.prefix}_" for service in SERVICES]
    if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
        # How to speak to that Kafka: the one of this machine is spoken to in the clear.
        own.append("KAFKA_")
    for name, value in os.environ.items():
        if name != "NDX_STACK_DIR" and (name in values or name.startswith(("OTEL_", *own))):
            values[name] = value
    if values["OTEL_TRACES_EXPORTER"] != "zipkin_json" and "GATEWAY_ZIPKIN_ADDRESS" not in os.environ:
        values["GATEWAY_ZIPKIN_ADDRESS"] = ""
    return values


def env_for(values: dict[str, str], service: Service) -> dict[str, str]:
    """Return the environment of one service: the shared settings and its own, nobody else's."""
    others = tuple(f"{s.prefix}_" for s in SERVICES if s.name != service.name)
    return {k: v for k, v in values.items() if not k.startswith(others)}


def write_description(paths: StackPaths, numbers: dict[str, int], values: dict[str, str]) -> None:
    """Write what tests and tools need to know, without secrets' values beyond the owner's eyes."""
    document = {
        "name": paths.name,
        "home": str(paths.home),
        "pki": str(paths.pki),
        "ports": numbers,
        "gateway_url": values["NDX_GATEWAY_URL"],
        "citizen_url": values["NDX_CITIZEN_URL"],
        "trace_url": f"http://127.0.0.1:{numbers['zipkin']}/zipkin/",
        "access_log": values["GATEWAY_ACCESS_LOG"],
        "env": values,
    }
    postgres.private_file(paths.description, json.dumps(document, indent=1))


def log_folder(paths: StackPaths) -> Path:
    paths.logs.mkdir(parents=True, exist_ok=True)
    return paths.logs
