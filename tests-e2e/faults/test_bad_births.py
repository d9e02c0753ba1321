"""Births that must not be registered: broken, impossible, repeated, declared by two systems at once."""

import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from uuid import uuid4

import httpx
import pytest
from ndx_demo.door import Door
from ndx_demo.enrolment import agree, declared, enrol_system

BIRTHS = "/civil-registry/v1/births"
ROUNDS = 3
TOMORROW = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011 - two days on are tomorrow anywhere

# What is wrong, where, and what the refusal says of it.
WRONG_VALUES = [
    ("office", 7, "body.office"),
    ("office", "X26740' OR '1'='1", "body.office"),
    ("child", [], "body.child"),
    ("child.birth_date", "2025-02-30", "body.child.birth_date"),
    ("child.birth_date", "30/02/2025", "body.child.birth_date"),
    ("child.birth_date", TOMORROW, "body.child.birth_date"),
    ("child.birth_date", "1899-12-31", "body.child.birth_date"),
    ("child.birth_date", "99999-01-01", "body.child.birth_date"),
    ("child.birth_date", 20250101, "body.child.birth_date"),
    ("child.sex", "BOY", "body.child.sex"),
    ("child.given_name", "", "body.child.given_name"),
    ("child.given_name", "An\u0000Bình", "body.child.given_name"),
    ("child.given_name", "A" * 10_000, "body.child.given_name"),
    ("child.given_name", {"$ne": ""}, "body.child.given_name"),
    ("child.plurality", 10**30, "body.child.plurality"),
    ("child.birth_place_code", "99999", "child.birth_place_code"),
    ("mother.personal_id", "12345", "body.mother.personal_id"),
    ("mother.personal_id", "07922600001x", "body.mother.personal_id"),
    ("mother.personal_id", "０７９２２６００００１７", "body.mother.personal_id"),
    ("mother.personal_id", 79226000017, "body.mother.personal_id"),
    ("evidence.number", None, "body.evidence"),
    ("unheard_of", "x", "body.unheard_of"),
]
BROKEN_BODIES = [
    (b"", 422, "invalid-input"),
    (b'{"office": ', 400, "malformed-json"),
    (b"[]", 422, "invalid-input"),
    (b'"birth"', 422, "invalid-input"),
    (b'{"office": "X26740", "office": NaN}', 422, "invalid-input"),
    (b'{"office": "\xff\xfe"}', 400, "malformed-json"),
    (b"[" * 100_000, 400, "malformed-json"),
]


def changed(body: dict, path: str, value: object) -> dict:
    body = json.loads(json.dumps(body))
    *way, last = path.split(".")
    place = body
    for member in way:
        place = place[member]
    place[last] = value
    return body


def post(system, **options) -> httpx.Response:
    with system.door("X26740/one-stop") as door:
        headers = {"NDX-Purpose": "CIVIL_REGISTRATION", "Content-Type": "application/json"}
        return door.request("POST", BIRTHS, headers=headers | options.pop("headers", {}), **options)


def is_problem(reply: httpx.Response, status: int, code: str) -> None:
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text[:500]
    assert reply.headers["content-type"] == "application/problem+json"


class TestBrokenInput:
    @pytest.mark.parametrize(("path", "value", "field"), WRONG_VALUES)
    def test_a_wrong_value_is_named_but_not_repeated(self, system, walked, path, value, field) -> None:
        del walked
        with system.unchanged():
            reply = post(system, json=changed(system.declaration(), path, value))
        assert reply.status_code == 422, reply.text[:500]
        assert reply.headers["content-type"] == "application/problem+json"
        assert field in {e["field"] for e in reply.json()["errors"]}
        if isinstance(value, str) and len(value) > 4:
            assert value not in reply.text

    @pytest.mark.parametrize(("content", "status", "code"), BROKEN_BODIES)
    def test_a_broken_body(self, system, walked, content: bytes, status: int, code: str) -> None:
        del walked
        with system.unchanged():
            is_problem(post(system, content=content), status, code)

    @pytest.mark.parametrize("chunked", [False, True])
    def test_two_megabytes(self, system, walked, chunked: bool) -> None:
        del walked

        def pieces() -> Iterator[bytes]:
            yield b'{"x": "'
            for _ in range(200):
                yield b"a" * 10_000
            yield b'"}'

        with system.unchanged():
            reply = post(system, content=pieces() if chunked else b"".join(pieces()))
            is_problem(reply, 413, "payload-too-large")

    def test_an_office_that_is_not_the_callers(self, system, walked) -> None:
        del walked
        body = system.declaration()
        with system.door("X00070/one-stop") as door, system.unchanged():
            reply = system.declare(door, body)
            assert reply.status_code == 403, reply.text
            assert reply.json()["code"] in {"office-not-covered", "outside-admin-scope"}

    @pytest.mark.parametrize(
        ("key", "status", "code"),
        [
            ("x" * 129, 422, "invalid-input"),
            ("with space", 422, "invalid-input"),
            ("\x7f", 400, "invalid-request"),
        ],
    )
    def test_an_idempotency_key_that_is_none(self, system, walked, key: str, status: int, code: str) -> None:
        del walked
        with system.unchanged():
            reply = post(system, json=system.declaration(), headers={"Idempotency-Key": key})
            is_problem(reply, status, code)


def persons_named(system, body: dict) -> int:
    return system.count("population", "persons", "given_name = $1", body["child"]["given_name"])


class TestOneKey:
    def test_the_same_birth_again_and_changed(self, system, walked) -> None:
        del walked
        body, key = system.declaration(), uuid4().hex
        with system.door("X26740/one-stop") as door:
            first = system.declare(door, body, key)
            assert first.status_code == 201, first.text
            with system.unchanged():
                second = system.declare(door, body, key)
                assert second.json()["personal_id"] == first.json()["personal_id"]
                assert second.json()["birth_id"] == first.json()["birth_id"]
                other = system.declare(door, changed(body, "child.given_name", "Khác"), key)
                is_problem(other, 422, "idempotency-key-reused")
        assert persons_named(system, body) == 1

    def test_at_one_instant_from_one_system(self, system, walked) -> None:
        del walked
        body, key = system.declaration(), uuid4().hex
        with system.door("X26740/one-stop") as door:
            replies = at_one_instant([(door, body, key)] * 4)
        assert {r.status_code for r in replies} <= {201, 202}, [r.text[:200] for r in replies]
        assert len({r.json()["birth_id"] for r in replies}) == 1
        with system.door("X26740/one-stop") as door:
            found = system.wait_for(lambda: system.declare(door, body, key).json().get("personal_id"))
        assert {r.json()["personal_id"] for r in replies if r.status_code == 201} == {found}
        assert persons_named(system, body) == 1


def at_one_instant(calls: list[tuple[Door, dict, str]]) -> list[httpx.Response]:
    """Send all bodies when every connection stands."""
    start = threading.Barrier(len(calls))

    def send(call: tuple[Door, dict, str]) -> httpx.Response:
        door, body, key = call
        door.get("/v1/services")
        start.wait(30)
        return door.post(BIRTHS, body, purpose="CIVIL_REGISTRATION", key=key)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(send, calls))


@pytest.fixture(scope="module")
def second_counter(system) -> str:
    """Give the commune another system, with an agreement of its own."""
    pki = system.stack.paths.pki
    # Another one each time: the certificate of an earlier run may be of an authority that was retired since.
    code = f"counter-{uuid4().hex[:8]}"
    context = ssl.create_default_context(cafile=str(system.enrolment.operators["NDX-an"].ca))
    doors = {name: system.door(name) for name in ("NDX-an", "G02-dung")}
    url = system.description["citizen_url"]
    with doors["NDX-an"] as an, doors["G02-dung"], httpx.Client(base_url=url, verify=context) as public:
        found = enrol_system(an, public, pki, "X26740", code)
        system.enrolment.systems[f"X26740/{code}"] = found
        terms = next(
            dict(a)
            for a in declared()["agreements"]
            if a["consumer_agency"] == "X26740" and a["provider_agency"] == "G02"
        )
        known = an.get("/v1/agreements").json()["items"]
        agree(doors, terms | {"consumer_systems": [code]}, known)
    with system.door(f"X26740/{code}") as door:
        system.wait_for(
            lambda: door.get(f"{BIRTHS}?limit=1", purpose="CIVIL_REGISTRATION").status_code == 200
        )
    return f"X26740/{code}"


class TestTwoSystemsAtOneInstant:
    def once(self, system, replies: list[httpx.Response], body: dict) -> None:
        outcomes = sorted(r.status_code for r in replies)
        assert outcomes == [201, 409], [r.text[:300] for r in replies]
        refused = next(r for r in replies if r.status_code == 409)
        is_problem(refused, 409, "potential-duplicate")
        number = next(r for r in replies if r.status_code == 201).json()["personal_id"]
        assert number not in refused.text
        assert persons_named(system, body) == 1
        assert system.count("civil-registry", "births", "personal_id = $1", number) == 1
        announced = "topic = 'civil-registry.birth.v1' AND payload LIKE $1"
        assert system.count("civil-registry", "outbox", announced, f"%{number}%") == 1

    @pytest.mark.parametrize("same_key", [False, True])
    def test_of_one_commune(self, system, walked, second_counter: str, same_key: bool) -> None:
        del walked
        for _ in range(ROUNDS):
            body, key = system.declaration(), uuid4().hex
            with system.door("X26740/one-stop") as one, system.door(second_counter) as two:
                replies = at_one_instant([(one, body, key), (two, body, key if same_key else uuid4().hex)])
            self.once(system, replies, body)

    def test_of_two_communes(self, system, walked) -> None:
        del walked
        for _ in range(ROUNDS):
            body = system.declaration()
            elsewhere = changed(body, "office", "X00070")
            with system.door("X26740/one-stop") as one, system.door("X00070/one-stop") as two:
                replies = at_one_instant([(one, body, uuid4().hex), (two, elsewhere, uuid4().hex)])
            self.once(system, replies, body)
