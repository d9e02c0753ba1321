"""The keys of calls to the control plane itself: asked of its own table, so that Kafka may be away."""

from collections.abc import Mapping

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ndx_chassis.app import Runtime
from ndx_chassis.errors import DatabaseUnavailable
from ndx_contracts.signatures import keys_of
from sqlalchemy.exc import SQLAlchemyError

from gateway.signing_keys import service


def install(runtime: Runtime) -> None:
    """Let calls that are signed be checked by the keys in force at this moment."""

    async def ask(agency: str, system: str) -> Mapping[str, Ed25519PublicKey]:
        try:
            async with runtime.sessions() as session:
                found = await service.keys_in_force(session, agency, system)
        except (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            raise DatabaseUnavailable(retry_after=1) from None
        return keys_of({"keys": [key.model_dump() for key in found]})

    runtime.signing_keys.ask = ask
