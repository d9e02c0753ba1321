"""Where the revocation lists of outside authorities are fetched, and how that went."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE revocation_sources (
            authority text NOT NULL,
            url text NOT NULL,
            tried_at timestamptz,
            fetched_at timestamptz,
            error text,
            CONSTRAINT pk_revocation_sources PRIMARY KEY (authority),
            CONSTRAINT fk_revocation_sources_authority_authorities FOREIGN KEY (authority)
                REFERENCES authorities (name)
        )
        """
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
