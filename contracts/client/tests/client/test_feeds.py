"""Feeds for agencies: following by pull, a webhook that checks what it gets, and the commands."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from ndx_client import client as client_module
from ndx_client.client import NdxClient
from ndx_client.feeds import WEBHOOK_TAG, Feed, read_webhook, read_webhook_batch
from ndx_client.main import app
from ndx_client.receiver import Receiver
from ndx_contracts.signatures import Request, SignatureInvalid, Signer, jwk, keys_of
from typer.testing import CliRunner

KEY = Ed25519PrivateKey.generate()
KEYS = keys_of({"keys": [jwk(KEY.public_key())]})
EVENT = {"id": "e-1", "type": "population.person-deceased.v1", "data": {"died_on": "2026-11-20"}}
NUMBER = "079190000011"


class Exchange:
    """Stands where the exchange stands: three events in pages of two."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self.acknowledged = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        path, query = request.url.path, request.url.params
        if path.endswith("/events"):
            waiting = list(range(self.acknowledged + 1, 4))
            page = waiting[: int(query["limit"])]
            items = [{"id": f"e-{n}", "cursor": str(n)} for n in page]
            cursor = items[-1]["cursor"] if items else None
            more = len(page) < len(waiting)
            return httpx.Response(200, json={"items": items, "next_cursor": cursor, "more": more})
        if path.endswith("/acks"):
            self.acknowledged = int(json.loads(request.content)["cursor"])
            return httpx.Response(200, json={"acknowledged": self.acknowledged, "waiting": 0})
        if path.endswith("/signing-keys"):
            return httpx.Response(200, json={"keys": [jwk(KEY.public_key())]})
        if request.method == "GET":
            return httpx.Response(200, json={"items": [], "next_cursor": None})
        return httpx.Response(200, json={"id": "s-1", "people_of_interest": 2, "removed": 1, "replayed": 1})


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def client(exchange: Exchange) -> NdxClient:
    return NdxClient("https://gateway", transport=httpx.MockTransport(exchange))


class TestFollow:
    def test_a_page_is_acknowledged_only_when_all_of_it_was_taken(self, exchange: Exchange):
        events = Feed(client(exchange), "s-1").follow(limit=2, once=True)
        assert (next(events)["id"], next(events)["id"], exchange.acknowledged) == ("e-1", "e-2", 0)
        assert next(events)["id"] == "e-3"
        assert exchange.acknowledged == 2
        assert list(events) == []
        assert exchange.acknowledged == 3

    def test_whoever_is_broken_off_gets_the_page_again(self, exchange: Exchange):
        first = Feed(client(exchange), "s-1").follow(limit=2, once=True)
        next(first)
        first.close()  # type: ignore[attr-defined]  # it is a generator
        again = Feed(client(exchange), "s-1").follow(limit=2, once=True)
        assert [event["id"] for event in again] == ["e-1", "e-2", "e-3"]


def signed(url: str, body: bytes, tag: str = WEBHOOK_TAG) -> dict[str, str]:
    request = Request("POST", url, {"Content-Type": "application/cloudevents+json"}, body)
    Signer(KEY).sign(request, tag=tag)
    return request.headers


class TestReadWebhook:
    def test_a_signed_delivery_gives_its_event(self):
        url, body = "https://bank.example/hook", json.dumps(EVENT).encode()
        assert read_webhook(url, signed(url, body), body, KEYS) == EVENT

    def test_a_forged_one_does_not(self):
        url, body = "https://bank.example/hook", json.dumps(EVENT).encode()
        with pytest.raises(SignatureInvalid):
            read_webhook(url, signed(url, body), body + b" ", KEYS)
        with pytest.raises(SignatureInvalid):
            read_webhook(url, signed(url, body, tag="ndx-reply"), body, KEYS)
        with pytest.raises(ValueError, match="no event"):
            read_webhook(url, signed(url, b"[]"), b"[]", KEYS)

    def test_several_come_in_one_request_in_order_and_one_alone_as_well(self):
        url, second = "https://bank.vn/hook", EVENT | {"id": "another"}
        for events, body in (([EVENT, second], [EVENT, second]), ([EVENT], EVENT)):
            sent = json.dumps(body).encode()
            assert read_webhook_batch(url, signed(url, sent), sent, KEYS) == events
        with pytest.raises(SignatureInvalid):
            read_webhook_batch(url, signed(url, b"[]"), b"[1]", KEYS)
        with pytest.raises(ValueError, match="no events"):
            read_webhook_batch(url, signed(url, b"[1]"), b"[1]", KEYS)


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "hook.crt", folder / "hook.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


class TestReceiver:
    @pytest.fixture
    def hook(self, tmp_path: Path) -> Iterator[tuple[Receiver, list[Any], httpx.Client]]:
        certificate, key = self_signed(tmp_path)
        got: list[Any] = []
        receiver = Receiver(
            certificate=certificate, key=key, exchange_ca=certificate, keys=KEYS, take=got.append
        )
        receiver.start()
        context = ssl.create_default_context(cafile=str(certificate))
        context.load_cert_chain(certificate, key)
        with httpx.Client(verify=context, timeout=10) as http:
            yield receiver, got, http
        receiver.close()

    def test_it_takes_each_event_once_and_only_if_signed(
        self, hook: tuple[Receiver, list[Any], httpx.Client]
    ):
        receiver, got, http = hook
        body = json.dumps(EVENT).encode()
        headers = signed(receiver.url, body)
        assert http.request("OPTIONS", receiver.url).status_code == 204
        assert http.post(receiver.url, content=body, headers=headers).status_code == 204
        assert http.post(receiver.url, content=body, headers=headers).status_code == 204
        assert http.post(receiver.url, content=body).status_code == 401
        assert http.post(receiver.url, content=b"{}", headers=headers).status_code == 401
        assert got == [EVENT]

    def test_a_caller_without_a_certificate_is_not_heard(
        self, hook: tuple[Receiver, list[Any], httpx.Client], tmp_path: Path
    ):
        receiver, got, _ = hook
        context = ssl.create_default_context(cafile=str(tmp_path / "hook.crt"))
        with httpx.Client(verify=context, timeout=10) as http, pytest.raises(httpx.TransportError):
            http.post(receiver.url, content=b"{}")
        assert got == []


class TestCommands:
    @pytest.fixture
    def run(self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        real, (cert, key) = client_module.NdxClient.__init__, self_signed(tmp_path)

        def connected(self: NdxClient, url: str, *args: Any, **kwargs: Any) -> None:
            real(self, url, *args, **kwargs, transport=httpx.MockTransport(exchange))

        monkeypatch.setattr(client_module.NdxClient, "__init__", connected)

        def call(*words: str, stdin: str | None = None) -> Any:
            result = CliRunner().invoke(app, ["--cert", str(cert), "--key", str(key), *words], input=stdin)
            assert result.exit_code == 0, result.output
            return result

        return call

    def test_subscribe_says_what_was_asked_for(self, run: Any, exchange: Exchange):
        run(
            *("feed", "subscribe", "DSA-B01-2", "--purpose", "CREDIT_INSTITUTION_KYC"),
            *("--type", "population.person-deceased.v1", "--webhook", "https://bank.example/hook"),
        )
        body = json.loads(exchange.seen[-1].content)
        assert (body["delivery"], body["people"]) == ("PUSH", "OF_INTEREST")
        assert body["endpoint"]["retry"] == {"max_attempts": 12, "first_delay_seconds": 5}

    def test_people_come_from_a_file_with_the_agencys_references(
        self, run: Any, exchange: Exchange, tmp_path: Path
    ):
        file = tmp_path / "people.csv"
        file.write_text(f"{NUMBER},KH-1\n\n001185000029\n")
        run("feed", "interest", "add", "s-1", str(file))
        assert json.loads(exchange.seen[-1].content) == {
            "people": [{"personal_id": NUMBER, "reference": "KH-1"}, {"personal_id": "001185000029"}]
        }
        run("feed", "interest", "remove", "s-1", "-", stdin=NUMBER)
        assert json.loads(exchange.seen[-1].content) == {"personal_ids": [NUMBER]}

    def test_follow_writes_one_line_per_event(self, run: Any, exchange: Exchange):
        result = run("feed", "follow", "s-1", "--once")
        assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["e-1", "e-2", "e-3"]
        assert exchange.acknowledged == 3

    @pytest.mark.parametrize(
        ("words", "asked"),
        [
            (("feed", "types"), "GET /v1/feeds/event-types"),
            (("feed", "list"), "GET /v1/feeds/subscriptions"),
            (("feed", "show", "s"), "GET /v1/feeds/subscriptions/s"),
            (("feed", "pause", "s"), "POST /v1/feeds/subscriptions/s/pause"),
            (("feed", "resume", "s"), "POST /v1/feeds/subscriptions/s/resume"),
            (("feed", "end", "s"), "POST /v1/feeds/subscriptions/s/end"),
            (("feed", "pull", "s", "--wait", "5"), "GET /v1/feeds/subscriptions/s/events?limit=100&wait=5"),
            (("feed", "ack", "s", "3"), "POST /v1/feeds/subscriptions/s/acks"),
            (("feed", "ping", "s"), "POST /v1/feeds/subscriptions/s/pings"),
            (
                ("feed", "states", "s", "--state", "dead"),
                "GET /v1/feeds/subscriptions/s/event-states?state=DEAD",
            ),
            (("feed", "attempts", "s"), "GET /v1/feeds/subscriptions/s/attempts"),
            (
                ("feed", "replay", "s", "--since", "2026-11-28", "--dead-only"),
                "POST /v1/feeds/subscriptions/s/replays",
            ),
            (("subscriptions", "list", "--agency", "B01"), "GET /v1/feed-subscriptions?agency=B01"),
            (("subscriptions", "show", "s"), "GET /v1/feed-subscriptions/s"),
            (("subscriptions", "states", "s"), "GET /v1/feed-subscriptions/s/event-states"),
            (("subscriptions", "attempts", "s"), "GET /v1/feed-subscriptions/s/attempts"),
            (("subscriptions", "suspend", "s", "--reason", "why"), "POST /v1/feed-subscriptions/s/suspend"),
            (("subscriptions", "release", "s", "--reason", "why"), "POST /v1/feed-subscriptions/s/release"),
            (
                ("subscriptions", "replay", "s", "--since", "2026-11-28"),
                "POST /v1/feed-subscriptions/s/replays",
            ),
        ],
    )
    def test_each_command_asks_what_it_says(
        self, run: Any, exchange: Exchange, words: tuple[str, ...], asked: str
    ):
        run(*words)
        request = exchange.seen[-1]
        assert f"{request.method} {request.url.raw_path.decode()}" == asked
