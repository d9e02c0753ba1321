"""Records and their actions, births with their queue, deaths, register books."""

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_runtime_tables
from sqlalchemy.dialects import postgresql as pg

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.TIMESTAMP(timezone=True)
NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    create_runtime_tables(op)
    op.create_table(
        "records",
        sa.Column("id", pg.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("commune_code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("flags", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_records"),
        sa.CheckConstraint(
            "status IN ('CREATED', 'NOTIFIED', 'DECLARED', 'REGISTERED', 'ARCHIVED')",
            name=op.f("ck_records_status_known"),
        ),
    )
    op.create_index("ix_records_office", "records", ["kind", "office", "id"])
    op.create_table(
        "actions",
        sa.Column("record_id", pg.UUID(), nullable=False),
        sa.Column("sequence", sa.SmallInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False, server_default=NOW),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("officer", sa.Text()),
        sa.Column("case_id", sa.Text()),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("content", pg.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "sequence", name="pk_actions"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name="fk_actions_record_id_records"),
    )
    # What was done stays done: even this service's own role cannot rewrite it.
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON actions FROM CURRENT_USER")
    op.create_table(
        "births",
        sa.Column("record_id", pg.UUID(), nullable=False),
        sa.Column("declaration", pg.JSONB(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("child_key", sa.Text(), nullable=False),
        sa.Column("mother_key", sa.Text()),
        sa.Column("mother_personal_id", sa.Text()),
        sa.Column("notice", sa.Text()),
        sa.Column("natural_key", sa.Text()),
        sa.Column("personal_id", sa.Text()),
        sa.Column("person_id", pg.UUID()),
        sa.Column("registered_at", TIME),
        sa.PrimaryKeyConstraint("record_id", name="pk_births"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name="fk_births_record_id_records"),
        sa.UniqueConstraint("natural_key", name="uq_births_natural_key"),
        sa.UniqueConstraint("personal_id", name="uq_births_personal_id"),
        sa.UniqueConstraint("person_id", name="uq_births_person_id"),
    )
    for name, columns, where in (
        ("ix_births_mother", ["mother_personal_id", "birth_date"], "mother_personal_id IS NOT NULL"),
        ("ix_births_mother_key", ["mother_key", "birth_date"], "mother_key IS NOT NULL"),
        ("ix_births_child_key", ["child_key", "birth_date"], "mother_key IS NULL"),
        ("ix_births_notice", ["notice"], "notice IS NOT NULL"),
    ):
        op.create_index(name, "births", columns, postgresql_where=sa.text(where))
    op.create_table(
        "number_requests",
        sa.Column("birth_id", pg.UUID(), nullable=False),
        sa.Column("request_id", pg.UUID(), nullable=False),
        sa.Column("confirmed_not_duplicate", sa.Boolean(), nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("commune_code", sa.Text(), nullable=False),
        sa.Column("requested_at", TIME, nullable=False, server_default=NOW),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_attempt_at", TIME, nullable=False, server_default=NOW),
        sa.Column("leased_until", TIME),
        sa.Column("last_error", sa.Text()),
        sa.Column("traceparent", sa.Text()),
        sa.PrimaryKeyConstraint("birth_id", name="pk_number_requests"),
        sa.ForeignKeyConstraint(
            ["birth_id"], ["births.record_id"], name="fk_number_requests_birth_id_births"
        ),
        sa.UniqueConstraint("request_id", name="uq_number_requests_request_id"),
    )
    op.create_index("ix_number_requests_due", "number_requests", ["next_attempt_at"])
    op.create_table(
        "deaths",
        sa.Column("record_id", pg.UUID(), nullable=False),
        sa.Column("declaration", pg.JSONB(), nullable=False),
        sa.Column("personal_id", sa.Text(), nullable=False),
        sa.Column("died_on", sa.Date(), nullable=False),
        sa.Column("registered_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("record_id", name="pk_deaths"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name="fk_deaths_record_id_records"),
        sa.UniqueConstraint("personal_id", name="uq_deaths_personal_id"),
    )
    op.create_table(
        "register_counters",
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("office", "book", "year", name="pk_register_counters"),
    )
    op.create_table(
        "register_entries",
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("record_id", pg.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("office", "book", "year", "number", name="pk_register_entries"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name="fk_register_entries_record_id_records"),
        sa.UniqueConstraint("record_id", name="uq_register_entries_record_id"),
        sa.CheckConstraint("number > 0", name=op.f("ck_register_entries_number_positive")),
    )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON register_entries FROM CURRENT_USER")


def downgrade() -> None:
    raise NotImplementedError("records are never taken away")
