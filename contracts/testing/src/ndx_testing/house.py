"""What the house asks of every route, as tests that a service's own tests import in a few lines.

`tests/test_house.py` of a service:

    from ndx_testing.house import house_tests

    TestHouse = house_tests("svc_tax_link")
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from ndx_chassis.app import Runtime
from ndx_chassis.contracts import PACKAGES, openapi_of
from ndx_contracts import headers as names
from ndx_contracts.agreements import AgreementState
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.problems import MEDIA_TYPE
from starlette.routing import BaseRoute

UNDOCUMENTED = frozenset({"/health/live", "/health/ready", "/metrics"})
"""What supervisor and monitoring ask of the process; every other route is in the OpenAPI document."""
_AGENCY, _OTHER_AGENCY = "T99.001", "T99.002"
_TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public' ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as the service declares it."""

    name: str
    method: str
    path: str
    door: str
    personal_data: bool
    acr: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who may not come in, and the codes of which one has to be the answer."""

    who: str
    headers: dict[str, str]
    codes: frozenset[str]


def operations_of(package: str) -> list[Operation]:
    """Return the operations of a service's real application, in the order of its document."""
    service = next(short for short, name in PACKAGES.items() if name == package)
    return [
        Operation(
            name=f"{service}.{body['operationId']}",
            method=method.upper(),
            path=path,
            door=body.get("x-ndx-operation", {}).get("door", ""),
            personal_data=body.get("x-ndx-operation", {}).get("personal_data", True),
            acr=body.get("x-ndx-operation", {}).get("acr", 1),
        )
        for path, item in openapi_of(package)["paths"].items()
        for method, body in item.items()
    ]


def _routes(routes: "list[BaseRoute]") -> Iterator[tuple[str, str]]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _routes(included.routes)
            continue
        for method in sorted(getattr(route, "methods", None) or {"?"}):
            if method != "HEAD":
                yield method, getattr(route, "path", repr(route))


async def _digest(dsn: str) -> dict[str, tuple[int, int]]:
    """Return the number of rows of each table, and a sum that changes with any of them."""
    connection = await asyncpg.connect(dsn)
    try:
        found = {}
        for (table,) in await connection.fetch(_TABLES):
            row = await connection.fetchrow(
                f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {table} t"  # noqa: S608 - names from the catalogue
            )
            assert row is not None
            found[table] = (row[0], int(row[1]))
        return found
    finally:
        await connection.close()


def _filled(operation: Operation) -> str:
    path = operation.path
    while "{" in path:
        before, _, rest = path.partition("{")
        member, _, after = rest.partition("}")
        value = "079190000011" if member == "personal_id" else str(uuid4())
        path = f"{before}{value}{after}"
    return path


def _strangers(operation: Operation, agree: Callable[..., Any]) -> Iterator[Stranger]:
    unknown = frozenset({"caller-unknown"})
    agency = {names.AGENCY: _AGENCY, names.SYSTEM: "one-stop"}
    citizen = {names.CITIZEN: str(uuid4()), names.ACR: "9"}
    operator = {names.OPERATOR: f"{_AGENCY}:nobody"}
    yield Stranger("nobody", {}, unknown)
    if operation.door != "citizen":
        yield Stranger("a citizen", citizen, unknown)
    if operation.door in {"agency", "citizen"}:
        yield Stranger("an operator", operator, unknown)
    if operation.door in {"operator", "citizen"}:
        yield Stranger("an agency", agency, unknown)
    if operation.door == "operator":
        yield Stranger("an operator of no known name", operator, frozenset({"role-missing"}))
    if operation.door == "citizen":
        yield Stranger(
            "a citizen whom the service does not know",
            citizen,
            frozenset({"account-unknown", "account-not-found"}),
        )
        if operation.acr > 1:
            weak = {**citizen, names.ACR: str(operation.acr - 1)}
            yield Stranger("a citizen with a weaker log-in", weak, frozenset({"acr-insufficient"}))
    if operation.door == "agency":
        yield from _agencies(operation, agree, agency)


def _agencies(operation: Operation, agree: Callable[..., Any], agency: dict[str, str]) -> Iterator[Stranger]:
    purpose = "STATISTICS"
    groups = [FieldGroup.BIRTH_DATE]
    suspended, elsewhere, theirs, mine = (f"DSA-{_AGENCY}-{n}" for n in (7, 8, 9, 10))
    agree(
        _AGENCY,
        {operation.name: groups},
        purposes=[purpose],
        agreement_id=suspended,
        state=AgreementState.SUSPENDED,
    )
    agree(_AGENCY, {"other.operation": groups}, purposes=[purpose], agreement_id=elsewhere)
    agree(_OTHER_AGENCY, {operation.name: groups}, purposes=[purpose], agreement_id=theirs)
    agree(_AGENCY, {operation.name: groups}, purposes=[purpose], agreement_id=mine)
    for who, agreement, code in (
        ("an agency without agreement", "", "no-agreement"),
        ("an agency whose agreement has not arrived", f"DSA-{_AGENCY}-99", "agreement-not-synchronised"),
        ("an agency whose agreement is suspended", suspended, "agreement-suspended"),
        ("an agency with an agreement on another operation", elsewhere, "no-agreement"),
        ("an agency under the agreement of another", theirs, "no-agreement"),
    ):
        headers = {**agency, names.AGREEMENT: agreement, names.PURPOSE: purpose}
        yield Stranger(who, headers, frozenset({code}))
    wrong = frozenset({"purpose-not-covered"})
    if operation.personal_data:
        yield Stranger("an agency without purpose", {**agency, names.AGREEMENT: mine}, wrong)
    headers = {**agency, names.AGREEMENT: mine, names.PURPOSE: "TAX_ADMINISTRATION"}
    yield Stranger("an agency for another purpose", headers, wrong)


def house_tests(package: str) -> type:
    """Return the tests of a service's routes, for its own tests to collect."""
    operations = operations_of(package)
    closed = [o for o in operations if o.door != "public"]
    public = [o for o in operations if o.door == "public"]

    class TestHouse:
        def test_every_route_is_in_the_document(self, app: FastAPI) -> None:
            documented = {(o.method, o.path) for o in operations}
            hidden = {r for r in _routes(app.router.routes) if r[1] not in UNDOCUMENTED} - documented
            assert not hidden, "a route that no catalogue, agreement or test knows"

        def test_every_route_says_who_may_come_in(self) -> None:
            assert not [o.name for o in operations if not o.door], "declare it: openapi_extra=operation(…)"

        @pytest.mark.parametrize("operation", closed, ids=str)
        async def test_strangers_are_refused_and_nothing_changes(
            self, operation: Operation, client: httpx.AsyncClient, runtime: Runtime, agree: Callable[..., Any]
        ) -> None:
            before = await _digest(runtime.settings.asyncpg_dsn)
            wrong = []
            for stranger in _strangers(operation, agree):
                reply = await client.request(operation.method, _filled(operation), headers=stranger.headers)
                problem = reply.json() if reply.headers.get("content-type") == MEDIA_TYPE else {}
                if problem.get("code") not in stranger.codes:
                    wrong.append(f"{stranger.who}: {reply.status_code} {problem.get('code')}")
            assert not wrong
            assert await _digest(runtime.settings.asyncpg_dsn) == before

        @pytest.mark.parametrize("operation", public, ids=str)
        async def test_a_public_route_does_nothing_for_an_empty_call(
            self, operation: Operation, client: httpx.AsyncClient, runtime: Runtime
        ) -> None:
            before = await _digest(runtime.settings.asyncpg_dsn)
            reply = await client.request(operation.method, _filled(operation))
            assert reply.status_code < 500
            assert operation.method == "GET" or reply.status_code >= 400
            assert await _digest(runtime.settings.asyncpg_dsn) == before

    if not closed:
        del TestHouse.test_strangers_are_refused_and_nothing_changes
    if not public:
        del TestHouse.test_a_public_route_does_nothing_for_an_empty_call
    return TestHouse
