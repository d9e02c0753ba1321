"""The service's models and migrations describe one schema."""

import pytest
from ndx_testing.schema import TestSchema

__all__ = ["TestSchema"]

pytestmark = pytest.mark.integration
