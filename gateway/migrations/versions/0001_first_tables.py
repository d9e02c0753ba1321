"""The control plane's first tables."""

from alembic import op
from gateway.agencies import models as agencies  # noqa: F401
from gateway.agreements import models as agreements  # noqa: F401
from gateway.certificates import models as certificates  # noqa: F401
from gateway.ledger import models as ledger  # noqa: F401
from gateway.tables import Base
from ndx_chassis.migrations import create_runtime_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_runtime_tables(op)
    Base.metadata.create_all(op.get_bind())


def downgrade() -> None:
    raise NotImplementedError("the first version is not undone")
