"""Every version of an agreement is a row; templates bind a class; a refusal keeps its legal basis."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TABLE = "data_sharing_agreements"


def upgrade() -> None:
    op.add_column("agreement_history", sa.Column("legal_basis", sa.dialects.postgresql.JSONB))
    op.add_column(_TABLE, sa.Column("consumer_class", sa.Text))
    op.add_column(_TABLE, sa.Column("valid_from", sa.Date))
    op.add_column(_TABLE, sa.Column("valid_to", sa.Date))
    op.alter_column(_TABLE, "consumer_agency", nullable=True)
    op.drop_constraint("pk_data_sharing_agreements", _TABLE)
    op.create_primary_key("pk_data_sharing_agreements", _TABLE, ["agreement_id", "version"])
    # Drafts that were rewritten live on in the history only.
    op.execute(
        "INSERT INTO data_sharing_agreements (agreement_id, version, state, terms, consumer_agency, provider_agency,"
        " drafted_by, updated_at)"
        " SELECT DISTINCT ON (h.agreement_id, h.version) h.agreement_id, h.version, 'SUPERSEDED', h.terms,"
        " h.terms ->> 'consumer_agency', h.terms ->> 'provider_agency', h.decided_by, h.decided_at"
        " FROM agreement_history h WHERE h.action IN ('draft', 'change')"
        " ORDER BY h.agreement_id, h.version, h.id"
        " ON CONFLICT DO NOTHING"
    )
    op.execute(
        "UPDATE data_sharing_agreements SET valid_from = (terms ->> 'valid_from')::date,"
        " valid_to = (terms ->> 'valid_to')::date"
    )
    op.alter_column(_TABLE, "valid_from", nullable=False)
    for name, states in (("open", "'APPROVED', 'DRAFT', 'SUBMITTED'"), ("standing", "'ACTIVE', 'SUSPENDED'")):
        op.execute(
            f"CREATE UNIQUE INDEX uq_{_TABLE}_{name} ON {_TABLE} (agreement_id) WHERE state IN ({states})"
        )


def downgrade() -> None:
    raise NotImplementedError("versions of agreements are kept for ever")
