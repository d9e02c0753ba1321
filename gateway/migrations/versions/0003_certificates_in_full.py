"""Enrolment codes with a handle and counted tries; certificates with key, issuer, cause, overlap and use.

`0001` creates tables as the models are now, hence IF NOT EXISTS.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

SYSTEMS = (
    "enrolment_handle text",
    "enrolment_tries integer NOT NULL DEFAULT 0",
    "enrolment_serial text",
)
CERTIFICATES = (
    "issuer text NOT NULL DEFAULT 'agency-ca'",
    "cause text",
    "key_sha256 text NOT NULL DEFAULT ''",
    "pem text NOT NULL DEFAULT ''",
    "first_used_at timestamptz",
    "overlap_until timestamptz",
    "replaced_by text",
    "warned_days integer",
)


def upgrade() -> None:
    for table, columns in (("systems", SYSTEMS), ("certificates", CERTIFICATES)):
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")
    op.execute("CREATE UNIQUE INDEX IF NOT EXISTS uq_systems_enrolment_handle ON systems (enrolment_handle)")
    op.execute("CREATE INDEX IF NOT EXISTS ix_certificates_key_sha256 ON certificates (key_sha256)")
    op.execute("CREATE INDEX IF NOT EXISTS ix_certificates_not_after ON certificates (not_after)")
    # Codes of the former form have no handle and work no longer; none is older than seven days.
    op.execute("UPDATE systems SET enrolment_hash = NULL WHERE enrolment_handle IS NULL")


def downgrade() -> None:
    for table, columns in (("systems", SYSTEMS), ("certificates", CERTIFICATES)):
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {column.split()[0]}")
