"""Commands about use: how much of each quota is used, and who called what; one's own, or everybody's."""

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


_CALLS = (
    "request_in",
    "client_agency",
    "client_system",
    "operation",
    "purpose",
    "status",
    "refusal",
    "duration_ms",
    "provider_ms",
    "request_id",
)


def calls(  # noqa: PLR0917 - each parameter is an option of the command
    context: typer.Context,
    everybody: Annotated[bool, typer.Option("--all", help="Of all agencies (operators).")] = False,
    as_provider: Annotated[bool, typer.Option("--as-provider", help="Those to your own services.")] = False,
    agency: Annotated[str | None, typer.Option(help="Of one agency (operators).")] = None,
    operation: Annotated[str | None, typer.Option(help="Of one operation: population.get_person.")] = None,
    status: Annotated[str | None, typer.Option(help="With this status: 403, or 4xx.")] = None,
    refusal: Annotated[str | None, typer.Option(help="That the gateway refused with this code.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 2026-11-24T05:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 50,
) -> None:
    """List calls of the last day, or of a time: who called what, how long it took, who refused and why."""
    session = session_of(context)
    asked = {"operation": operation, "status": status, "refusal": refusal, "since": since, "until": until}
    params = {name: value for name, value in asked.items() if value is not None} | {"limit": str(limit)}
    if everybody or agency is not None:
        params |= {} if agency is None else {"agency": agency}
        reply = session.client().call("GET /v1/calls", params=params)
    else:
        params |= {"side": "PROVIDER"} if as_provider else {}
        reply = session.client().call("GET /v1/calls/mine", params=params)
    show_rows(session, reply.json()["items"], _CALLS)


_HEALTH = (
    "provider_agency",
    "operation",
    "successful",
    "unsuccessful",
    "provider_failures",
    "mean_ms",
    "longest_ms",
    "last_unsuccessful_at",
)


def _did(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "provider_agency": item["provider_agency"],
        "operation": item["operation"],
        "successful": item["successful_requests"],
        "unsuccessful": item["unsuccessful_requests"],
        "provider_failures": item["provider_failures"],
        "mean_ms": round(item["duration_ms"]["mean"]),
        "longest_ms": round(item["duration_ms"]["most"]),
        "last_unsuccessful_at": item["last_unsuccessful_at"],
    }


def health(  # noqa: PLR0917 - each parameter is an option of the command
    context: typer.Context,
    everybody: Annotated[bool, typer.Option("--all", help="Of all services (operators).")] = False,
    as_provider: Annotated[bool, typer.Option("--as-provider", help="Of your own services.")] = False,
    agency: Annotated[str | None, typer.Option(help="As one agency has it (operators).")] = None,
    service: Annotated[str | None, typer.Option(help="Of one service: population.")] = None,
    minutes: Annotated[int, typer.Option(help="How far back, until now.", min=1, max=60)] = 10,
) -> None:
    """Show how operations did in the last minutes: calls, failures, how long they took."""
    session = session_of(context)
    asked = {"agency": agency, "service": service, "period_seconds": str(minutes * 60)}
    params = {name: value for name, value in asked.items() if value is not None}
    if everybody or agency is not None:
        reply = session.client().call("GET /v1/calls/health", params=params)
    else:
        params |= {"side": "PROVIDER"} if as_provider else {}
        reply = session.client().call("GET /v1/calls/mine/health", params=params)
    items = reply.json()["items"]
    show_rows(session, items if session.as_json else map(_did, items), _HEALTH)
