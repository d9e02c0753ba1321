"""Which service these tests are about, and what they all need."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_population"


@pytest.fixture
def service_settings(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "personal-id.key"
    key.write_bytes(b"a key for tests only, 32 bytes..")
    return {"personal_id_key_file": key}
