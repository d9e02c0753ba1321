"""Cases between an agency's register and this one."""

from alembic import op

revision = "0034"
down_revision = "0014"

_STATEMENTS = (
    """
    CREATE TABLE reconciliation_cases (
        id UUID NOT NULL,
        agency VARCHAR NOT NULL,
        reference VARCHAR NOT NULL,
        kind VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        version INTEGER DEFAULT 1 NOT NULL,
        personal_id TEXT COLLATE "C" NOT NULL,
        person_id UUID,
        province_code VARCHAR,
        commune_code VARCHAR,
        disputed JSONB NOT NULL,
        steps JSONB DEFAULT '[]'::jsonb NOT NULL,
        deadline DATE NOT NULL,
        opened_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_reconciliation_cases PRIMARY KEY (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_reconciliation_cases_reference ON reconciliation_cases (agency, reference)",
    """
    CREATE UNIQUE INDEX uq_reconciliation_cases_waiting ON reconciliation_cases (agency, personal_id, kind)
    WHERE state IN ('CLERICAL_REVIEW', 'CORRECTION_SENT')
    """,
    """
    CREATE INDEX ix_reconciliation_cases_commune ON reconciliation_cases (commune_code, deadline, id)
    WHERE state IN ('CLERICAL_REVIEW', 'CORRECTION_SENT')
    """,
    "CREATE INDEX ix_reconciliation_cases_agency ON reconciliation_cases (agency, id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
