"""The history says of each change what kind it is, and which agency, document, case and officer it rests on."""

from alembic import op

revision = "0010"
down_revision = "0030"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE person_history ADD COLUMN kind VARCHAR, ADD COLUMN source_agency VARCHAR,"
        " ADD COLUMN document JSONB, ADD COLUMN case_id VARCHAR, ADD COLUMN officer VARCHAR"
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
