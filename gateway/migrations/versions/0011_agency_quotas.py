"""Quotas of whole agencies by day and month, over all their agreements."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE agency_quotas (
            agency text NOT NULL,
            per_day bigint,
            per_month bigint,
            changed_at timestamptz NOT NULL,
            CONSTRAINT pk_agency_quotas PRIMARY KEY (agency),
            CONSTRAINT fk_agency_quotas_agency_agencies FOREIGN KEY (agency) REFERENCES agencies (code)
        )
        """
    )
    op.execute("CREATE INDEX ix_quota_grants_agency ON quota_grants (agency)")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
