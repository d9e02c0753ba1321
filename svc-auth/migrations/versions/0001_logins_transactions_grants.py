"""Runtime tables, log-ins with attempt counters, log-in transactions, grants and codes."""

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_runtime_tables
from sqlalchemy.dialects.postgresql import BYTEA, TIMESTAMP, UUID

revision = "0001"
down_revision = None

_TIME = TIMESTAMP(timezone=True)
_UUID = UUID(as_uuid=True)
_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    create_runtime_tables(op)
    op.create_table(
        "logins",
        sa.Column("account_id", _UUID, nullable=False),
        sa.Column("handle", BYTEA),
        sa.Column("level", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("locked", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("state_version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("code_version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("activation_hash", sa.Text),
        sa.Column("activation_until", _TIME),
        sa.Column("passcode_hash", sa.Text),
        sa.Column("totp_sealed", BYTEA),
        sa.Column("totp_step", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("activated_at", _TIME),
        sa.PrimaryKeyConstraint("account_id", name="pk_logins"),
        sa.UniqueConstraint("handle", name="uq_logins_handle"),
    )
    op.create_table(
        "attempt_counters",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", BYTEA, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("locked_until", _TIME),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_attempt_counters"),
    )
    op.create_index("ix_attempt_counters_last_at", "attempt_counters", ["last_at"])
    op.create_table(
        "login_transactions",
        sa.Column("id", _UUID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("browser", BYTEA, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("relying_state", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("code_challenge", sa.Text, nullable=False),
        sa.Column("wanted_acr", sa.Integer, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_transactions"),
    )
    op.create_index("ix_login_transactions_expires_at", "login_transactions", ["expires_at"])
    op.create_table(
        "grants",
        sa.Column("id", _UUID, nullable=False),
        sa.Column("account_id", _UUID, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("acr", sa.Integer, nullable=False),
        sa.Column("amr", sa.Text, nullable=False),
        sa.Column("authenticated_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.Column("revoke_cause", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )
    op.create_index("ix_grants_account_id", "grants", ["account_id"])
    op.create_index("ix_grants_ends_at", "grants", ["ends_at"])
    op.create_table(
        "authorization_codes",
        sa.Column("digest", BYTEA, nullable=False),
        sa.Column("grant_id", _UUID, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("code_challenge", sa.Text, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("digest", name="pk_authorization_codes"),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["grants.id"],
            name="fk_authorization_codes_grant_id_grants",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_authorization_codes_grant_id", "authorization_codes", ["grant_id"])


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
