"""Command `python -m gateway.bootstrap`: keys, first certificates and operators; safe to repeat."""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from ndx_chassis.db import make_engine, make_sessions

from gateway.agencies import service as agencies
from gateway.authorities import files
from gateway.authorities import service as authorities
from gateway.authorities.internal import SETTLE
from gateway.certificates import revoking, service
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


def make_files(
    state: Path,
    passphrase: bytes | None = None,
    *,
    settle: timedelta = SETTLE,
    public_hosts: Sequence[str] = (),
) -> None:
    """Create or renew the authorities, the certificates of the platform's own parts, and its secret keys."""
    operators = [(agency, login) for agency, login, _ in FIRST_OPERATORS]
    files.make_files(state, operators, passphrase, settle=settle, public_hosts=public_hosts)


async def make_rows(settings: Settings) -> None:
    """Register the platform's agencies and the first operators with their certificates."""
    engine = make_engine(settings)
    try:
        async with make_sessions(engine)() as session, session.begin():
            await authorities.adopt_files(session, settings)
            for name in await authorities.embedded_in_force(session):
                await revoking.refresh_list(session, settings, name)
            for code, name, name_en, kind in PLATFORM:
                await agencies.ensure_agency(
                    session, code=code, name=name, name_en=name_en, agency_class=kind
                )
            for agency, login, roles in FIRST_OPERATORS:
                await agencies.ensure_operator(session, agency=agency, login=login, roles=roles)
                pem = (settings.state_dir / "operators" / f"{agency}-{login}.crt").read_bytes()
                await service.keep_operator_certificate(
                    session, pem, agency=agency, login=login, settings=settings
                )
    finally:
        await engine.dispose()


def main() -> int:
    """Run the command."""
    os.umask(0o077)
    settings = Settings()
    settle = timedelta(seconds=settings.internal_ca_settle_seconds)
    make_files(
        settings.state_dir,
        authorities.passphrase_of(settings),
        settle=settle,
        public_hosts=settings.public_hosts,
    )
    asyncio.run(make_rows(settings))
    sys.stdout.write("gateway: keys, certificates and first operators are there\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
