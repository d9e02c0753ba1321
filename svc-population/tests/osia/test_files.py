"""The copies of the OSIA files are unmodified, and what is offered is what they describe."""

import hashlib
import re
from pathlib import Path

import pytest
from svc_population.app import create_app
from svc_population.osia.offer import offer

OURS = {name: f"/population/osia/{name}" for name in ("dataaccess", "uin", "pr")}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "agencies" / "osia.md"


def snake(operation: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()


class TestFiles:
    def test_they_are_as_published(self, folder):
        notice = (folder / "NOTICE").read_text("utf-8")
        listed = {
            name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", notice, re.MULTILINE)
        }
        here = list(folder.glob("*.yaml"))
        assert here
        for file in here:
            assert hashlib.sha256(file.read_bytes()).hexdigest() == listed[file.name]
        assert "Copyright © Secure Identity Alliance (2022)" in notice

    @pytest.mark.parametrize("name", sorted(OURS))
    def test_the_operations_of_a_file_are_offered_with_its_parameters(self, described, name):
        paths = create_app().openapi()["paths"]
        for operation, (method, path, body) in described(name).items():
            ours = paths[OURS[name] + path][method]
            assert ours["operationId"] == f"osia_{snake(operation)}"
            stated = {(p["in"], p["name"], p.get("required", False)) for p in body.get("parameters", [])}
            offered = {(p["in"], p["name"], p.get("required", False)) for p in ours.get("parameters", [])}
            assert offered == stated

    def test_the_table_has_every_operation_of_the_files_once(self, described):
        listed = [(one.file, one.operation, one.method, one.path) for one in offer()]
        there = [
            (name, operation, method.upper(), path)
            for name in OURS
            for operation, (method, path, _) in described(name).items()
        ]
        assert sorted(listed) == sorted(there)

    def test_the_scope_of_each_is_the_files(self, described):
        for one in offer():
            (security,) = described(one.file)[one.operation][2]["security"]
            assert one.scope in security["BearerAuth"]

    def test_the_page_for_agencies_prints_the_table(self):
        page = PAGE.read_text("utf-8")
        for one in offer():
            answer = f"`population.{one.name}`" if one.refusal is None else f"{one.refusal}: {one.reason}"
            assert f"| {one.operation} | `{one.scope}` | {answer} |" in page


class TestNotServed:
    @pytest.mark.parametrize(
        "one", [o for o in offer() if o.refusal is not None], ids=lambda o: f"{o.file}-{o.operation}"
    )
    async def test_the_reason_is_told_to_whoever_has_a_certificate_and_nothing_is_looked_up(
        self, client, as_agency, judge, disclosed, one
    ):
        path = re.sub(r"\{[^}]*\}", "079190000011", one.path)
        url = f"{OURS[one.file]}{path}?" + "&".join(f"{q.strip('?')}=T-1" for q in one.query)
        headers = as_agency("B01", system="core", agreement="")
        reply = await client.request(one.method, url, headers=headers)
        assert reply.status_code == 400
        assert judge(one.file, one.operation, reply) == {"code": one.refusal, "message": one.reason}
        assert await disclosed() == []
