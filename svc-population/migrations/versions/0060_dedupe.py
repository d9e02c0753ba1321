"""The search for duplicates: its runs, and cases about two records of this register."""

from alembic import op

revision = "0060"
down_revision = "0051"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE dedupe_runs (
            id UUID NOT NULL,
            state VARCHAR NOT NULL,
            engine VARCHAR NOT NULL,
            model_version VARCHAR NOT NULL,
            officer VARCHAR NOT NULL,
            case_id VARCHAR NOT NULL,
            persons BIGINT DEFAULT 0 NOT NULL,
            sure INTEGER DEFAULT 0 NOT NULL,
            review INTEGER DEFAULT 0 NOT NULL,
            opened INTEGER DEFAULT 0 NOT NULL,
            known INTEGER DEFAULT 0 NOT NULL,
            deferred INTEGER DEFAULT 0 NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            finished_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_dedupe_runs PRIMARY KEY (id)
        )
        """
    )
    op.execute(
        """
        ALTER TABLE reconciliation_cases
            ADD COLUMN other_personal_id TEXT COLLATE "C",
            ADD COLUMN other_person_id UUID
        """
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
