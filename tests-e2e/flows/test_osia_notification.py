"""OSIA over the whole system: a notification on a real TLS receiver, the registry (pr) through Envoy."""

import json
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from gateway.authorities import authority, files
from ndx_client.feeds import read_webhook
from ndx_contracts.signatures import keys_of
from ndx_demo.enrolment import agree

BASE = "/v1/osia/notification/v1"
PR = "/population/osia/pr/v1/persons"
TOPIC = "population.person-deceased.v1"
GROUPS = ["personal_id", "birth_name", "birth_date", "sex"]
READS = {
    "osia_read_person": ["personal_id", "death_or_missing_date"],
    "osia_read_identities": GROUPS,
    "osia_read_identity": GROUPS,
    "osia_read_reference": GROUPS,
    "osia_find_persons": GROUPS,
}


@contextmanager
def receiving(pki: Path, folder: Path) -> Iterator[tuple[str, "queue.SimpleQueue[Any]"]]:
    """Run a bank's address: a certificate of the exchange's CA, and none is let in but the exchange."""
    # The newest: tests before this one may have rotated it.
    ca = files.open_generation(pki, files.generation_names(pki)[-1], None)
    authority.issue_server(ca, folder, "osia", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "osia.crt", folder / "osia.key")
    context.load_verify_locations(pki / "gateway-ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    got: queue.SimpleQueue[Any] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_OPTIONS(self) -> None:
            self.answer(204)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.put((dict(self.headers), body))
            self.answer(200)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("localhost", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_death_arrives_at_the_address_of_a_bank_after_it_confirmed(system: Any, tmp_path: Path) -> None:
    body = system.declaration()
    with (
        receiving(system.stack.paths.pki, tmp_path) as (address, got),
        system.door("B01/core") as bank,
        system.door("X26740/one-stop") as commune,
    ):
        number = system.declare(commune, body).json()["personal_id"]
        url = f"{BASE}/subscriptions?topic={TOPIC}&address={address}"
        made = bank.post(url, None, purpose="CREDIT_INSTITUTION_KYC")
        assert made.status_code == 200, made.text
        uuid = made.json()["uuid"]
        headers, raw = got.get(timeout=30)
        asked = json.loads(raw)
        assert (headers["message-type"], asked["type"]) == ("SubscriptionConfirmation",) * 2
        confirmed = bank.get(f"{BASE}/subscriptions/confirm?token={asked['token']}")
        assert confirmed.status_code == 200, confirmed.text
        reference = f"KH-{uuid4().hex[:8]}"
        people = {"people": [{"personal_id": number, "reference": reference}]}
        named = bank.post(f"/v1/feeds/subscriptions/{uuid}/interests", people)
        assert named.status_code == 200, named.text
        died = commune.post(
            "/civil-registry/v1/deaths",
            system.death_of(number, body, body["child"]["birth_date"]),
            purpose="CIVIL_REGISTRATION",
            key=uuid4().hex,
        )
        assert died.status_code == 201, died.text
        headers, raw = got.get(timeout=30)
        keys = keys_of(bank.get("/v1/feeds/signing-keys").json())
        # Raises when the exchange did not sign just this for just this address.
        told = read_webhook(address, headers, raw, keys)
        assert (headers["message-type"], told["subject"]) == ("Notification", TOPIC)
        event = json.loads(told["message"])
        assert (event["ndxreference"], event["data"]) == (reference, {"died_on": body["child"]["birth_date"]})
        assert number not in raw.decode()
        assert bank.request("DELETE", f"{BASE}/subscriptions/{uuid}").status_code == 204


def test_the_registry_is_read_through_the_gateway_under_an_agreement_alone(system: Any) -> None:
    terms: dict[str, Any] = {
        "consumer_agency": "G03",
        "consumer_systems": ["insurance-link"],
        "provider_agency": "G01",
        "approver": "G01-chi",
        "operations": [
            {"operation": f"population.{n}", "field_groups": groups} for n, groups in READS.items()
        ],
        "purposes": ["SOCIAL_INSURANCE"],
        "legal_basis": {"text": "The insurer's software speaks OSIA", "reference": "TEST"},
    }
    with system.door("NDX-an") as operator, system.door("G01-chi") as approver:
        known = operator.get("/v1/agreements?consumer=G03&limit=100").json()["items"]
        agree({"NDX-an": operator, "G01-chi": approver}, terms, known)
    body = system.declaration()
    with (
        system.door("X26740/one-stop") as commune,
        system.door("G03/insurance-link") as insurer,
        system.door("H79.001/his") as stranger,
    ):
        number = system.declare(commune, body).json()["personal_id"]
        purpose, query = "SOCIAL_INSURANCE", "transactionId=T-1"

        def read(path: str) -> Any:
            reply = insurer.get(f"{PR}/{number}{path}?{query}", purpose=purpose)
            return reply.json() if reply.status_code == 200 else None

        person = system.wait_for(lambda: read(""))
        assert (person["status"], person["physicalStatus"]) == ("ACTIVE", "ALIVE")
        (identity,) = read("/identities")
        child = body["child"]
        assert identity["biographicData"]["dateOfBirth"] == child["birth_date"]
        assert read(f"/identities/{identity['identityId']}")["identityId"] == identity["identityId"]
        assert read("/reference")["identityId"] == identity["identityId"]
        by = {"lastName": child["surname"], "firstName": f"{child['middle_name']} {child['given_name']}"}
        by["dateOfBirth"] = date.fromisoformat(child["birth_date"]).isoformat()
        wanted = [{"attributeName": n, "operator": "=", "value": v} for n, v in by.items()]
        found = insurer.post(f"{PR}?{query}", wanted, purpose=purpose)
        assert found.json() == [{"personId": number, "identityId": identity["identityId"]}], found.text
        refused = stranger.get(f"{PR}/{number}?{query}", purpose="HEALTH_ENTITLEMENT")
        assert (refused.status_code, refused.json()["code"]) == (403, "no-agreement")
        merged = insurer.post(f"{PR}/{number}/merge/{number}?{query}", {}, purpose=purpose)
        assert (merged.status_code, merged.json()["code"]) == (403, "no-agreement")
