"""Generated worlds and calls: what a real Envoy decides on each, beside what the plain rules say."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from cryptography import x509
from gateway.agencies.service import AgencyEntry, OperatorEntry, SystemEntry
from gateway.decisions.rules import Call, Decision, decide
from gateway.settings import Settings
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.server import ConfigServer
from gateway.xds.snapshot import Doors, Snapshot
from ndx_contracts.agreements import Agreement, AgreementState, Conditions, Quotas
from ndx_contracts.purposes import Purpose
from ndx_contracts.refusals import BY_CODE

from ndx_testing.bus import ISSUER, OPERATIONS, SERVICES, TODAY, Bus, Pki, Tokens, agreement
from ndx_testing.envoy import Provider, free_ports, running_envoy, until

CODES = ("A1", "A2", "A3", "A4")
STRANGER = "A9"
CLASSES = ("HEALTH", "HEALTH", "BANK")
AGENCY_OPERATIONS = tuple(o for o in OPERATIONS if o.door == "agency")
PURPOSES = (Purpose.SOCIAL_INSURANCE, Purpose.STATISTICS, Purpose.TAX_ADMINISTRATION)
ODD_PURPOSES: tuple[tuple[str, ...], ...] = (
    (),
    ("",),
    ("social_insurance",),
    ("Statistics",),
    ("CURIOSITY",),
    ("STATISTICS", "STATISTICS"),
    ("STATISTICS", "SOCIAL_INSURANCE"),
    ("statistics", "SOCIAL_INSURANCE"),
    ("079190000017",),
    ("STATISTICS,TAX_ADMINISTRATION",),
)
COPIES = 2
"""Certificates of each name; a world may have revoked the second."""
_ENOUGH = 1_000_000
_SHOWN = 10
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A call with the name of its certificate's copy."""

    call: Call
    copy: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the refusal's code, or the headers that the provider saw."""

    status: int
    refusal: str | None
    seen: Headers
    last: bool = False
    """Envoy closes the connection; whoever waits for more waits for a second."""


@dataclass(slots=True)
class Report:
    """How many calls were compared, with which outcomes, and the first few that differ."""

    compared: int = 0
    wrong: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add another comparison's figures."""
        self.compared += other.compared
        self.wrong += other.wrong
        self.outcomes += other.outcomes
        self.differing = [*self.differing, *other.differing][:_SHOWN]


def world(rng: Random, prints: dict[str, list[str]]) -> dict[str, Any]:
    """Return agencies, operators, revoked certificates and agreements; `prints` are the certificates' own."""
    agencies = [
        AgencyEntry(
            code,
            rng.choices(("ACTIVE", "SUSPENDED", "CLOSED", "REGISTERED"), (20, 1, 1, 1))[0],
            [SystemEntry(s, rng.choices(("ACTIVE", "CLOSED"), (6, 1))[0]) for s in systems],
            rng.choice(CLASSES),
        )
        for code in CODES
        if not _one_in(rng, 25)
        for systems in [rng.choices(((), ("s1",), ("s1", "s2")), (1, 2, 10))[0]]
    ]
    operators = [
        OperatorEntry(a.code, "an", ["operator"], rng.choice(("ACTIVE", "ACTIVE", "CLOSED")))
        for a in agencies
    ]
    known = [san for san in prints if san.split(":")[3] in {a.code for a in agencies}]
    revoked = {san: [prints[san][1]] for san in known if _one_in(rng, 3)}
    agreements = [_agreement(rng, number) for number in range(1, rng.randint(2, 10))]
    return {"agencies": agencies, "operators": operators, "revoked": revoked, "agreements": agreements}


def _one_in(rng: Random, number: int) -> bool:
    return rng.randrange(number) == 0


def _some(rng: Random, choices: Sequence[Any], least: int = 0) -> tuple[Any, ...]:
    return tuple(rng.sample(choices, rng.randint(least, len(choices))))


def _agreement(rng: Random, number: int) -> Agreement:
    template = _one_in(rng, 3)
    consumer = f"CLASS_{rng.choice(CLASSES)}" if template else rng.choice(CODES)
    further: dict[str, Any] = {"consumer_class": consumer[6:]} if template else {}
    starts, ends = rng.choice((-30, -30, 0, 1)), rng.choice((None, None, -1, 0, 30))
    states = (AgreementState.ACTIVE, AgreementState.SUSPENDED, AgreementState.EXPIRED)
    return agreement(
        f"DSA-{consumer}-{number}",
        list(_some(rng, [o.name for o in AGENCY_OPERATIONS], 1)),
        consumer_systems=rng.choice(((), (), ("s1",), ("s2",), ("s1", "s2"))),
        purposes=_some(rng, PURPOSES[:2], 1),
        state=rng.choices(states, (6, 1, 1))[0],
        valid_from=TODAY + timedelta(days=starts if ends is None else min(starts, ends)),
        valid_to=None if ends is None else TODAY + timedelta(days=ends),
        conditions=Conditions(
            officer_required=_one_in(rng, 3),
            case_required=_one_in(rng, 3),
            # Left to the services: no case here may depend on it.
            consent_required=_one_in(rng, 5),
        ),
        quotas=Quotas(per_second=100_000, burst=200_000),
        **further,
    )


def calls(rng: Random, snapshot: Snapshot, count: int) -> Iterator[Asked]:
    """Return calls, most of them near to one that an agreement covers, and each odd in at most a few ways."""
    for _ in range(count):
        code, system, purpose = rng.choice((*CODES, *CODES, STRANGER)), rng.choice(("s1", "s2")), PURPOSES[2]
        operation = rng.choice([o for o in OPERATIONS if o.door not in {"citizen", "public"}])
        if snapshot.agreements and not _one_in(rng, 4):
            near = rng.choice(snapshot.agreements)
            code = near.consumer_agency or rng.choice(CODES)
            system = rng.choice(near.consumer_systems or ("s1", "s2"))
            name = rng.choice(near.operations).operation
            operation = next(o for o in OPERATIONS if o.name == name)
            purpose = rng.choice(near.purposes)
        kind, name = ("operator", "an") if _one_in(rng, 8) else ("agency", system)
        yield Asked(
            Call(
                san=f"urn:ndx:{kind}:{code}:{name}",
                method=operation.method if not _one_in(rng, 20) else rng.choice(("GET", "POST", "PUT")),
                path=_path(rng, operation.path),
                purpose=(purpose.value,) if not _one_in(rng, 8) else rng.choice(ODD_PURPOSES),
                officer=rng.choices(((), ("",), ("o-1",), ("o-1", "o-2")), (6, 2, 30, 1))[0],
                case=rng.choices(((), ("",), ("c-1",), ("c-1", "c-1")), (6, 2, 30, 1))[0],
            ),
            copy=rng.choice((0, 0, 1)),
        )


def _path(rng: Random, template: str) -> str:
    path = "/".join(
        rng.choice(("1", "079190000017", "verify")) if p[:1] == "{" else p for p in template.split("/")
    )
    if not _one_in(rng, 20):
        return path
    return rng.choice((path + "/", path + "/more", path.upper(), "/nowhere" + path, path + ";a=1", "/"))


@dataclass(slots=True)
class Line:
    """One keep-alive connection with one certificate.

    A call waits for the answer to the one before: Envoy leaves one that came together with a call that it
    refused for a second (its delayed close).
    """

    port: int
    context: ssl.SSLContext
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, wanted: Sequence[Call]) -> list[Answer]:
        """Return the answers in the order of the calls."""
        found: list[Answer] = []
        while len(found) < len(wanted):
            fresh = self._streams is None
            if self._streams is None:
                self._streams = await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=self.context, server_hostname="localhost"
                )
            reader, writer = self._streams
            writer.write(_request(wanted[len(found)]))
            try:
                answer = await _answer(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                # Envoy may have closed an idle connection at this moment; a new one has no such excuse.
                self.close()
                if fresh:
                    raise
                continue
            found.append(answer)
            if answer.last:
                self.close()
        return found

    def close(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _request(call: Call) -> bytes:
    lines = [f"{call.method} {call.path} HTTP/1.1", "Host: localhost", "Content-Length: 0"]
    given = (("NDX-Purpose", call.purpose), ("NDX-Officer", call.officer), ("NDX-Case-Id", call.case))
    lines += [f"{name}: {value}" for name, values in given for value in values]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = {k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\r\n")[1:])}
    body = json.loads(await reader.readexactly(int(fields["content-length"])))
    status = int(head.split(" ", 2)[1])
    last = fields.get("connection") == "close"
    if fields["content-type"] == "application/problem+json":
        return Answer(status, body["code"], {}, last)
    return Answer(status, None, body, last)


class _Echo(asyncio.Protocol):
    """A provider that says which headers of the exchange it saw."""

    def __init__(self) -> None:
        self._waiting = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while b"\r\n\r\n" in self._waiting:
            head, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
            fields = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
            seen = {k.lower(): v for k, _, v in fields if k.lower().startswith("ndx-")}
            body = json.dumps(seen).encode()
            about = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(about % len(body) + body)


@dataclass(slots=True)
class Judge:
    """A real Envoy that is asked."""

    bus: Bus
    prints: dict[str, list[str]]
    lines: dict[tuple[str, int], Line]

    async def compare(self, seed: int, *, worlds: int, calls_each: int) -> Report:
        """Ask Envoy and the rules about generated calls in generated worlds."""
        rng, report = Random(seed), Report()  # noqa: S311 - cases, not secrets
        for number in range(worlds):
            await self.bus.apply(**world(rng, self.prints))
            asked = list(calls(rng, self.bus.snapshot, calls_each))
            by_line: dict[tuple[str, int], list[Asked]] = {}
            for each in asked:
                by_line.setdefault((each.call.san, each.copy), []).append(each)
            answers = await asyncio.gather(
                *(self.lines[key].ask([a.call for a in mine]) for key, mine in by_line.items())
            )
            for key, got in zip(by_line, answers, strict=True):
                for each, answer in zip(by_line[key], got, strict=True):
                    self._note(report, f"seed {seed}, world {number}", each, answer)
        return report

    def _note(self, report: Report, where: str, asked: Asked, answer: Answer) -> None:
        call = Call(
            **{name: getattr(asked.call, name) for name in Call.__slots__ if name != "fingerprint"},
            fingerprint=self.prints[asked.call.san][asked.copy],
        )
        decision = decide(self.bus.snapshot, call)
        report.compared += 1
        report.outcomes[decision.refusal or "allowed"] += 1
        wrong = _difference(decision, call, answer)
        report.wrong += wrong is not None
        if wrong is not None and len(report.differing) < _SHOWN:
            report.differing.append(f"{where}: {wrong}\n  {call}\n  {answer}\n  {decision}")


def _difference(decision: Decision, call: Call, answer: Answer) -> str | None:
    """Say in which way Envoy's answer is not the decision, if so."""
    if decision.refusal != answer.refusal:
        return f"the rules say {decision.refusal or 'allowed'}, Envoy {answer.refusal or 'allowed'}"
    if decision.refusal is not None:
        wanted = BY_CODE[decision.refusal].status
        return None if answer.status == wanted else f"status {answer.status} instead of {wanted}"
    kind, agency, name = call.san.split(":")[2:]
    expected: dict[str, str | None] = {"ndx-agency": agency}
    expected["ndx-system"] = name if kind == "agency" else None
    if decision.agreement is not None:
        expected["ndx-agreement"] = decision.agreement.agreement_id
        if decision.agreement.consumer_class is not None:
            expected["ndx-agency-class"] = decision.agreement.consumer_class.value
    else:
        expected |= {"ndx-agreement": None, "ndx-agency-class": None}
        expected["ndx-operator"] = f"{agency}:{name}" if kind == "operator" else None
    wrong = {k: (v, answer.seen.get(k)) for k, v in expected.items() if answer.seen.get(k) != v}
    return f"the provider saw {wrong}" if wrong else None


@asynccontextmanager
async def judge(folder: Path) -> AsyncIterator[Judge]:
    """Start Envoy with its control plane and a provider behind it."""
    pki = Pki(folder)
    listener, citizen, admin, xds, upstream = free_ports(5)
    settings = Settings(
        database_url="postgresql://nobody@localhost/nothing",
        state_dir=folder,
        listener_port=listener,
        citizen_port=citizen,
        admin_port=admin,
        xds_port=xds,
    )
    doors = Doors(
        address="127.0.0.1",
        listener_port=listener,
        citizen_port=citizen,
        upstreams=dict.fromkeys(SERVICES, f"127.0.0.1:{upstream}"),
        issuer=ISSUER,
        access_log="/dev/null",
        zipkin="",
        otlp="",
        sampling=0.0,
        metadata_per_second=_ENOUGH,
    )
    empty = Snapshot([], [], {}, [], OPERATIONS, pki.material([]), doors, TODAY)
    provider = Provider()
    bus = Bus(pki, Tokens(), provider, provider, ConfigServer(), empty, empty, settings, folder / "log")
    bus.server.publish(compile_resources(empty))
    await bus.start_control_plane()
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(folder / "provider.crt", folder / "provider.key")
    echo = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", upstream, ssl=inside)
    prints: dict[str, list[str]] = {}
    lines: dict[tuple[str, int], Line] = {}
    for san in _names():
        for copy in range(COPIES):
            cert, key = pki.client(san, copy=copy)
            context = ssl.create_default_context(cafile=str(folder / "agency-ca.crt"))
            context.load_cert_chain(cert, key)
            lines[san, copy] = Line(listener, context)
            prints.setdefault(san, []).append(
                pki.fingerprint(x509.load_pem_x509_certificate(cert.read_bytes()))
            )
    try:
        async with running_envoy(bootstrap(settings), folder) as bus.envoy:
            await until(bus.envoy.ready, what="Envoy's first configuration")
            await bus.server.wait_settled()
            yield Judge(bus, prints, lines)
            for line in lines.values():
                line.close()
    finally:
        echo.close()
        await bus.grpc.stop(grace=None)


def _names() -> list[str]:
    codes = (*CODES, STRANGER)
    agencies = [f"urn:ndx:agency:{c}:{s}" for c in codes for s in ("s1", "s2")]
    return agencies + [f"urn:ndx:operator:{c}:an" for c in codes]
