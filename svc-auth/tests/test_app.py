"""The service as the catalogue sees it."""

from svc_auth.app import create_app
from svc_auth.settings import Settings


def test_every_operation_is_public_and_has_a_name_of_its_own():
    paths = create_app(Settings()).openapi()["paths"]
    operations = [entry for path in paths.values() for entry in path.values()]
    assert {o["x-ndx-operation"]["door"] for o in operations} == {"public"}
    names = [o["operationId"] for o in operations]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 7
