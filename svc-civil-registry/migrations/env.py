"""Where Alembic finds the tables of this service."""

import svc_civil_registry.app  # noqa: F401 - brings every slice's tables into the metadata
from ndx_chassis.migrations import run_env
from svc_civil_registry.tables import metadata

run_env(metadata)
