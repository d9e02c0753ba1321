"""Change files: how far each was applied, and why some of its changes were not."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE change_files (
            id UUID NOT NULL,
            agency VARCHAR NOT NULL,
            sha256 VARCHAR NOT NULL,
            name VARCHAR NOT NULL,
            state VARCHAR DEFAULT 'RUNNING' NOT NULL,
            position INTEGER DEFAULT 0 NOT NULL,
            applied INTEGER DEFAULT 0 NOT NULL,
            unchanged INTEGER DEFAULT 0 NOT NULL,
            refused INTEGER DEFAULT 0 NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            finished_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_change_files PRIMARY KEY (id),
            CONSTRAINT uq_change_files_agency_sha256 UNIQUE (agency, sha256)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE change_file_errors (
            file_id UUID NOT NULL,
            number INTEGER NOT NULL,
            code VARCHAR NOT NULL,
            field VARCHAR,
            CONSTRAINT pk_change_file_errors PRIMARY KEY (file_id, number),
            CONSTRAINT fk_change_file_errors_file_id_change_files FOREIGN KEY (file_id) REFERENCES change_files (id)
        )
        """
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
