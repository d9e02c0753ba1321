"""Alembic environment of svc-identity."""

from ndx_chassis.migrations import run_env
from svc_identity.accounts import models as accounts  # noqa: F401 - registers its tables
from svc_identity.dependants import models as dependants  # noqa: F401 - registers its tables
from svc_identity.tables import Base

run_env(Base.metadata)
