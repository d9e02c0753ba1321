"""Enrolment codes with a handle and counted tries; certificates with key, issuer, cause, overlap and use."""

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
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    op.create_unique_constraint("uq_systems_enrolment_handle", "systems", ["enrolment_handle"])
    op.drop_index("ix_systems_enrolment_hash")
    op.execute("CREATE INDEX ix_certificates_key_sha256 ON certificates (key_sha256)")
    op.execute("CREATE INDEX ix_certificates_not_after ON certificates (not_after)")
    # Codes of the former form have no handle and work no longer; none is older than seven days.
    op.execute("UPDATE systems SET enrolment_hash = NULL WHERE enrolment_handle IS NULL")


def downgrade() -> None:
    op.create_index("ix_systems_enrolment_hash", "systems", ["enrolment_hash"])
    for table, columns in (("systems", SYSTEMS), ("certificates", CERTIFICATES)):
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column.split()[0]}")
