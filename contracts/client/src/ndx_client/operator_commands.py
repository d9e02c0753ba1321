"""Commands of operators: agencies, systems, certificates and agreements."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from ndx_contracts.agreements import AgreementTerms
from pydantic import ValidationError

from ndx_client.errors import NotConfigured
from ndx_client.terminal import session_of, show, show_rows

agencies = typer.Typer(no_args_is_help=True, help="Agencies on the exchange.")
systems = typer.Typer(no_args_is_help=True, help="Systems of an agency and their enrolment codes.")
certificates = typer.Typer(no_args_is_help=True, help="Certificates of all systems.")
agreements = typer.Typer(no_args_is_help=True, help="Data-sharing agreements.")

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
Code = Annotated[str, typer.Argument(help="Code of the agency, such as H79.001.")]
AgreementId = Annotated[str, typer.Argument(help="Number of the agreement, such as DSA-H79.001-1.")]
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
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = session.client().call("GET /v1/agencies", params={"cursor": cursor} if cursor else None).json()
        items.extend(page["items"])
        cursor = page["next_cursor"]
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


@certificates.command("list")
def list_certificates(
    context: typer.Context, agency: Annotated[str | None, typer.Option("--agency")] = None
) -> None:
    """List issued certificates."""
    session = session_of(context)
    params = {"agency": agency} if agency else None
    items = session.client().call("GET /v1/certificates", params=params).json()["items"]
    show_rows(session, items, ("serial", "state", "agency", "system", "not_after"))


@certificates.command("revoke")
def revoke_certificate(
    context: typer.Context,
    serial: Annotated[str, typer.Argument(help="Serial, hexadecimal.")],
    reason: Reason,
) -> None:
    """Revoke a certificate at once, on open connections too."""
    body = {"reason": reason}
    show(session_of(context), _post(context, "/v1/certificates/{serial}/revoke", body, serial=serial))


def read_terms(path: Path) -> dict[str, Any]:
    """Read an agreement's terms from YAML or JSON and check them before they are sent.

    Raises:
        NotConfigured: the file is no YAML, or a term is missing or wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        terms = AgreementTerms.model_validate_json(json.dumps(document, default=str))
    except yaml.YAMLError as error:
        raise NotConfigured(f"{path} is neither YAML nor JSON: {error}", "Correct the file.") from None
    except ValidationError as error:
        wrong = "\n".join(
            f"  {'.'.join(str(p) for p in e['loc']) or 'terms'}: {e['msg']}" for e in error.errors()
        )
        raise NotConfigured(
            f"{path} does not hold an agreement's terms:\n{wrong}", "Correct the file."
        ) from None
    return terms.model_dump(mode="json")


@agreements.command("draft")
def draft_agreement(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Terms as YAML or JSON.")],
    replace: Annotated[str | None, typer.Option("--replace", help="Change this draft instead.")] = None,
) -> None:
    """Draft an agreement, or change a draft."""
    session, terms = session_of(context), read_terms(file)
    if replace is None:
        show(session, _post(context, "/v1/agreements", terms))
        return
    reply = session.client().call("PUT /v1/agreements/{id}", path={"id": replace}, json=terms)
    show(session, reply.json())


def _step(context: typer.Context, agreement: str, action: str, reason: str | None = None) -> None:
    body = None if reason is None else {"reason": reason}
    found = _post(context, f"/v1/agreements/{{id}}/{action}", body, id=agreement)
    show_rows(session_of(context), [found], _AGREEMENT_COLUMNS)


_AGREEMENT_COLUMNS = (
    "agreement_id",
    "version",
    "state",
    "consumer_agency",
    "provider_agency",
    "purposes",
    "valid_from",
    "valid_to",
)


@agreements.command("submit")
def submit_agreement(context: typer.Context, agreement: AgreementId) -> None:
    """Hand a draft to the providing agency."""
    _step(context, agreement, "submit")


@agreements.command("approve")
def approve_agreement(context: typer.Context, agreement: AgreementId) -> None:
    """Approve as a second person of the providing agency."""
    _step(context, agreement, "approve")


@agreements.command("reject")
def reject_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """Reject with a reason."""
    _step(context, agreement, "reject", reason)


@agreements.command("suspend")
def suspend_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """Stop every call under an agreement at once."""
    _step(context, agreement, "suspend", reason)


@agreements.command("resume")
def resume_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """Let calls under a suspended agreement go on."""
    _step(context, agreement, "resume", reason)


@agreements.command("terminate")
def terminate_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """End an agreement for ever."""
    _step(context, agreement, "terminate", reason)


@agreements.command("list")
def list_agreements(
    context: typer.Context,
    state: Annotated[str | None, typer.Option("--state")] = None,
    consumer: Annotated[str | None, typer.Option("--consumer")] = None,
) -> None:
    """List agreements."""
    session = session_of(context)
    wanted = {"state": state.upper() if state else None, "consumer": consumer}
    params = {k: v for k, v in wanted.items() if v is not None}
    items = session.client().call("GET /v1/agreements", params=params).json()["items"]
    show_rows(session, items, _AGREEMENT_COLUMNS)


@agreements.command("show")
def show_agreement(
    context: typer.Context,
    agreement: AgreementId,
    history: Annotated[bool, typer.Option("--history", help="Who decided what, when and why.")] = False,
) -> None:
    """Show one agreement, or its history."""
    session = session_of(context)
    path = "GET /v1/agreements/{id}/history" if history else "GET /v1/agreements/{id}"
    found = session.client().call(path, path={"id": agreement}).json()
    if history:
        show_rows(
            session, found["items"], ("decided_at", "version", "action", "state", "decided_by", "reason")
        )
    else:
        show(session, found)
