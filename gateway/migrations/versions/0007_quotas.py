"""Quotas by day and month: the tally, what Envoys were assigned, and the batches that were counted."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    """
    CREATE TABLE quota_uses (
        agency text NOT NULL,
        agreement_id text NOT NULL,
        period text NOT NULL,
        starts_on date NOT NULL,
        units bigint NOT NULL,
        calls bigint NOT NULL,
        refused bigint NOT NULL,
        unit_limit bigint,
        announced integer NOT NULL,
        spent boolean NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT pk_quota_uses PRIMARY KEY (agency, agreement_id, period, starts_on)
    )
    """,
    "CREATE INDEX ix_quota_uses_starts_on ON quota_uses (starts_on, period)",
    """
    CREATE TABLE quota_grants (
        id uuid NOT NULL,
        source uuid NOT NULL,
        agency text NOT NULL,
        agreement_id text NOT NULL,
        cost integer NOT NULL,
        granted bigint NOT NULL,
        reported bigint NOT NULL,
        calls bigint,
        sent_at timestamptz NOT NULL,
        day date NOT NULL,
        CONSTRAINT pk_quota_grants PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_quota_grants_bucket ON quota_grants (agreement_id, agency, cost)",
    """
    CREATE TABLE quota_sources (
        id uuid NOT NULL,
        batch bigint NOT NULL,
        seen_at timestamptz NOT NULL,
        CONSTRAINT pk_quota_sources PRIMARY KEY (id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("quota_sources", "quota_grants", "quota_uses"):
        op.drop_table(table)
