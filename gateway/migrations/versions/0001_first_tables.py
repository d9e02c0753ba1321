"""The control plane's first tables."""

from alembic import op
from gateway.agencies import models as agencies  # noqa: F401 - imported for its tables
from gateway.agreements import models as agreements  # noqa: F401 - the same
from gateway.certificates import models as certificates  # noqa: F401 - the same
from gateway.ledger import models as ledger  # noqa: F401 - the same
from gateway.tables import Base
from ndx_chassis.migrations import create_runtime_tables

revision = "0001"
down_revision = None

TABLES = (
    "agencies",
    "systems",
    "operators",
    "certificates",
    "data_sharing_agreements",
    "agreement_history",
    "ledger_arrivals",
    "ledger_entries",
    "ledger_checkpoints",
)


def upgrade() -> None:
    create_runtime_tables(op)
    Base.metadata.create_all(op.get_bind(), tables=[Base.metadata.tables[name] for name in TABLES])


def downgrade() -> None:
    raise NotImplementedError("the first version is not undone")
