"""Commands of operators: agencies, systems and certificates."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ndx_client.certificate_commands import Cause, CauseOption, Serial, revocation
from ndx_client.terminal import session_of, show, show_rows

agencies = typer.Typer(no_args_is_help=True, help="Agencies on the exchange.")
systems = typer.Typer(no_args_is_help=True, help="Systems of an agency and their enrolment codes.")
certificates = typer.Typer(no_args_is_help=True, help="Certificates of all systems.")

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
Code = Annotated[str, typer.Argument(help="Code of the agency, such as H79.001.")]
Csr = Annotated[Path, typer.Option("--csr", exists=True, dir_okay=False, help="PKCS#10 request, PEM.")]


def _post(context: typer.Context, path: str, body: Any, **members: str) -> Any:
    return session_of(context).client().call(f"POST {path}", path=members, json=body).json()


@agencies.command("add")
def add_agency(  # noqa: PLR0917 - each parameter is an argument or option of the command
    context: typer.Context,
    code: Code,
    name: Annotated[str, typer.Option("--name", help="Name in Vietnamese.")],
    name_en: Annotated[str, typer.Option("--name-en", help="Name in English.")],
    agency_class: Annotated[str, typer.Option("--class", help="COMMUNE, HEALTH, BANK, COURT, …")],
    parent: Annotated[str | None, typer.Option("--parent", help="Code of the agency above it.")] = None,
    province: Annotated[str | None, typer.Option("--province", help="Two digits.")] = None,
    commune: Annotated[str | None, typer.Option("--commune", help="Five digits.")] = None,
) -> None:
    """Register an agency."""
    body = {
        "code": code,
        "name": name,
        "name_en": name_en,
        "agency_class": agency_class.upper(),
        "parent": parent,
        "province_code": province,
        "commune_code": commune,
    }
    show(session_of(context), _post(context, "/v1/agencies", body))


@agencies.command("list")
def list_agencies(context: typer.Context) -> None:
    """List all agencies with their state."""
    session = session_of(context)
    items = session.client().pages("GET /v1/agencies")
    show_rows(session, items, ("code", "state", "agency_class", "name", "name_en"))


@agencies.command("suspend")
def suspend_agency(context: typer.Context, code: Code, reason: Reason) -> None:
    """Stop every call of an agency at once."""
    body = {"reason": reason}
    show(session_of(context), _post(context, "/v1/agencies/{agency}/suspend", body, agency=code))


@agencies.command("reactivate")
def reactivate_agency(context: typer.Context, code: Code, reason: Reason) -> None:
    """Let a suspended agency call again."""
    body = {"reason": reason}
    show(session_of(context), _post(context, "/v1/agencies/{agency}/reactivate", body, agency=code))


@agencies.command("close")
def close_agency(
    context: typer.Context,
    code: Code,
    reason: Reason,
    cut_off: Annotated[
        bool, typer.Option("--cut-off", help="End agreements about its data too, though others use them.")
    ] = False,
) -> None:
    """End an agency for good, with its agreements, certificates, keys and feeds; there is no way back."""
    body = {"reason": reason, "cut_off": cut_off}
    show(session_of(context), _post(context, "/v1/agencies/{agency}/close", body, agency=code))


@agencies.command("quota")
def set_agency_quota(
    context: typer.Context,
    code: Code,
    reason: Reason,
    per_day: Annotated[
        int | None, typer.Option("--per-day", help="Units; without it, no limit.", min=1)
    ] = None,
    per_month: Annotated[
        int | None, typer.Option("--per-month", help="Units; without it, no limit.", min=1)
    ] = None,
) -> None:
    """Limit what an agency may use by day and month under all its agreements; without numbers, end that."""
    session = session_of(context)
    body = {"per_day": per_day, "per_month": per_month, "reason": reason}
    reply = session.client().call("PUT /v1/agencies/{agency}/quotas", path={"agency": code}, json=body)
    show(session, reply.json())


@systems.command("add")
def add_system(
    context: typer.Context,
    agency: Code,
    system: Annotated[str, typer.Argument(help="Code of the system, such as his.")],
    renew: Annotated[
        bool, typer.Option("--renew", help="The system exists: give it a new enrolment code.")
    ] = False,
) -> None:
    """Register a system and show its one-time enrolment code, once."""
    show(session_of(context), _enrolment(context, agency, system, renew=renew))


def _enrolment(context: typer.Context, agency: str, system: str, *, renew: bool) -> Any:
    if renew:
        path = "/v1/agencies/{agency}/systems/{system}/enrolment-codes"
        return _post(context, path, None, agency=agency, system=system)
    return _post(context, "/v1/agencies/{agency}/systems", {"code": system}, agency=agency)


@systems.command("codes")
def list_codes(context: typer.Context) -> None:
    """List the enrolment codes that wait to be used; the codes themselves are not kept."""
    session = session_of(context)
    found = session.client().call("GET /v1/agencies/open-enrolments").json()["items"]
    show_rows(session, found, ("agency", "system", "expires_at", "tries_left"))


@certificates.command("issue")
def issue_certificate(
    context: typer.Context,
    agency: Code,
    system: Annotated[str, typer.Argument(help="Code of a registered system.")],
    csr: Csr,
    out: Annotated[Path, typer.Option("--out", help="Where to write the certificate.")],
) -> None:
    """Issue a certificate for a system whose agency handed its request over."""
    code = _enrolment(context, agency, system, renew=True)["enrolment_code"]
    with session_of(context).public_client() as public:
        issued = public.request_certificate(code, csr.read_text(encoding="ascii"))
    out.write_text(issued.certificate_pem, encoding="ascii")
    show(session_of(context), {"serial": issued.serial, "not_after": issued.not_after, "file": str(out)})


_COLUMNS = ("serial", "state", "agency", "system", "issuer", "not_after", "renew_from")


@certificates.command("list")
def list_certificates(
    context: typer.Context,
    agency: Annotated[str | None, typer.Option("--agency", help="Only of this agency.")] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", help="Only of this authority.")] = None,
    ending_within: Annotated[
        int | None, typer.Option("--ending-within", help="Days: good ones that nobody has renewed.")
    ] = None,
) -> None:
    """List certificates, newest first; with --ending-within the next to end first."""
    session = session_of(context)
    wanted = {"agency": agency, "issuer": issuer, "ending_within_days": ending_within}
    params = {name: str(value) for name, value in wanted.items() if value is not None}
    show_rows(session, session.client().pages("GET /v1/certificates", params=params), _COLUMNS)


@certificates.command("show")
def show_certificate(
    context: typer.Context,
    serial: Serial,
    pem: Annotated[bool, typer.Option("--pem", help="Only the certificate itself.")] = False,
) -> None:
    """Show one certificate: who, until when, in which state and why."""
    session = session_of(context)
    found = session.client().call("GET /v1/certificates/{serial}", path={"serial": serial}).json()
    if pem:
        sys.stdout.write(found["certificate_pem"])
    else:
        show(session, found)


@certificates.command("revoke")
def revoke_certificate(
    context: typer.Context, serial: Serial, reason: Reason, cause: CauseOption = Cause.UNSPECIFIED
) -> None:
    """Revoke a certificate at once, on open connections too; a compromised key is never certified again."""
    body = revocation(reason, cause)
    show(session_of(context), _post(context, "/v1/certificates/{serial}/revoke", body, serial=serial))
