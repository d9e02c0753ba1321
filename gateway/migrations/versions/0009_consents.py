"""Consents: the service's own copy."""

from alembic import op
from ndx_chassis.migrations import create_consents

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    create_consents(op)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
