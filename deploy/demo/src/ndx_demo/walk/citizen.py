"""The mother logs in and asks who read her child's data."""

from typing import Any

from ndx_client.citizen import citizen_http, log_in

from ndx_demo.walk.birth import COMMUNE, Child
from ndx_demo.walk.family import Holder
from ndx_demo.walk.steps import Walk

DISCLOSURES = "/population/v1/me/disclosures"
READERS = frozenset({"G03", "G04", "H79.001", COMMUNE})
"""Insurance, tax, the clinic and the commune: each read or asked in the steps before."""


def reads_of_child(walk: Walk, holder: Holder, child: Child) -> list[str]:
    """Return the ids of the disclosures that the mother sees about her child."""
    context = walk.context

    def reads(body: dict[str, Any]) -> list[dict[str, Any]]:
        return [i for i in body.get("items", []) if i["subject"]["name"] == child.name]

    def readers(body: dict[str, Any]) -> set[str]:
        return {i["agency"]["code"] for i in reads(body)}

    with citizen_http(context.citizen_url, context.ca) as http:
        tokens = log_in(
            http, handle=holder.personal_id, passcode=holder.passcode, totp_secret=holder.totp_secret
        )
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        seen = walk.step(
            "The mother asks who read her child's data",
            f"GET {DISCLOSURES}",
            lambda: http.get(f"{DISCLOSURES}?limit=200", headers=bearer),
            expect=200,
            outcome=lambda b: f"{len(reads(b))} reads by {', '.join(sorted(readers(b)))}",
            look=f"in a shell with the settings below: mother {DISCLOSURES}",
            until=lambda b: readers(b) >= READERS,
        )
    walk.result.disclosure_ids = [str(i["id"]) for i in reads(seen)]
    return walk.result.disclosure_ids
