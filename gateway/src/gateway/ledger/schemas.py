"""What auditors see of the ledger; hashes are base64."""

from datetime import datetime
from uuid import UUID

from ndx_contracts.bodies import Output


class CheckpointOut(Output):
    size: int
    root_hash: str
    signed_note: str
    verifier_key: str | None
    """The public key in the form of C2SP signed-note; an auditor compares it with the published one."""
    made_at: datetime


class EntryOut(Output):
    """A leaf, its place, and the RFC 6962 audit path to the root of a signed checkpoint."""

    position: int
    disclosure_id: UUID
    leaf: str
    leaf_hash: str
    tree_size: int
    root_hash: str
    proof: list[str]
    checkpoint: str


class ServiceCount(Output):
    """Records of one service: with a position, waiting for one, and kept back as not readable."""

    service: str
    entries: int
    waiting: int
    parked: int


class StatusOut(Output):
    services: list[ServiceCount]
    waiting: int
    size: int
    made_at: datetime | None
    """When the latest checkpoint was made."""
