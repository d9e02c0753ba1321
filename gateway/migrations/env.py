"""Runs the control plane's migrations."""

import gateway.agencies.models
import gateway.agreements.models
import gateway.certificates.models
import gateway.ledger.models  # noqa: F401 - imported for their tables
from gateway.tables import Base
from ndx_chassis.migrations import run_env

run_env(Base.metadata)
