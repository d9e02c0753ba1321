"""Alembic environment of svc-population."""

from ndx_chassis.migrations import run_env
from svc_population.admin_units import models as admin_units  # noqa: F401 - registers its tables
from svc_population.citizen_accounts import models as citizen_accounts  # noqa: F401 - the same
from svc_population.dedupe import models as dedupe  # noqa: F401 - the same
from svc_population.disclosures import models as disclosures  # noqa: F401 - the same
from svc_population.households import models as households  # noqa: F401 - the same
from svc_population.imports import models as imports  # noqa: F401 - the same
from svc_population.match_jobs import models as match_jobs  # noqa: F401 - the same
from svc_population.mergers import models as mergers  # noqa: F401 - the same
from svc_population.personal_ids import models as personal_ids  # noqa: F401 - the same
from svc_population.persons import models as persons  # noqa: F401 - the same
from svc_population.quality import models as quality  # noqa: F401 - the same
from svc_population.reconciliation import models as reconciliation  # noqa: F401 - the same
from svc_population.relationships import models as relationships  # noqa: F401 - the same
from svc_population.residences import models as residences  # noqa: F401 - the same
from svc_population.statistics import models as statistics  # noqa: F401 - the same
from svc_population.tables import Base

run_env(Base.metadata)
