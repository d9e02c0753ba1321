"""Command `python -m gateway.bootstrap`: keys, first certificates and operators; safe to repeat."""

import asyncio
import os
import secrets
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from ndx_chassis.db import make_engine, make_sessions
from ndx_contracts.topics import SERVICES

from gateway.agencies import service as agencies
from gateway.certificates import authority, service
from gateway.settings import Settings

PLATFORM = (
    ("NDX", "Cơ quan vận hành trục liên thông", "Operator of the exchange", "CENTRAL"),
    ("G01", "Bộ Công an", "Ministry of Public Security", "CENTRAL"),
    ("G02", "Bộ Tư pháp", "Ministry of Justice", "CENTRAL"),
    ("G03", "Bảo hiểm xã hội Việt Nam", "Vietnam Social Security", "CENTRAL"),
    ("G04", "Tổng cục Thuế", "General Department of Taxation", "CENTRAL"),
)
FIRST_OPERATORS = (
    ("NDX", "an", ["operator"]),
    ("NDX", "binh", ["approver"]),
    ("NDX", "mai", ["auditor"]),
    ("G01", "chi", ["approver"]),
    ("G02", "dung", ["approver"]),
    ("G03", "giang", ["approver"]),
    ("G04", "hai", ["approver"]),
)


def _secret(path: Path, data: bytes) -> None:
    if not path.exists():
        authority.write_private(path, data)


def make_files(state: Path) -> None:
    """Create the two authorities, the certificates of the platform's own parts, and its secret keys."""
    state.mkdir(parents=True, exist_ok=True)
    internal = authority.open_authority(state, "internal-ca", "ndx internal CA")
    agency_ca = service.agency_ca(state)
    (state / "services").mkdir(exist_ok=True)
    for name in SERVICES:
        authority.issue_server(internal, state / "services", name, [f"{name}.ndx.internal", "localhost"])
    authority.issue_server(internal, state, "xds-server", ["xds.ndx.internal", "localhost"])
    authority.issue_client(internal, state, "xds-client", "urn:ndx:internal:envoy")
    authority.issue_client(internal, state, "gateway-client", "urn:ndx:internal:gateway")
    authority.issue_server(agency_ca, state, "gateway-public", ["localhost", "gateway.ndx.local"])
    (state / "operators").mkdir(exist_ok=True)
    for agency, login, _ in FIRST_OPERATORS:
        authority.issue_client(
            agency_ca, state / "operators", f"{agency}-{login}", f"urn:ndx:operator:{agency}:{login}"
        )
    (state / "agencies").mkdir(exist_ok=True)
    keys = state / "keys"
    _secret(keys / "personal-id.key", secrets.token_bytes(32))
    _secret(keys / "ledger-pseudonym.key", secrets.token_bytes(32))
    _secret(keys / "ledger-signing.pem", authority.key_pem(ed25519.Ed25519PrivateKey.generate()))
    _secret(keys / "auth-signing.pem", authority.key_pem(ec.generate_private_key(ec.SECP256R1())))
    crl = state / "crl.pem"
    if not crl.exists():
        crl.write_bytes(authority.revocation_list(agency_ca, []))


async def make_rows(settings: Settings) -> None:
    """Register the platform's agencies and the first operators with their certificates."""
    engine = make_engine(settings)
    try:
        async with make_sessions(engine)() as session, session.begin():
            for code, name, name_en, kind in PLATFORM:
                await agencies.ensure_agency(
                    session, code=code, name=name, name_en=name_en, agency_class=kind
                )
            for agency, login, roles in FIRST_OPERATORS:
                await agencies.ensure_operator(session, agency=agency, login=login, roles=roles)
                pem = (settings.state_dir / "operators" / f"{agency}-{login}.crt").read_bytes()
                await service.keep_operator_certificate(session, pem, agency=agency, login=login)
    finally:
        await engine.dispose()


def main() -> int:
    """Run the command."""
    os.umask(0o077)
    settings = Settings()
    make_files(settings.state_dir)
    asyncio.run(make_rows(settings))
    sys.stdout.write("gateway: keys, certificates and first operators are there\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
