"""Mergers of records: proposed by one officer, decided by another, with what is needed to undo them."""

from alembic import op

revision = "0011"
down_revision = "0022"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE person_mergers (
            id UUID NOT NULL,
            kind VARCHAR NOT NULL,
            state VARCHAR NOT NULL,
            person_id UUID NOT NULL,
            personal_id TEXT COLLATE "C" NOT NULL,
            other_person_id UUID,
            other_personal_id TEXT COLLATE "C",
            undoes UUID,
            plan JSONB NOT NULL,
            kept JSONB,
            case_id VARCHAR NOT NULL,
            proposed_by VARCHAR NOT NULL,
            proposing_officer VARCHAR NOT NULL,
            proposed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            decided_by VARCHAR,
            deciding_officer VARCHAR,
            decided_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_person_mergers PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX ix_person_mergers_person_id ON person_mergers (person_id)")
    op.execute("CREATE INDEX ix_person_mergers_other_personal_id ON person_mergers (other_personal_id)")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
