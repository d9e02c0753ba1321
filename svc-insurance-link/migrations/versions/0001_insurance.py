"""Participants with their alternate keys, deaths, entitlements and checks."""

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_runtime_tables
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = TIMESTAMP(timezone=True)


def upgrade() -> None:
    create_runtime_tables(op)
    op.create_table(
        "participants",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("birth_date", sa.Date, nullable=False),
        sa.Column("sex", sa.Text, nullable=False),
        sa.Column("fetched_at", TIME, nullable=False),
        sa.Column("died_on", sa.Date),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("id", name="pk_participants"),
        sa.UniqueConstraint("personal_id", name="uq_participants_personal_id"),
        sa.CheckConstraint("personal_id ~ '^[0-9]{12}$'", name=op.f("ck_participants_personal_id")),
    )
    op.create_table(
        "participant_codes",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("participant_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("valid_to", sa.Date),
        sa.PrimaryKeyConstraint("code", name="pk_participant_codes"),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participants.id"], name="fk_participant_codes_participant_id_participants"
        ),
        sa.CheckConstraint(
            "kind IN ('SOCIAL_INSURANCE_NUMBER', 'CARD_CODE')", name=op.f("ck_participant_codes_kind")
        ),
        sa.CheckConstraint(
            "state IN ('ACTIVE', 'REPLACED', 'WITHDRAWN')", name=op.f("ck_participant_codes_state")
        ),
        sa.CheckConstraint(
            "code ~ CASE kind WHEN 'CARD_CODE' THEN '^[A-Z]{2}[1-5][0-9]{12}$' ELSE '^[0-9]{10}$' END",
            name=op.f("ck_participant_codes_shape"),
        ),
    )
    op.create_index("ix_participant_codes_participant_id", "participant_codes", ["participant_id"])
    op.create_table(
        "deaths",
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("died_on", sa.Date, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("personal_id", name="pk_deaths"),
    )
    op.create_table(
        "entitlements",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("participant_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("participant_group", sa.Text, nullable=False),
        sa.Column("benefit_level", sa.SmallInteger, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date),
        sa.Column("ended_on", sa.Date),
        sa.Column("end_cause", sa.Text),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("opened_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("id", name="pk_entitlements"),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participants.id"], name="fk_entitlements_participant_id_participants"
        ),
        sa.CheckConstraint(
            "participant_group ~ '^[A-Z]{2}$'", name=op.f("ck_entitlements_participant_group")
        ),
        sa.CheckConstraint("benefit_level BETWEEN 1 AND 5", name=op.f("ck_entitlements_benefit_level")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_entitlements_interval")
        ),
        sa.CheckConstraint("(ended_on IS NULL) = (end_cause IS NULL)", name=op.f("ck_entitlements_ended")),
    )
    op.create_index("ix_entitlements_participant_id", "entitlements", ["participant_id", "valid_from"])
    op.create_index(
        "uq_entitlements_child_under_6",
        "entitlements",
        ["participant_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'CHILD_UNDER_6'"),
    )
    op.create_table(
        "entitlement_checks",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("occurred_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("clerk_name", sa.Text, nullable=False),
        sa.Column("clerk_id", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_key", sa.Text, nullable=False),
        sa.Column("participant_id", sa.Uuid),
        sa.Column("visit_date", sa.Date, nullable=False),
        sa.Column("result_code", sa.Text),
        sa.Column("wrong", sa.Boolean, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entitlement_checks"),
        sa.CheckConstraint("result_code ~ '^[0-9]{3}$'", name=op.f("ck_entitlement_checks_result_code")),
    )
    op.create_index(
        "ix_entitlement_checks_wrong",
        "entitlement_checks",
        ["agency", "occurred_at"],
        postgresql_where=sa.text("wrong"),
    )


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward")
