"""Where everything of a stack lies on disk."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ndx_local.errors import StackError

ROOT = Path(__file__).resolve().parents[4]
CACHE = ROOT / ".cache"
SOCKET_PATH_LIMIT = 100


def local_dir() -> Path:
    """Return the folder of all stacks: `.local`, or what NDX_LOCAL_DIR says."""
    return Path(os.environ.get("NDX_LOCAL_DIR") or ROOT / ".local").resolve()


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one stack and the names in it."""

    name: str
    directory: Path

    @classmethod
    def of(cls, name: str) -> "Layout":
        if not name.replace("-", "").replace("_", "").isalnum():
            raise StackError(f"A stack's name has letters, digits, - and _ only, not {name!r}.")
        return cls(name, local_dir() / name)

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def kafka(self) -> Path:
        return self.directory / "kafka"

    @property
    def state(self) -> Path:
        """Return where the gateway keeps its authorities, certificates and keys."""
        return self.directory / "gateway"

    @property
    def agencies(self) -> Path:
        """Return where enrolled agency systems have their certificates."""
        return self.directory / "agencies"

    @property
    def ports_file(self) -> Path:
        return self.directory / "ports.json"

    @property
    def passwords_file(self) -> Path:
        return self.directory / "passwords.json"

    @property
    def stack_file(self) -> Path:
        return self.directory / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Return the file that a running supervisor holds locked."""
        return self.directory / "supervisor.lock"

    @property
    def control_socket(self) -> Path:
        own = self.directory / "control.sock"
        if len(str(own)) <= SOCKET_PATH_LIMIT:
            return own
        digest = hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"ndx-{os.getuid()}-{digest}.sock"

    def log_of(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def agency_certificate(self, agency: str, system: str) -> tuple[Path, Path]:
        """Return (certificate, key) of an agency's system; they exist once the system is enrolled."""
        folder = self.agencies / f"{agency}-{system}"
        return folder / "certificate.pem", folder / "key.pem"
