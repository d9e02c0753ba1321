"""The main walk: one birth from the commune's counter to the mother's list of who read her child's data."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from ndx_client import citizen

from ndx_demo.door import Door, StepFailed
from ndx_demo.enrolment import Enrolment

COMMUNE = "X26740"
WAIT_SECONDS = 30.0
ACTIVATION_ATTEMPTS = 4
SPACING_DAYS = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was asked, what came back, how long it took, where to look."""

    number: int
    title: str
    asked: str
    status: int
    outcome: str
    milliseconds: float
    look: str = ""


@dataclass(slots=True)
class WalkResult:
    steps: list[Step] = field(default_factory=list)
    child_personal_id: str = ""
    birth_id: str = ""
    trace_id: str = ""
    disclosure_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Holder:
    """A demo citizen with an e-ID account; secrets live in a file that only the owner reads."""

    personal_id: str
    passcode: str
    totp_secret: str


@dataclass(frozen=True, slots=True)
class Context:
    gateway_url: str
    citizen_url: str
    trace_url: str
    home: Path
    enrolment: Enrolment
    report: Callable[[Step], None] = lambda _: None
    family: str = ""
    """A name that tells this walk's parents from those of others; none for the demo's own."""

    def file(self, name: str) -> Path:
        """Return where the walk keeps what the next one of this family needs."""
        return self.home / f"demo-{name}{self.family and '-'}{self.family}.json"

    def parent(self, name: str) -> str:
        return f"{name} {self.family}".strip()

    def key(self, word: str) -> str:
        return f"demo-{word}-{self.family}".rstrip("-")


class Walk:
    """Runs the steps; every result is checked, so that a wrong answer fails the walk."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.result = WalkResult()
        self._doors: dict[str, Door] = {}
        self.run_id = uuid4().hex[:8]

    def door(self, name: str) -> Door:
        """Return the way of a system (`X26740/one-stop`) or operator (`NDX-an`)."""
        if name not in self._doors:
            found = self.context.enrolment
            c = found.systems[name] if "/" in name else found.operators[name]
            self._doors[name] = Door(self.context.gateway_url, c.certificate, c.key, c.ca)
        return self._doors[name]

    def close(self) -> None:
        for door in self._doors.values():
            door.close()

    def step(
        self,
        title: str,
        asked: str,
        act: Callable[[], httpx.Response],
        *,
        expect: int,
        outcome: Callable[[dict[str, Any]], str],
        look: str = "",
        until: Callable[[dict[str, Any]], bool] | None = None,
    ) -> dict[str, Any]:
        """Do one step; with `until`, again until the answer shows the effect of an event."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            started = time.perf_counter()
            reply = act()
            elapsed = (time.perf_counter() - started) * 1000
            body = _json(reply)
            good = reply.status_code == expect and (until is None or until(body))
            if good or until is None or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if not good:
            words = json.dumps(body, ensure_ascii=False)[:400]
            raise StepFailed(f"{title}: {asked} answered {reply.status_code}, expected {expect}: {words}")
        number = len(self.result.steps) + 1
        done = Step(number, title, asked, reply.status_code, outcome(body), elapsed, look)
        self.result.steps.append(done)
        self.context.report(done)
        return body


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {"items": body}


def birth_of(
    *, given: str, sex: str, born: date, mother: tuple[str, str] | None, father: tuple[str, str] | None
) -> dict[str, Any]:
    """Return a declaration; a parent is (personal ID, name)."""

    def parent(who: tuple[str, str] | None) -> dict[str, Any] | None:
        if who is None:
            return None
        return {"personal_id": who[0] or None, "name": who[1], "ethnicity_code": "01", "nationality": "VN"}

    return {
        "office": COMMUNE,
        "child": {
            "surname": "Nguyễn",
            "middle_name": "Minh",
            "given_name": given,
            "sex": sex,
            "birth_date": born.isoformat(),
            "birth_place_code": "26740",
            "birth_place": "Bệnh viện Đa khoa Minh Họa",
            "home_town": "Phường Sài Gòn, Thành phố Hồ Chí Minh",
            "home_town_province_code": "79",
            "ethnicity_code": "01",
            "nationality": "VN",
        },
        "mother": parent(mother),
        "father": parent(father),
        "declarant": {"name": "Người khai minh họa", "relation": "FATHER" if father else "RELATIVE"},
        "evidence": {"kind": "BIRTH_NOTICE", "number": f"GCS-{uuid4().hex[:10]}"},
    }


MOTHER, FATHER = "Trần Thị Hoa", "Nguyễn Văn Bình"


def ensure_parents(walk: Walk) -> tuple[str, str]:
    """Return the demo parents' numbers; they are registered late, once per stack."""
    context = walk.context
    file = context.file("family")
    if file.exists():
        known = json.loads(file.read_text())
        return known["mother"], known["father"]
    found: dict[str, str] = {}
    for role, full, sex, born in (
        ("mother", MOTHER, "FEMALE", date(1996, 3, 8)),
        ("father", FATHER, "MALE", date(1994, 9, 2)),
    ):
        surname, middle, given = context.parent(full).split(" ", 2)
        body = birth_of(given=given, sex=sex, born=born, mother=None, father=None)
        body["child"] |= {"surname": surname, "middle_name": middle}
        grandmother = f"Lê Thị {context.family or 'Minh Họa'}"
        body["mother"] = {"name": grandmother, "nationality": "VN", "ethnicity_code": "01"}
        reply = walk.door(f"{COMMUNE}/one-stop").post(
            "/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=context.key(role)
        )
        if reply.status_code != 201:  # noqa: PLR2004 - registered with a number
            raise StepFailed(f"registering the demo {role}: {reply.status_code} {reply.text[:300]}")
        found[role] = reply.json()["personal_id"]
    file.write_text(json.dumps(found))
    file.chmod(0o600)
    return found["mother"], found["father"]


def ensure_account(walk: Walk, mother: str) -> Holder:
    """Return the mother's e-ID account: opened at the police office, activated by herself, once per stack."""
    context = walk.context
    file = context.file("holder")
    if file.exists():
        return Holder(**json.loads(file.read_text()))
    body = {
        "personal_id": mother,
        "level": 2,
        "birth_date": "1996-03-08",
        "birth_name": context.parent(MOTHER),
    }
    reply = walk.door("G01/police-office").post(
        "/identity/v1/accounts", body, purpose="ELECTRONIC_IDENTIFICATION", key=context.key("mother")
    )
    if reply.status_code != 201:  # noqa: PLR2004 - opened
        raise StepFailed(f"opening the mother's e-ID account: {reply.status_code} {reply.text[:300]}")
    code = reply.json()["activation_code"]
    passcode = "583206"
    ca = context.enrolment.operators["NDX-an"].ca
    attempts = 0
    time.sleep(1)
    with citizen.citizen_http(context.citizen_url, ca) as http:
        while True:
            try:
                activated = citizen.activate(http, handle=mother, activation_code=code, passcode=passcode)
                break
            except citizen.LoginRefused as error:
                # The account reaches the e-ID provider by an event, and wrong attempts are counted.
                attempts += 1
                if attempts == ACTIVATION_ATTEMPTS:
                    raise StepFailed(f"activating the mother's account: {error}") from None
                time.sleep(3)
    holder = Holder(mother, passcode, activated.totp_secret)
    file.write_text(
        json.dumps(
            {
                "personal_id": holder.personal_id,
                "passcode": holder.passcode,
                "totp_secret": holder.totp_secret,
            }
        )
    )
    file.chmod(0o600)
    return holder


def ensure_taxpayer(walk: Walk, father: str) -> None:
    """Register the father as a taxpayer, so that the child becomes his dependant."""
    reply = walk.door("G04/tax-office").post(
        "/tax/v1/taxpayers",
        {"personal_id": father},
        purpose="TAX_ADMINISTRATION",
        key=walk.context.key("father"),
    )
    if reply.status_code not in {200, 201, 409}:
        raise StepFailed(f"registering the father as taxpayer: {reply.status_code} {reply.text[:300]}")


def run(context: Context) -> WalkResult:
    """Run the main walk with a new child; what exists is reused."""
    walk = Walk(context)
    try:
        return _run(walk)
    finally:
        walk.close()


def _run(walk: Walk) -> WalkResult:
    context, result = walk.context, walk.result
    mother, father = ensure_parents(walk)
    holder = ensure_account(walk, mother)
    ensure_taxpayer(walk, father)
    commune = walk.door(f"{COMMUNE}/one-stop")
    trace_id = uuid4().hex
    traceparent = f"00-{trace_id}-{uuid4().hex[:16]}-01"
    trace_page = f"{context.trace_url}traces/{trace_id}"
    result.trace_id = trace_id
    given = "An " + "".join(chr(ord("A") + int(c, 16)) for c in walk.run_id)
    born = birthday(context.file("births"))
    parents = (mother, context.parent(MOTHER)), (father, context.parent(FATHER))
    body = birth_of(given=given, sex="FEMALE", born=born, mother=parents[0], father=parents[1])
    birth = walk.step(
        "The commune registers a birth",
        "POST /civil-registry/v1/births",
        lambda: commune.post(
            "/civil-registry/v1/births",
            body,
            purpose="CIVIL_REGISTRATION",
            key=f"walk-{walk.run_id}",
            traceparent=traceparent,
        ),
        expect=201,
        outcome=lambda b: f"{b['status']}, number {_mask(b.get('personal_id'))}",
        look=trace_page,
    )
    child = str(birth["personal_id"])
    result.child_personal_id, result.birth_id = child, str(birth["birth_id"])
    walk.step(
        "The certificate can be printed",
        "GET /civil-registry/v1/births/{birth_id}/certificate",
        lambda: commune.get(
            f"/civil-registry/v1/births/{result.birth_id}/certificate", purpose="CIVIL_REGISTRATION"
        ),
        expect=200,
        outcome=lambda _: "certificate data of the registered birth",
    )
    clinic = walk.door("H79.001/his")
    question = {
        "personal_id": child,
        "name": f"Nguyễn Minh {given}",
        "birth_date": born.isoformat(),
        "clerk_name": "Phạm Thị Quầy",
        "clerk_id": "NV-001",
    }
    walk.step(
        "A clinic asks whether the child is insured",
        "POST /insurance/v1/entitlement-checks",
        lambda: clinic.post(
            "/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT", NDX_Officer="NV-001"
        ),
        expect=200,
        outcome=lambda b: f"result {b['result_code']}, covered",
        until=lambda b: b.get("result_code") == "000",
    )
    walk.step(
        "The tax office sees the new dependant of the father",
        "GET /tax/v1/taxpayers/{personal_id}/dependants",
        lambda: walk.door("G04/tax-office").get(
            f"/tax/v1/taxpayers/{father}/dependants", purpose="TAX_ADMINISTRATION"
        ),
        expect=200,
        outcome=lambda b: f"{len(b['items'])} dependants",
        until=lambda b: child in json.dumps(b),
    )
    _refusals(walk, child)
    _citizen(walk, holder, f"Nguyễn Minh {given}")
    _ledger(walk)
    return result


def birthday(file: Path) -> date:
    """Return a birth date for the family's next child, such that no rule suspects a duplicate.

    Births of one mother lie nine months apart or on one day; so the days are fixed by a stack's first walk,
    however often and however many days later it is walked again.
    """
    first = datetime.now(UTC).date() - timedelta(days=1)
    known = json.loads(file.read_text()) if file.exists() else {}
    day, count = str(known.get("first_day", first)), int(known.get("count", 0))
    file.write_text(json.dumps({"first_day": day, "count": count + 1}))
    return date.fromisoformat(day) - timedelta(days=SPACING_DAYS * (count % 6))


def _mask(personal_id: object) -> str:
    text = str(personal_id or "")
    return f"{text[:3]}*******{text[-2:]}" if text else "none yet"


def _refusals(walk: Walk, child: str) -> None:
    commune, bank = walk.door(f"{COMMUNE}/one-stop"), walk.door("B01/core")
    walk.step(
        "A bank asks for data that no agreement gives it",
        "GET /population/v1/persons/{personal_id}",
        lambda: bank.get(
            f"/population/v1/persons/{child}?fields=birth_name", purpose="CREDIT_INSTITUTION_KYC"
        ),
        expect=403,
        outcome=lambda b: f"refused: {b['code']}",
    )
    number = walk.context.enrolment.agreements[COMMUNE][1]
    operator = walk.door("NDX-an")
    walk.step(
        "An operator suspends the commune's agreement with population",
        f"POST /v1/agreements/{number}/suspend",
        lambda: operator.post(f"/v1/agreements/{number}/suspend", {"reason": "shown in the demo"}),
        expect=200,
        outcome=lambda b: str(b["state"]),
    )
    read = f"/population/v1/persons/{child}?fields=birth_name"
    walk.step(
        "The commune's next read is refused",
        "GET /population/v1/persons/{personal_id}",
        lambda: commune.get(read, purpose="CIVIL_REGISTRATION"),
        expect=403,
        outcome=lambda b: f"refused: {b['code']}",
        until=lambda b: b.get("code") == "agreement-suspended",
    )
    walk.step(
        "The agreement is resumed",
        f"POST /v1/agreements/{number}/resume",
        lambda: operator.post(f"/v1/agreements/{number}/resume", {"reason": "shown in the demo"}),
        expect=200,
        outcome=lambda b: str(b["state"]),
    )
    walk.step(
        "The commune reads the child's name again",
        "GET /population/v1/persons/{personal_id}",
        lambda: commune.get(read, purpose="CIVIL_REGISTRATION"),
        expect=200,
        outcome=lambda _: "birth_name",
        until=lambda b: "code" not in b,
    )


def _citizen(walk: Walk, holder: Holder, child_name: str) -> None:
    context = walk.context
    ca = context.enrolment.operators["NDX-an"].ca
    with citizen.citizen_http(context.citizen_url, ca) as http:
        tokens = citizen.log_in(
            http, handle=holder.personal_id, passcode=holder.passcode, totp_secret=holder.totp_secret
        )
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        wanted = {"G03", "G04", "H79.001", COMMUNE}

        def reads(body: dict[str, Any]) -> list[dict[str, Any]]:
            return [i for i in body.get("items", []) if i["subject"]["name"] == child_name]

        def readers(body: dict[str, Any]) -> set[str]:
            return {i["agency"]["code"] for i in reads(body)}

        seen = walk.step(
            "The mother asks who read her child's data",
            "GET /population/v1/me/disclosures",
            lambda: http.get("/population/v1/me/disclosures?limit=200", headers=bearer),
            expect=200,
            outcome=lambda b: f"{len(reads(b))} reads by {', '.join(sorted(readers(b)))}",
            look=f"{context.citizen_url}/population/v1/me/disclosures",
            until=lambda b: wanted <= readers(b),
        )
    walk.result.disclosure_ids = [str(i["id"]) for i in reads(seen)]


def _ledger(walk: Walk) -> None:
    auditor = walk.door("NDX-mai")
    for disclosure_id in walk.result.disclosure_ids:
        url = f"/v1/ledger/entries/{disclosure_id}"
        walk.step(
            "The auditor finds the read in the ledger, with proof",
            "GET /v1/ledger/entries/{disclosure_id}",
            partial(auditor.get, url),
            expect=200,
            outcome=lambda b: f"position {b['position']} of {b['tree_size']}, proof {_proven(b)}",
            look=url,
            until=lambda b: "leaf" in b,
        )


def _proven(entry: dict[str, Any]) -> str:
    """Check the audit path by ourselves, offline (RFC 6962)."""
    node = hashlib.sha256(b"\x00" + entry["leaf"].encode()).digest()
    index, last = entry["position"], entry["tree_size"] - 1
    for part in (base64.b64decode(p) for p in entry["proof"]):
        if index & 1 or index == last:
            node = hashlib.sha256(b"\x01" + part + node).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + part).digest()
        index, last = index >> 1, last >> 1
    if node != base64.b64decode(entry["root_hash"]):
        raise StepFailed("the ledger's proof does not lead to its root")
    return "verified"
