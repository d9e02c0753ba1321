"""The command line `ndx`: operators run the exchange with it, agencies call it."""

from pathlib import Path
from typing import Annotated

import typer

from ndx_client import (
    agency_commands,
    agreement_commands,
    authority_commands,
    certificate_commands,
    duplicate_commands,
    enrolment_commands,
    feed_commands,
    ledger_commands,
    operator_commands,
    signing_commands,
    usage_commands,
)
from ndx_client.terminal import ClearErrors, Session

app = typer.Typer(
    cls=ClearErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="National data exchange: agencies call it, operators run it.",
)
operator_commands.agencies.command("enrol")(enrolment_commands.enrol_agencies)
app.add_typer(operator_commands.agencies, name="agencies", rich_help_panel="Operators")
app.add_typer(operator_commands.systems, name="systems", rich_help_panel="Operators")
app.add_typer(operator_commands.certificates, name="certificates", rich_help_panel="Operators")
app.add_typer(authority_commands.authorities, name="ca", rich_help_panel="Operators")
app.add_typer(agreement_commands.agreements, name="agreements", rich_help_panel="Operators")
app.add_typer(duplicate_commands.duplicates, name="duplicates", rich_help_panel="Operators")
app.add_typer(ledger_commands.ledger, name="ledger", rich_help_panel="Auditors")
app.command("enrol", rich_help_panel="Agencies")(certificate_commands.enrol)
app.add_typer(certificate_commands.certificate, name="certificate", rich_help_panel="Agencies")
app.command("allowed", rich_help_panel="Agencies")(agency_commands.allowed)
app.command("openapi", rich_help_panel="Agencies")(agency_commands.openapi)
app.command("services", rich_help_panel="Agencies")(agency_commands.services)
app.command("operations", rich_help_panel="Agencies")(agency_commands.operations)
app.command("explain", rich_help_panel="Agencies")(agency_commands.explain)
app.command("usage", rich_help_panel="Agencies")(usage_commands.usage)
app.command("calls", rich_help_panel="Agencies")(usage_commands.calls)
app.command("health", rich_help_panel="Agencies")(usage_commands.health)
app.command("call", rich_help_panel="Agencies")(agency_commands.call)
app.add_typer(signing_commands.signing_keys, name="signing-key", rich_help_panel="Agencies")
app.command("verify-message", rich_help_panel="Agencies")(signing_commands.verify_message)
app.add_typer(feed_commands.feed, name="feed", rich_help_panel="Agencies")
app.add_typer(feed_commands.subscriptions, name="subscriptions", rich_help_panel="Operators")


@app.callback()
def configure(  # noqa: PLR0917 - each parameter is an option of the command line
    context: typer.Context,
    gateway: Annotated[
        str, typer.Option(envvar="NDX_GATEWAY_URL", help="Door of agencies and operators.")
    ] = "https://localhost:8443",
    citizen: Annotated[
        str, typer.Option(envvar="NDX_CITIZEN_URL", help="Door without a certificate.")
    ] = "https://localhost:8444",
    cert: Annotated[Path | None, typer.Option(envvar="NDX_CERT", help="Your certificate.")] = None,
    key: Annotated[Path | None, typer.Option(envvar="NDX_KEY", help="Your key.")] = None,
    ca: Annotated[Path | None, typer.Option(envvar="NDX_CA", help="CA of the exchange.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print lists as JSON.")] = False,
) -> None:
    """Take settings from options or the environment."""
    context.obj = session = Session(gateway, citizen, cert, key, ca, as_json)
    context.call_on_close(session.close)


if __name__ == "__main__":
    app()
