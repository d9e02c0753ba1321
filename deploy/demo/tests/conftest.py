"""The demo's tests load into a database of the population service."""

import pytest


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_population"
