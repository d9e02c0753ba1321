"""Certificate authorities, their revocation lists, and serials denied on open connections."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE authorities (
        name text NOT NULL,
        kind text NOT NULL,
        state text NOT NULL,
        subject text NOT NULL,
        pem text NOT NULL,
        not_after timestamptz NOT NULL,
        may_certify text[] NOT NULL,
        created_at timestamptz NOT NULL,
        retired_at timestamptz,
        CONSTRAINT pk_authorities PRIMARY KEY (name),
        CONSTRAINT uq_authorities_subject UNIQUE (subject)
    )
    """,
    # There is never more than one authority that issues.
    "CREATE UNIQUE INDEX uq_authorities_issuing ON authorities (state) WHERE state = 'ISSUING'",
    """
    CREATE TABLE revocation_lists (
        authority text NOT NULL,
        number integer NOT NULL,
        pem text NOT NULL,
        entries integer NOT NULL,
        this_update timestamptz NOT NULL,
        next_update timestamptz NOT NULL,
        alarmed_number integer,
        CONSTRAINT pk_revocation_lists PRIMARY KEY (authority),
        CONSTRAINT fk_revocation_lists_authority_authorities FOREIGN KEY (authority) REFERENCES authorities (name)
    )
    """,
    """
    CREATE TABLE late_revocations (
        authority text NOT NULL,
        serial text NOT NULL,
        seen_at timestamptz NOT NULL,
        CONSTRAINT pk_late_revocations PRIMARY KEY (authority, serial),
        CONSTRAINT fk_late_revocations_authority_authorities FOREIGN KEY (authority) REFERENCES authorities (name)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("late_revocations", "revocation_lists", "authorities"):
        op.drop_table(table)
