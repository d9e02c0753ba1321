"""Reading the committed OpenAPI documents."""

import json
from pathlib import Path
from typing import Any

import pytest
from gateway.catalogue.operations import Operation, operations_of, read_documents

DECLARED = {"door": "agency", "personal_data": True, "field_groups": ["sex"], "cost": 2, "acr": 1}


def document(**paths: Any) -> dict[str, Any]:
    return {"info": {"title": "T"}, "paths": {f"/tax/v1/{name}": item for name, item in paths.items()}}


class TestOperationsOf:
    def test_a_declared_route_becomes_an_operation(self) -> None:
        found = operations_of(
            "tax", document(x={"get": {"operationId": "get_x", "x-ndx-operation": DECLARED}})
        )
        assert found == [
            Operation(
                name="tax.get_x",
                service="tax",
                method="GET",
                path="/tax/v1/x",
                door="agency",
                personal_data=True,
                field_groups=("sex",),
                cost=2,
                acr=1,
            )
        ]

    def test_what_is_not_declared_is_not_on_the_bus(self) -> None:
        assert operations_of("tax", document(x={"get": {"operationId": "get_x"}, "parameters": []})) == []

    def test_methods_of_one_path_are_operations_of_their_own(self) -> None:
        item = {
            method: {"operationId": f"{method}_x", "x-ndx-operation": DECLARED}
            for method in ("delete", "get", "patch", "post", "put")
        }
        found = operations_of("tax", document(x=item))
        assert sorted(o.method for o in found) == ["DELETE", "GET", "PATCH", "POST", "PUT"]


class TestReadDocuments:
    def test_the_file_name_is_the_services_short_name(self, tmp_path: Path) -> None:
        (tmp_path / "civil-registry.json").write_text(json.dumps(document()))
        (tmp_path / "README.md").write_text("no document")
        assert list(read_documents(tmp_path)) == ["civil-registry"]


COMMITTED = Path(__file__).parents[3] / "contracts" / "openapi"


@pytest.mark.parametrize("service", sorted(p.stem for p in COMMITTED.glob("*.json")))
class TestCommittedDocuments:
    def test_every_operation_has_a_path_under_its_services_prefix(self, service: str) -> None:
        found = operations_of(service, read_documents(COMMITTED)[service])
        assert found
        prefix = "/v1/" if service == "gateway" else f"/{service}/"
        assert [o.name for o in found if not o.path.startswith(prefix)] == []

    def test_no_two_operations_share_a_name_or_a_route(self, service: str) -> None:
        found = operations_of(service, read_documents(COMMITTED)[service])
        assert len({o.name for o in found}) == len(found)
        assert len({(o.method, o.path) for o in found}) == len(found)
