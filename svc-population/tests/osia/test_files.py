"""The copies of the OSIA files are unmodified, and what is offered is what they describe."""

import hashlib
import re

import pytest
from svc_population.app import create_app

OURS = {"dataaccess": "/population/osia/dataaccess", "uin": "/population/osia/uin"}
NOT_OFFERED = {"readDocument"}
"""The registry holds records; certificates lie with who issued them."""


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
            if operation in NOT_OFFERED:
                assert OURS[name] + path not in paths
                continue
            ours = paths[OURS[name] + path][method]
            assert ours["operationId"] == f"osia_{snake(operation)}"
            stated = {(p["in"], p["name"], p.get("required", False)) for p in body.get("parameters", [])}
            offered = {(p["in"], p["name"], p.get("required", False)) for p in ours.get("parameters", [])}
            assert offered == stated
