"""The main walk over the whole running system, and what it leaves behind."""

import json
import time
from contextlib import suppress

import httpx
import pytest
from ndx_demo import walk

EXPECTED_SERVICES = {"gateway", "ndx-civil-registry", "ndx-population", "ndx-insurance", "ndx-tax"}


class TestMainWalk:
    def test_every_step_comes_out(self, walked: walk.WalkResult) -> None:
        assert len(walked.steps) >= 10
        assert walked.child_personal_id.isdigit()
        assert walked.disclosure_ids

    def test_it_can_be_walked_again_at_once(self, system, walked: walk.WalkResult) -> None:
        again, failures = system.walk_again(0)
        assert failures == []
        assert again.child_personal_id != walked.child_personal_id

    def test_the_birth_is_one_trace_through_all_services(self, system, walked: walk.WalkResult) -> None:
        url = system.description["trace_url"].replace("/zipkin/", f"/api/v2/trace/{walked.trace_id}")
        names: set[str] = set()
        orphans: list[str] = ["none is there yet"]
        wanted = {f"ndx-{name}" for name in ("civil-registry", "population", "insurance", "tax")}

        def whole() -> bool:
            """Read what there is: each service sends its spans when it likes, a caller after the called."""
            nonlocal names, orphans
            reply = httpx.get(url, timeout=60)
            if reply.status_code != 200:
                return False
            names = {s["localEndpoint"]["serviceName"] for s in reply.json()}
            ids = {s["id"] for s in reply.json()}
            orphans = [s["name"] for s in reply.json() if s.get("parentId") and s["parentId"] not in ids]
            many = len([n for n in names if n.startswith("ndx-")]) >= 5
            # Only the caller's own span is not in the store.
            return many and wanted <= names and len(orphans) <= 1

        with suppress(AssertionError):
            system.wait_for(whole, 30)
        assert wanted <= names, names
        assert len(orphans) <= 1, orphans

    def test_the_access_log_names_operation_and_agency(self, system, walked: walk.WalkResult) -> None:
        del walked
        deadline = time.monotonic() + 15
        lines: list[dict] = []
        while time.monotonic() < deadline:
            text = system.stack.paths.access_log.read_text()
            text = text[: text.rfind("\n") + 1]  # Envoy may be in the middle of a line
            lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
            if any(line["operation"] == "civil-registry.declare_birth" for line in lines):
                break
            time.sleep(0.5)
        birth = next(line for line in lines if line["operation"] == "civil-registry.declare_birth")
        assert birth["agency"] == "X26740"
        assert birth["purpose"] == "CIVIL_REGISTRATION"
        assert birth["agreement"].startswith("DSA-X26740-")


@pytest.mark.parametrize("door", ["X26740/one-stop", "H79.001/his"])
def test_an_agency_sees_what_it_may_call(system, door: str) -> None:
    with system.door(door) as way:
        items = way.get("/v1/allowed-operations").json()["items"]
    assert items
    assert all(i["agreement"].startswith("DSA-" + door.split("/", maxsplit=1)[0]) for i in items)
