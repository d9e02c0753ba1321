"""A bank follows its customers: a death arrives on its feed, pulled and pushed, without a number in it."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ndx_client.receiver import Receiver
from ndx_contracts.signatures import keys_of

from ndx_demo.population.cast import Person
from ndx_demo.walk.steps import Walk

BANK = "B01/core"
FEEDS = "/v1/feeds/subscriptions"
DEATH = "population.person-deceased.v1"


@dataclass(slots=True)
class Following:
    """The bank's two subscriptions, its own name for the customer, and what its webhook received."""

    pulled: str
    pushed: str
    reference: str
    received: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)


def _own_certificate(folder: Path) -> tuple[Path, Path]:
    """Make the webhook's certificate: the bank's own, the exchange learns it with the subscription."""
    certificate_file, key_file = folder / "webhook.crt", folder / "webhook.key"
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Demonstration Bank, webhook")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file


def _subscribe(walk: Walk, title: str, customer: Person, reference: str, **delivery: Any) -> str:
    bank, agreement = walk.door(BANK), walk.context.enrolment.agreements["B01"][-1]
    body = {
        "agreement": agreement,
        "purpose": "CREDIT_INSTITUTION_KYC",
        "event_types": [DEATH],
        **delivery,
    }
    made = walk.step(
        title,
        f"POST {FEEDS}",
        lambda: bank.post(FEEDS, body),
        expect=201,
        outcome=lambda b: f"{b['state']}, {b['delivery']} under {agreement}",
    )
    people = {"people": [{"personal_id": customer.personal_id, "reference": reference}]}
    walk.step(
        f"It says in whom it is interested, by its own name {reference}",
        f"POST {FEEDS}/{{id}}/interests",
        lambda: bank.post(f"{FEEDS}/{made['id']}/interests", people),
        expect=200,
        outcome=lambda b: f"{b['people_of_interest']} person of interest",
    )
    return str(made["id"])


@contextmanager
def following(walk: Walk, customer: Person) -> Iterator[Following]:
    """Let the bank follow a customer twice, by pull and by a webhook that runs meanwhile."""
    bank, reference = walk.door(BANK), f"KH-{walk.run_id}"
    certificate, key = _own_certificate(walk.context.home)
    received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    receiver = Receiver(
        certificate=certificate,
        key=key,
        exchange_ca=walk.context.ca,
        # A forged delivery is answered 401 and not taken.
        keys=keys_of(bank.get("/v1/feeds/signing-keys").json()),
        take=received.put,
    )
    receiver.start()
    made: list[str] = []
    try:
        made.append(_subscribe(walk, "A bank follows deaths of its customers", customer, reference))
        endpoint = {"url": receiver.url, "ca_pem": certificate.read_text(encoding="ascii")}
        made.append(
            _subscribe(
                walk,
                "It has them pushed to its webhook too",
                customer,
                reference,
                delivery="PUSH",
                endpoint=endpoint,
            )
        )
        walk.step(
            "The exchange calls the webhook with a signed test",
            f"POST {FEEDS}/{{id}}/pings",
            lambda: bank.post(f"{FEEDS}/{made[1]}/pings", {}),
            expect=200,
            outcome=lambda b: f"the webhook answered {b['status']} in {b['duration_ms']} ms",
            until=lambda b: bool(b.get("delivered")),
        )
        yield Following(made[0], made[1], reference, received)
    finally:
        receiver.close()
        for identifier in made:
            bank.post(f"{FEEDS}/{identifier}/end", {})


def arrive(walk: Walk, feed: Following) -> None:
    """See the death on both feeds, the webhook's with a signature that was checked."""
    bank = walk.door(BANK)

    def words(body: dict[str, Any]) -> str:
        event = body["items"][0]
        return f"{event['reference']}: {event['data']}"

    page = walk.step(
        "The death arrives on the bank's feed, and nothing more than the agreement lets out",
        f"GET {FEEDS}/{{id}}/events",
        lambda: bank.get(f"{FEEDS}/{feed.pulled}/events?wait=5"),
        expect=200,
        outcome=words,
        until=lambda b: bool(b.get("items")) and set(b["items"][0]["data"]) == {"died_on"},
    )
    walk.step(
        "The bank acknowledges it",
        f"POST {FEEDS}/{{id}}/acks",
        lambda: bank.post(f"{FEEDS}/{feed.pulled}/acks", {"cursor": page["next_cursor"]}),
        expect=200,
        outcome=lambda b: f"{b['waiting']} waiting",
        until=lambda b: b.get("waiting") == 0,
    )
    got: list[dict[str, Any]] = []

    def pushed(body: dict[str, Any]) -> bool:
        while not feed.received.empty():
            got.append(feed.received.get())
        same = [e for e in got if e["type"] == DEATH and e.get("ndxreference") == feed.reference]
        return bool(same) and any(i["state"] == "DONE" for i in body.get("items", []))

    walk.step(
        "It was pushed to the webhook as well, signed by the exchange",
        f"GET {FEEDS}/{{id}}/event-states",
        lambda: bank.get(f"{FEEDS}/{feed.pushed}/event-states"),
        expect=200,
        outcome=lambda b: f"{b['items'][0]['state']}; signature and digest checked by the receiver",
        until=pushed,
    )
