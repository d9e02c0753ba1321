"""The service as the catalogue sees it."""

import pytest
from svc_identity.app import create_app
from svc_identity.settings import Settings

OPERATIONS = {
    name: operation
    for path in create_app(Settings()).openapi()["paths"].values()
    for name, operation in ((o["operationId"], o["x-ndx-operation"]) for o in path.values())
}


def test_offices_come_in_by_agreement_and_disclose_the_account_only():
    for name in ("open_account", "show_account", "lock_account", "unlock_account", "issue_activation_code"):
        assert OPERATIONS[name]["door"] == "agency"
        assert OPERATIONS[name]["personal_data"]
        assert OPERATIONS[name]["field_groups"] == ["eid_account"]


@pytest.mark.parametrize(("name", "acr"), [("show_my_account", 1), ("list_my_dependants", 2)])
def test_holders_come_in_by_their_log_in(name, acr):
    assert (OPERATIONS[name]["door"], OPERATIONS[name]["acr"]) == ("citizen", acr)
