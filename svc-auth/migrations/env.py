"""Alembic environment of svc-auth."""

from ndx_chassis.migrations import run_env
from svc_auth.authenticators import models as authenticators  # noqa: F401 - registers its tables
from svc_auth.oidc import models as oidc  # noqa: F401 - registers its tables
from svc_auth.sessions import models as sessions  # noqa: F401 - registers its tables
from svc_auth.tables import Base

run_env(Base.metadata)
