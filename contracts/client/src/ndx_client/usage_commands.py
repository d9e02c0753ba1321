"""Commands about use: how much of each quota is used, one's own or, for operators, everybody's."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ndx_client.terminal import session_of, show_rows

_COLUMNS = (
    "agency",
    "agreement",
    "today",
    "left_today",
    "refused_today",
    "month",
    "left_in_month",
    "resets_at",
)


def _of(used: Mapping[str, Any]) -> str:
    return f"{used['used']}" if used["limit"] is None else f"{used['used']} of {used['limit']}"


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    day, month = item["day"], item["month"]
    return {
        "agency": item["agency"],
        "agreement": item["agreement"],
        "today": _of(day),
        "left_today": day["left"],
        "refused_today": day["refused"],
        "month": _of(month),
        "left_in_month": month["left"],
        "resets_at": day["resets_at"],
    }


def usage(
    context: typer.Context,
    everybody: Annotated[bool, typer.Option("--all", help="Of all agencies (operators).")] = False,
    agency: Annotated[str | None, typer.Option(help="Of one agency (operators).")] = None,
    agreement: Annotated[str | None, typer.Option(help="Of one agreement (operators).")] = None,
    day: Annotated[str | None, typer.Option(help="Another day than today: 2026-11-24 (operators).")] = None,
) -> None:
    """Show how much of the quotas by day and month is used; operators see everybody's."""
    session = session_of(context)
    asked = {"agency": agency, "agreement": agreement, "day": day}
    params = {name: value for name, value in asked.items() if value is not None}
    if everybody or params:
        items = session.client().pages("GET /v1/usage", params=params)
    else:
        items = session.client().call("GET /v1/usage/mine").json()["items"]
    show_rows(session, items if session.as_json else map(_row, items), _COLUMNS)
