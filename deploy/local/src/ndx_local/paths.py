"""Where a stack keeps its things: all inside the checkout's ignored `.local/<stack>/`."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
CACHE = ROOT / ".cache"
SOCKET_PATH_LIMIT = 100


@dataclass(frozen=True, slots=True)
class StackPaths:
    """Folders and files of one named stack."""

    name: str

    @property
    def home(self) -> Path:
        return Path(os.environ.get("NDX_LOCAL_DIR") or ROOT / ".local").resolve() / self.name

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def pki(self) -> Path:
        return self.home / "pki"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets.json"

    @property
    def ports(self) -> Path:
        return self.home / "ports.json"

    @property
    def description(self) -> Path:
        return self.home / "stack.json"

    @property
    def access_log(self) -> Path:
        return self.logs / "gateway-access.log"

    @property
    def socket(self) -> Path:
        own = self.home / "control.sock"
        if len(str(own)) <= SOCKET_PATH_LIMIT:
            return own
        # Unix sockets have short paths; a hash keeps stacks of several checkouts apart.
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path("/tmp") / f"ndx-{os.getuid()}-{digest}.sock"  # noqa: S108 - the name is a hash, the mode is 0600

    @property
    def lock(self) -> Path:
        """Return the file that a running supervisor holds locked and that has its pid."""
        return self.home / "supervisor.lock"

    @property
    def plan(self) -> Path:
        """Return the declared parts as the supervisor reads them."""
        return self.home / "parts.json"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"
