"""Units in time: successions by their newer unit, and the wards that got another code early in 2025."""

import sqlalchemy as sa
from alembic import op
from svc_population.admin_units import code_lists

revision = "0030"
down_revision = "0003"

_INSERT = """
    INSERT INTO admin_unit_successions
        (old_level, old_code, new_level, new_code, effective_from, relation, is_default)
    VALUES (:old_level, :old_code, :new_level, :new_code, :effective_from, :relation, :is_default)
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute("CREATE INDEX ix_admin_unit_successions_new ON admin_unit_successions (new_level, new_code)")
    # A database made by today's first migration has them already.
    for row in code_lists.successions():
        if row["relation"] == "RECODED":
            op.get_bind().execute(sa.text(_INSERT), row)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
