"""Alembic's entry into the insurance link's schema."""

from ndx_chassis.migrations import run_env
from svc_insurance_link.tables import Base

run_env(Base.metadata)
