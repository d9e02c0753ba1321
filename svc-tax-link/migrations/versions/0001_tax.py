"""Taxpayers with their legacy codes, deaths, dependants and claims."""

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_runtime_tables
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = TIMESTAMP(timezone=True)

# Dependant and months on one line of numbers: each dependant has 100,000 places, a month takes the place
# year * 12 + month (24,323 is November 2026), no end is the last place. Two dependants can't meet, two claims
# of one dependant exclude each other, and no extension is needed.
ONE_PAYER_PER_MONTH = """
ALTER TABLE claims ADD CONSTRAINT ex_claims_one_payer_per_month EXCLUDE USING gist (
    int8range(
        dependant_number * 100000
            + (extract(year FROM from_month) * 12 + extract(month FROM from_month))::int,
        dependant_number * 100000
            + coalesce((extract(year FROM to_month) * 12 + extract(month FROM to_month))::int, 99999),
        '[]'
    ) WITH &&
) WHERE (state = 'ACTIVE')
"""


def upgrade() -> None:
    create_runtime_tables(op)
    op.create_table(
        "taxpayers",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("birth_date", sa.Date),
        sa.Column("fetched_at", TIME),
        sa.Column("died_on", sa.Date),
        sa.Column("registered_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("id", name="pk_taxpayers"),
        sa.UniqueConstraint("personal_id", name="uq_taxpayers_personal_id"),
        sa.CheckConstraint("personal_id ~ '^[0-9]{12}$'", name=op.f("ck_taxpayers_personal_id")),
        sa.CheckConstraint(
            "state IN ('MATCHED', 'PENDING_ID_UPDATE', 'DUP_TAX_CODE', 'DECEASED_CLOSE')",
            name=op.f("ck_taxpayers_state"),
        ),
        sa.CheckConstraint(
            "(state = 'DECEASED_CLOSE') = (died_on IS NOT NULL)", name=op.f("ck_taxpayers_deceased")
        ),
    )
    op.create_table(
        "legacy_codes",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("taxpayer_id", sa.Uuid, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("code", name="pk_legacy_codes"),
        sa.ForeignKeyConstraint(
            ["taxpayer_id"], ["taxpayers.id"], name="fk_legacy_codes_taxpayer_id_taxpayers"
        ),
        sa.CheckConstraint("code ~ '^[0-9]{10}(-[0-9]{3})?$'", name=op.f("ck_legacy_codes_shape")),
    )
    op.create_index("ix_legacy_codes_taxpayer_id", "legacy_codes", ["taxpayer_id"])
    op.create_table(
        "deaths",
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("died_on", sa.Date, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("personal_id", name="pk_deaths"),
    )
    op.create_table(
        "dependants",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("birth_date", sa.Date, nullable=False),
        sa.Column("fetched_at", TIME, nullable=False),
        sa.Column("mother_personal_id", sa.Text),
        sa.Column("father_personal_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("died_on", sa.Date),
        sa.Column("registered_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("id", name="pk_dependants"),
        sa.UniqueConstraint("number", name="uq_dependants_number"),
        sa.UniqueConstraint("personal_id", name="uq_dependants_personal_id"),
        sa.CheckConstraint("personal_id ~ '^[0-9]{12}$'", name=op.f("ck_dependants_personal_id")),
        sa.CheckConstraint("state IN ('UNCLAIMED', 'CLAIMED', 'CLOSED')", name=op.f("ck_dependants_state")),
        sa.CheckConstraint("(state = 'CLOSED') = (died_on IS NOT NULL)", name=op.f("ck_dependants_closed")),
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("dependant_number", sa.BigInteger, nullable=False),
        sa.Column("taxpayer_id", sa.Uuid, nullable=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("from_month", sa.Date, nullable=False),
        sa.Column("to_month", sa.Date),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sa.ForeignKeyConstraint(
            ["dependant_number"], ["dependants.number"], name="fk_claims_dependant_number_dependants"
        ),
        sa.ForeignKeyConstraint(["taxpayer_id"], ["taxpayers.id"], name="fk_claims_taxpayer_id_taxpayers"),
        sa.CheckConstraint("state IN ('ACTIVE', 'VOID')", name=op.f("ck_claims_state")),
        sa.CheckConstraint("extract(day FROM from_month) = 1", name=op.f("ck_claims_from_month")),
        sa.CheckConstraint(
            "to_month IS NULL OR extract(day FROM to_month) = 1", name=op.f("ck_claims_to_month")
        ),
        sa.CheckConstraint("to_month IS NULL OR to_month >= from_month", name=op.f("ck_claims_interval")),
    )
    op.create_index("ix_claims_taxpayer_id", "claims", ["taxpayer_id"])
    op.create_index("ix_claims_dependant_number", "claims", ["dependant_number"])
    op.execute(ONE_PAYER_PER_MONTH)


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward")
