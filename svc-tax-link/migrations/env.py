"""Alembic's entry into the tax link's schema."""

from ndx_chassis.migrations import run_env
from svc_tax_link.tables import Base

run_env(Base.metadata)
