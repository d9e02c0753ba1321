"""Public keys with which agencies' systems sign."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE signing_keys (
            key_id text NOT NULL,
            agency text NOT NULL,
            system text NOT NULL,
            x text NOT NULL,
            published_at timestamptz NOT NULL,
            revoked_at timestamptz,
            revoked_by text,
            reason text,
            CONSTRAINT pk_signing_keys PRIMARY KEY (key_id),
            CONSTRAINT fk_signing_keys_agency_system_systems FOREIGN KEY (agency, system)
                REFERENCES systems (agency, code)
        )
        """
    )
    op.execute("CREATE INDEX ix_signing_keys_agency ON signing_keys (agency)")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
